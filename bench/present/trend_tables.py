"""The frame of trends becomes a table a metric: how it goes along the factors that are swept."""

from __future__ import annotations

from collections.abc import Iterator

from pandas import DataFrame

from bench.present.report import Column, Table
from bench.present.tables import ALPHA, Context, by_metric, heading


def explanation(context: Context) -> str:
    """What the tables hold."""
    each = f" One contrast per {context.block} each." if context.block else ""
    return (
        "Of a straight line, a parabola and a cubic fitted to the means of the levels, the leading coefficients: per "
        "unit of the factor, or per tenfold (×10) where the levels are spaced more evenly as logarithms; of the "
        f"parabola per its square, of the cubic per its cube.{each} * marks an adjusted p below {ALPHA}."
    )


def trends(frame: DataFrame, context: Context) -> Iterator[Table]:
    """One table a metric: a row for each factor and order."""
    for metric, rows in by_metric(frame, context):
        ratio = bool((rows["scale"] == "ratio").all())
        step = [_STEPS[per] + _POWERS[order] for per, order in zip(rows["per"], rows["order"], strict=True)]
        shown = rows.assign(step=step, survives=rows["p_adjusted"] < ALPHA)
        yield Table(
            heading(metric),
            shown,
            (
                Column("Factor", ("factor",), key=True),
                Column("Trend", ("order",), key=True),
                Column("Per", ("step",)),
                Column(
                    f"{'Ratio' if ratio else 'Change'} [{context.level} CI]",
                    ("estimate", "low", "high"),
                    "interval",
                ),
                Column("t", ("t",), "statistic", detail=True),
                Column("df", ("df",), "degrees", detail=True),
                Column("p", ("p",), "p"),
                Column("adj. p", ("p_adjusted", "survives"), "p_marked"),
            ),
            notes=[f"Assumes that there is no {assumed.replace(':', ' × ')}." for assumed in _assumed(rows)],
        )


def _assumed(rows: DataFrame) -> list[str]:
    return [text for text in dict.fromkeys(rows["assumes"]) if text]


_STEPS = {"unit": "unit", "decade": "×10"}
_POWERS = {"linear": "", "quadratic": ", squared", "cubic": ", cubed"}
