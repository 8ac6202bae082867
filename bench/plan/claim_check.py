"""The ``[[claims]]`` of a suite file -> claims about its factors and metrics, and every fault in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.plan.claims import Claim, Comparison, changed_factors
from bench.plan.faults import read_model
from bench.plan.kinds import Kind
from bench.plan.levels import Level
from bench.plan.lookup import Lookup
from bench.plan.metrics import MetricSettings
from bench.plan.positions import KeyPath
from bench.plan.shape import TABLES, ClaimTable, ContrastFile
from bench.plan.source import Faults, did_you_mean, parse, show
from bench.plan.writing import as_toml


def read_claims(
    tables: Sequence[ClaimTable],
    faults: Faults,
    levels: Mapping[str, Mapping[Level, Any]],
    metrics: Mapping[str, MetricSettings],
) -> Iterator[Claim]:
    """The claims without fault, in the order of the suite; ``levels``: factor -> level -> its value in the suite."""
    for index, table in enumerate(tables):
        n_faults, place = len(faults.entries), ("claims", index)
        settings = _settings(table, faults, place, metrics)
        comparisons = table.contrast.compared(Lookup(faults, levels, (*place, "contrast")))
        _check_expectation(table, faults, place, comparisons)
        if len(faults.entries) == n_faults:
            names = ("id", "statement", "label", "headline", "metric", "expect", "measure", "credited_to", "gate")
            yield Claim(
                **{name: getattr(table, name) for name in names},
                kind=table.contrast.name(),
                comparisons=comparisons,
                scale=settings.scale,
                margin=settings.margin,
                relative=settings.relative,
                published=table.published.model_dump(exclude_unset=True) if table.published else {},
            )


def read_contrast(
    table: Mapping[str, Any] | str, levels: Mapping[str, Mapping[Level, Any]], name: str
) -> tuple[type[Kind], tuple[Comparison, ...]]:
    """A contrast outside a claim, as a mapping or the text of a TOML table -> its kind and comparisons.

    ``levels``: factor -> level -> another name for it; ``name`` is what errors call the contrast.

    Raises:
        BenchError: for text that is no table, and with every fault of the contrast, where it stands.
    """
    source = parse(Path(name), f"contrast = {table if isinstance(table, str) else as_toml(table)}")
    contrast = read_model(source, ContrastFile, TABLES).contrast
    faults = Faults(source)
    comparisons = contrast.compared(Lookup(faults, levels, ("contrast",)))
    if contrast.test != "contrast":
        faults.add(("contrast",), "this contrast is for claims only", "Give from and to, interaction, trend or order.")
    faults.check()
    return type(contrast), comparisons


def _settings(
    table: ClaimTable, faults: Faults, place: KeyPath, metrics: Mapping[str, MetricSettings]
) -> MetricSettings:
    """The settings of the claim's metric, with the claim's margin in place of the metric's, if it has one."""
    if table.metric not in metrics:
        hint = f"Its metrics: {', '.join(metrics)}.{did_you_mean(table.metric, metrics)}"
        faults.add((*place, "metric"), f"the experiment has no metric {show(table.metric)}", hint)
    settings = metrics.get(table.metric, MetricSettings()).with_margin(table.margin)
    if table.expect == "equivalent" and settings.margin is None:
        hint = f'Give the claim a margin ("5%", or a number in the metric\'s unit), or [metrics.{table.metric}].'
        faults.add((*place, "expect"), "equivalence needs a margin: the largest difference that is none", hint)
    return settings


def _check_expectation(table: ClaimTable, faults: Faults, place: KeyPath, comparisons: Sequence[Comparison]) -> None:
    contrast = table.contrast
    if table.expect not in contrast.expects:
        message = f"{show(table.expect)} cannot be expected of this contrast"
        faults.add((*place, "expect"), message, contrast.expects_hint)
    if table.credited_to and comparisons:
        factors = changed_factors(comparisons[0]) if contrast.is_difference else ()
        if table.credited_to not in factors:
            hint = f"It is one of the factors that differ between from and to: {', '.join(factors) or 'none'}."
            faults.add((*place, "credited_to"), f"the difference cannot be credited to {show(table.credited_to)}", hint)
