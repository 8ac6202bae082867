"""Published means beside ours: how many agree, a picture, and one table a metric."""

from __future__ import annotations

from io import BytesIO

import pandas as pd

from bench.errors import BenchError
from bench.execute.run import Run
from bench.judge.published_table import LABEL, compare_published
from bench.plan.labels import cell_label
from bench.present import numbers
from bench.present.figures.published import published_figure
from bench.present.report import Column, Section, Table
from bench.present.study import NAME, Study, heading

_TITLE = "Beside the published table"
_HOW = (
    "z: the difference of the means over the standard error of the published one (from our SD where none was "
    "printed); ! marks those beyond 3. Where the spread is large, agreement is weak evidence. Means are "
    "arithmetic; published SDs divide by n, ours by n − 1."
)


def published(run: Run, study: Study) -> tuple[Section, pd.DataFrame]:
    """The section, and its frame: empty where the table cannot be compared, which costs nothing else."""
    try:
        table = pd.read_csv(BytesIO(run.published))
        frame = compare_published(study.analysis.cells, table, list(study.factors))
    except (BenchError, OSError, ValueError) as error:
        return Section(_TITLE, [f"{run.suite.published} cannot be compared: {error}"], appendix=True), pd.DataFrame()
    cells = [cell_label(levels) for levels in frame[list(study.factors)].itertuples(index=False)]
    beyond = frame["z"].notna() & ~frame["within_3_se"].astype(bool)
    shown = frame.assign(cell=cells, beyond=beyond)
    figure = published_figure(shown, study.metrics)
    if LABEL in frame:
        shown["cell"] = frame[LABEL].astype(str) + ": " + shown["cell"]
    columns = (
        NAME["cell"], Column("Published", ("published_mean", "published_sd"), "mean_sd"),
        Column("Ours", ("our_mean", "our_sd"), "mean_sd"), Column("z", ("z",), "statistic", mark="beyond"),
    )  # fmt: skip
    tables = [Table(heading(metric), rows, columns) for metric, rows in study.by_metric(shown)]
    compared = frame[frame["z"].notna()]
    lead = (
        f"{int(compared['within_3_se'].sum())} of {len(compared)} published means lie within 3 standard errors of ours"
    )
    if len(compared):
        farthest = compared.iloc[int(compared["z"].abs().argmax())]
        cell, label = cell_label(farthest[name] for name in study.factors), study.labels.get(farthest["metric"], "")
        lead += f"; the farthest is {label} in {cell}, z = {numbers.statistic(farthest['z'])}"
    text = [f"{lead}.", _HOW]
    if len(frame) > len(compared):
        text.append(f"{len(frame) - len(compared)} published means have no counterpart here.")
    return Section(_TITLE, text, exhibits=[figure, *tables], appendix=True), frame
