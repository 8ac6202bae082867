"""A suite file -> its values over those of the suite that it extends, each with the file and line it comes from."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.plan.source import Source, SuiteError, did_you_mean, is_file, read, show

_DEPTHS = {"params": 1, "factors": 1, "metrics": 2}
"""Table -> the depth to which it is merged with that of the base; every other key replaces that of the base."""


def read_with_bases(path: Path | str) -> Source:
    """Read a suite file, the suite that it extends (its base), that one's base, and so on.

    ``params``, ``factors`` and the tables of ``metrics`` are merged key by key, the suite's own values over those of
    its base; every other key replaces that of the base. ``name`` is never inherited, and a suite with
    ``cells`` inherits no factors, or the other way round.

    Raises:
        BenchError: as ``source.read``.
        SuiteError: if ``extends`` names no suite, or leads back to where it came from.
    """
    source = read(path)
    return _extend(source, [source])


def text_with_bases(source: Source) -> str:
    """The text of the suite and, as comments below it, of every base: a run stores it as a record."""
    text, base = source.text, source.base
    while base is not None:
        text += "".join(f"# {line}\n" for line in [f"{base.path.name}, extended above:", *base.text.splitlines()])
        base = base.base
    return text


def overlay(base: Any, own: Any, depth: int) -> Any:
    """Tables key by key down to a depth, ``own`` values over those of ``base``; what is no table takes its place."""
    if depth == 0 or not (isinstance(base, dict) and isinstance(own, dict)):
        return own
    return {**base, **{key: overlay(base[key], own[key], depth - 1) if key in base else own[key] for key in own}}


def _extend(source: Source, chain: list[Source]) -> Source:
    reference = source.data.get("extends")
    if not isinstance(reference, str):
        return source
    path = source.path.parent / reference
    if not is_file(path):
        others = sorted(other.name for other in path.parent.glob("*.toml")) if path.parent.is_dir() else []
        hint = f"The path is relative to the suite's folder.{did_you_mean(path.name, others)}"
        raise _error(source, chain, f"there is no suite {show(reference)}", hint)
    if path.resolve().suffix != ".toml":  # another file is not opened: what a message quotes may be a secret
        raise _error(
            source, chain, f"{show(reference)} is no suite", "A suite extends a file whose name ends in .toml."
        )
    if any(_is_same(path, ancestor.path) for ancestor in chain):
        names = " extends ".join([*(str(ancestor.path.name) for ancestor in chain), path.name])
        raise _error(source, chain, f"the suites go round in a circle: {names}", "One of them must not extend another.")
    base = read(path)
    base = _extend(base, [*chain, base])
    return Source(source.path, source.text, _merge(_inherit(source, base), source.data), base)


def _inherit(source: Source, base: Source) -> dict[str, Any]:
    """The values that a suite inherits: paths relative to its own folder, and no cells if it gives its own."""
    omissions = ["name", "extends"]
    if "cells" in source.data:
        omissions += ["factors", "design", "exclude"]
    elif "factors" in source.data:
        omissions.append("cells")
    values = {key: value for key, value in base.data.items() if key not in omissions}
    if isinstance(published := values.get("published"), str):
        values["published"] = os.path.relpath(base.path.parent / published, source.path.parent)
    return values


def _merge(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    result = {**base, **own}
    for table, depth in _DEPTHS.items():
        if table in base and table in own:
            result[table] = overlay(base[table], own[table], depth)
    return result


def _error(source: Source, chain: list[Source], message: str, hint: str) -> SuiteError:
    fault = source.fault(("extends",), message, hint)
    suite = chain[0]
    return SuiteError(
        suite.path, suite.text, [fault if source is suite else replace(fault, file=(source.path, source.text))]
    )


def _is_same(path: Path, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)
