"""A comparison with a baseline becomes sentences: the verdict, each change, what else differs, how it was judged."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pandas import DataFrame

from bench.execute.baseline import Baseline, Origin
from bench.judge.gate.absent import Absence
from bench.judge.gate.compare import Comparison, Outcome
from bench.judge.signed import GateVerdict as Verdict
from bench.judge.spending import Look
from bench.plan.labels import assignments
from bench.present import numbers

OUTCOMES: Mapping[Outcome, str] = {
    "passed": "passed",
    "regression": "regression",
    "inconclusive": "inconclusive",
    "nothing measured": "nothing was measured",
}
CHANGES = (
    "Before and now are means over seeds; a change is now minus before, or for a ratio now over before. Seeds needed: "
    "with so many, no change and a change of one margin would each be told with a probability of 80 %."
)
_WORSE: Mapping[str, str] = {
    Verdict.REGRESSION: "worse",
    Verdict.CHANGE: "changed",
    Verdict.DETERMINISTIC: "shifted by a constant",
}
_NOT_SHOWN = "not shown to be no worse by its margin"


def lead(comparison: Comparison, outcome: Outcome, *, strict: bool, failed: int) -> Iterator[str]:
    """What the gate says, in one paragraph or two."""
    verdict = comparison.changes["verdict"]
    counts = [_counted(int(count), str(name)) for name, count in verdict.value_counts().items()]
    total = numbers.counted(len(verdict), "comparison")
    yield (
        f"Of {total} ({numbers.counted(comparison.changes['metric'].nunique(), 'metric')}): {numbers.listed(counts)}."
        if counts
        else "Nothing could be compared."
    )
    if failed:
        yield f"{numbers.counted(failed, 'run')} of this run have no outcome: finish it, then compare again."
    if outcome == "regression" and strict and not comparison.changes["alarm"].any():
        yield "No change is shown, and --strict demands that each comparison is shown to be no worse by its margin."
    if outcome == "inconclusive":
        needed = float(comparison.changes.loc[verdict == Verdict.INCONCLUSIVE, "seeds"].max())
        if math.isfinite(needed):
            yield f"With {numbers.count(needed)} seeds in both, all of it would be decided (with 80 % each)."
    if outcome == "nothing measured" and (verdict == Verdict.NO_MARGIN).any():
        yield 'No metric has a margin, so that nothing can be shown to be equivalent: [metrics.NAME] margin = "5%".'


def looks(now: Look, outcome: Outcome) -> Iterator[str]:
    """Which look this is, where two were planned."""
    if now.of == 1:
        return
    yield f"Look {now.number} of {now.of} that were planned, judged at the {now.alpha:.3g} that it may spend."
    if now.number == 1 and outcome == "inconclusive":
        yield "The second look, with more seeds, is still to come: bench compare RUN --suite SUITE takes it."


@dataclass(frozen=True)
class Finding:
    """One comparison in words."""

    metric: str
    """Its label."""
    where: str
    verdict: str
    fails: bool
    """Whether the gate fails by it."""
    lost: int
    text: str
    """E.g. ``regression beyond the margin: 8.702 to 9.572, 0.87 [0.72, 1.01]; margin 0.45; adj. p <0.001``."""

    @property
    def state(self) -> str:
        """What it is to a test suite: a failure, an error where nothing was measured, skipped if undecided; else ""."""
        if self.fails:
            return "failure"
        if self.verdict == Verdict.NOT_MEASURED:
            return "error"
        return "skipped" if self.verdict in (Verdict.INCONCLUSIVE, Verdict.NO_MARGIN) else ""


def findings(changes: DataFrame, labels: Mapping[str, str], *, strict: bool) -> Iterator[Finding]:
    """Every row of ``Comparison.changes`` in words."""
    for row in changes.to_dict("records"):
        yield Finding(
            metric=labels.get(row["metric"], row["metric"]),
            where=row["where"],
            verdict=row["verdict"],
            fails=bool(row["alarm"] or (strict and not row["noninferior"])),
            lost=int(row["lost"]),
            text=_finding(row),
        )


def alarms(found: Sequence[Finding]) -> Iterator[str]:
    """One point per metric that fails, with its cells; then what was not measured."""
    for (metric, verdict), group in _grouped(entry for entry in found if entry.fails).items():
        yield f"{metric}: {_WORSE.get(verdict, _NOT_SHOWN)} in {_places(group)}. The first: {group[0].text}."
    for (metric, _), group in _grouped(entry for entry in found if entry.verdict == Verdict.NOT_MEASURED).items():
        lost = max(entry.lost for entry in group)
        why = f": up to {numbers.counted(lost, 'seed')} have no value now that had one" if lost else ""
        yield f"{metric}: not measured in {_places(group)}{why}."


def diverged(old: Baseline, new: Baseline) -> Iterator[str]:
    """How many runs diverge now and did not before, among those that both have."""
    if old.kind == "means":
        return
    names = ["parameters", "seed"]
    both = new.frame.merge(old.frame[[*names, "status"]], on=names, suffixes=("", "_before"))
    fresh = int(((both["status"] == "diverged") & (both["status_before"] == "ok")).sum())
    if fresh:
        yield f"{numbers.counted(fresh, 'run')} diverged that did not diverge before."


def not_compared(comparison: Comparison) -> Iterator[str]:
    """New, removed and changed cells and metrics."""
    lacking, removed = comparison.absences.lacking, comparison.absences.removed
    kinds = {
        "New cells, not in the baseline": comparison.new_cells,
        "Cells of the baseline that are not run any more": _cells(
            absence for absence in lacking if absence.metric not in comparison.removed_metrics
        ),
        "Cells whose other parameters changed, compared without pairing": comparison.changed_cells,
        "New metrics, not in the baseline": comparison.new_metrics,
        "Metrics of the baseline that are not measured any more": comparison.removed_metrics,
        "Seeds of the baseline that are not run": _seeds(lacking),
        "Not run any more, as the suite says": [*_cells(removed), *(f"seed {seed}" for seed in _seeds(removed))],
        "Called removed by the suite, though nothing of the kind is missing": comparison.absences.idle,
    }
    yield from (f"{kind}: {numbers.listed(names)}." for kind, names in kinds.items() if names)
    if lacking:
        yield (
            "What the baseline has and the run has not is not measured, unless the suite says that it was meant "
            "([baseline] removed = [...]) or a new baseline is accepted."
        )
    yield from comparison.notes


def deterministic(old: Baseline, new: Baseline, comparison: Comparison, labels: Mapping[str, str]) -> Iterator[str]:
    """The metrics that came out equal bit for bit in the same environment, where others did not."""
    verdicts = comparison.changes.groupby("metric", sort=False)["verdict"]
    same = [str(name) for name, given in verdicts if set(given) == {Verdict.IDENTICAL}]
    if same and len(same) < verdicts.ngroups and _environments(old) == _environments(new) != set():
        names = numbers.listed([labels.get(name, name) for name in same], most=99)
        yield f"Deterministic on this machine, equal bit for bit in every cell, so that no alarm is noise: {names}."


def _environments(side: Baseline) -> set[str]:
    return set() if side.origin is None else {entry["id"] for entry in side.origin.environments}


def _cells(absences: Iterable[Absence]) -> list[str]:
    return list(dict.fromkeys(absence.where for absence in absences if "seed" not in absence.keys))


def _seeds(absences: Iterable[Absence]) -> list[str]:
    return list(dict.fromkeys(absence.where for absence in absences if "seed" in absence.keys))


def environment(old: Baseline, new: Baseline, *, identical: bool) -> Iterator[str]:
    """What differs between the two beside the numbers: suite, version, code, parameters, machines."""
    if old.origin is None or new.origin is None:
        yield "The baseline is a table of means: nothing is known of the code and the machine that made it."
        return
    digested = _digested(old.origin, new.origin)
    unknown = _undecidable(old.origin, new.origin, digested)
    before, now = _facts(old.origin, digested), _facts(new.origin, digested)
    for name in dict.fromkeys([*before, *now]):
        if before.get(name) != now.get(name):
            yield f"{name}: {before.get(name, 'none')} → {now.get(name, 'none')}"
    if unknown:
        yield (
            f"Whether the source of {numbers.listed(unknown)} is the same cannot be told: one side was stored by an "
            "earlier bench, which noted it in another way."
        )
    if _environments(old) != _environments(new):
        yield "In another environment the last bits may differ: values that are not identical need not mean other code."
    elif before == now and not unknown and not identical:
        yield "The suite, the source of the code and the environment are the same, and yet values differ."
    elif before == now and not unknown:
        yield "Nothing: the same suite, code and environment."


def methods(comparison: Comparison, *, strict: bool) -> Iterator[str]:
    """How the verdicts were reached."""
    alpha = comparison.alpha
    used = [method for method in dict.fromkeys(comparison.changes["method"]) if method]
    yield f"Methods used: {numbers.listed(used) or 'none'}."
    yield (
        "In this order: identical, if all values are equal bit for bit; deterministic change, if every seed shifts by "
        f"the same amount; equivalent, if the {numbers.percent(1 - 2 * alpha)} interval lies within the margin; "
        f"regression or improvement (change, for a metric without a better direction), if Holm's p is below {alpha:g}; "
        "else inconclusive, or no margin where none was declared."
    )
    tests = int(comparison.changes["p"].notna().sum())
    yield f"Family of the adjustment: all {numbers.counted(tests, 'comparison')} that can be tested."
    yield "A change is beyond the margin if its whole interval is. A constant shift fails if it is worse and beyond."
    if strict:
        yield "Strict: each comparison must be shown to be no worse by its margin (equivalent, without a direction)."


def provenance(old: Baseline, new: Baseline) -> Iterator[tuple[str, str]]:
    """Where the two sides come from."""
    for name, side in (("Baseline", old), ("Run", new)):
        yield name, side.source
        if side.origin is not None:
            yield from ((f"{name}, {fact.lower()}", text) for fact, text in _facts(side.origin).items())


def _finding(row: Mapping[Hashable, Any]) -> str:
    sign = "× " if row["scale"] == "ratio" else ""
    parts = [f"{numbers.significant(row['old'])} to {numbers.significant(row['new'])}"]
    if math.isfinite(row["estimate"]) and row["verdict"] != Verdict.IDENTICAL:
        parts[0] += f", {sign}{numbers.interval(row['estimate'], row['low'], row['high'])}"
    if math.isfinite(row["margin"]):
        parts.append(f"margin {numbers.percent(row['margin']) if sign else numbers.significant(row['margin'])}")
    if math.isfinite(row["p_adjusted"]):
        parts.append(f"adj. p {numbers.p_value(row['p_adjusted'])}")
    if row["lost"]:
        parts.append(f"{numbers.counted(row['lost'], 'seed')} without a value now")
    if math.isfinite(row["detectable"]):
        least = numbers.percent(row["detectable"]) if sign else numbers.significant(row["detectable"], 3)
        parts.append(f"only {least} or more would be found")
    return f"{row['verdict']}{' beyond the margin' if row['material'] else ''}: {'; '.join(parts)}"


def _grouped(found: Iterable[Finding]) -> dict[tuple[str, str], list[Finding]]:
    groups: dict[tuple[str, str], list[Finding]] = {}
    for entry in found:
        groups.setdefault((entry.metric, entry.verdict), []).append(entry)
    return groups


def _counted(count: int, verdict: str) -> str:
    """``2 regressions``, ``3 inconclusive``."""
    is_noun = verdict in (*_WORSE, Verdict.IMPROVEMENT)
    return numbers.counted(count, verdict) if is_noun else f"{count} {verdict}"


def _places(group: Sequence[Finding]) -> str:
    places = [entry.where for entry in group]
    return places[0] if len(places) == 1 else f"{len(places)} places ({numbers.listed(places)})"


def _digested(old: Origin, new: Origin) -> set[str]:
    """Code whose digests are of the same files on both sides, so that they can be compared."""
    kinds: dict[str, set[object]] = {}
    for entry in (*old.code, *new.code):
        kind = entry.get("covers", "package") if entry.get("digest") else ""
        kinds.setdefault(str(entry["name"]), set()).add(kind)
    return {name for name, found in kinds.items() if len(found) == 1 and found != {""}}


def _undecidable(old: Origin, new: Origin, digested: Collection[str]) -> list[str]:
    """Code on both sides that neither comparable digests nor one clean commit identifies."""
    sides = [{entry["name"] for entry in origin.code} for origin in (old, new)]
    entries = [*old.code, *new.code]
    clean = {
        name
        for name in sides[0] & sides[1]
        if len({entry.get("commit") for entry in entries if entry["name"] == name} - {""}) == 1
        and all(entry.get("commit") and not entry.get("dirty") for entry in entries if entry["name"] == name)
    }
    return sorted((sides[0] & sides[1]) - set(digested) - clean)


def _facts(origin: Origin, digested: Collection[str] = ()) -> dict[str, str]:
    """Name -> what to say, with digests of the code that is named ``digested``."""
    facts = {
        "Suite": f"{origin.suite}, digest {origin.digest}",
        "Experiment": f"{origin.experiment}, version {origin.version}",
        "Shared parameters": assignments(origin.params) or "all defaults",
    }
    states: dict[str, list[str]] = {}
    for entry in origin.code:
        source = f"source {entry['digest']}" if entry["name"] in digested else ""
        changed = " with changes" if entry.get("dirty") else ""
        parts = (str(entry["version"]), f"{str(entry['commit'])[:12]}{changed}".strip(), source)
        states.setdefault(f"Code of {entry['name']}", []).append(" ".join(part for part in parts if part))
    facts |= {name: "; ".join(texts) for name, texts in states.items()}
    for number, entry in enumerate(origin.environments, start=1):
        which = f" {number}" if len(origin.environments) > 1 else ""
        for name in ("python", "packages", "platform", "cpu", "instructions", "kernels", "threads"):
            facts[f"{name.capitalize()}{which}"] = _text(entry.get(name))
        facts[f"What the experiment adds{which}"] = _text(entry.get("experiment"))
    return {name: text for name, text in facts.items() if text}


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")
