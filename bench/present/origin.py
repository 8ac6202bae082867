"""A run becomes its provenance: the suite, code, machines and versions of its numbers, and whether these are mixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from bench.execute.baseline import Origin
from bench.execute.journal import Contents
from bench.execute.provenance import PACKAGE, code_of, digest_of, files_of, is_other
from bench.execute.records import OUTCOMES, Record
from bench.execute.run import Run
from bench.experiment import strata_of
from bench.plan.find import from_project
from bench.plan.labels import assignments
from bench.present import numbers
from bench.present.state import region, seed_ranges


def origin(run: Run) -> Mapping[str, str]:
    """Name -> what to say of it, in the order of importance."""
    suite, contents = run.suite, run.contents
    facts = {
        "Suite": f"{from_project(suite.path)}, digest {suite.digest}",
        "Experiment": f"{suite.reference}, version {suite.experiment.version}",
        "Shared parameters": assignments(suite.params) or "all defaults",
        "Parameters that follow levels": "; ".join(
            f"{assignments(setting.params)} where {region(setting.where)}" for setting in suite.sets
        ),
        "Seeds": seed_ranges(suite), "Folder": from_project(run.folder),
        "Run": ", ".join(sorted({
            f"{session.get('started', 'at an unknown time')} on {session.get('host', 'an unknown host')}"
            for session in contents.sessions
        })),
        "Code": "; ".join(dict.fromkeys(", ".join(map(_code, code_of(session))) for session in contents.sessions)),
        "Set aside": _set_aside(contents),
        "Superseded": superseded(contents, [metric.name for metric in suite.experiment.metrics]),
    }  # fmt: skip
    for name, environment in contents.environments.items():
        parts = (_text(environment.get(part)) for part in (*_PARTS, "experiment"))
        facts[f"Environment {name}"] = "; ".join(filter(None, parts))
    seconds = sum(record.seconds for record in contents.records.values())
    facts["Computing time"] = f"{numbers.significant(seconds, 3)} s in all workers"
    return {name: text for name, text in facts.items() if text}


def mixtures(run: Run, planned: Collection[str], *, latest: str = "that of the last bench run") -> Iterator[str]:
    """Paragraphs on results that come from other source than the suite was last run with, or several environments.

    ``latest``: what to call the source that it was last run with.
    """
    contents, today = run.contents, digest_of(run.source)
    used = [record for key, record in contents.records.items() if key in planned and record.status in OUTCOMES]
    sources = Counter(contents.source(record.key) for record in used)
    if others := [record for record in used if is_other(contents.source(record.key), today)]:
        unit = {seed: next(iter(strata_of(seed).values()), seed) for seed in run.suite.seeds}
        seeds = numbers.ranges(sorted({unit[record.seed] for record in others}))
        yield (
            f"Other source: {len(others)} of {numbers.counted(len(used), 'result')} (of seeds {seeds}) come from other "
            f"source of the experiment than {latest}, under the same version ({_changed(run, others)}). If the change "
            "can alter numbers, they do not belong in one table: bench run --rerun-changed runs them again."
        )
    counts = Counter({source.removeprefix(PACKAGE): n for source, n in sources.items() if source.startswith(PACKAGE)})
    if today and (unknown := counts.total()):
        yield (
            f"Source unknown: {numbers.counted(unknown, 'result')} were stored by an earlier bench, which noted the "
            f"source of an experiment in another way. Whether it was {latest} is unknown."
        )
    if len(counts) > 1:
        yield (
            f"Different code: the experiment's source changed between these runs, and its version did not "
            f"({_shares(counts)}). If the change can alter numbers, they do not belong in one table: change the "
            "version, or run with --fresh."
        )
    environments = Counter(record.environment for record in used)
    if len(environments) > 1:
        described = [_flat(contents.environments.get(name, {})) for name in environments]
        names = list(dict.fromkeys(name for one in described for name in one if name != "id"))
        differing = [name for name in names if len({str(one.get(name)) for one in described}) > 1]
        yield (
            f"Different environments: these runs were made in {len(environments)} of them ({_shares(environments)}), "
            f"which differ in {numbers.listed(differing) or 'what is not known'}; equal parameters and seeds may then "
            "give other last digits, and training can amplify them. Provenance describes each."
        )


def _changed(run: Run, others: Sequence[Record]) -> str:
    """Which files differ, by name."""
    contents = run.contents
    sessions = {contents.session_of[record.key] for record in others}
    before = [files_of(contents.sessions[session]) for session in sorted(sessions)]
    names = {name for files in before for name in {*files, *run.source} if files.get(name) != run.source.get(name)}
    return f"changed: {numbers.listed(sorted(names), most=4)}" if names else "what changed is not known"


def superseded(contents: Contents, metrics: Collection[str], *, since: int = 0) -> str:
    """How many outcomes later ones have replaced, and why; only those replaced by sessions from number ``since`` on."""
    replaced = [record for record in contents.superseded if contents.session_of.get(record.key, -1) >= since]
    lacking = [record for record in replaced if not set(metrics) <= set(record.metrics)]
    names = [name for name in metrics if any(name not in record.metrics for record in lacking)]
    parts = []
    if lacking:
        lacked = f"{numbers.counted(len(lacking), 'result')} lacked a metric that is declared now ({', '.join(names)})"
        parts.append(f"{lacked} and {'was' if len(lacking) == 1 else 'were'} run again")
    if others := len(replaced) - len(lacking):
        was = "was" if others == 1 else "were"
        parts.append(f"{numbers.counted(others, 'result')} of other source {was} run again")
    return "; ".join(parts)


def _shares(counts: Counter[str]) -> str:
    return numbers.listed(
        [f"{numbers.counted(count, 'run')} by {name or 'unknown'}" for name, count in counts.most_common()]
    )


def _code(entry: Mapping[str, Any]) -> str:
    commit = f"commit {_commit(entry)}" if entry.get("commit") else ""
    source = f"source {entry['digest']}" if entry.get("digest") else ""
    return _words(entry.get("name"), entry.get("version"), commit, source)


def _commit(entry: Mapping[str, Any]) -> str:
    return f"{str(entry['commit'])[:12]}{' with changes' if entry.get('dirty') else ''}".strip()


def _words(*parts: object) -> str:
    return " ".join(str(part) for part in parts if part)


def _set_aside(contents: Contents) -> str:
    """How many damaged lines were taken out of the journal, which is the only trace of them in the results."""
    found = [session.get("set_aside") for session in contents.sessions]
    n_lines = sum(n for counts in found if isinstance(counts, dict) for n in counts.values() if isinstance(n, int))
    return f"{numbers.counted(n_lines, 'damaged line')} of the journal; what they held was run again" if n_lines else ""


def _flat(environment: Mapping[str, Any]) -> Mapping[str, Any]:
    """An environment with what the experiment adds to it on a level with the rest."""
    added = environment.get("experiment")
    rest = {name: value for name, value in environment.items() if name != "experiment"}
    return {**rest, **added} if isinstance(added, dict) else rest


_PARTS = ("python", "packages", "platform", "cpu", "instructions", "kernels", "threads")
"""What bench describes of an environment, in the order of its importance; ``experiment`` is what that adds."""


def ids(origin: Origin | None) -> set[str]:
    """The environments that made the values; empty where nothing is known of them."""
    return set() if origin is None else {entry["id"] for entry in origin.environments}


def differences(old: Origin, new: Origin) -> tuple[list[str], bool]:
    """What differs between two sides, beside their numbers; and whether that can be told of all their code."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for entry in (*old.code, *new.code):
        by_name.setdefault(entry["name"], []).append(entry)
    digested, unknown = set(), []
    for name, entries in by_name.items():
        kinds = {entry.get("covers", "package") if entry.get("digest") else "" for entry in entries}
        one_commit = len({entry.get("commit") for entry in entries}) == 1
        if len(kinds) == 1 and kinds != {""}:  # digests of the same files, which can be compared
            digested.add(name)
        elif all(any(entry["name"] == name for entry in side.code) for side in (old, new)) and not (
            one_commit and all(entry.get("commit") and not entry.get("dirty") for entry in entries)
        ):
            unknown.append(name)
    points = changed(facts_of(old, digested), facts_of(new, digested))
    if unknown:
        points.append(
            f"Whether the source of {numbers.listed(sorted(unknown))} is the same is unknown: one side was stored by "
            "an earlier bench, which noted it in another way."
        )
    return points, not unknown


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The facts that are not the same in both."""
    names = [name for name in dict.fromkeys([*before, *now]) if before.get(name) != now.get(name)]
    return [f"{name}: {before.get(name, 'none')} → {now.get(name, 'none')}" for name in names]


def facts_of(origin: Origin, digested: Collection[str] = ()) -> dict[str, str]:
    """Name -> what to say, with digests of the code that is named ``digested``."""
    facts = {
        "Suite": f"{origin.suite}, digest {origin.digest}",
        "Experiment": f"{origin.experiment}, version {origin.version}",
        "Shared parameters": assignments(origin.params) or "all defaults",
    }
    states: dict[str, list[str]] = {}
    for entry in origin.code:
        source = f"source {entry['digest']}" if entry["name"] in digested else ""
        states.setdefault(f"Code of {entry['name']}", []).append(_words(entry["version"], _commit(entry), source))
    facts |= {name: "; ".join(texts) for name, texts in states.items()}
    for number, entry in enumerate(origin.environments, start=1):
        which = f" {number}" if len(origin.environments) > 1 else ""
        facts |= {f"{name.capitalize()}{which}": _text(entry.get(name)) for name in _PARTS}
        facts[f"What the experiment adds{which}"] = _text(entry.get("experiment"))
    return {name: text for name, text in facts.items() if text}


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")
