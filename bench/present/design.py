"""What a design can tell, what it would find and what it costs -> a report, before anything is run."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from typing import Any

import pandas as pd

from bench.judge.preview.augment import Augmentation
from bench.judge.preview.pilot import Pilot
from bench.judge.preview.power_frames import POWER
from bench.judge.preview.preview import Preview
from bench.plan.grid import Region
from bench.plan.labels import visible
from bench.plan.suite import Plan
from bench.plan.writing import lines_of
from bench.present import design_tables, numbers, strata
from bench.present.components import component_sections
from bench.present.report import Report, Section
from bench.present.tables import Context

_NEARLY = 0.7
"""From this correlation on, two factors are called almost one."""


def build_design(preview: Preview) -> Report:
    """The report of ``bench design``; its data hold the frames that it is made of."""
    suite, study = preview.suite, preview.study
    context = Context(suite.factors, suite.experiment.metrics)
    cells, seeds = numbers.counted(study.n_cells, "cell"), strata.seed_count(suite)
    sections = [
        Section("The design", list(_size(preview)), list(_left_out(suite))),
        Section(
            "What it can tell",
            points=list(_limits(preview, context)),
            exhibits=[design_tables.effects(study.effects, context)],
        ),
    ]
    if preview.augmentation is not None:
        sections.append(_added(preview, preview.augmentation, context))
    elif study.n_cells < study.n_full and not (suite.nestings or suite.exclusions):
        sections.append(Section("What the other cells would buy", [_other_cells(preview, context)]))
    sections.append(
        Section(
            "What it would find",
            list(_findings(preview)),
            list(_claimed(preview)),
            exhibits=list(design_tables.power(preview.frames, context)),
        )
    )
    if "components" in preview.frames:
        sections += component_sections(preview.frames["components"], preview.frames["needs"], context)
    sections.append(Section("The cells", exhibits=[design_tables.cells(preview.frames["cells"])], appendix=True))
    return Report(f"{suite.name}: the design, {cells} × {seeds}", {"suite": str(suite.path)}, sections, preview.frames)


def _claimed(preview: Preview) -> Iterator[str]:
    """Claims that cannot be decided, and the seal of the seeds."""
    if "claims" in preview.frames:
        claims = preview.frames["claims"]
        why = dict(zip(claims["id"], claims["undecidable"], strict=True))
        yield from design_tables.undecidable({name: reason for name, reason in why.items() if reason})
    if preview.suite.seal:
        yield f"The seeds are drawn from the seal {preview.suite.seal}: publish it before the run (docs/claims.md)."


def _size(preview: Preview) -> Iterator[str]:
    suite, study = preview.suite, preview.study
    factors = numbers.counted(len(suite.factors), "factor")
    which = f"All {study.n_full}" if study.n_cells == study.n_full else f"{study.n_cells} of the {study.n_full}"
    runs = study.n_cells * len(suite.seeds)
    yield f"{which} combinations of {factors}, × {strata.seed_count(suite)}: {runs} runs."
    yield from strata.unit(suite)
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


def _left_out(suite: Plan) -> Iterator[str]:
    for name, nesting in suite.nestings.items():
        yield f"{name} is swept only where {_region(nesting.under)}; it is {visible(nesting.otherwise)} elsewhere."
    for exclusion in suite.exclusions:
        yield f"Not run where {_region(exclusion.where)}: {exclusion.reason}"


def _region(region: Region) -> str:
    return " and ".join(f"{name} is {' or '.join(map(visible, levels))}" for name, levels in region.items())


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
        yield from _single(study.single)
    highest = int(effects["order"].max())
    if highest < len(study.design.levels):
        yield f"Interactions of more than {numbers.counted(highest, 'factor')} are not looked at here."


def _single(frame: pd.DataFrame) -> Iterator[str]:
    one = frame[frame["pairs"] == 1]
    for name, pair in zip(one["factor"], one["examples"], strict=True):
        yield f"Only the pair of cells {pair} changes {name} alone."
    never = list(frame.loc[frame["pairs"] == 0, "factor"])
    if never:
        named = f"{', '.join(never[:-1])} or {never[-1]}" if len(never) > 1 else never[0]
        yield f"No two cells differ in {named} alone: what it does is told from the others' doing by the model only."


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


def _added(preview: Preview, augmentation: Augmentation, context: Context) -> Section:
    """Cells to add, what they buy, and the lines to paste."""
    suite, present, n = preview.suite, preview.study.n_cells, len(augmentation.cells)
    served = "the main effects" if augmentation.order == 1 else f"all effects of up to {augmentation.order} factors"
    lists_cells = "cells" in tomllib.loads(suite.text)
    cells = augmentation.cells if lists_cells else [*suite.combinations(), *augmentation.cells]
    where = "added to the suite" if lists_cells else "put in the place of [factors] and design"
    lead = (
        f"Of the combinations that are not run, these {n} make {served} most precise together (D-optimal); as cells "
        f"{numbers.ranges(range(present + 1, present + n + 1))}, {where}, they are listed below."
    )
    tables = [design_tables.augmented(augmentation.effects, context)]
    return Section(
        f"{numbers.counted(n, 'cell')} to add",
        [lead],
        exhibits=tables,
        lines=[*lines_of({"cells": [suite.factor_values(cell) for cell in cells]})][1:],
    )


def _findings(preview: Preview) -> Iterator[str]:
    seeds = numbers.counted(preview.suite.n_units, "seed")
    if preview.suite.n_units < 2:
        yield "One seed tests nothing: what one run shows may be chance alone."
        return
    yield (
        f"With {seeds}, by the t test of one contrast per seed; |d_z| is an effect over its SD across seeds, and power "
        f"is {POWER:.0%} unless it is given."
    )
    if preview.pilot is None:
        yield "In the metrics' units this can be said once seeds are stored: run the suite, or name a run (--pilot)."
