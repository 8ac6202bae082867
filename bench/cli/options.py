"""What several commands take: formats, and arguments and options with their help."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.errors import BenchError
from bench.present.formats import FORMATS


class ReportFormat(StrEnum):
    """Formats of a report: the terminal's, those that have a file, and all of these at once."""

    TERMINAL = "terminal"
    vars().update({name.upper(): name for name in FORMATS})
    ALL = "all"


class CompareFormat(StrEnum):
    """Formats of a comparison."""

    TERMINAL = "terminal"
    MD = "md"
    JSON = "json"
    JUNIT = "junit"
    GITHUB = "github"


class FigureFormat(StrEnum):
    """Formats of the pictures beside a file."""

    SVG = "svg"
    PNG = "png"
    PDF = "pdf"


class TextFormat(StrEnum):
    """Formats of a short result."""

    TEXT = "text"
    JSON = "json"


class TableFormat(StrEnum):
    """Formats of an exported table."""

    CSV = "csv"
    PARQUET = "parquet"


SuiteFile = Annotated[Path, typer.Argument(metavar="SUITE", help="A suite file (TOML).", show_default=False)]
RunName = Annotated[
    str | None,
    typer.Argument(metavar="RUN", help="A run's name or folder; by default the newest.", show_default=False),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder that holds the folders of runs.")]
Output = Annotated[
    str | None, typer.Option("--output", "-o", metavar="PATH", help="Write here; - is stdout.", show_default=False)
]
TextOrJson = Annotated[TextFormat, typer.Option("--format", help="How to print the result.")]
Form = Annotated[
    ReportFormat,
    typer.Option("--format", metavar="FORMAT", help=f"terminal, {', '.join(FORMATS)} (a folder of tables), or all."),
]
Confidence = Annotated[float, typer.Option("--confidence", metavar="SHARE", help="Of every interval: 0.95 is 95%.")]
Brief = Annotated[bool, typer.Option("--brief", help="In the terminal, the opening alone.")]
Sections = Annotated[
    list[str] | None,
    typer.Option("--section", metavar="TITLE", help="Only the sections whose titles begin so; may be repeated."),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option("--metric", metavar="NAME", help="Only these metrics in words, tables and figures; may be repeated."),
]
Figures = Annotated[
    FigureFormat | None,
    typer.Option("--figures", help="Of pictures beside md (else svg) and latex (else pdf).", show_default=False),
]
Full = Annotated[bool, typer.Option("--full", help="Every table and row in the terminal too.")]
Seeds = Annotated[
    str | None,
    typer.Option(
        metavar="SEEDS",
        help='In place of the suite\'s (of strata, the first\'s): "20" (0 to 19), "5-9" or "3,5,8".',
        show_default=False,
    ),
]


def pairs(option: str, given: list[str] | None, names: Collection[str]) -> dict[str, str]:
    """``NAME=VALUE`` of a repeated option; both may hold further equals signs, if NAME is the longest of ``names``."""
    found = {}
    for text in given or []:
        if "=" not in text:
            raise BenchError(f"--{option} {text} has no value.", hint=f"Write --{option} {text}=VALUE.")
        known = [name for name in names if text.startswith(f"{name}=")]
        name = max(known, key=len, default=text.partition("=")[0])
        found[name] = text.removeprefix(f"{name}=")
    return found
