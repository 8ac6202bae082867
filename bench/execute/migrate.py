"""The journal of an earlier bench -> the same results under today's keys, so that a run goes on with them.

Until version 2 of ``run.json`` a parameter equal to its default (1, 1.0 and true are) was no part of a key, and the
elements of a set came in any order.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.execute import manifest
from bench.execute.manifest import Manifest
from bench.execute.records import Record, encode_record, plain
from bench.execute.segments import REKEYED, rewrite, scan
from bench.experiment import Experiment, identify
from bench.plan.levels import Level, attempt, label


def rekey(folder: Path, experiment: Experiment) -> None:
    """Give stored results of a run the keys that their parameters have today; the folder must be locked.

    Lines as they were are kept in ``journal/rekeyed/``. A result is left alone unless its old key follows from its
    levels and the shared parameters in ``run.json``, which proves that these are its parameters.
    """
    if not (folder / "run.json").is_file() or (stored := manifest.read(folder)).schema_version > 1:
        return
    lines: dict[str, dict[int, bytes]] = defaultdict(dict)
    number: dict[str, int] = defaultdict(int)
    known: dict[str, _Cell | None] = {}
    for segment, item in scan(folder / "journal"):
        number[segment] += 1
        if not isinstance(item, Record):
            continue
        text = json.dumps(item.levels)
        if text not in known:
            known[text] = _cell(item.levels, stored, experiment)
        cell = known[text]
        if cell is not None and identify(cell.before, item.seed, stored.version) == item.key:
            key = identify(cell.changed, item.seed, stored.version)
            if key != item.key:
                lines[segment][number[segment]] = encode_record(replace(item, key=key, levels=cell.levels))
    rewrite(folder / "journal", lines, REKEYED)


def rekeyed(folder: Path) -> int:
    """How many results of a run have been given another key than they were stored under."""
    return sum(1 for _ in scan(folder / "journal" / REKEYED))


@dataclass(frozen=True)
class _Cell:
    levels: Mapping[str, Level]
    before: Mapping[str, Any]
    """What made the old keys."""
    changed: Mapping[str, Any]
    """What makes the new ones (``Experiment.changed``)."""


def _cell(levels: Mapping[str, Any], stored: Manifest, experiment: Experiment) -> _Cell | None:
    """The cell that was run at ``levels``; None where the experiment does not take them any more."""
    settings = {
        name: {json.dumps(plain(level)): value for level, value in pairs} for name, pairs in stored.factors.items()
    }
    own = {name: settings.get(name, {}).get(json.dumps(level), level) for name, level in levels.items()}
    trial = attempt(experiment, {**stored.params, **own})
    if trial.refusals or not levels.keys() <= trial.as_json.keys():
        return None
    called = {name: label(own[name], trial.as_json[name]) for name in levels}
    renamed = {name: _dump(level) for name, level in levels.items() if level != plain(called[name])}
    values = {**trial.as_json, **renamed}
    before = {name: value for name, value in values.items() if value != experiment.defaults.get(name)}
    return _Cell(called, before, experiment.changed(trial.params))


def _dump(level: Level) -> Any:
    """The JSON values that an earlier bench called ``level``: a list in another order than today's."""
    try:
        return json.loads(level) if isinstance(level, str) else level
    except ValueError:
        return level
