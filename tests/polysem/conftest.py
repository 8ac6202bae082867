"""Shapes in polysem's signatures are checked whenever its tests run."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import typer
from jaxtyping import install_import_hook

PACKAGE = (
    "incidental",
    "lora",
    "optimisers",
    "superposition",
    "data",
    "draws",
    "ensemble",
    "exact",
    "initial",
    "kernel",
    "mersenne",
    "metrics",
    "noise",
    "philox",
    "reference",
    "sae",
    "task",
)
FEATURES = ("features.matching", "features.responses")

install_import_hook([f"polysem.{name}" for name in PACKAGE + FEATURES], "beartype.beartype")

Start = Callable[..., tuple[int, str]]


@pytest.fixture
def start(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Start:
    """Function from a command's module, its app and arguments to exit code and stderr of ``python -m MODULE``."""
    from polysem.commands import run

    def start(module: str, app: typer.Typer, *arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", [module, *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            run(app, module)
        return int(stop.value.code or 0), capfd.readouterr().err

    return start
