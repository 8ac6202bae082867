"""A suite on disk for each test, naming the experiment in subject.py."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # for subject.py and toml_documents.py

GOOD = """\
name = "grid"
experiment = "subject:EXPERIMENT"
seeds = 3
[params]
steps = 20
[factors]
reg = ["l1", "l2"]
lr = [0.1, 1]
[metrics.loss]
margin = "5%"
"""


@pytest.fixture
def good() -> str:
    return GOOD


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "suite.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
