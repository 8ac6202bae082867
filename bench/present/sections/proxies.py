"""Rank correlations of proxies with their target -> a section of a report."""

from __future__ import annotations

import pandas as pd

from bench.present import numbers
from bench.present.report import Column, Section, Table
from bench.present.study import ADJUSTED, ALPHA, Context


def proxy_section(frame: pd.DataFrame, context: Context) -> Section:
    """Which proxies order the cells as the target does."""
    labels = context.labels
    target = labels[frame["target"].iloc[0]]
    text = (
        f"Does a metric order the cells as {target} does? Spearman's correlation over the cells within each "
        f"{context.block}, its mean over {context.block}s, and a t test of that; adjusted by Holm over the proxies. It "
        f"speaks of these cells: another choice of them may be ordered otherwise."
    )
    found, points = frame[frame["p_adjusted"] < ALPHA], []
    for rows, verb in ((found[found["rho"] > 0], "as"), (found[found["rho"] < 0], "opposite to")):
        each = zip(rows["proxy"], rows["rho"], strict=True)
        named = numbers.listed([f"{labels[name]} ({numbers.fixed(rho, 2)})" for name, rho in each])
        points += [f"Ordered {verb} {target}: {named}."] if named else []
    rest = frame[~(frame["p_adjusted"] < ALPHA)]
    if len(rest):
        points.append(f"No order of {target} is seen in {numbers.listed([labels[name] for name in rest['proxy']])}.")
    columns = [
        Column("Proxy", ("proxy",), key=True),
        Column(f"Mean correlation [{context.level} CI]", ("rho", "low", "high"), "interval"),
        Column("t", ("t",), "statistic"), Column("p", ("p",), "p", detail=True), ADJUSTED,
        Column(f"Smallest of a {context.block}", ("smallest",), "statistic", detail=True),
        Column("Largest", ("largest",), "statistic", detail=True),
        Column(f"{context.block.capitalize()}s", ("n",), "count"),
    ]  # fmt: skip
    shown = context.worded(frame).assign(proxy=frame["proxy"].map(labels))
    table = Table(f"Rank correlation with {target} over cells", shown, columns)
    return Section("Proxies", [text], points, exhibits=[table])
