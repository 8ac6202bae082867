"""What a design can tell, what it would find and what it costs -> a report, before anything is run."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.judge.preview.augment import Augmentation
from bench.judge.preview.power_frames import SIZES
from bench.judge.preview.preview import Preview
from bench.judge.sensitivity import POWER
from bench.plan.find import from_project
from bench.plan.labels import visible
from bench.plan.writing import lines_of
from bench.present import numbers, state
from bench.present.report import Column, Report, Section, Table
from bench.present.sections.variance import component_sections
from bench.present.study import NAME, Context

_NEARLY = 0.7
"""From this correlation on, two factors are called almost one."""


def build_design(preview: Preview) -> Report:
    """The report of ``bench design``; its data hold the frames that it is made of."""
    suite, study, frames = preview.suite, preview.study, preview.frames
    context = Context(suite.factors, suite.experiment.metrics)
    cells, seeds = numbers.counted(study.n_cells, "cell"), state.seed_count(suite)
    points = list(_limits(preview, context))
    sections = [
        Section("Verdict", list(_size(preview)), facts=dict(_verdict(preview, context)), verdict=True),
        Section("What it can tell", points=points, exhibits=[_effects(study.effects, context)], chief=True),
    ]
    if preview.augmentation is not None:
        sections.append(_added(preview, preview.augmentation, context))
    elif study.n_cells < study.n_full and not (suite.nestings or suite.exclusions):
        sections.append(Section("What the other cells would buy", [_other_cells(preview, context)], chief=True))
    basis = [_BASIS] if suite.n_units > 1 else []
    basis += [_NO_PILOT] if basis and preview.pilot is None else []
    sections.append(Section("What it would find", basis, exhibits=list(_tables(frames, context)), chief=True))
    if "components" in frames:
        sections += component_sections(frames["components"], frames["needs"], context)
    if why := _reasons(preview):
        sections.append(Section("The undecided claims", points=list(undecidable(why)), appendix=True))
    sections.append(Section("The cells", exhibits=[_cells(frames["cells"])], appendix=True))
    return Report(f"{suite.name}: the design, {cells} × {seeds}", {"suite": from_project(suite.path)}, sections, frames)


def _size(preview: Preview) -> Iterator[str]:
    suite, study = preview.suite, preview.study
    which = f"All {study.n_full}" if study.n_cells == study.n_full else f"{study.n_cells} of the {study.n_full}"
    factors = numbers.counted(len(suite.factors), "factor")
    yield f"{which} combinations of {factors}, × {state.seed_count(suite)}: {study.n_cells * len(suite.seeds)} runs."
    yield from state.replication(suite)
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
    for name, nesting in suite.nestings.items():
        yield f"{name} is swept only where {state.region(nesting.under)}; it is {visible(nesting.otherwise)} elsewhere."
    for exclusion in suite.exclusions:
        yield f"Not run where {state.region(exclusion.where)}: {exclusion.reason}"


_ROMAN = dict(enumerate(["I", "II", "III", "IV", "V", "VI", "VII", "VIII"], start=1))


def _verdict(preview: Preview, context: Context) -> Iterator[tuple[str, str]]:
    """What the cells tell, what the seeds find, which claims they decide, and what it all costs."""
    suite, effects, frames = preview.suite, preview.study.effects, preview.frames
    lost = [context.term(name) for name in effects.loc[~effects["estimable"], "effect"]]
    missing = f"; not {numbers.listed(lost)}" if lost else ""
    yield "Effects", f"{len(effects) - len(lost)} of {len(effects)} can be estimated{missing}."
    if suite.n_units > 1:
        families = zip(frames["families"]["smallest"], frames["families"]["family"], strict=True)
        sizes = numbers.listed([f"{numbers.fixed(size, 1)} ({family})" for size, family in families])
        yield "Would find", f"with power {POWER:.0%} only effects of at least {sizes} SDs over seeds."
    else:
        yield "Would find", "nothing: with one seed there is no test, and any difference may be chance."
    if "claims" in frames:
        n, lost = len(frames["claims"]), list(_reasons(preview))
        open_ones = f"; not {numbers.listed(lost)} (The undecided claims says why)" if lost else ""
        yield "Claims", f"{n - len(lost)} of {n} can be decided either way with these seeds{open_ones}."
    if suite.seal:
        yield "Seal", f"the seeds are drawn from {suite.seal}: publish it before the run (docs/claims.md)."
    pilot, runs = preview.pilot, preview.study.n_cells * len(suite.seeds)
    if pilot is None:
        yield "Cost", "not known: no run of this suite is stored yet (--pilot names another run)."
        return
    each, total = pilot.seconds_per_run, pilot.seconds_per_run * runs
    yield "Cost", f"{_duration(total)} of workers' time, by {_duration(each)} a run in the stored run {pilot.name}."


def _reasons(preview: Preview) -> Mapping[str, str]:
    """Why claims cannot be decided, by id."""
    claims = preview.frames.get("claims", pd.DataFrame({"id": [], "undecidable": []}))
    return {name: why for name, why in zip(claims["id"], claims["undecidable"], strict=True) if why}


def undecidable(why: Mapping[str, str]) -> Iterator[str]:
    """What is said of claims that the planned seeds can neither support nor refute: id -> why."""
    yield from (f"The claim {name} cannot be decided either way: {reason}." for name, reason in why.items())


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
            f"{numbers.fixed(vif[row.b], 2)}), so that their effects can hardly be separated."
        )
    lost = [context.term(name) for name in effects.loc[~effects["estimable"], "effect"]]
    if lost:
        them = "It is" if len(lost) == 1 else "They are"
        yield f"Not estimable: {numbers.listed(lost)}. {them} mixed with the effects named in the table."
    for row in study.models[study.models["rank"] < study.models["columns"]].head(1).itertuples():
        what = "main effects alone" if row.order == 1 else f"effects of up to {row.order} factors"
        yield f"The model of {what} has {row.columns} coefficients with the mean; the cells identify {row.rank}."
    if study.n_cells < study.n_full:
        single = study.single[study.single["pairs"] == 1]
        for name, pair in zip(single["factor"], single["examples"], strict=True):
            yield f"Only the pair of cells {pair} changes {name} alone."
        if never := list(study.single.loc[study.single["pairs"] == 0, "factor"]):
            named = f"{', '.join(never[:-1])} or {never[-1]}" if len(never) > 1 else never[0]
            yield f"No two cells differ in {named} alone: only the model separates its effect from theirs."
    highest = int(effects["order"].max())
    if highest < len(study.design.levels):
        yield f"Interactions of more than {numbers.counted(highest, 'factor')} are not looked at here."


def _other_cells(preview: Preview, context: Context) -> str:
    study, more = preview.study, preview.study.n_full - preview.study.n_cells
    lost = int((~study.effects["estimable"]).sum())
    mains: list[Any] = list(study.effects[study.effects["order"] == 1].itertuples())
    errors = [
        f"{context.term(row.effect)} from {'none' if math.isnan(row.se) else numbers.significant(row.se, 3)} to "
        f"{numbers.significant(row.se_full, 3)}"
        for row in mains
    ]
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
    lines = [*lines_of({"cells": [suite.factor_values(cell) for cell in cells]})][1:]
    columns = (
        NAME["effect"], Column("VIF now", ("vif_before",), "statistic"),
        Column("VIF then", ("vif_after",), "statistic"),
        Column("SE now", ("se_before",), "value"), Column("SE then", ("se_after",), "value"),
    )  # fmt: skip
    caption = "What they buy (SE with one seed, if a run's SD within its seed is 1)"
    table = Table(caption, context.worded(augmentation.effects), columns)
    return Section(f"{numbers.counted(n, 'cell')} to add", [lead], exhibits=[table], lines=lines)


_BASIS = (
    f"By the t test of one contrast per seed; |d_z| is an effect over its SD across seeds, and power is {POWER:.0%} "
    "unless it is given."
)
_NO_PILOT = "In the metrics' units this is known once seeds are stored: run the suite, or name a run (--pilot)."


def _effects(frame: pd.DataFrame, context: Context) -> Table:
    """One row a term: whether and how precisely it is estimated, and what it is mixed with."""
    rows: list[Any] = list(frame.itertuples())
    shown = frame.assign(
        effect=[context.effect(row.effect) for row in rows], ratio=frame["se"] / frame["se_full"],
        estimable=["yes" if row.df == row.df_full else f"{row.df} of {row.df_full} df" if row.df else "no"
                   for row in rows],
        related=[f"{numbers.fixed(row.correlation, 3)} with {context.term(row.correlated_with)}"
                 if row.correlated_with else "–" for row in rows],
        mixed=[_mixed(row, context) for row in rows], headline=frame["order"] <= 2,
    )  # fmt: skip
    columns = (
        NAME["effect"], Column("Estimable", ("estimable",)), Column("SE", ("se",), "value"),
        Column("× full", ("ratio",), "statistic"), Column("VIF", ("vif",), "statistic"),
        Column("Strongest correlation", ("related",), detail=True), Column("Mixed with", ("mixed",), detail=True),
    )  # fmt: skip
    how = (
        "SE: the standard error with one seed, if a run's SD within its seed is 1; divide by the square root of the "
        "seeds. × full: over that of the full factorial of the same factors with as many seeds. An effect of m factors "
        "is estimated in the model of all effects of up to m factors, or more if the cells allow; VIF, correlation and "
        "bias are those of this model."
    )
    return Table("Every effect of the full factorial", shown, columns, headline="headline", notes=[how])


def _mixed(row: Any, context: Context) -> str:
    alias, bias = (_shortened(context.term(terms)) for terms in (row.alias, row.biased_by))
    if row.estimable:
        return f"biased by {bias}" if bias else ""
    return f"is {alias}" if alias else "is the same in every cell"


def _shortened(terms: str, most: int = 7) -> str:
    """Signed terms, ``-1 a × b +1 c``, of which only the first are shown."""
    words = terms.split()
    signs = [position for position, word in enumerate(words) if word[0] in "+-"]
    return f"{' '.join(words[: signs[most]])} and {len(signs) - most} more" if len(signs) > most else terms


_SMALLEST = Column("Smallest |d_z|", ("smallest",), "statistic")
_TABLES: Mapping[str, tuple[str, Sequence[Column], str]] = {
    "families": ("Effects that would be found, and seeds that find them", [
        Column("Tests judged together", ("family",), key=True), Column("Number", ("tests",), "count"), _SMALLEST,
        *(column for size in SIZES for column in (Column(f"Power at {size}", (f"power_{size}",), "percent"),
                                                  Column(f"Seeds for {size}", (f"seeds_{size}",), "count"))),
    ], ""),
    "terms": ("Terms with several contrasts", [
        NAME["term"], Column("Contrasts", ("contrasts",), "count"), _SMALLEST,
        Column("among all tests", ("smallest_in_family",), "statistic"),
        *(Column(f"Seeds for {size}", (f"seeds_{size}",), "count") for size in SIZES),
    ], ("By the one test of all levels (repeated-measures F, if its contrasts vary alike): |d_z| is the difference of "
       "two levels over its SD across seeds, or of an interaction that of two by two levels, with all others midway.")),
    "claims": ("The declared claims", [
        Column("Claim", ("id",), key=True), Column("Metric", ("label",)), Column("Can be estimated", ("told",)),
        Column("SE", ("se",), "value", detail=True), Column("Smallest effect", ("smallest",), "value"),
        Column("Margin", ("margin",), "value"), Column("Seeds for it", ("seeds_for_margin",), "count"),
        Column("Can be refuted", ("refuted",), detail=True),
    ], ("Smallest: found with power 80% among all claims, from the pilot's spread on the scale of the claim. Seeds: to "
       "find an effect of the margin, or for a claim of equivalence to exclude one.")),
    "detectable": ("Smallest effects, and seeds for the margin", [
        NAME["metric"], NAME["effect"], Column("SD over seeds", ("sd",), "value", detail=True),
        Column("Smallest", ("smallest",), "value"), Column("… in all tests", ("smallest_in_family",), "value"),
        Column("Margin", ("margin",), "value"), Column("Seeds to find it", ("seeds_to_find",), "count"),
        Column("… in all tests", ("seeds_to_find_in_family",), "count", detail=True),
        Column("Seeds to exclude it", ("seeds_to_exclude",), "count"),
    ], ("In the metric's unit (natural logarithms where it is analysed on a log scale). Seeds to exclude: to show, if "
       "there is no effect, that it is smaller than the margin (two one-sided tests at 5%).")),
    "simulated": ("Power under the pilot's own noise", [
        NAME["metric"], NAME["effect"], Column("Planted", ("kind",)), Column("Size", ("planted",), "value"),
        Column("|d_z|", ("sd_units",), "statistic"), Column("Found", ("power",), "percent"),
        Column("By formula", ("formula",), "percent"),
    ], ("Found in so many of {repeats} repetitions, which draw the pilot's seeds with replacement (standard error at "
       "most {error}); of nothing, these are false alarms. Single tests at 5%. A pilot of few seeds is a small sample: "
       "take a large difference from the formula as a warning.")),
    "looks": ("A plan of looks", [
        Column("Seeds", ("seeds",), "count", key=True), Column("Stop if p is at most", ("p",), "value"),
        Column("|z|", ("z",), "statistic"), Column("Error spent", ("spent",), "value"),
        *(Column(f"First stop, |d_z| = {size}", (f"stop_{size}",), "percent") for size in SIZES),
    ], ("Looks planned before the first run, for one test with 5% error over all looks, spent as by O'Brien and "
       "Fleming (Lan & DeMets 1983). The last columns say how likely each look is the first to stop.")),
}  # fmt: skip
"""Name of a frame -> caption, columns and note of its table, in the order in which they are read."""
_PLANTED = {"nothing": "nothing", "smallest": "the smallest above", "margin": "the margin"}


def _tables(frames: Mapping[str, pd.DataFrame], context: Context) -> Iterator[Table]:
    """What would be found, by the frames that there are."""
    for name, (caption, columns, note) in _TABLES.items():
        if name in frames:
            shown, notes = context.worded(frames[name]), [note] if note else []
            if name == "claims":
                ways = [f"if {context.term(terms)} are absent" if terms else "yes" for terms in shown["assumes"]]
                shown["told"] = np.where(shown["estimable"].astype(bool), ways, "no")
                shown["refuted"] = np.where(shown["refutable"].astype(bool), "yes", "no")
            elif name == "detectable":
                shown["headline"] = shown["order"] == 1
            elif name == "simulated":
                shown["kind"] = shown["kind"].replace(_PLANTED)
                repeats = int(shown["repeats"].max())
                notes = [note.format(repeats=repeats, error=numbers.percent(0.5 / repeats**0.5))]
            yield Table(caption, shown, columns, "headline" if "headline" in shown else "", notes=notes)


def _cells(frame: pd.DataFrame) -> Table:
    """One row a cell, with its number."""
    names = [str(name) for name in frame.columns[1:]]
    shown = frame.set_axis(["cell", *(f"level {position}" for position in range(len(names)))], axis=1)
    columns = [Column("Cell", ("cell",), "count", key=True)]
    columns += [Column(name, (f"level {position}",)) for position, name in enumerate(names)]
    return Table("Numbered as above", shown, columns)
