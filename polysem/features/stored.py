"""A stored run becomes the arrays of two levels of one factor, for every seed that has both."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

import bench
from bench.errors import BenchError

Arrays = Mapping[str, Float[np.ndarray, "..."]]


@dataclass(frozen=True, eq=False)
class Levels:
    """The arrays of the two levels that are compared; each list is in the order of ``seeds``."""

    run: Path
    factor: str
    names: tuple[str, str]
    held: Mapping[str, Hashable]
    """Every other factor -> the level at which it is held, its reference."""
    seeds: Sequence[int]
    left_out: Sequence[int]
    """Seeds of which one level or both has no result."""
    arrays: tuple[Sequence[Arrays], Sequence[Arrays]]


def read(run: str | Path | None, factor: str | None, level: str | None, out: str | Path) -> Levels:
    """The reference level of ``factor`` (by default the first factor) and ``level`` (by default the next one).

    Raises:
        bench.errors.BenchError: no such run, factor or level, or the run kept no arrays.
    """
    table = bench.load(run, wide=True, out=out)
    folder = bench.find(run, out=out)
    levels = {name: list(table[name].cat.categories) for name in factors_of(table)}
    compared = _factor(levels, factor, folder)
    pair = _pair(levels[compared], compared, level)
    held = {name: known[0] for name, known in levels.items() if name != compared}
    chosen = table[table["status"] == "ok"]
    for name, value in held.items():
        chosen = chosen[chosen[name] == value]
    seeds_of = [set(chosen.loc[chosen[compared] == one, "seed"].astype(int)) for one in pair]
    seeds = sorted(seeds_of[0] & seeds_of[1])
    if not seeds:
        raise BenchError(f"{folder} has no seed with results at {pair[0]} and {pair[1]}.", hint="Run the suite first.")
    first, second = (
        [bench.arrays(run, seed=seed, out=out, **held, **{compared: one}) for seed in seeds] for one in pair
    )
    if not all(kept for kept in [*first, *second]):
        hint = "Put keep_arrays = true under [params] of its suite and run it again."
        raise BenchError(f"{folder} holds runs that kept no arrays.", hint=hint)
    left_out = sorted(set(table["seed"].astype(int)) - set(seeds))
    return Levels(folder, compared, (str(pair[0]), str(pair[1])), held, seeds, left_out, (first, second))


def factors_of(table: pd.DataFrame) -> list[str]:
    """The factors of a table that ``bench.load`` gave with ``wide``: its columns between run and seed."""
    columns = list(table.columns)
    return columns[columns.index("run") + 1 : columns.index("seed")]


def _factor(levels: Mapping[str, Sequence[Hashable]], given: str | None, folder: Path) -> str:
    usable = [name for name, known in levels.items() if len(known) > 1]
    if given in usable or (given is None and usable):
        return given or usable[0]
    known = f"Factors with two or more levels: {', '.join(usable)}." if usable else "Add a factor to its suite."
    asked = f"no factor {given!r} to compare levels of" if given else "no factor with two levels"
    raise BenchError(f"{folder} has {asked}.", hint=known)


def _pair(levels: Sequence[Hashable], factor: str, given: str | None) -> tuple[Hashable, Hashable]:
    others = {str(level): level for level in levels[1:]}
    if given is not None and given not in others:
        hint = f"Levels to compare with {levels[0]}: {', '.join(others)}."
        raise BenchError(f"{factor} has no other level {given!r}.", hint=hint)
    return levels[0], others[given] if given is not None else levels[1]
