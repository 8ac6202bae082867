"""``python -m polysem.search SUITE``: find penalties of matched strength, and write them as a suite to extend.

Equal lambda means nothing across L1 and L2. For every combination of the suite's other factors, the lambda of each
other level of ``reg`` is found at which the networks come to what those of L1 come to: the same mean norm of their
weight matrices, or (``--by val_mse``, a check) the largest lambda whose validation error is no higher. Autoencoders are
not trained, and the seeds of the search are none of the suite's.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import groupby
from math import exp, log
from multiprocessing import get_context
from os.path import relpath
from pathlib import Path
from typing import Annotated, Any

import typer

import bench
from bench.errors import BenchError
from polysem.commands import new_app, run
from polysem.ensemble import train_network
from polysem.toy import Params

SEEDS = range(1000, 1004)
TOLERANCE = 0.01
"""How close the mean norm must come, as a share of it."""
LOWEST, HIGHEST = 1e-7, 1e-1
"""Between which lambda is sought."""
MOST_STEPS = 14


class By(StrEnum):
    """What is matched, by the name of its metric."""

    NORM = "mean_weight_norm"
    ERROR = "val_mse"


@dataclass(frozen=True)
class Strength:
    """The lambda of one cell, and what it comes to there and in the L1 cell that it is matched to."""

    levels: Mapping[str, Hashable]
    reg_lambda: float
    attained: float
    target: float
    tried: Sequence[tuple[float, float]]
    """Each lambda that was tried, and what it came to."""

    @property
    def status(self) -> str:
        """Whether the target was reached within the tolerance."""
        return "" if abs(self.attained / self.target - 1) <= TOLERANCE else "not reached: "


Pair = tuple[Params, Params, Mapping[str, Hashable]]
"""Parameters with L1 and with another penalty, and the levels of the latter's cell."""


def match(pair: Pair, by: By = By.NORM) -> Strength:
    """The strength of the second parameters' penalty that is matched to the first's."""
    reference, params, levels = pair
    target = _attained(reference, by)
    tried: list[tuple[float, float]] = []

    def measure(strength: float) -> float:
        strength = float(f"{strength:.4g}")
        tried.append((strength, _attained(params.model_copy(update={"reg_lambda": strength}), by)))
        return tried[-1][1]

    strength = _by_norm(measure, target, reference.reg_lambda) if by is By.NORM else _by_error(measure, target)
    strength = float(f"{strength:.4g}")
    return Strength(levels, strength, dict(tried)[strength], target, tried)


def _attained(params: Params, by: By) -> float:
    """The mean over the seeds of the search."""
    return sum(train_network(params, seed)[by.value] for seed in SEEDS) / len(SEEDS)


def _by_norm(measure: Callable[[float], float], target: float, guess: float) -> float:
    """Regula falsi of the norm over log lambda, in which it falls; the lambda that came closest."""
    at, misses = log(guess), dict[float, float]()  # log lambda -> log of the norm over the target
    for _ in range(MOST_STEPS):
        misses[at] = log(max(measure(exp(at)), 1e-12) / target)
        if abs(misses[at]) <= TOLERANCE / 2:
            break
        low = max((k for k, m in misses.items() if m > 0), default=None)
        high = min((k for k, m in misses.items() if m <= 0), default=None)
        if low is None or high is None:
            at = min(max(at + (1.5 if misses[at] > 0 else -1.5), log(LOWEST)), log(HIGHEST))
        else:
            share = misses[low] / (misses[low] - misses[high])
            at = low + min(max(share, 0.1), 0.9) * (high - low)
    return exp(min(misses, key=lambda k: abs(misses[k])))


def _by_error(measure: Callable[[float], float], target: float) -> float:
    """The largest lambda of a grid, four to a factor of ten, whose error is no higher: it is not monotone in lambda."""
    grid = [float(f"{exp(log(LOWEST) + k * log(10) / 4):.4g}") for k in range(25)]
    errors = {strength: measure(strength) for strength in grid}
    return max((strength for strength, error in errors.items() if error <= target), default=grid[0])


def cells(suite: str | Path) -> list[Pair]:
    """Every cell of the suite with another penalty than L1, and the one with L1 that differs in nothing else.

    Raises:
        bench.errors.BenchError: the suite is faulty, of another experiment, or has no L1 beside another penalty.
    """
    plan = bench.check(suite)
    if plan.experiment.params is not Params or "reg" not in plan.factors:
        hint = 'It needs experiment = "polysem.toy:EXPERIMENT" and a factor reg with l1 and another penalty.'
        raise BenchError(f"{suite} has no penalties to match.", hint=hint)

    def others(levels: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [(name, str(level)) for name, level in levels.items() if name != "reg"]

    found: list[Pair] = []
    for _, group in groupby(sorted(plan.combinations(), key=others), key=others):
        by_reg = {levels["reg"]: levels for levels in group}
        if "l1" in by_reg:
            reference = Params.model_validate(plan.values(by_reg["l1"]))
            rest = [levels for reg, levels in by_reg.items() if reg not in {"l1", "none"}]
            found += [(reference, Params.model_validate(plan.values(levels)), levels) for levels in rest]
    if not found:
        raise BenchError(f"{suite} has no cell with L1 beside one with another penalty.", hint="Add levels to reg.")
    return found


def to_toml(suite: Path, strengths: Sequence[Strength], by: By, output: Path) -> str:
    """A suite without a grid of its own: the one searched, with one lambda a cell."""
    lines = [
        f"# Written by: python -m polysem.search {suite.as_posix()} --by {by.value}",
        f"# Lambda at which {by.value} is that of L1, over seeds {SEEDS[0]} to {SEEDS[-1]}; attained are metrics.",
        f'name = "{output.stem}"',
        f'extends = "{Path(relpath(suite, output.parent)).as_posix()}"',
    ]
    for strength in strengths:
        tried = ", ".join(f"{at:g}: {value:.4g}" for at, value in strength.tried)
        where = ", ".join(f"{name} = {_quoted(level)}" for name, level in strength.levels.items())
        lines += [
            "",
            f"# {strength.status}{strength.attained:.4g}, L1 {strength.target:.4g}; tried {tried}",
            "[[set]]",
            f"where = {{ {where} }}",
            f"params = {{ reg_lambda = {strength.reg_lambda!r} }}",
        ]
    return "\n".join(lines) + "\n"


def _quoted(level: Hashable) -> str:
    return f'"{level}"' if isinstance(level, str) else str(level).lower() if isinstance(level, bool) else repr(level)


app = new_app()


@app.command()
def search(
    suite: Annotated[Path, typer.Argument(metavar="SUITE", help="A suite whose factor reg has l1 and others.")],
    *,
    by: Annotated[By, typer.Option(help="What is matched.")] = By.NORM,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="Write here; by default matched/SUITE beside the suite."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes at once.")] = 2,
) -> None:
    """Find the lambda of every other penalty that matches L1's, and write a suite that extends SUITE with them."""
    pairs = cells(suite)
    target = output or suite.parent / "matched" / suite.name
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        strengths = list(pool.map(partial(match, by=by), pairs))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(to_toml(suite, strengths, by, target), encoding="utf-8")
    missed = sum(bool(strength.status) for strength in strengths)
    typer.echo(f"Written to {target}" + (f"; {missed} of {len(strengths)} not reached" if missed else ""), err=True)


if __name__ == "__main__":
    run(app, "polysem.search")
