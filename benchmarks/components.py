"""Coverage of the intervals of variance components, and null rates of rank correlations, for docs/statistics.md.

    make components                                 # some minutes; rewrites the tables in the page
    python benchmarks/components.py --repetitions 1000

Tables of random effects at 6 × 3 × 3 × 3 seeds, crossed and nested, whole and with lost runs; and pairs of metrics that
have nothing to do with each other but that a seed moves both.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path

import numpy as np
from scipy import stats

from bench.stats.coding import Bools, Floats
from bench.stats.components import Axes, mean_squares
from bench.stats.diagnostics import wilson
from bench.stats.rank_correlation import rank_correlation

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
MARKS = "<!-- components -->", "<!-- /components -->"
SHAPE = (6, 3, 3, 3)
CROSSED = [term for size in range(1, 5) for term in combinations(range(4), size)]
NESTED = [tuple(range(depth + 1)) for depth in range(4)]
Draw = Callable[[Sequence[int]], Floats]


def main() -> None:
    """Print both tables, and write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2_000)
    repetitions = parser.parse_args().repetitions
    text = "\n".join([*coverage_table(repetitions), "", *rank_table(repetitions // 5)])
    print(text)
    before, _, rest = PAGE.read_text("utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    PAGE.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}", "utf-8")


def coverage_table(repetitions: int) -> Iterator[str]:
    """Rows of the table of coverage."""
    rng = np.random.default_rng(20)

    def skewed(shape: Sequence[int]) -> Floats:
        return rng.exponential(size=shape) - 1.0

    sizes: Mapping[str, Callable[[Axes], float]] = {
        "all alike": lambda _term: 1.0,
        "strata 4, interactions 1, last 0.5": lambda term: {1: 4.0, 4: 0.5}.get(len(term), 1.0),
        "the outermost and the last 1, others 0.1": lambda term: 1.0 if term in ((0,), (0, 1, 2, 3)) else 0.1,
        "the last 1, others 0.05": lambda term: 1.0 if len(term) == 4 else 0.05,
        "strata and the last 1, interactions 0": lambda term: float(len(term) in (1, 4)),
    }
    sizes_of = " × ".join(map(str, SHAPE))
    yield f"**Coverage of the 95 % intervals of components at {sizes_of}** ({repetitions} tables each)"
    yield ""
    yield "| variances | crossed: above 0, from | to | at 0, from | to | nested: from | to |"
    yield "|---|---|---|---|---|---|---|"
    for name, size in sizes.items():
        crossed, nested = (
            coverage(terms, size, rng.standard_normal, repetitions, rng=rng, lost=0.0) for terms in (CROSSED, NESTED)
        )
        yield f"| {name} | {_row(crossed, size)} | {' | '.join(_ends(nested, size))} |"
    for name, draw, lost in (
        ("1 % of runs lost", rng.standard_normal, 0.01),
        ("all skewed (exponential)", skewed, 0.0),
    ):
        size = sizes["all alike"]
        crossed, nested = (coverage(terms, size, draw, repetitions, rng=rng, lost=lost) for terms in (CROSSED, NESTED))
        yield f"| all alike, {name} | {_row(crossed, size)} | {' | '.join(_ends(nested, size))} |"


def coverage(
    terms: Sequence[Axes],
    size: Callable[[Axes], float],
    draw: Draw,
    repetitions: int,
    *,
    rng: np.random.Generator,
    lost: float,
) -> Mapping[Axes, float]:
    """Term -> the share of tables whose interval of its component holds the true one."""
    hits, tables = dict.fromkeys(terms, 0), 0
    for start in range(0, repetitions, 1000):
        n = min(1000, repetitions - start)
        table = np.zeros((*SHAPE, n))
        for term in terms:
            shape = [groups if axis in term else 1 for axis, groups in enumerate(SHAPE)]
            table = table + size(term) ** 0.5 * draw([*shape, n])
        whole = (rng.random((*SHAPE, n)) >= lost).all(axis=(1, 2, 3))  # a unit that lacks a run is dropped
        for units in np.unique(whole.sum(axis=0)):
            chosen = np.flatnonzero(whole.sum(axis=0) == units)
            if units < 2:
                continue  # nothing is estimated
            tables += len(chosen)
            part = np.stack([table[whole[:, one], :, :, :, one] for one in chosen], axis=-1) if lost else table
            found = mean_squares(part, crossed=len(terms) > len(SHAPE))
            for term, weights in zip(found.terms, found.weights, strict=True):
                low, high = found.interval(weights)
                hits[term] += int(((low <= size(term)) & (size(term) <= high)).sum())
    return {term: number / tables for term, number in hits.items()}


def rank_table(repetitions: int) -> Iterator[str]:
    """Rows of the table of null rates."""
    rng = np.random.default_rng(21)
    yield f"**Two unrelated metrics, of which a seed moves all cells: rejected at 5 %** ({repetitions} tables each)"
    yield ""
    yield "| cells | seeds | within seeds, t over seeds | pooled over runs |"
    yield "|---|---|---|---|"
    for cells, seeds in product((4, 8, 16), (5, 10, 30)):
        ours, pooled = [], []
        for _ in range(repetitions):
            x, y = rng.standard_normal((2, seeds, cells)) + rng.standard_normal((seeds, 1))
            ours.append(rank_correlation(x, y).p < 0.05)
            pooled.append(stats.spearmanr(x.ravel(), y.ravel()).pvalue < 0.05)
        yield f"| {cells} | {seeds} | {_rate(np.array(ours))} | {_rate(np.array(pooled))} |"


def _row(rates: Mapping[Axes, float], size: Callable[[Axes], float]) -> str:
    absent = [rate for term, rate in rates.items() if size(term) == 0]
    low, high = _ends(rates, size)
    return f"{low} | {high} | {_number(min(absent, default=np.nan))} | {_number(max(absent, default=np.nan))}"


def _ends(rates: Mapping[Axes, float], size: Callable[[Axes], float]) -> tuple[str, str]:
    present = [rate for term, rate in rates.items() if size(term) > 0]
    return _number(min(present)), _number(max(present))


def _number(rate: float) -> str:
    return "–" if np.isnan(rate) else f"{rate:.3f}".removeprefix("0")


def _rate(rejected: Bools) -> str:
    limits = wilson(int(rejected.sum()), len(rejected), 0.99)
    return f"{_number(float(rejected.mean()))} [{', '.join(map(_number, limits))}]"


if __name__ == "__main__":
    main()
