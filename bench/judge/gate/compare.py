"""A baseline and a run -> one row a comparison with its verdict, and what was added or removed between them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from bench.errors import BenchError
from bench.execute.baseline import Baseline
from bench.judge.analysis import MetricOptions
from bench.judge.gate.absent import Absence, Absences
from bench.judge.gate.decide import Changes, Decisions, decide
from bench.judge.gate.matched import Comparables, cells_by_seed
from bench.judge.gate.matched_effects import effects_by_seed
from bench.judge.gate.matched_means import means_by_table
from bench.judge.names import reported
from bench.judge.sensitivity import detectable_change, seeds_to_decide
from bench.judge.signed import GateVerdict as Verdict
from bench.plan.metrics import margin_of
from bench.plan.shape import BaselineTable
from bench.stats.coding import Bools, Floats

Outcome = Literal["passed", "regression", "inconclusive", "nothing measured"]


_COMPARE_ALL = BaselineTable()


@dataclass(frozen=True, eq=False)
class Comparison:
    """``changes``: one row a metric and cell (or effect), in ``COLUMNS``; beside it, what could not be compared."""

    changes: pd.DataFrame
    new_cells: tuple[str, ...]
    changed_cells: tuple[str, ...]
    """Of the same levels, whose other parameters differ: compared without pairing."""
    new_metrics: tuple[str, ...]
    removed_metrics: tuple[str, ...]
    """Metrics that the run lacks."""
    absences: Absences
    """What the baseline has and the run has not; what the suite does not call removed is not measured."""
    notes: tuple[str, ...]
    alpha: float

    def outcome(self, *, strict: bool = False) -> Outcome:
        """What the gate says; ``strict`` also fails what is not shown to be no worse by the margin."""
        verdict = self.changes["verdict"]
        if self.changes["alarm"].any() or (strict and len(verdict) and not self.changes["noninferior"].all()):
            return "regression"
        if verdict.isin([Verdict.NOT_MEASURED, Verdict.NO_MARGIN]).all():
            return "nothing measured"
        undecided = not strict and verdict.isin([Verdict.INCONCLUSIVE, Verdict.NOT_MEASURED]).any()
        return "inconclusive" if undecided else "passed"


DIRECTION: Mapping[str, float] = {"higher": 1.0, "lower": -1.0, "neither": 0.0}
"""Of a metric that gets better: upwards, downwards, neither."""
COLUMNS = (
    *("metric", "where", "verdict", "alarm", "material", "noninferior", "scale", "old", "new"),
    *("estimate", "low", "high", "df", "p", "p_adjusted", "margin", "p_equivalent", "n", "lost"),
    *("detectable", "seeds", "method"),
)
"""``estimate low high``: new minus old, or their ratio (``scale``); ``lost``: seeds without a value now that had one;
``detectable`` and ``seeds`` of undecided rows: the smallest change found with a power of 80 %, and how many seeds would
tell no change from a change of one margin with that power."""


def compare(
    old: Baseline,
    new: Baseline,
    rules: Sequence[MetricOptions],
    settings: BaselineTable = _COMPARE_ALL,
    *,
    alpha: float = 0.05,
    awaited: Collection[int] = (),
) -> Comparison:
    """Compare a run (``new``, one row a run) with a baseline, with the error of all comparisons together at ``alpha``.

    Paired by seed where the cells' parameters match, else Welch's. ``rules`` are of the metrics that ``settings``
    compare. What the baseline has and the run has not is not measured, ``awaited`` seeds of a later look apart.

    Raises:
        BenchError: the two are of different experiments, or the baseline cannot be compared in this way.
    """
    assert new.origin is not None
    _require_same_experiment(old, new)
    by_name = {rule.name: rule for rule in rules}
    if old.kind == "means":
        if settings.compare == "effects":
            raise BenchError("Effects cannot be compared with means.", hint='Set compare = "cells" in [baseline].')
        comparables = means_by_table(old.frame, new, [*by_name], ddof=0 if settings.sd == "population" else 1)
    elif settings.compare == "cells":
        comparables = cells_by_seed(old, new, {name: rule.log for name, rule in by_name.items()})
    else:
        comparables = effects_by_seed(old, new, {name: rule.log for name, rule in by_name.items()})
    rows = comparables.rows
    margin = np.full(len(rows), np.nan)
    for row, (name, on_log, mean) in enumerate(zip(rows["metric"], rows["log"], rows["old"], strict=True)):
        margin[row] = margin_on_scale(by_name[name], on_log=on_log, old_mean=mean)
    better = np.array([DIRECTION[by_name[name].better] for name in rows["metric"]], np.float64)
    decisions = decide(comparables.changes, margin, better, alpha)
    absences = Absences.of(list(_asked_for(comparables, new, by_name, settings, awaited)), settings.removed)
    return Comparison(
        changes=_joined(_frame(comparables, decisions, margin, alpha), _lacking(absences, by_name)),
        new_cells=comparables.new_cells,
        changed_cells=comparables.changed_cells,
        new_metrics=tuple(name for name in new.origin.metrics if name not in comparables.old_metrics),
        removed_metrics=tuple(
            dict.fromkeys(entry.metric for entry in absences.lacking if entry.metric not in new.origin.metrics)
        ),
        absences=absences,
        notes=comparables.notes,
        alpha=alpha,
    )


def _joined(measured: pd.DataFrame, lacking: pd.DataFrame) -> pd.DataFrame:
    frames = [frame for frame in (measured, lacking) if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else measured


def _asked_for(
    comparables: Comparables,
    new: Baseline,
    rules: Collection[str],
    settings: BaselineTable,
    awaited: Collection[int],
) -> Iterator[Absence]:
    """Absences of metrics that are compared, or would be if the experiment had them still."""
    assert new.origin is not None
    seeds = {str(seed) for seed in awaited}
    for absence in comparables.absences:
        gone = absence.metric not in new.origin.metrics and settings.metrics is None
        if (gone or absence.metric in rules) and absence.keys.get("seed") not in seeds:
            yield absence


def _lacking(absences: Absences, rules: Mapping[str, MetricOptions]) -> pd.DataFrame:
    """Rows of ``COLUMNS`` for what is not measured because it is not run any more."""
    rows = absences.rows()
    logs = [name in rules and rules[name].log for name in rows["metric"]]
    constants: dict[str, Any] = {
        "verdict": str(Verdict.NOT_MEASURED),
        "method": "",
        "scale": np.where(logs, "ratio", "difference"),
        "n": 0.0,
        **dict.fromkeys(("alarm", "material", "noninferior"), False),
    }
    missing = {name: np.nan for name in COLUMNS if name not in rows and name not in constants}
    return rows.assign(**constants, **missing)[list(COLUMNS)]


def margin_on_scale(rule: MetricOptions, *, on_log: bool, old_mean: float) -> float:
    """The margin on the scale of the comparison; NaN for none."""
    margin = margin_of(rule.margin, "log" if rule.log else "identity", relative=rule.relative)
    return float("nan") if margin is None else margin.on("log" if on_log else "identity", old_mean)


def _require_same_experiment(old: Baseline, new: Baseline) -> None:
    if old.origin is not None and new.origin is not None and old.origin.experiment != new.origin.experiment:
        raise BenchError(
            f"{old.source} is of {old.origin.experiment}, and {new.source} is of {new.origin.experiment}.",
            hint="Compare with a baseline of the same experiment.",
        )


def _frame(comparables: Comparables, decisions: Decisions, margin: Floats, alpha: float) -> pd.DataFrame:
    changes, rows = comparables.changes, comparables.rows
    log = rows["log"].to_numpy(bool)
    lost = rows["lost"].to_numpy() > 0
    verdict = np.where(lost & ~decisions.alarm, str(Verdict.NOT_MEASURED), decisions.verdict)
    undecided = np.isin(verdict, [Verdict.INCONCLUSIVE, Verdict.NO_MARGIN])
    tests = int(np.isfinite(decisions.p).sum())
    detectable, seeds = _undecided(changes, margin, undecided, tests, alpha)
    frame = rows.assign(
        verdict=verdict,
        alarm=decisions.alarm,
        material=decisions.material,
        noninferior=decisions.noninferior & ~lost,
        scale=np.where(log, "ratio", "difference"),
        estimate=reported(changes.value, log),
        low=reported(decisions.low, log),
        high=reported(decisions.high, log),
        df=changes.df,
        p=decisions.p,
        p_adjusted=decisions.p_adjusted,
        margin=_relative(margin, log),
        p_equivalent=decisions.p_equivalent,
        n=changes.n.astype(float),
        detectable=_relative(detectable, log),
        seeds=seeds,
    )
    return frame[list(COLUMNS)]


def _relative(size: Floats, log: Bools) -> Floats:
    """Sizes of changes; of logarithms as relative changes, perhaps infinite."""
    with np.errstate(over="ignore"):
        return np.where(log, np.expm1(np.where(log, size, 0.0)), size)


def _undecided(changes: Changes, margin: Floats, undecided: Bools, tests: int, alpha: float) -> tuple[Floats, Floats]:
    detectable, seeds = np.full(len(margin), np.nan), np.full(len(margin), np.nan)
    for row in np.flatnonzero(undecided):
        detectable[row] = detectable_change(changes.se[row], changes.df[row], tests, alpha=alpha)
        seeds[row] = seeds_to_decide(changes.se[row] * np.sqrt(changes.n[row]), margin[row], tests, alpha=alpha)
    return detectable, seeds
