"""The check-up of a run's folder becomes facts for JSON, and the lines that a person reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.execute.doctor import Checkup, Finding
from bench.present import numbers
from bench.present.report import plain


def facts(checkup: Checkup) -> dict[str, Any]:
    """``folder``, ``healthy``, ``findings`` and ``mended`` (each finding with level, where, what and remedy)."""
    return {
        "folder": str(checkup.folder),
        "healthy": checkup.healthy,
        "findings": [_fact(finding) for finding in checkup.findings],
        "mended": [_fact(finding) for finding in checkup.mended],
    }


def text(checkup: Checkup) -> str:
    """What has been mended, what was found, and what can be done about it."""
    problems = [finding for finding in checkup.findings if finding.level == "problem"]
    mendable = sum(finding.mend is not None for finding in checkup.findings)
    lines = [f"Mended: {finding.where}: {finding.what}" for finding in checkup.mended]
    verdict = f"has {numbers.counted(len(problems), 'problem')}" if problems else "is healthy"
    lines.append(f"{checkup.folder} {verdict}.")
    for finding in checkup.findings:
        lines.append(f"  {finding.level:<8}{finding.where}: {finding.what}")
        lines.append(f"          {'Can be mended: ' if finding.mend else ''}{finding.remedy}")
    if mendable:
        lines.append(f"--mend mends {mendable} of them as said, and loses no good record.")
    return "".join(f"{line[: len(line) - len(line.lstrip())]}{plain(line)}\n" for line in lines)


def _fact(finding: Finding) -> Mapping[str, Any]:
    return {
        "level": finding.level,
        "where": finding.where,
        "what": finding.what,
        "remedy": finding.remedy,
        "mendable": finding.mend is not None,
    }
