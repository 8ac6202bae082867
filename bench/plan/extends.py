"""A suite file -> its values laid over those of the suite that it extends, each still knowing where it stands."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.plan.source import Source, SuiteError, did_you_mean, is_file, read, show

_MERGED = {"params": 1, "factors": 1, "metrics": 2}
"""Tables that are laid over those of the base, and to which depth; whatever else is given takes the base's place."""


def read_extended(path: Path | str) -> Source:
    """Read a suite file and all that it extends.

    ``params``, ``factors`` and the tables of ``metrics`` are merged key by key, the suite's own values over those of
    its base; whatever else it gives takes the place of the base's. ``name`` is never inherited, and a suite with
    ``cells`` inherits no factors, or the other way round.

    Raises:
        BenchError: as ``source.read``.
        SuiteError: if ``extends`` names no suite, or leads back to where it came from.
    """
    source = read(path)
    return _extended(source, [source])


def whole_text(source: Source) -> str:
    """The text of the suite, and as comments below it that of every suite it extends: what a run keeps as a record."""
    text, base = source.text, source.base
    while base is not None:
        text += "".join(f"# {line}\n" for line in [f"{base.path.name}, extended above:", *base.text.splitlines()])
        base = base.base
    return text


def laid_over(base: Any, own: Any, depth: int) -> Any:
    """Tables key by key down to a depth, ``own`` values over those of ``base``; what is no table takes its place."""
    if depth == 0 or not (isinstance(base, dict) and isinstance(own, dict)):
        return own
    return {**base, **{key: laid_over(base[key], own[key], depth - 1) if key in base else own[key] for key in own}}


def _extended(source: Source, chain: list[Source]) -> Source:
    given = source.data.get("extends")
    if not isinstance(given, str):
        return source
    path = source.path.parent / given
    if not is_file(path):
        others = sorted(other.name for other in path.parent.glob("*.toml")) if path.parent.is_dir() else []
        hint = f"The path is relative to the suite's folder.{did_you_mean(path.name, others)}"
        raise _error(source, chain, f"there is no suite {show(given)}", hint)
    if path.resolve().suffix != ".toml":  # another file is not opened: what a message quotes may be a secret
        raise _error(source, chain, f"{show(given)} is no suite", "A suite extends a file whose name ends in .toml.")
    if any(_is_same(path, seen.path) for seen in chain):
        names = " extends ".join([*(str(seen.path.name) for seen in chain), path.name])
        raise _error(source, chain, f"the suites go round in a circle: {names}", "One of them must not extend another.")
    base = read(path)
    base = _extended(base, [*chain, base])
    return Source(source.path, source.text, _merged(_inherited(source, base), source.data), base)


def _inherited(source: Source, base: Source) -> dict[str, Any]:
    """What is left of the base: paths as seen from the folder of the suite, and no design if it brings its own."""
    gone = ["name", "extends"]
    if "cells" in source.data:
        gone += ["factors", "design", "exclude"]
    elif "factors" in source.data:
        gone.append("cells")
    kept = {key: value for key, value in base.data.items() if key not in gone}
    if isinstance(published := kept.get("published"), str):
        kept["published"] = os.path.relpath(base.path.parent / published, source.path.parent)
    return kept


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    result = {**base, **own}
    for table, depth in _MERGED.items():
        if table in base and table in own:
            result[table] = laid_over(base[table], own[table], depth)
    return result


def _error(source: Source, chain: list[Source], message: str, hint: str) -> SuiteError:
    fault = source.fault(("extends",), message, hint)
    suite = chain[0]
    return SuiteError(
        suite.path, suite.text, [fault if source is suite else replace(fault, file=(source.path, source.text))]
    )


def _is_same(path: Path, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)
