"""A report on a comparison becomes what GitHub Actions shows: a job summary (Markdown), and annotations."""

from __future__ import annotations

from bench.present.compared import GateReport
from bench.present.render import markdown
from bench.present.report import plain

MAX_BYTES = 2**20
"""GitHub drops a longer job summary as a whole."""
_CUT = "\n\n*Cut here: GitHub shows at most 1 MiB. The whole report: `bench compare --format md`.*\n"


def summary(report: GateReport, *, most: int = MAX_BYTES) -> str:
    """The report as Markdown of at most ``most`` bytes; where lines had to go, it says so."""
    text = markdown.render(report)
    if len(text.encode()) <= most:
        return text
    kept = text.encode()[: most - len(_CUT.encode())].decode(errors="ignore")
    return kept.rpartition("\n")[0] + _CUT


def commands(report: GateReport) -> str:
    """One workflow command per point of the verdict: errors of a gate that fails, warnings of one that cannot tell."""
    level = {"passed": "notice", "regression": "error"}.get(report.outcome, "warning")
    verdict = report.sections[0]
    title = _property(f"{report.title}: {report.outcome}")
    points = verdict.points or verdict.text
    return "".join(f"::{level} title={title}::{_escaped(point)}\n" for point in points)


def _escaped(text: str) -> str:
    return plain(text).replace("%", "%25")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
