"""Error rates of the procedures, by simulating tables in which no effect is real, for docs/statistics.md.

    make calibrate                                  # some two minutes; rewrites the tables in the page
    python benchmarks/calibrate.py --repetitions 200

Designs of two-level factors and of factors with 3, 5 and 8 levels, with 5 and 10 seeds, under kinds of noise that keep
or break what each procedure assumes. Every rate has its 99 % limits (Wilson); a promise counts as broken where the
error is above 5 % by more than chance (exact binomial tests at 1 % over the table, Bonferroni).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from bench.stats.coding import Bools, Floats, Ints, Term, term_columns, terms_up_to
from bench.stats.contrast import Estimates, one_sample
from bench.stats.diagnostics import wilson
from bench.stats.equivalence import tost
from bench.stats.estimators import IncompleteBlocks, IndependentRuns
from bench.stats.identify import identify
from bench.stats.linear import fit
from bench.stats.multiplicity import adjust
from bench.stats.repeated import BLOCKS_PER_CONTRAST, hotelling, orthonormal_rows, repeated_measures
from bench.stats.resample import sign_flip
from bench.stats.term_models import TermModel, pair_contrasts, term_models

ALPHA = 0.05
DESIGNS: Mapping[str, tuple[int, ...]] = {"2⁴": (2, 2, 2, 2), "3 × 2": (3, 2), "5 × 2": (5, 2), "8 levels": (8,)}
SEEDS = (5, 10)
PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
_AT_ONCE = 100
"""So many tables have their signs flipped together."""

ALONE = "One test: the first factor, t or F (`p`)"
HOTELLING = "One test: the first factor, Hotelling's T² (`p_hotelling`)"
FLIP = "One test: the first factor, sign flips (`p_signflip`)"
EQUIVALENT = "One test: two levels that differ by the margin are equivalent (`equivalence`)"
FAMILY = "Any of all terms, adjusted by Benjamini and Hochberg (`p_adjusted`)"
FLIPS = "Any of all terms, joint sign flips, for symmetric contrasts (`p_maxt`)"
PAIRS = "Any pair of levels of the first factor, adjusted by Holm (`levels`)"
CELLS = "Any cell against the reference cell, adjusted by Holm (`pairwise`)"
BLOCK = "Any of all terms by the block ANOVA, adjusted by Holm (`anova`)"
HC3 = "Any of all terms by the block ANOVA with HC3, adjusted by Holm (`anova`)"
WELCH = "Without seeds: the first factor, Welch's t or Welch and James' F"
WELCH_PAIRS = "Without seeds: any pair of levels of the first factor, adjusted by Holm"
WELCH_CELLS = "Without seeds: any cell against the reference cell, adjusted by Holm"

WITH_SEEDS = frozenset({ALONE, HOTELLING, FLIP, EQUIVALENT, FAMILY, FLIPS, PAIRS, CELLS})
WITHOUT_SEEDS = frozenset({WELCH, WELCH_PAIRS, WELCH_CELLS})

Draw = Callable[[np.random.Generator, tuple[int, ...], Ints], Floats]
"""From a generator, a shape (repetitions, seeds, cells) and the codes of the cells to values of that shape."""


@dataclass(frozen=True)
class Noise:
    """A truth in which every effect's mean is zero, and which procedures promise their level there."""

    name: str
    draw: Draw
    promised: frozenset[str] = WITH_SEEDS
    independent: bool = False
    """The runs of a seed are independent, so that the table may be analysed without seeds."""
    log: bool = False
    """Analyse logarithms."""
    interactions_only: bool = False
    """Main effects are real: only interactions are counted."""


def _normal(rng: np.random.Generator, shape: tuple[int, ...], codes: Ints) -> Floats:
    return rng.normal(size=shape)


def _seeds_differ(rng: np.random.Generator, shape: tuple[int, ...], codes: Ints) -> Floats:
    return rng.normal(size=shape) + 2.0 * rng.normal(size=(*shape[:2], 1))


def _effect_by_seed(rng: np.random.Generator, shape: tuple[int, ...], codes: Ints) -> Floats:
    """The first factor moves each seed by a slope of SD 0.5 (per half of its range) about a mean of zero."""
    level = codes[:, 0] - codes[:, 0].mean()
    return rng.normal(size=shape) + 0.5 * rng.normal(size=(*shape[:2], 1)) * level / level.max()


def _one_wide_cell(rng: np.random.Generator, shape: tuple[int, ...], codes: Ints) -> Floats:
    return rng.normal(size=shape) * np.where(np.arange(shape[2]) == shape[2] - 1, 5.0, 1.0)


def _skew_and_spread(rng: np.random.Generator, shape: tuple[int, ...], codes: Ints) -> Floats:
    """Exponential, with an SD that grows five-fold over the cells."""
    return (rng.exponential(size=shape) - 1.0) * np.linspace(1.0, 5.0, shape[2])


def _log_normal(rng: np.random.Generator, shape: tuple[int, ...], codes: Ints) -> Floats:
    return np.exp(1.3 * rng.normal(size=shape))


def _bistable(rng: np.random.Generator, shape: tuple[int, ...], codes: Ints) -> Floats:
    """One run in five collapses, six SDs away."""
    return rng.normal(size=shape) + 6.0 * (rng.random(shape) < 0.2)


def _lost_runs(rng: np.random.Generator, shape: tuple[int, ...], codes: Ints) -> Floats:
    """One run in twenty is lost, and seeds differ."""
    return np.where(rng.random(shape) < 0.05, np.nan, _seeds_differ(rng, shape, codes))


def _multiplied(rng: np.random.Generator, shape: tuple[int, ...], codes: Ints) -> Floats:
    """Each step of each factor multiplies by 1.6: no interaction of logarithms, many of the values."""
    return np.exp(np.log(1.6) * codes.sum(axis=1) + 0.3 * rng.normal(size=shape))


NOISES = (
    Noise("independent runs", _normal, WITH_SEEDS | WITHOUT_SEEDS, independent=True),
    Noise("seeds differ (2 SD)", _seeds_differ),
    Noise("an effect varies by seed", _effect_by_seed),
    Noise("one cell has 5 times the SD", _one_wide_cell, WITH_SEEDS | WITHOUT_SEEDS, independent=True),
    Noise("skewed, SD from 1 to 5 over the cells", _skew_and_spread, promised=frozenset(), independent=True),
    Noise("log-normal", _log_normal, independent=True),
    Noise("bistable", _bistable, independent=True),
    Noise("one run in twenty lost", _lost_runs, promised=frozenset({ALONE, FAMILY})),
    Noise("effects multiply: false interactions on the raw scale", _multiplied, frozenset(), interactions_only=True),
    Noise("the same, analysed as logarithms", _multiplied, log=True, interactions_only=True),
)


def main() -> None:
    """Simulate, and write the tables into the page, or print them where fewer repetitions are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, help="tables a cell; by default 2000, written into the page")
    parser.add_argument("--random-seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="processes, which change no number; by default one a core")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.workers) as pool:
        rng, repetitions = np.random.default_rng(options.random_seed), options.repetitions or 2_000
        rates = calibrate(rng, repetitions=repetitions, each=pool.map)
    tables = "\n\n".join(markdown(rates))
    if options.repetitions is None:
        text = PAGE.read_text(encoding="utf-8")
        before, start, rest = text.partition("<!-- calibrate -->\n")
        _, end, after = rest.partition("<!-- /calibrate -->")
        PAGE.write_text(f"{before}{start}\n{tables}\n\n{end}{after}", encoding="utf-8")
    else:
        print(tables)


def calibrate(
    rng: np.random.Generator,
    *,
    repetitions: int,
    designs: Mapping[str, tuple[int, ...]] = DESIGNS,
    seeds: Sequence[int] = SEEDS,
    noises: Sequence[Noise] = NOISES,
    each: Callable[..., Iterable[list[dict[str, object]]]] = map,
) -> pd.DataFrame:
    """One row per procedure, noise, design and number of seeds: the rate of errors at 5 %, its limits and the promise.

    Lost runs are simulated a tenth as often, since each table is a regression of its own, and so is Hotelling's test.
    ``each`` maps a function over the combinations, every one of which draws from a generator of its own.
    """
    chosen = [c for c in product(noises, designs.items(), seeds) if not c[0].interactions_only or len(c[1][1]) > 1]
    simulated = each(partial(_rates, repetitions), *zip(*chosen, strict=True), rng.spawn(len(chosen)))
    rates = pd.DataFrame([row for rows in simulated for row in rows])
    errors = np.rint(rates["rate"] * rates["repetitions"])
    rates["kept"] = special.bdtrc(errors - 1.0, rates["repetitions"], ALPHA) > 0.01 / len(rates)
    return rates


def _rates(
    repetitions: int, noise: Noise, named: tuple[str, tuple[int, ...]], count: int, rng: np.random.Generator
) -> list[dict[str, object]]:
    """Rows of ``calibrate`` for one noise, design and number of seeds."""
    name, levels = named
    design = Design(levels, interactions_only=noise.interactions_only)
    few = max(repetitions // 10, 1)
    lost = noise.draw is _lost_runs
    tables = noise.draw(rng, (few if lost else repetitions, count, len(design.codes)), design.codes)
    tables = np.log(tables) if noise.log else tables
    errors = dict(_with_lost_runs(tables, design) if lost else _with_seeds(tables, design, few, rng))
    if noise.independent:
        errors |= _without_seeds(tables, design)
    rows = []
    for procedure, wrong in errors.items():
        number, n = int(wrong.sum()), len(wrong)
        low, high = wilson(number, n, 0.99)
        row = {"procedure": procedure, "noise": noise.name, "design": name, "seeds": count, "repetitions": n}
        rows.append(row | {"rate": number / n, "low": low, "high": high, "promised": procedure in noise.promised})
    return rows


def markdown(rates: pd.DataFrame) -> Iterator[str]:
    """What was promised and kept, and a table for each procedure; bold is above 5 % by more than chance."""
    promised = rates[rates["promised"]]
    broken = promised[~promised["kept"]]
    named = "".join(
        f"\n- {row.procedure}: {row.noise}, {row.design}, {row.seeds} seeds: {_rate(row)}"
        for row in broken.itertuples()
    )
    yield f"Of {len(promised)} promised rates {len(promised) - len(broken)} are kept{':' if named else '.'}{named}"
    for procedure, of_procedure in rates.groupby("procedure", sort=False):
        columns = list(dict.fromkeys(zip(of_procedure["design"], of_procedure["seeds"], strict=True)))
        lines = [
            "| noise | " + " | ".join(f"{design}, {seeds} seeds" for design, seeds in columns) + " | promised |",
            "|---" * (len(columns) + 2) + "|",
        ]
        for noise, rows in of_procedure.groupby("noise", sort=False):
            rated = {(row.design, row.seeds): _rate(row) for row in rows.itertuples()}
            cells = [rated.get(column, "–") for column in columns]
            lines.append(f"| {noise} | {' | '.join(cells)} | {'yes' if rows['promised'].all() else 'no'} |")
        yield f"**{procedure}**\n\n" + "\n".join(lines)


def _rate(row: object) -> str:
    rate, low, high = (f"{getattr(row, name):.3f}".removeprefix("0") for name in ("rate", "low", "high"))
    return f"{rate if row.kept else f'**{rate}**'} [{low}, {high}]"  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Design:
    """A full factorial, its terms, and what estimates them."""

    levels: tuple[int, ...]
    interactions_only: bool = False

    @cached_property
    def codes(self) -> Ints:
        """Levels of the factors, one row a cell."""
        return np.array(list(product(*map(range, self.levels))), dtype=np.int64)

    @cached_property
    def every(self) -> list[Term]:
        """All terms."""
        return terms_up_to(len(self.levels), len(self.levels))

    @cached_property
    def terms(self) -> list[Term]:
        """Those of which no effect is real."""
        return [term for term in self.every if len(term) > 1 or not self.interactions_only]

    @cached_property
    def bases(self) -> list[Floats]:
        """Orthonormal weights (contrasts, cells) of each term."""
        return [orthonormal_rows(term_columns(self.codes, self.levels, term).T) for term in self.terms]

    @cached_property
    def pairs(self) -> list[Floats]:
        """Weights (pairs, cells) of all pairs of levels of each term."""
        return [
            np.asarray(pair_contrasts(self.levels, term) @ np.linalg.pinv(term_columns(self.codes, self.levels, term)))
            for term in self.terms
        ]

    @cached_property
    def from_reference(self) -> Floats:
        """Weights (cells - 1, cells) of each cell less the first."""
        return np.hstack([-np.ones((len(self.codes) - 1, 1)), np.eye(len(self.codes) - 1)])

    @cached_property
    def first(self) -> TermModel:
        """The model of the first term."""
        return next(model for model in term_models(identify(self.codes, self.levels)) if model.term == self.terms[0])


def _with_seeds(tables: Floats, design: Design, few: int, rng: np.random.Generator) -> Iterator[tuple[str, Bools]]:
    """Each procedure, and in which of ``tables`` (tables, seeds, cells) it rejects something; no cell is missing."""
    seeds, q = tables.shape[1], len(design.bases[0])
    p = np.column_stack([_p_of_term(tables @ basis.T) for basis in design.bases])
    yield ALONE, p[:, 0] < ALPHA
    if q > 1 and seeds >= BLOCKS_PER_CONTRAST * q:
        contrasts = tables[:few] @ design.bases[0].T
        yield HOTELLING, np.array([hotelling(each, 1.0).p < ALPHA for each in contrasts])
    if 2 / 2**seeds <= ALPHA:
        yield FLIP, _p_flipped(tables @ design.pairs[0].T, rng) <= ALPHA
    first = _t(tables @ design.pairs[0][:1].T)
    yield EQUIVALENT, (tost(first.value + 1.0, first.se, first.df, 1.0).p <= ALPHA).reshape(-1)
    yield FAMILY, np.array([np.nanmin(adjust(each, "bh")) < ALPHA for each in p])
    if 2 / 2**seeds <= ALPHA:
        yield FLIPS, _p_flipped(tables @ np.vstack(design.pairs).T, rng) <= ALPHA
    if not design.interactions_only:
        if q > 1:
            yield PAIRS, _any(_t(tables @ design.pairs[0].T).p.reshape(len(tables), -1))
        yield CELLS, _any(_t(tables @ design.from_reference.T).p.reshape(len(tables), -1))
    yield BLOCK, _any(block_anova(tables, design.bases))
    yield HC3, _any(hc3_anova(tables, design))


def _without_seeds(tables: Floats, design: Design) -> dict[str, Bools]:
    """The same of tables whose rows are only runs."""
    F, pairs, cells = list[bool](), list[Floats](), list[Floats]()
    number = len(design.pairs[0])
    n = np.full(tables.shape[2], tables.shape[1])
    for table in tables:
        runs = IndependentRuns(table.mean(axis=0), table.var(axis=0, ddof=1), n, np.ones(len(n)))
        F.append(runs.test(design.first).p < ALPHA)
        p = runs.of_cells(np.vstack([design.pairs[0], design.from_reference]), 0.95).p
        pairs.append(p[:number])
        cells.append(p[number:])
    several = {WELCH_PAIRS: _any(np.array(pairs))} if number > 1 else {}
    return {WELCH: np.array(F), **several, WELCH_CELLS: _any(np.array(cells))}


def _with_lost_runs(tables: Floats, design: Design) -> Iterator[tuple[str, Bools]]:
    """The same where runs are lost (NaN): regression within seeds, standard errors by leaving out one at a time."""
    p = np.array([_regression(table, design) for table in tables])
    yield ALONE, p[:, 0] < ALPHA
    yield FAMILY, np.array([np.nanmin(adjust(each, "bh"), initial=1.0) < ALPHA for each in p])


def _any(p: Floats) -> Bools:
    """Whether Holm rejects something of each row: whether the smallest p times the number of tests is below ALPHA."""
    return np.asarray(p.min(axis=1) * p.shape[1] < ALPHA)


def _t(contrasts: Floats) -> Estimates:
    """T tests of contrasts (tables, seeds, contrasts), table by table."""
    return one_sample(np.swapaxes(contrasts, 0, 1).reshape(contrasts.shape[1], -1), magnitude=1.0)


def _p_of_term(contrasts: Floats) -> Floats:
    if contrasts.shape[2] == 1:
        return _t(contrasts).p
    return np.array([repeated_measures(each, 1.0).p_gg for each in contrasts])


def _p_flipped(contrasts: Floats, rng: np.random.Generator) -> Floats:
    """P of the largest of all contrasts (tables, seeds, contrasts) of a table, which then is one group."""
    p = []
    for start in range(0, len(contrasts), _AT_ONCE):
        some = contrasts[start : start + _AT_ONCE]
        columns = np.swapaxes(some, 0, 1).reshape(some.shape[1], -1)
        p.append(sign_flip(columns, rng, group=np.repeat(np.arange(len(some)), some.shape[2])).p_group)
    return np.concatenate(p)


def block_anova(tables: Floats, bases: Sequence[Floats]) -> Floats:
    """P (tables, terms) of a full factorial (``bases``: orthonormal rows) by the model of seeds and all cells."""
    seeds, cells = tables.shape[1:]
    mean = tables.mean(axis=1, keepdims=True)
    residual = tables - mean - tables.mean(axis=2, keepdims=True) + tables.mean(axis=(1, 2), keepdims=True)
    df = (seeds - 1) * (cells - 1)
    error = (residual**2).sum(axis=(1, 2)) / df
    F = [seeds * ((mean[:, 0] @ basis.T) ** 2).sum(axis=1) / len(basis) / error for basis in bases]
    return np.column_stack([special.fdtrc(len(basis), df, value) for basis, value in zip(bases, F, strict=True)])


def hc3_anova(tables: Floats, design: Design) -> Floats:
    """The same with HC3: in a full factorial every run has the same leverage, and terms are orthogonal."""
    seeds, cells = tables.shape[1:]
    mean = tables.mean(axis=1, keepdims=True)
    residual = tables - mean - tables.mean(axis=2, keepdims=True) + tables.mean(axis=(1, 2), keepdims=True)
    df = (seeds - 1) * (cells - 1)
    spread = ((residual / (1.0 - (seeds + cells - 1) / (seeds * cells))) ** 2).sum(axis=1) / seeds**2
    p = []
    for basis in design.bases:
        value = mean[:, 0] @ basis.T
        covariance = np.einsum("qc,tc,rc->tqr", basis, spread, basis)
        F = np.einsum("tq,tq->t", value, np.linalg.solve(covariance, value[:, :, None])[:, :, 0]) / len(basis)
        p.append(special.fdtrc(len(basis), df, F))
    return np.column_stack(p)


def _regression(table: Floats, design: Design) -> Floats:
    seed, cell = np.nonzero(np.isfinite(table))
    ran = identify(design.codes[cell], design.levels, seed)
    models = {model.term: model for model in term_models(ran, weighed=False)}
    if not all(term in models and models[term].order == len(design.levels) for term in design.terms):
        return np.ones(len(design.terms))
    model = fit(table[seed, cell], design.codes[cell], design.levels, design.every, seed)
    fitted = IncompleteBlocks({len(design.levels): model})
    return np.array([fitted.test(models[term]).p_gg for term in design.terms])


if __name__ == "__main__":
    main()
