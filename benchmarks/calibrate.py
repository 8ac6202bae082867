"""Error rates of the procedures, by simulating tables in which no effect is real, for docs/statistics.md.

    make calibrate                                  # some ten minutes; rewrites the tables in the page
    python benchmarks/calibrate.py --repetitions 200

Designs of two-level factors and of factors with 3, 5 and 8 levels, with 5 and 10 seeds, under kinds of noise that keep
or break what each procedure assumes. Every rate has its 99 % limits (Wilson); a promise counts as broken where the
error is above 5 % by more than chance (exact binomial tests at 1 % over the table, Bonferroni).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from bench.stats.coding import Floats, Ints, Term, term_columns, terms_up_to
from bench.stats.contrast import one_sample, per_block
from bench.stats.diagnostics import wilson
from bench.stats.estimators import IncompleteBlocks
from bench.stats.identify import identify
from bench.stats.linear import fit
from bench.stats.multiplicity import adjust
from bench.stats.repeated import orthonormal_rows, repeated_measures
from bench.stats.resample import sign_flip
from bench.stats.term_models import pair_contrasts, term_models

ALPHA = 0.05
DESIGNS: Mapping[str, tuple[int, ...]] = {"2⁴": (2, 2, 2, 2), "3 × 2": (3, 2), "5 × 2": (5, 2), "8 levels": (8,)}
SEEDS = (5, 10)
PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"

ALONE = "One test: the first factor, t or F"
FAMILY = "Any of all terms, adjusted by Holm"
FLIPS = "Any of all terms, joint sign flips (`p_maxt`)"
PAIRS = "Any pair of levels of the first factor, adjusted by Holm"
BLOCK = "Any of all terms by the block ANOVA, adjusted by Holm"

Draw = Callable[[np.random.Generator, tuple[int, ...], Ints], Floats]
"""From a generator, a shape (repetitions, seeds, cells) and the codes of the cells to values of that shape."""


@dataclass(frozen=True)
class Noise:
    """A truth in which every effect's mean is zero, and which procedures promise their level there."""

    name: str
    draw: Draw
    promised: frozenset[str] = frozenset({ALONE, FAMILY, FLIPS, PAIRS})
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
    Noise("independent runs", _normal),
    Noise("seeds differ (2 SD)", _seeds_differ),
    Noise("an effect varies by seed", _effect_by_seed),
    Noise("one cell has 5 times the SD", _one_wide_cell),
    Noise("skewed, SD from 1 to 5 over the cells", _skew_and_spread, promised=frozenset()),
    Noise("log-normal", _log_normal),
    Noise("bistable", _bistable),
    Noise("one run in twenty lost", _lost_runs, promised=frozenset({ALONE, FAMILY})),
    Noise("effects multiply: false interactions on the raw scale", _multiplied, frozenset(), interactions_only=True),
    Noise("the same, analysed as logarithms", _multiplied, log=True, interactions_only=True),
)


def main() -> None:
    """Simulate, and write the tables into the page, or print them where fewer repetitions are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, help="tables a cell; by default 2000, written into the page")
    parser.add_argument("--random-seed", type=int, default=0)
    options = parser.parse_args()
    rates = calibrate(np.random.default_rng(options.random_seed), repetitions=options.repetitions or 2_000)
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
) -> pd.DataFrame:
    """One row per procedure, noise, design and number of seeds: the rate of errors at 5 %, its limits and the promise.

    Lost runs are simulated a fifth as often, since each table is a regression of its own.
    """
    rows = []
    for noise, (design, levels), count in product(noises, designs.items(), seeds):
        if noise.interactions_only and len(levels) < 2:
            continue
        codes = np.array(list(product(*map(range, levels))), dtype=np.int64)
        lost = noise.draw is _lost_runs
        tables = noise.draw(rng, (max(repetitions // 5, 1) if lost else repetitions, count, len(codes)), codes)
        tables = np.log(tables) if noise.log else tables
        judged = pd.DataFrame(_errors(table, codes, levels, noise, rng) for table in tables)
        for procedure in judged:
            errors, n = int(judged[procedure].sum()), len(judged)
            low, high = wilson(errors, n, 0.99)
            row = {"procedure": procedure, "noise": noise.name, "design": design, "seeds": count, "repetitions": n}
            rows.append(row | {"rate": errors / n, "low": low, "high": high, "promised": procedure in noise.promised})
    rates = pd.DataFrame(rows)
    errors = np.rint(rates["rate"] * rates["repetitions"])
    rates["kept"] = special.bdtrc(errors - 1.0, rates["repetitions"], ALPHA) > 0.01 / len(rates)
    return rates


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
            found = {(row.design, row.seeds): _rate(row) for row in rows.itertuples()}
            cells = [found.get(column, "–") for column in columns]
            lines.append(f"| {noise} | {' | '.join(cells)} | {'yes' if rows['promised'].all() else 'no'} |")
        yield f"**{procedure}**\n\n" + "\n".join(lines)


def _rate(row: object) -> str:
    rate, low, high = (f"{getattr(row, name):.3f}".removeprefix("0") for name in ("rate", "low", "high"))
    return f"{rate if row.kept else f'**{rate}**'} [{low}, {high}]"  # type: ignore[attr-defined]


def _errors(
    table: Floats, codes: Ints, levels: tuple[int, ...], noise: Noise, rng: np.random.Generator
) -> dict[str, bool]:
    """Whether each procedure rejects something in a table (seeds, cells)."""
    terms = [t for t in terms_up_to(len(levels), len(levels)) if len(t) > 1 or not noise.interactions_only]
    if noise.draw is _lost_runs:
        p = _regression(table, codes, levels, terms)
        return {ALONE: p[0] < ALPHA, FAMILY: _any(p)} if np.isfinite(p).all() else {ALONE: False, FAMILY: False}
    bases = [orthonormal_rows(term_columns(codes, levels, term).T) for term in terms]
    p = np.array([_p_of_term(per_block(table, basis)) for basis in bases])
    found = {ALONE: bool(p[0] < ALPHA), FAMILY: _any(p)}
    if 2 / 2 ** len(table) <= ALPHA:
        found[FLIPS] = _any_flipped(table, codes, levels, terms, rng)
    if levels[0] > 2 and not noise.interactions_only:
        contrasts = per_block(table, _pair_weights(codes, levels, (0,)))
        found[PAIRS] = _any(one_sample(contrasts, magnitude=1.0).p)
    found[BLOCK] = _any(np.array(block_anova(table, bases)))
    return found


def _any(p: Floats) -> bool:
    return bool(np.nanmin(adjust(p, "holm")) < ALPHA)


def _p_of_term(contrasts: Floats) -> float:
    if contrasts.shape[1] == 1:
        return float(one_sample(contrasts, magnitude=1.0).p[0])
    return repeated_measures(contrasts, 1.0).p_gg


def _pair_weights(codes: Ints, levels: tuple[int, ...], term: Term) -> Floats:
    return np.asarray(pair_contrasts(levels, term) @ np.linalg.pinv(term_columns(codes, levels, term)), float)


def _any_flipped(
    table: Floats, codes: Ints, levels: tuple[int, ...], terms: Sequence[Term], rng: np.random.Generator
) -> bool:
    weights = [_pair_weights(codes, levels, term) for term in terms]
    group = np.repeat(np.arange(len(terms)), [len(rows) for rows in weights])
    flipped = sign_flip(per_block(table, np.vstack(weights)), rng, group=group)
    return bool(np.nanmin(flipped.p_max) <= ALPHA)


def block_anova(table: Floats, bases: Sequence[Floats]) -> list[float]:
    """P of each term of a full factorial (``bases``: its orthonormal rows) by the model of seeds and all cells."""
    seeds, cells = table.shape
    mean = table.mean(axis=0)
    residual = table - mean - table.mean(axis=1, keepdims=True) + table.mean()
    df = (seeds - 1) * (cells - 1)
    error = (residual**2).sum() / df
    F = [seeds * ((basis @ mean) ** 2).sum() / len(basis) / error for basis in bases]
    return [float(special.fdtrc(len(basis), df, value)) for basis, value in zip(bases, F, strict=True)]


def _regression(table: Floats, codes: Ints, levels: tuple[int, ...], terms: Sequence[Term]) -> Floats:
    """P of each term by regression within seeds, with standard errors by leaving out one seed at a time."""
    seed, cell = np.nonzero(np.isfinite(table))
    every = terms_up_to(len(levels), len(levels))
    design = identify(codes[cell], levels, seed)
    models = {model.term: model for model in term_models(design, weighed=False)}
    if not all(term in models and models[term].order == len(levels) for term in terms):
        return np.full(len(terms), np.nan)
    fitted = IncompleteBlocks({len(levels): fit(table[seed, cell], codes[cell], levels, every, seed)})
    return np.array([fitted.test(models[term]).p_gg for term in terms])


if __name__ == "__main__":
    main()
