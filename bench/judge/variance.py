"""Estimates of every metric -> the flat frame of F tests, by every model that the data allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from bench.judge.coded import CodedRuns, unique_rows
from bench.judge.estimation import MetricEffects
from bench.judge.names import term_name
from bench.plan.labels import term_label
from bench.stats.anova import FittedAnova, TermTest, fit_anova
from bench.stats.coding import Term
from bench.stats.effect_size import partial_epsilon_squared, partial_eta_squared, partial_omega_squared
from bench.stats.estimators import Blocks
from bench.stats.identify import identify

_COLUMNS = ["metric", "model", "type", "covariance", "term", "df_num", "df_den", "sum_sq", "F", "p", "n", "units"]
_Table = tuple[str, int, str, Sequence[TermTest]]


def anova_frame(runs: CodedRuns, metrics: Sequence[MetricEffects], confidence: float) -> pd.DataFrame:
    """One row per metric, model, type, covariance and term.

    ``block``: the seeds as blocks (types I, II, III, and III with HC3). ``within``: each term against its own
    interaction with the blocks, degrees of freedom times Greenhouse and Geisser's epsilon. ``independent``: the runs
    taken as independent; where there are blocks, type II only, for comparison. Effect sizes follow from F and its
    degrees of freedom, omega squared only where one residual serves every term; their limits are those of the share of
    variance in the population, by ``units`` that vary independently: runs, or seeds for ``within``.
    """
    rows = []
    for entry in metrics:
        if not entry.variance.model.terms:
            continue
        size = int(np.isfinite(entry.values).sum())
        for model, kind, covariance, tests in _tables(runs, entry):
            rows += [
                (
                    entry.metric,
                    model,
                    kind,
                    covariance,
                    _name(runs, test),
                    test.df,
                    test.df_error,
                    test.sum_sq,
                    test.F,
                    test.p,
                    size,
                    len(entry.blocks) if model == "within" else size,
                )
                for test in tests
            ]
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    F, df, df_error, n = (frame[name].to_numpy(float) for name in ("F", "df_num", "df_den", "units"))
    pooled = frame["model"].isin(["block", "independent"]).to_numpy()
    for name, interval in (
        ("partial_eta_sq", partial_eta_squared(F, df, df_error, n, confidence)),
        ("omega_sq", partial_omega_squared(np.where(pooled, F, np.nan), df, df_error, n, confidence)),
        ("epsilon_sq", partial_epsilon_squared(F, df, df_error, n, confidence)),
    ):
        frame[name], frame[f"{name}_low"], frame[f"{name}_high"] = interval.value, interval.low, interval.high
    return frame


def _name(runs: CodedRuns, test: TermTest) -> str:
    return term_label([runs.block_name]) if test.term is None else term_name(runs, test.term)


def anova_models(runs: CodedRuns, metrics: Sequence[MetricEffects]) -> Iterator[str]:
    """A sentence on the model of each analysis of variance that has not every term, the same model named once."""
    models: dict[tuple[str, str, str], list[str]] = {}
    for entry in metrics:
        terms = [identified.term for identified in entry.fitted.design.identified]
        inside = [term for term in terms if term in entry.variance.model.terms]
        whole = [term for term in terms if set(term) <= entry.fitted.whole_plots]
        others = [term for term in terms if term not in (*inside, *whole)]
        if entry.cells.n.any() and len(inside) < len(terms):
            key = (_listed(runs, inside), _listed(runs, whole), _listed(runs, others))
            models.setdefault(key, []).append(entry.metric)
    for (fits, between, lacks), those in models.items():
        of = "" if len(those) == len(metrics) else f" of {', '.join(those)}"
        blocks = [f"what varies between blocks only ({between}) is part of these"] if between else []
        absent = [f"it leaves out {lacks}, which it takes to be absent"] if lacks else []
        if fits:
            yield f"The analysis of variance{of} {'; '.join([f'fits {fits}', *blocks, *absent])}."
        else:
            yield f"There is no analysis of variance{of}: no term can be told from the others or from the blocks."


def _listed(runs: CodedRuns, terms: Sequence[Term]) -> str:
    names = [term_name(runs, term) for term in terms]
    more = [f"and {len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    return ", ".join([*names[:_MOST_NAMED], *more])


_MOST_NAMED = 15


def primary(anova: pd.DataFrame) -> pd.DataFrame:
    """Type II by ordinary least squares, with the seeds as blocks if there are any."""
    model = "block" if (anova["model"] == "block").any() else "independent"
    return anova[(anova["model"] == model) & (anova["type"] == 2) & (anova["covariance"] == "ols")]


def _tables(runs: CodedRuns, entry: MetricEffects) -> Iterator[_Table]:
    block, fitted = entry.variance.model.block, entry.variance
    model = "independent" if block is None else "block"
    yield model, 2, "ols", fitted.tests(2)
    yield model, 1, "ols", fitted.tests(1)
    yield model, 3, "ols", fitted.tests(3)
    yield model, 3, "hc3", fitted.robust_tests()
    if block is not None:
        yield from _within(runs, entry)
        values, codes, levels = entry.values[np.isfinite(entry.values)], entry.fitted.codes, entry.fitted.design.levels
        by_cells = isinstance(entry.fitted.estimator, Blocks)  # and then the design was judged by the cells
        terms = entry.fitted.design.model if by_cells else identify(unique_rows(codes)[0], levels).model
        if terms == fitted.model.terms and fitted.without_blocks is not None:
            yield "independent", 2, "ols", FittedAnova(fitted.without_blocks, None, 0.0).tests(2)
        else:
            yield "independent", 2, "ols", fit_anova(values, codes, levels, terms, None).tests(2)


def _within(runs: CodedRuns, entry: MetricEffects) -> Iterator[_Table]:
    """Of a full factorial, where the columns of different terms are orthogonal to each other."""
    estimator, nan = entry.fitted.estimator, float("nan")
    if (
        not isinstance(estimator, Blocks)
        or estimator.table.shape[1] < np.prod(runs.n_levels)
        or len(estimator.table) < 2
    ):
        return
    tests = ((term, entry.tests[term]) for term in entry.fitted.design.model)
    rows = [TermTest(term, F.df * F.epsilon, F.df_error * F.epsilon, nan, F.F, F.p_gg) for term, F in tests]
    yield "within", 3, "ols", rows
