"""``python -m polysem.search SUITE``: find strengths that match, and write them as a suite to extend.

Equal lambda means nothing across L1 and L2. For every combination of the suite's other factors, the lambda of each
other level of ``reg`` is found at which the networks come to what those of L1 come to: the same mean norm of their
weight matrices, or (``--by val_mse``, a check) the largest lambda whose validation error is no higher. Autoencoders are
not trained. With ``--by l0_count``, autoencoders are what is searched: for every cell with a target ``sae_l0`` the
``sae_lambda`` or ``sae_k`` at which so many latents are active on rows held out. The seeds of a search are none of the
suite's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import groupby
from math import exp, inf, log
from multiprocessing import get_context
from os.path import relpath
from pathlib import Path
from typing import Annotated, Any

import typer

import bench
from bench.errors import BenchError
from polysem.commands import new_app, run
from polysem.ensemble import train_autoencoder, train_network
from polysem.fields import BY_K
from polysem.toy import Params

SEEDS, SAE_SEEDS = range(1000, 1004), range(1000, 1003)
"""Of the search for penalties of networks, and of sparsities of autoencoders."""
TOLERANCE, L0_TOLERANCE = 0.01, 0.05
"""How close the mean norm, and the number of active latents, must come, as a share of it."""
LOWEST, HIGHEST = 1e-7, 1e-1
"""Between which lambda of networks is sought."""
LOWEST_SPARSITY, HIGHEST_SPARSITY = 1e-4, 1e2
"""Between which ``sae_lambda``, or 1/``sae_k``, is sought."""
BEYOND = 100.0
"""How far beyond the end of the search it is looked whether the number of active latents moves at all."""
MOST_STEPS = 14


class By(StrEnum):
    """What is matched, by the name of its metric."""

    NORM = "mean_weight_norm"
    ERROR = "val_mse"
    L0 = "l0_count"


@dataclass(frozen=True)
class Strength:
    """The strength found for one cell, and what it comes to there and should come to."""

    levels: Mapping[str, Hashable]
    value: float
    attained: float
    target: float
    tried: Sequence[tuple[float, float]]
    """Each strength that was tried, and what it came to."""
    parameter: str = "reg_lambda"
    tolerance: float = TOLERANCE
    saturated: bool = False
    """Whether the target was missed and a strength far beyond the search comes to the same."""

    @property
    def status(self) -> str:
        """Whether the target was reached within the tolerance, and if not, whether more strength would still count."""
        if abs(self.attained / self.target - 1) <= self.tolerance:
            return "reached"
        return "saturated" if self.saturated else "unreachable"


Pair = tuple[Params, Params, Mapping[str, Hashable]]
"""Parameters with L1 and with another penalty, and the levels of the latter's cell."""


def match(pair: Pair, by: By = By.NORM) -> Strength:
    """The strength of the second parameters' penalty that is matched to the first's."""
    reference, params, levels = pair
    target, tried = _attained(reference, by), list[tuple[float, float]]()

    def measure(strength: float) -> float:
        strength = float(f"{strength:.4g}")
        tried.append((strength, _attained(params.model_copy(update={"reg_lambda": strength}), by)))
        return tried[-1][1]

    if by is By.NORM:
        strength = _of_falling(measure, target, reference.reg_lambda, (LOWEST, HIGHEST), TOLERANCE)
    else:
        strength = _by_error(measure, target)
    strength = float(f"{strength:.4g}")
    attained, tolerance = dict(tried)[strength], TOLERANCE
    if by is By.ERROR:
        tolerance = inf if attained <= target else 0.0
    return Strength(levels, strength, attained, target, tried, tolerance=tolerance)


def match_l0(cell: tuple[Params, Mapping[str, Hashable]]) -> Strength:
    """The penalty of an autoencoder, or its k, at which ``sae_l0`` latents a row are active.

    ``topk`` takes an integer. Where no strength comes close enough, one ``BEYOND`` times as far tells "saturated", if
    it changes the number by less than the tolerance, from "unreachable".
    """
    params, levels = cell
    if params.sae_l0 is None:
        raise ValueError(f"{params} has no sae_l0 to aim at")
    target, by_k, tried = params.sae_l0, params.sae in BY_K, list[tuple[float, float]]()
    parameter = "sae_k" if by_k else "sae_lambda"

    def measure(strength: float) -> float:
        value = min(1 / strength, params.sae_width) if by_k else strength
        value = float(round(max(value, 1.0)) if params.sae == "topk" else f"{value:.4g}")
        if value not in dict(tried):
            tried.append((value, _attained(params.model_copy(update={parameter: value}), By.L0)))
        return dict(tried)[value]

    guess, ends = (1 / target if by_k else 0.1), (LOWEST_SPARSITY, HIGHEST_SPARSITY)
    if params.sae == "topk":
        measure(guess)
    else:
        _of_falling(measure, target, guess, ends, L0_TOLERANCE)
    value, attained = min(tried, key=lambda at: abs(at[1] / target - 1))
    saturated = False
    if abs(attained / target - 1) > L0_TOLERANCE and not by_k:
        far = ends[1] * BEYOND if attained > target else ends[0] / BEYOND
        saturated = abs(measure(far) - attained) <= L0_TOLERANCE * attained
    return Strength(levels, value, attained, target, tried, parameter, L0_TOLERANCE, saturated)


def _attained(params: Params, by: By) -> float:
    """The mean over the seeds of the search."""
    if by is By.L0:
        return sum(train_autoencoder(params, seed)[by.value] for seed in SAE_SEEDS) / len(SAE_SEEDS)
    return sum(train_network(params, seed)[by.value] for seed in SEEDS) / len(SEEDS)


def _of_falling(
    measure: Callable[[float], float], target: float, guess: float, ends: tuple[float, float], tolerance: float
) -> float:
    """Regula falsi over log strength, in which what is measured falls; the strength that came closest."""
    lowest, highest = map(log, ends)
    at, misses = log(guess), dict[float, float]()  # log strength -> log of what it comes to over the target
    for _ in range(MOST_STEPS):
        misses[at] = log(max(measure(exp(at)), 1e-12) / target)
        if abs(misses[at]) <= tolerance / 2:
            break
        low = max((k for k, m in misses.items() if m > 0), default=None)
        high = min((k for k, m in misses.items() if m <= 0), default=None)
        if low is None or high is None:
            at = min(max(at + (1.5 if misses[at] > 0 else -1.5), lowest), highest)
            if at in misses:
                break
        else:
            share = misses[low] / (misses[low] - misses[high])
            at = low + min(max(share, 0.1), 0.9) * (high - low)
    return exp(min(misses, key=lambda k: abs(misses[k])))


def _by_error(measure: Callable[[float], float], target: float) -> float:
    """The largest lambda whose error is no higher, to a factor of 1.08: the error is not monotone in lambda.

    From 0.01 down, where hardly a unit is live, by a grid of four to a factor of ten, whose interval above is halved.
    """
    grid = [float(f"{10 ** (-2 - k / 4):.4g}") for k in range(21)]
    place = next((k for k, strength in enumerate(grid) if measure(strength) <= target), len(grid) - 1)
    low, high = grid[place], grid[max(place - 1, 0)]
    for _ in range(3 * (low < high)):
        middle = float(f"{(low * high) ** 0.5:.4g}")
        low, high = (middle, high) if measure(middle) <= target else (low, middle)
    return low


def sae_cells(suite: str | Path) -> list[tuple[Params, Mapping[str, Hashable]]]:
    """Every cell of the suite that aims at a number of active latents.

    Raises:
        bench.errors.BenchError: the suite is faulty, of another experiment, or aims at none.
    """
    plan = bench.check(suite)
    if plan.experiment.params is not Params:
        raise BenchError(f"{suite} has no autoencoders.", hint='It needs experiment = "polysem.toy:EXPERIMENT".')
    aimed: list[tuple[Params, Mapping[str, Hashable]]] = []
    for levels in plan.combinations():
        params = Params.model_validate(plan.values(levels))
        aimed += [(params, levels)] * (params.sae_l0 is not None)
    if not aimed:
        raise BenchError(f"No cell of {suite} has a target.", hint="Add sae_l0 = [1, 2, 3, 4] to its factors.")
    return aimed


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
    """A suite without a grid of its own: the one searched, with one strength a cell."""
    seeds, wanted = (SAE_SEEDS, "sae_l0") if by is By.L0 else (SEEDS, "that of L1")
    lines = [
        f"# Written by: python -m polysem.search {suite.as_posix()} --by {by.value}",
        f"# Strengths at which {by.value} is {wanted}, over seeds {seeds[0]} to {seeds[-1]}; attained are metrics.",
        f'name = "{output.stem}"',
        f'extends = "{Path(relpath(suite, output.parent)).as_posix()}"',
    ]
    for strength in strengths:
        tried = ", ".join(f"{at:g}: {value:.4g}" for at, value in strength.tried)
        where = ", ".join(f"{name} = {_quoted(level)}" for name, level in strength.levels.items())
        missed = by is By.L0 and strength.status != "reached"
        status = f', sae_l0_status = "{strength.status}"' if missed else ""
        lines += [
            "",
            f"# {strength.status}: {strength.attained:.4g} of {strength.target:.4g}; tried {tried}",
            "[[set]]",
            f"where = {{ {where} }}",
            f"params = {{ {strength.parameter} = {strength.value!r}{status} }}",
        ]
    return "\n".join(lines) + "\n"


def _quoted(level: Hashable) -> str:
    return f'"{level}"' if isinstance(level, str) else str(level).lower() if isinstance(level, bool) else repr(level)


app = new_app()


@app.command()
def search(
    suite: Annotated[
        Path,
        typer.Argument(metavar="SUITE", help="A suite whose factor reg has l1 and others, or with targets sae_l0."),
    ],
    *,
    by: Annotated[By, typer.Option(help="What is matched.")] = By.NORM,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="Write here; by default matched/SUITE beside the suite."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes at once.")] = 2,
) -> None:
    """Find strengths that match, and write a suite that extends SUITE with them.

    Of every penalty of networks that is not L1 the lambda that matches L1's; by l0_count, of every autoencoder the
    penalty or k at which sae_l0 latents a row are active.
    """
    target = output or suite.parent / "matched" / suite.name
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        if by is By.L0:
            strengths = list(pool.map(match_l0, sae_cells(suite)))
        else:
            strengths = list(pool.map(partial(match, by=by), cells(suite)))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(to_toml(suite, strengths, by, target), encoding="utf-8")
    missed = Counter(strength.status for strength in strengths if strength.status != "reached")
    said = "".join(f"; {n} of {len(strengths)} {status}" for status, n in sorted(missed.items()))
    typer.echo(f"Written to {target}{said}", err=True)


if __name__ == "__main__":
    run(app, "polysem.search")
