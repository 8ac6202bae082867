"""What a design can tell, what it would find and what it costs -> a report, before anything is run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from bench.judge.forecast import POWER, SIZES
from bench.judge.pilot import Pilot
from bench.judge.preview import Preview
from bench.present import numbers
from bench.present.report import Column, Report, Section, Table
from bench.present.tables import Context

_NEARLY = 0.7
"""From this correlation on, two factors are called almost one."""


def build_design(preview: Preview) -> Report:
    """The report of ``bench design``; its data hold the frames that it is made of."""
    suite, study = preview.suite, preview.study
    context = Context(suite.factors, suite.experiment.metrics)
    cells, seeds = numbers.counted(study.n_cells, "cell"), numbers.counted(len(suite.seeds), "seed")
    sections = [
        Section("The design", list(_size(preview))),
        Section("What it can tell", points=list(_limits(preview, context)), tables=[_effects(preview, context)]),
    ]
    if study.n_cells < study.n_full:
        sections.append(Section("What the other cells would buy", [_other_cells(preview, context)]))
    sections.append(Section("What it would find", list(_findings(preview)), tables=list(_power(preview, context))))
    sections.append(Section("The cells", tables=[_cells(preview)], appendix=True))
    return Report(f"{suite.name}: the design, {cells} × {seeds}", {"suite": str(suite.path)}, sections, preview.frames)


def _size(preview: Preview) -> Iterator[str]:
    suite, study = preview.suite, preview.study
    factors = numbers.counted(len(suite.factors), "factor")
    which = f"All {study.n_full}" if study.n_cells == study.n_full else f"{study.n_cells} of the {study.n_full}"
    runs = study.n_cells * len(suite.seeds)
    yield f"{which} combinations of {factors}, × {numbers.counted(len(suite.seeds), 'seed')}: {runs} runs."
    if study.fraction is not None:
        words = " = ".join(
            f"{'−' if sign < 0 else ''}{' × '.join(list(suite.factors)[factor] for factor in word)}"
            for word, sign in zip(study.fraction.words, study.fraction.signs, strict=True)
        )
        resolution = _ROMAN.get(study.fraction.resolution, str(study.fraction.resolution))
        yield (
            f"A regular fraction, 2^({len(suite.factors)}−{study.fraction.generated}) of resolution {resolution}, with "
            f"the defining relation I = {words}: a product of factors that is the same in every cell."
        )
    yield _cost(preview.pilot, runs)


_ROMAN = {1: "I", 2: "II", 3: "III", 4: "IV", 5: "V", 6: "VI", 7: "VII", 8: "VIII"}


def _cost(pilot: Pilot | None, runs: int) -> str:
    if pilot is None:
        return "What it costs cannot be said: no run of this suite is stored yet (--pilot names another run)."
    each = pilot.seconds_per_run
    return (
        f"In the stored run {pilot.name} a run took {_duration(each)} of a worker's time, so all {runs} take "
        f"{_duration(each * runs)}, divided by the number of workers."
    )


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{numbers.significant(seconds / size, 2)} {unit}"
    return f"{numbers.significant(seconds, 2)} seconds"


def _limits(preview: Preview, context: Context) -> Iterator[str]:
    study, effects = preview.study, preview.study.effects
    if effects["estimable"].all() and (effects["vif"] < 1 + 1e-9).all():
        yield "Every effect listed below is estimable, and no two of them are correlated."
    vif = dict(zip(effects["effect"], effects["vif"], strict=True))
    row: Any
    for row in study.correlations[study.correlations["correlation"].abs() >= _NEARLY].itertuples():
        one = "one column" if abs(row.correlation) > 1 - 1e-9 else "almost one column"
        yield (
            f"{row.a} and {row.b} are {one}: over the cells they correlate with r = "
            f"{numbers.fixed(row.correlation, 3)} (VIF {numbers.fixed(vif[row.a], 2)} and "
            f"{numbers.fixed(vif[row.b], 2)}), so an effect of one is easily taken for one of the other."
        )
    lost = [context.term(name) for name in effects.loc[~effects["estimable"], "effect"]]
    if lost:
        them = "It is" if len(lost) == 1 else "They are"
        yield f"Not estimable: {numbers.listed(lost)}. {them} mixed with the effects named in the table."
    for row in study.models[study.models["rank"] < study.models["columns"]].head(1).itertuples():
        what = "main effects alone" if row.order == 1 else f"effects of up to {row.order} factors"
        yield f"The model of {what} has {row.columns} coefficients with the mean, and the cells tell {row.rank} apart."
    if study.n_cells < study.n_full:
        yield from _single(preview)
    highest = int(effects["order"].max())
    if highest < len(study.design.levels):
        yield f"Interactions of more than {numbers.counted(highest, 'factor')} are not looked at here."


def _single(preview: Preview) -> Iterator[str]:
    for row in preview.study.single.itertuples():
        if row.pairs == 0:
            yield f"No two cells differ in {row.factor} alone: its effect is told from the others by the model only."
        elif row.pairs == 1:
            yield f"Only the pair of cells {row.examples} changes {row.factor} alone."


def _effects(preview: Preview, context: Context) -> Table:
    rows = preview.study.effects
    shown = rows.assign(
        effect=[context.effect(name) for name in rows["effect"]],
        estimable=[_estimable(df, full) for df, full in zip(rows["df"], rows["df_full"], strict=True)],
        ratio=rows["se"] / rows["se_full"],
        related=[
            f"{numbers.fixed(r, 3)} with {context.term(name)}" if name else "–"
            for r, name in zip(rows["correlation"], rows["correlated_with"], strict=True)
        ],
        mixed=[
            f"is {context.term(alias)}" if alias else f"takes in {context.term(bias)}" if bias else ""
            for alias, bias in zip(rows["alias"], rows["biased_by"], strict=True)
        ],
        headline=rows["order"] <= 2,
    )
    columns = (
        Column("Effect", ("effect",), key=True),
        Column("Estimable", ("estimable",)),
        Column("SE", ("se",), "value"),
        Column("× full", ("ratio",), "statistic"),
        Column("VIF", ("vif",), "statistic"),
        Column("Strongest correlation", ("related",), detail=True),
        Column("Mixed with", ("mixed",), detail=True),
    )
    notes = [_ERRORS, _MODELS]
    return Table("Every effect of the full factorial", shown, columns, headline="headline", notes=notes)


_ERRORS = (
    "SE: the standard error with one seed, if a run's SD within its seed is 1; divide by the square root of the seeds. "
    "× full: over that of the full factorial of the same factors with as many seeds."
)
_MODELS = (
    "An effect of m factors is estimated in the model of all effects of up to m factors, or more if the cells allow; "
    "VIF, correlation and what it takes in are those of this model."
)


def _estimable(df: int, full: int) -> str:
    return "yes" if df == full else "no" if df == 0 else f"{df} of {full} df"


def _other_cells(preview: Preview, context: Context) -> str:
    study = preview.study
    mains = study.effects[study.effects["order"] == 1]
    errors = [
        f"{context.term(name)} from {'none' if math.isnan(now) else numbers.significant(now, 3)} to "
        f"{numbers.significant(full, 3)}"
        for name, now, full in zip(mains["effect"], mains["se"], mains["se_full"], strict=True)
    ]
    more = study.n_full - study.n_cells
    lost = int((~study.effects["estimable"]).sum())
    gained = f", and make {numbers.counted(lost, 'more effect')} estimable" if lost else ""
    return (
        f"The other {numbers.counted(more, 'cell')} ({more * len(preview.suite.seeds)} runs) would bring the standard "
        f"error (with one seed, in SDs of a run) of {numbers.listed(errors, most=12)}{gained}."
    )


def _findings(preview: Preview) -> Iterator[str]:
    seeds = numbers.counted(len(preview.suite.seeds), "seed")
    if len(preview.suite.seeds) < 2:
        yield "One seed tests nothing: what one run shows may be chance alone."
        return
    yield (
        f"With {seeds}, by the t test of one contrast per seed; |d_z| is an effect over its SD across seeds, and power "
        f"is {POWER:.0%} unless it is given."
    )
    if preview.pilot is None:
        yield "In the metrics' units this can be said once seeds are stored: run the suite, or name a run (--pilot)."


def _power(preview: Preview, context: Context) -> Iterator[Table]:
    families = preview.frames["families"]
    columns = [
        Column("Tests judged together", ("family",), key=True),
        Column("Number", ("tests",), "count"),
        Column("Smallest |d_z|", ("smallest",), "statistic"),
    ]
    for size in SIZES:
        columns += [
            Column(f"Power at {size}", (f"power_{size}",), "percent"),
            Column(f"Seeds for {size}", (f"seeds_{size}",), "count"),
        ]
    yield Table("Effects that would be found, and seeds that find them", families, columns)
    if "detectable" in preview.frames:
        yield _detectable(preview.frames["detectable"], context)


def _detectable(frame: pd.DataFrame, context: Context) -> Table:
    labels = {metric.name: metric.label for metric in context.metrics}
    shown = frame.assign(
        metric=[labels[name] for name in frame["metric"]],
        effect=[context.effect(name) for name in frame["effect"]],
        headline=frame["order"] == 1,
    )
    columns = (
        Column("Metric", ("metric",), key=True),
        Column("Effect", ("effect",), key=True),
        Column("SD over seeds", ("sd",), "value", detail=True),
        Column("Smallest", ("smallest",), "value"),
        Column("… in all tests", ("smallest_in_family",), "value"),
        Column("Margin", ("margin",), "value"),
        Column("Seeds to find it", ("seeds_to_find",), "count"),
        Column("… in all tests", ("seeds_to_find_in_family",), "count", detail=True),
        Column("Seeds to exclude it", ("seeds_to_exclude",), "count"),
    )
    notes = [_UNITS]
    return Table("Smallest effects, and seeds for the margin", shown, columns, headline="headline", notes=notes)


_UNITS = (
    "In the metric's unit (natural logarithms where it is analysed on a log scale). Seeds to exclude: to show, if "
    "there is no effect, that it is smaller than the margin (two one-sided tests at 5%)."
)


def _cells(preview: Preview) -> Table:
    cells = preview.frames["cells"]
    names = [str(name) for name in cells if name != "cell"]
    shown = cells.set_axis(["cell", *(f"level {position}" for position in range(len(names)))], axis=1)
    columns = [Column("Cell", ("cell",), "count", key=True)]
    columns += [Column(name, (f"level {position}",)) for position, name in enumerate(names)]
    return Table("Numbered as above", shown, columns)
