"""A run becomes its provenance: which suite, code, machines and versions its numbers come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.execute.run import Run
from bench.present import numbers


def origin(run: Run) -> Mapping[str, str]:
    """Name -> what to say of it, in the order of importance."""
    suite, contents = run.suite, run.contents
    facts = {
        "Suite": f"{_relative(suite.path)}, digest {suite.digest}",
        "Experiment": f"{suite.reference}, version {suite.experiment.version}",
        "Shared parameters": ", ".join(f"{name} = {value}" for name, value in suite.params.items()) or "all defaults",
        "Seeds": numbers.ranges(list(suite.seeds)),
        "Folder": _relative(run.folder),
        "Run": ", ".join(sorted({f"{session['started']} on {session['host']}" for session in contents.sessions})),
        "Code": ", ".join(_code(entry) for entry in (contents.sessions[-1]["code"] if contents.sessions else [])),
    }
    for environment in contents.environments.values():
        facts[f"Environment {environment['id']}"] = _environment(environment)
    seconds = sum(record.seconds for record in contents.records.values())
    facts["Computing time"] = f"{numbers.significant(seconds, 3)} s in all workers"
    return {name: text for name, text in facts.items() if text}


def _relative(path: Path) -> str:
    """The path from the current directory, if it lies below it: so it is the same wherever the project lies."""
    here, there = Path.cwd(), path.absolute()
    return str(there.relative_to(here) if there.is_relative_to(here) else path)


def _code(entry: Mapping[str, Any]) -> str:
    parts = [str(entry["name"]), str(entry["version"])]
    if entry["commit"]:
        parts.append(f"commit {entry['commit'][:12]}{' with changes' if entry['dirty'] else ''}")
    return " ".join(part for part in parts if part)


def _environment(environment: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
    threads = ", ".join(f"{name}={value}" for name, value in environment["threads"].items())
    return f"{environment['python']}; {packages}; {environment['platform']}; {environment['cpu']}; {threads}"
