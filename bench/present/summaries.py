"""The summaries of stored runs: a list that shows itself as a table."""

from __future__ import annotations

from bench.execute.inventory import Summary
from bench.present import brief, numbers
from bench.present.report import Report, Section


class Runs(list[Summary]):
    """What ``bench.runs`` returns: its ``repr``, and what a notebook shows, is the table of the command."""

    def report(self) -> Report:
        """The table as a report, for every format."""
        table = brief.runs(self)
        return Report(numbers.counted(len(self), "run"), {}, [Section("Stored", exhibits=[table])])

    def __repr__(self) -> str:
        return repr(self.report())

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()
