"""The formats of a report, a row each: the command line offers them before anything heavy is loaded."""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """A format; ``bench.present.render.<renderer>.render`` makes its text, or its files by name."""

    file: str
    """Name of the main file, or of the folder."""
    renderer: str
    is_kept: bool = False
    """Whether it is kept in the folder of a run unless told otherwise; else it is printed."""
    pictures: str = ""
    """In which format its pictures lie beside it."""
    embeds: bool = False
    """Whether every picture is in it."""


FORMATS = {
    "md": Format("report.md", "markdown", is_kept=True, pictures="svg"),
    "comment": Format("comment.md", "comment"),
    "html": Format("report.html", "html", is_kept=True, embeds=True),
    "json": Format("report.json", "json"),
    "latex": Format("report.tex", "latex", pictures="pdf"),
    "csv": Format("tables", "csv", is_kept=True),
}
"""Name -> format; the terminal's (``render.terminal``) has no file."""
