"""A baseline and a run -> their values side by side, matched by cell and seed, and the change in every cell."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.execute.baseline import ID, Baseline
from bench.judge.gate.absent import Absence
from bench.judge.gate.decide import Changes, Moments, independent, on_scale, paired
from bench.plan.labels import cell_label
from bench.stats.coding import Floats


@dataclass(frozen=True, eq=False)
class Comparables:
    """``changes`` and ``rows`` (``metric where log old new lost method``) have one entry per comparison."""

    changes: Changes
    rows: pd.DataFrame
    new_cells: tuple[str, ...]
    changed_cells: tuple[str, ...]
    old_metrics: tuple[str, ...]
    absences: Sequence[Absence]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Sides:
    """Values of both sides by metric, seed (rows) and the parameters of the cell (columns)."""

    old: pd.DataFrame
    new: pd.DataFrame
    factors: tuple[str, ...]
    levels: pd.DataFrame
    """Of the cells of the run, by their parameters."""
    old_levels: pd.DataFrame
    metrics: tuple[str, ...]
    same: Mapping[str, str]
    """Parameters in the run -> in the baseline."""
    changed: Mapping[str, str]
    seeds: list[int]
    """Those that runs are paired by: the shared ones, unless there is one alone of several."""
    shared: list[int]
    """In both."""
    new_cells: tuple[str, ...]
    old_metrics: tuple[str, ...]

    @classmethod
    def of(cls, old: Baseline, new: Baseline) -> Sides:
        """Match two sides that have one row a run."""
        assert old.origin is not None
        assert new.origin is not None
        factors = list(new.origin.factors)
        before = dict(zip(old.frame[ID], labels(old, list(old.origin.factors)), strict=True))
        now = dict(zip(new.frame[ID], labels(new, factors), strict=True))
        same = {cell: cell for cell in now if cell in before}
        comparable = list(old.origin.factors) == factors
        left = {label: cell for cell, label in before.items() if cell not in now}
        changed = {
            cell: left[label] for cell, label in now.items() if cell not in same and comparable and label in left
        }
        shared = sorted(set(old.frame["seed"]) & set(new.frame["seed"]))
        enough = len(shared) > 1 or max(old.frame["seed"].nunique(), new.frame["seed"].nunique()) == 1
        return cls(
            old=_by_seed(old),
            new=_by_seed(new),
            factors=tuple(factors),
            levels=new.frame.drop_duplicates(ID).set_index(ID)[factors],
            old_levels=old.frame.drop_duplicates(ID).set_index(ID)[list(old.origin.factors)],
            metrics=tuple(name for name in new.origin.metrics if name in old.origin.metrics),
            same=same,
            changed=changed,
            seeds=shared if enough else [],
            shared=shared,
            new_cells=tuple(label for cell, label in now.items() if cell not in same and cell not in changed),
            old_metrics=tuple(old.origin.metrics),
        )

    def label(self, cell: str) -> str:
        """The levels of a cell of the run, joined by a slash."""
        return cell_label(self.levels.loc[cell])

    def comparables(
        self, parts: Sequence[tuple[Changes, pd.DataFrame]], metrics: Sequence[str], cells: Collection[str]
    ) -> Comparables:
        """All parts, which compare ``metrics`` in ``cells`` of the baseline, and what was not compared."""
        rows = [frame for _, frame in parts] or [pd.DataFrame(columns=_ROWS)]
        return Comparables(
            changes=Changes.joined([changes for changes, _ in parts]),
            rows=pd.concat(rows, ignore_index=True),
            new_cells=self.new_cells,
            changed_cells=tuple(self.label(cell) for cell, before in self.changed.items() if before in cells),
            old_metrics=self.old_metrics,
            absences=[*self._absent_cells(metrics, cells), *self._absent_seeds(metrics)],
            notes=tuple(self._notes()),
        )

    def _absent_cells(self, metrics: Sequence[str], cells: Collection[str]) -> Iterator[Absence]:
        """What the baseline has beside ``metrics`` in ``cells``, if it has a value there."""
        renamed = list(self.old_levels.columns) != list(self.factors)
        for metric in self.old_metrics:
            for cell in self.old_levels.index:
                if metric in metrics and cell in cells:
                    continue
                values = self.old[metric][cell].to_numpy(float)
                if not np.isfinite(values).any():
                    continue
                levels = {name: str(level) for name, level in self.old_levels.loc[cell].items()}
                texts = [f"{name} = {level}" for name, level in levels.items()] if renamed else levels.values()
                where = (", " if renamed else "/").join(texts)
                keys = {**levels, "metric": metric}
                yield Absence(metric, where, float(np.nanmean(values)), int(np.isfinite(values).sum()), keys)

    def _absent_seeds(self, metrics: Sequence[str]) -> Iterator[Absence]:
        """Seeds of the baseline that pairs leave out."""
        for metric in metrics if self.seeds else ():
            for seed in self.old.index.difference(pd.Index(self.seeds)):
                values = self.old[metric].loc[seed].to_numpy(float)
                if np.isfinite(values).any():
                    yield Absence(
                        metric, str(seed), float(np.nanmean(values)), 1, {"metric": metric, "seed": str(seed)}
                    )

    def _notes(self) -> Iterator[str]:
        if not self.shared:
            yield "The run and the baseline share no seeds to pair by: their runs are compared as independent."
        elif not self.seeds:
            yield (
                f"The run and the baseline share one seed only, {self.shared[0]}, too few to pair by: their runs are "
                "compared as independent."
            )
        elif only_new := len(self.new.index.difference(self.old.index)):
            yield f"{only_new} of the seeds of the run are not in the baseline and are left out of pairs."


def cells_by_seed(old: Baseline, new: Baseline, log: Mapping[str, bool]) -> Comparables:
    """Every metric in every cell of both: paired by seed where the parameters match, else independent."""
    sides = Sides.of(old, new)
    metrics = [name for name in log if name in sides.metrics]
    parts: list[tuple[Changes, pd.DataFrame]] = []
    for metric in metrics:
        for cells, pairs in ((sides.same, sides.seeds), (sides.changed, [])):
            if cells:
                parts.append(_cell_changes(sides, metric, cells, pairs, on_log=log[metric]))
    return sides.comparables(parts, metrics, {*sides.same.values(), *sides.changed.values()})


_ROWS = ["metric", "where", "log", "old", "new", "lost", "method"]


def _cell_changes(
    sides: Sides, metric: str, cells: Mapping[str, str], seeds: list[int], *, on_log: bool
) -> tuple[Changes, pd.DataFrame]:
    old, new = sides.old[metric][[*cells.values()]], sides.new[metric][[*cells]]
    log = np.full(len(cells), on_log)
    if seeds:
        before, now = old.loc[seeds].to_numpy(float), new.loc[seeds].to_numpy(float)
        changes, method = paired(before, now, log), "paired by seed"
        lost = (np.isfinite(before) & ~np.isfinite(now)).sum(axis=0)
    else:
        before, now = old.to_numpy(float), new.to_numpy(float)
        sides_on_scale = on_scale(before, log), on_scale(now, log)
        center = np.nan_to_num(np.fmax.reduce(sides_on_scale[0]))
        samples = [Moments.of(values - center) for values in sides_on_scale]
        changes, method = independent(samples[0], samples[1], log, center), "Welch"
        lost = (~np.isfinite(now)).sum(axis=0)
    rows = pd.DataFrame(
        {
            "metric": metric,
            "where": [sides.label(cell) for cell in cells],
            "log": on_log,
            "old": _means(before),
            "new": _means(now),
            "lost": lost,
            "method": method,
        }
    )
    return changes, rows


def labels(side: Baseline, factors: Sequence[str]) -> list[str]:
    """The levels of each row's cell, joined by a slash."""
    return [cell_label(levels) for levels in side.frame[[*factors]].itertuples(index=False)]


def valid(side: Baseline) -> pd.DataFrame:
    """One row a run, its metrics NaN unless the run is ok."""
    assert side.origin is not None
    metrics = side.origin.metrics
    return side.frame.assign(**side.frame[metrics].where(side.frame["status"] == "ok"))


def _by_seed(side: Baseline) -> pd.DataFrame:
    assert side.origin is not None
    runs = valid(side).drop_duplicates([ID, "seed"])
    table = runs.set_index(["seed", ID])[side.origin.metrics].unstack(ID)
    assert isinstance(table, pd.DataFrame)
    return table


def _means(values: Floats) -> Floats:
    present = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(present, values, 0.0).sum(axis=0) / present.sum(axis=0))
