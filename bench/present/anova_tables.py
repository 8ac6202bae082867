"""The frame of F tests becomes tables: the primary analysis of variance, and its terms by every other route."""

from __future__ import annotations

from collections.abc import Iterator

from pandas import DataFrame

from bench.judge.variance import primary
from bench.present.report import Column, Table
from bench.present.tables import ALPHA, Context, by_metric, heading

ROUTES = (
    "Every route to the same question, unadjusted p. Block: seeds as blocks, by types of sums of squares, or by "
    "standard errors that allow unequal variances (HC3). Within: each term against its own interaction with the seeds "
    "(Greenhouse–Geisser). Independent: runs taken as independent, which they are not where seeds are shared."
)


def anova(frame: DataFrame, context: Context) -> Iterator[Table]:
    """One table a metric: all terms."""
    for metric, rows in by_metric(primary(frame), context):
        yield Table(
            heading(metric),
            rows.assign(term=[context.term(name) for name in rows["term"]], marked=rows["p"] < ALPHA),
            (
                Column("Term", ("term",), key=True),
                Column("df", ("df_num",), "degrees"),
                Column("df error", ("df_den",), "degrees"),
                Column("Sum of squares", ("sum_sq",), "value"),
                Column("F", ("F",), "statistic"),
                Column("p", ("p",), "p"),
                Column(f"partial η² [{context.level} CI]", _with_limits("partial_eta_sq"), "interval"),
                Column(f"partial ω² [{context.level} CI]", _with_limits("omega_sq"), "interval"),
            ),
        )


def routes(frame: DataFrame, context: Context) -> Iterator[Table]:
    """One table a metric: the p of each term by each model, type and covariance."""
    for metric, rows in by_metric(frame, context):
        route = [_route(*key) for key in zip(rows["model"], rows["type"], rows["covariance"], strict=True)]
        wide = rows.assign(route=route).pivot(index="term", columns="route", values="p")
        wide = wide.reindex(index=list(dict.fromkeys(rows["term"])), columns=list(dict.fromkeys(route)))
        shown = wide.reset_index(names="term")
        shown["term"] = [context.term(name) for name in shown["term"]]
        columns = [Column(name, (name,), "p") for name in wide.columns]
        yield Table(metric.label, shown, [Column("Term", ("term",), key=True), *columns])


def _route(model: str, kind: int, covariance: str) -> str:
    robust = {"ols": "", "hc3": " HC3"}[covariance]
    return f"{model} {'I' * kind}{robust}" if model in ("block", "independent") else model


def _with_limits(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"
