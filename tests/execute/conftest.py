"""Suites of tiny experiments in temporary folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.plan.suite import Plan, load

MakeSuite = Callable[..., Plan]


@pytest.fixture
def make_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSuite:
    """Write and load a suite: ``make_suite("LOOP", {"kind": ["fine"]}, seeds=3, sleep=0.1)``."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))

    def make(
        experiment: str, factors: dict[str, list[Any]], *, seeds: Any = 3, name: str = "tiny", **params: Any
    ) -> Plan:
        params = {"folder": str(tmp_path), **params}
        lines = [f'name = "{name}"', f'experiment = "tiny:{experiment}"', f"seeds = {json.dumps(seeds)}"]
        lines += ["[params]", *(f"{key} = {json.dumps(value)}" for key, value in params.items() if key not in factors)]
        lines += ["[factors]", *(f"{key} = {json.dumps(levels)}" for key, levels in factors.items())]
        path = tmp_path / f"{name}.toml"
        path.write_text("\n".join(lines))
        return load(path)

    return make
