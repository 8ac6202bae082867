"""Frames of a design become the tables of its report, one function a frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pandas import DataFrame

from bench.judge.preview.power_frames import SIZES
from bench.present import numbers
from bench.present.report import Column, Table
from bench.present.tables import Context


def effects(frame: DataFrame, context: Context) -> Table:
    """One row a term: whether and how precisely it is estimated, and what it is mixed with."""
    shown = frame.assign(
        effect=[context.effect(name) for name in frame["effect"]],
        estimable=[_estimable(df, full) for df, full in zip(frame["df"], frame["df_full"], strict=True)],
        ratio=frame["se"] / frame["se_full"],
        related=[
            f"{numbers.fixed(r, 3)} with {context.term(name)}" if name else "–"
            for r, name in zip(frame["correlation"], frame["correlated_with"], strict=True)
        ],
        mixed=[
            _mixed(context.term(alias), context.term(bias), is_estimable=found)
            for alias, bias, found in zip(frame["alias"], frame["biased_by"], frame["estimable"], strict=True)
        ],
        headline=frame["order"] <= 2,
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


def _mixed(alias: str, bias: str, *, is_estimable: bool) -> str:
    if is_estimable:
        return f"takes in {_shortened(bias)}" if bias else ""
    return f"is {_shortened(alias)}" if alias else "is the same in every cell"


def _shortened(terms: str) -> str:
    """Signed terms, ``-1 a × b +1 c``, of which only the first are shown."""
    words = terms.split()
    signs = [position for position, word in enumerate(words) if word[0] in "+-"]
    more = len(signs) - _MOST_TERMS
    return f"{' '.join(words[: signs[_MOST_TERMS]])} and {more} more" if more > 0 else terms


_MOST_TERMS = 7
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


def power(frames: Mapping[str, DataFrame], context: Context) -> Iterator[Table]:
    """What the seeds would find: in SDs over seeds, and with a pilot in the metrics' units."""
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
    yield Table("Effects that would be found, and seeds that find them", frames["families"], columns)
    if "terms" in frames:
        yield _terms(frames["terms"], context)
    if "claims" in frames:
        yield _claims(frames["claims"], context)
    if "detectable" in frames:
        yield _detectable(frames["detectable"], context)
    if "simulated" in frames:
        yield _simulated(frames["simulated"], context)
    if "looks" in frames:
        yield _looks(frames["looks"])


def _terms(frame: DataFrame, context: Context) -> Table:
    columns = [
        Column("Term", ("term",), key=True),
        Column("Contrasts", ("contrasts",), "count"),
        Column("Smallest |d_z|", ("smallest",), "statistic"),
        Column("among all tests", ("smallest_in_family",), "statistic"),
        *(Column(f"Seeds for {size}", (f"seeds_{size}",), "count") for size in SIZES),
    ]
    note = (
        "By the one test of all levels (repeated-measures F, if its contrasts vary alike): |d_z| is the difference of "
        "two levels over its SD across seeds, or of an interaction that of two by two levels, with all others midway."
    )
    shown = frame.assign(term=[context.term(name) for name in frame["term"]])
    return Table("Terms with several contrasts", shown, columns, notes=[note])


def _claims(frame: DataFrame, context: Context) -> Table:
    labels = context.labels
    shown = frame.assign(
        metric=[labels[name] for name in frame["metric"]],
        estimable=[
            "no" if not told else f"if {context.term(assumed)} are absent" if assumed else "yes"
            for told, assumed in zip(frame["estimable"], frame["assumes"], strict=True)
        ],
        refuted=["yes" if refutable else "no" for refutable in frame["refutable"]],
    )
    columns = (
        Column("Claim", ("id",), key=True),
        Column("Metric", ("metric",)),
        Column("Can be told", ("estimable",)),
        Column("SE", ("se",), "value", detail=True),
        Column("Smallest effect", ("smallest",), "value"),
        Column("Margin", ("margin",), "value"),
        Column("Seeds for it", ("seeds_for_margin",), "count"),
        Column("Can be refuted", ("refuted",), detail=True),
    )
    return Table("The declared claims", shown, columns, notes=[_CLAIMS])


def undecidable(found: Mapping[str, str]) -> Iterator[str]:
    """What is said of claims that the planned seeds can neither support nor refute: id -> why."""
    for name, why in found.items():
        yield f"The claim {name} cannot be decided either way: {why}."


_CLAIMS = (
    "Smallest: found with power 80% among all claims, from the pilot's spread on the scale of the claim. Seeds: to "
    "find an effect of the margin, or for a claim of equivalence to exclude one."
)


def _detectable(frame: DataFrame, context: Context) -> Table:
    labels = context.labels
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


def _simulated(frame: DataFrame, context: Context) -> Table:
    labels = context.labels
    shown = frame.assign(
        metric=[labels[name] for name in frame["metric"]],
        effect=[context.effect(name) for name in frame["effect"]],
        kind=[_PLANTED[kind] for kind in frame["kind"]],
    )
    columns = (
        Column("Metric", ("metric",), key=True),
        Column("Effect", ("effect",), key=True),
        Column("Planted", ("kind",)),
        Column("Size", ("planted",), "value"),
        Column("|d_z|", ("sd_units",), "statistic"),
        Column("Found", ("power",), "percent"),
        Column("By formula", ("formula",), "percent"),
    )
    repeats = int(frame["repeats"].max())
    found_in = (
        f"Found in so many of {repeats} repetitions, which draw the pilot's seeds with replacement (standard error at "
        f"most {numbers.percent(0.5 / repeats**0.5)}); of nothing, these are false alarms. Single tests at 5%."
    )
    notes = [
        found_in,
        "A pilot of few seeds is a small sample: take a large difference from the formula as a warning.",
    ]
    return Table("Power under the pilot's own noise", shown, columns, notes=notes)


_PLANTED = {"nothing": "nothing", "smallest": "the smallest above", "margin": "the margin"}


def _looks(frame: DataFrame) -> Table:
    columns = [
        Column("Seeds", ("seeds",), "count", key=True),
        Column("Stop if p is at most", ("p",), "value"),
        Column("|z|", ("z",), "statistic"),
        Column("Error spent", ("spent",), "value"),
    ]
    columns += [Column(f"First stop, |d_z| = {size}", (f"stop_{size}",), "percent") for size in SIZES]
    return Table("A plan of looks", frame, columns, notes=[_LOOKS])


_LOOKS = (
    "Looks planned before the first run, for one test with 5% error over all looks, spent as by O'Brien and Fleming "
    "(Lan & DeMets 1983). The last columns say how likely each look is the first to stop."
)


def augmented(frame: DataFrame, context: Context) -> Table:
    """One row a term of the model that the added cells serve."""
    shown = frame.assign(effect=[context.effect(name) for name in frame["effect"]])
    columns = (
        Column("Effect", ("effect",), key=True),
        Column("VIF now", ("vif_before",), "statistic"),
        Column("VIF then", ("vif_after",), "statistic"),
        Column("SE now", ("se_before",), "value"),
        Column("SE then", ("se_after",), "value"),
    )
    return Table("What they buy (SE with one seed, if a run's SD within its seed is 1)", shown, columns)


def cells(frame: DataFrame) -> Table:
    """One row a cell, with its number."""
    names = [str(name) for name in frame.columns[1:]]
    shown = frame.set_axis(["cell", *(f"level {position}" for position in range(len(names)))], axis=1)
    columns = [Column("Cell", ("cell",), "count", key=True)]
    columns += [Column(name, (f"level {position}",)) for position, name in enumerate(names)]
    return Table("Numbered as above", shown, columns)
