"""The figures that a paper prints -> which of them contradict each other, as a report."""

from __future__ import annotations

from pathlib import Path

from bench.audit.page import page
from bench.audit.paper import read_paper
from bench.audit.recompute import recompute
from bench.present.report import Report


def audit(file: str | Path, *, ddof: int | None = None) -> Report:
    """Recompute published figures from each other: which contradict themselves, within the digits that were printed.

    ``file``: TOML or CSV (docs/audit.md) with means, SDs, sizes, t, p, d and changes in percent. ``ddof`` takes the
    place of the file's own: 1 if SDs are of samples, 0 if they are of populations.

        >>> from bench.audit import audit
        >>> audit("suites/audits/post.toml").data["figures"].query("verdict == 'inconsistent'")

    Raises:
        bench.errors.BenchError: with every fault of the file.
    """
    paper = read_paper(Path(file))
    used = paper.ddof if ddof is None else ddof
    return page(paper, recompute(paper, used), used)
