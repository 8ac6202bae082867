"""A design and kinds of noise without effects -> how often each procedure rejects, covers, and errs anywhere at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd
from scipy import special

from bench.stats.coding import Bools, Floats, Ints, Term, term_columns, terms_up_to
from bench.stats.contrast import within_blocks
from bench.stats.diagnostics import wilson
from bench.stats.resample import sign_flip
from bench.stats.scenarios import SCENARIOS, Scenario

DEFAULT = "contrast per seed"


def calibrate(
    rng: np.random.Generator,
    *,
    factors: int = 4,
    seeds: int = 10,
    repetitions: int = 2_000,
    alpha: float = 0.05,
    scenarios: Sequence[Scenario] = SCENARIOS,
) -> pd.DataFrame:
    """Error rates at ``alpha`` of a 2^``factors`` design, one row per scenario and procedure.

    ``rejected`` and ``covered``: of one effect's test and its interval. ``any_rejected``: of all effects, judged by
    Holm, or by the joint maximum where the procedure says so; the family-wise error. Each with Wilson's 99 % limits.
    ``claims`` says whether the procedure promises its level there, ``holds`` whether the family-wise error is not above
    ``alpha`` by more than Monte-Carlo error (an exact binomial test, at 1 % for the whole table by Bonferroni). Lost
    runs are analysed by regression within seeds, a tenth as often.
    """
    codes = np.array(list(product((0, 1), repeat=factors)), dtype=np.int64)
    terms = terms_up_to(factors, factors)
    rows = []
    for scenario in scenarios:
        counted = np.array([len(term) > 1 or not scenario.interactions_only for term in terms])
        values = scenario.draw(rng, repetitions, seeds, codes)
        values = np.log(values) if scenario.log else values
        for procedure, p, any_rejected in _procedures(values, codes, terms, counted, alpha, rng):
            tested = p[:, np.flatnonzero(counted)[0]]
            rows.append(_row(scenario, procedure, tested < alpha, any_rejected))
    table = pd.DataFrame(rows)
    errors = np.rint(table["any_rejected"] * table["repetitions"])
    table["holds"] = special.bdtrc(errors - 1.0, table["repetitions"], alpha) > 0.01 / len(table)
    return table


def _row(scenario: Scenario, procedure: str, rejected: Bools, any_rejected: Bools) -> dict[str, object]:
    n = len(rejected)
    one, family = wilson(int(rejected.sum()), n, 0.99), wilson(int(any_rejected.sum()), n, 0.99)
    return {
        "scenario": scenario.name,
        "procedure": procedure,
        "repetitions": n,
        "rejected": float(rejected.mean()),
        "rejected_low": one[0],
        "rejected_high": one[1],
        "covered": 1.0 - float(rejected.mean()),
        "covered_low": 1.0 - one[1],
        "covered_high": 1.0 - one[0],
        "any_rejected": float(any_rejected.mean()),
        "any_rejected_low": family[0],
        "any_rejected_high": family[1],
        "claims": scenario.claimed and procedure.startswith(DEFAULT),
    }


def _procedures(
    values: Floats, codes: Ints, terms: Sequence[Term], counted: Bools, alpha: float, rng: np.random.Generator
) -> Iterator[tuple[str, Floats, Bools]]:
    """Name, p values (repetitions, effects), and whether anything was rejected, of each procedure that applies."""
    columns = np.hstack([term_columns(codes, [2] * codes.shape[1], term) for term in terms])
    bound = alpha / counted.sum()
    if np.isnan(values).any():
        p = np.array([_regression(table, columns) for table in values[: max(1, len(values) // 10)]])
        yield f"{DEFAULT} (regression within seeds)", p, (p[:, counted] < bound).any(axis=1)
        return
    cells = len(codes)
    L = values @ columns * (2 / cells)
    seeds = L.shape[1]
    mean, sd = L.mean(axis=1), L.std(axis=1, ddof=1)
    p = 2 * special.stdtr(seeds - 1, -np.abs(mean) / (sd / np.sqrt(seeds)))
    yield DEFAULT, p, (p[:, counted] < bound).any(axis=1)
    flips = [sign_flip(table[:, counted], rng) for table in L]
    flipped = np.full(p.shape, np.nan)
    flipped[:, counted] = [flip.p for flip in flips]
    joint = np.array([flip.p_max.min() for flip in flips])
    yield f"{DEFAULT}, joint sign flips", flipped, joint <= alpha
    for name, block in (("block ANOVA", True), ("runs taken as independent", False)):
        p = _anova(values, mean, block=block)
        yield name, p, (p[:, counted] < bound).any(axis=1)


def _anova(values: Floats, effects: Floats, *, block: bool) -> Floats:
    """P values of the saturated two-level ANOVA, whose residual is what seeds (or runs) leave within cells."""
    repetitions, seeds, cells = values.shape
    residual = values - values.mean(axis=1, keepdims=True)
    df = cells * (seeds - 1)
    if block:
        residual = residual - residual.mean(axis=2, keepdims=True)
        df = (cells - 1) * (seeds - 1)
    mean_square = (residual**2).sum(axis=(1, 2)) / df
    F = seeds * cells / 4 * effects**2 / mean_square.reshape(repetitions, 1)
    return np.asarray(special.fdtrc(1, df, F))


def _regression(table: Floats, columns: Floats) -> Floats:
    seed, cell = np.nonzero(np.isfinite(table))
    effects = 2.0 * np.eye(columns.shape[1])
    return within_blocks(table[seed, cell], seed, columns[cell], effects).p
