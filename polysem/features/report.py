"""A stored run becomes a report of what the latents of two levels encode: one seed in pictures, all in numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import bench
from bench.errors import BenchError
from bench.present import numbers
from bench.present.report import Column, Figure, Report, Section, Table
from polysem.features.figures import Panel, Scale, side_by_side
from polysem.features.matching import REPETITIONS, overlap
from polysem.features.over_seeds import MEASURES, pairs, per_run, per_seed
from polysem.features.stored import Arrays, Levels, read

_LIMITS = """\
The pictures show one seed, which is one draw of data, weights and noise: a pattern in them is an example, and only \
the tables over all seeds speak of the factor.
A correlation ignores size. A latent that never rises above 0 leaks a hundredth of its input and still correlates: the \
activation maps show which latents do so.
Features of one group are active together, so that a latent that answers to one of them correlates with the others \
too; a correlation does not say which of them it uses.
Two levels of one seed start from the same data and, unless the factor changes them, the same weights. That they are \
more alike than chance is no finding about the factor: compare with the similarity between seeds.
Chance permutes the features of every latent by itself, and so forgets that features come in groups: to be above it is \
the least that latents which encode anything have in common.
Decoder directions live in the hidden layer of their own network; their cosines are taken within a run only.
""".splitlines()


def compare(
    run: str | Path | None = None,
    *,
    factor: str | None = None,
    level: str | None = None,
    seed: int | None = None,
    out: str | Path = bench.REPORTS,
    random_seed: int = 0,
) -> Report:
    """What the latents of two levels encode, latents matched one to one; ``run`` and ``out`` as in ``bench.load``.

    The reference level of ``factor`` (by default the run's first factor) is laid beside ``level`` (by default the next
    one), all other factors at their reference; ``seed`` is the one that is drawn (by default the first). The run must
    have been made with ``keep_arrays = true``. ``data`` of the report holds ``pairs`` (of the seed drawn), ``runs``,
    ``seeds`` and ``contrasts``.

        >>> compare("features", factor="reg", level="l2").data["seeds"][["seed", "similarity", "chance"]]

    Raises:
        bench.errors.BenchError: no such run, factor, level or seed, or the run kept no arrays.
    """
    levels = read(run, factor, level, out)
    drawn = levels.seeds[0] if seed is None else seed
    if drawn not in levels.seeds:
        hint = f"Seeds with results at both levels: {numbers.ranges(levels.seeds)}."
        raise BenchError(f"There is no seed {drawn} to draw in {levels.run}.", hint=hint)
    first, second = (of_level[levels.seeds.index(drawn)] for of_level in levels.arrays)
    matched = pairs(first, second)
    runs, seeds = per_run(levels), per_seed(levels, np.random.default_rng(random_seed))
    contrasts = bench.analyze(runs, [levels.factor], "seed", list(MEASURES)).contrasts
    above = bench.analyze(_stacked(seeds), ["matched"], "seed", ["similarity"]).contrasts
    data = {"pairs": matched, "runs": runs, "seeds": seeds, "contrasts": pd.concat([contrasts, above])}
    a, b = levels.names
    sections = [
        Section("Summary", list(_summary(levels, seeds)), _LIMITS, verdict=True),
        Section(f"Seed {drawn} in pictures", exhibits=list(_figures(levels, drawn, first, second, matched))),
        Section("All seeds in numbers", exhibits=[_effects(contrasts, a, b), _similarities(seeds, above, a, b)]),
    ]
    return Report(f"What latents encode: {levels.factor} {a} and {b}", _provenance(levels, drawn), sections, data)


def _provenance(levels: Levels, drawn: int) -> Mapping[str, str]:
    facts = {
        "Run": str(levels.run),
        "Other factors held at": ", ".join(f"{name} = {value}" for name, value in levels.held.items()),
        "Seed drawn": str(drawn),
        "Seeds": numbers.ranges(levels.seeds),
        "Seeds left out, without a result at both levels": numbers.ranges(levels.left_out) if levels.left_out else "",
    }
    return {name: text for name, text in facts.items() if text}


def _summary(levels: Levels, seeds: pd.DataFrame) -> Iterator[str]:
    a, b = levels.names
    alike, chance, between = (seeds[name].mean() for name in ("similarity", "chance", "between_seeds"))
    known = int(seeds["similarity"].notna().sum())
    yield (
        f"Latents of {a} and {b} were matched one to one by what they encode: the correlations of a latent's "
        f"activation with the features, over the training samples. Over {numbers.counted(known, 'seed')} the mean "
        f"cosine of matched pairs is {numbers.fixed(alike, 2)}, where permuted features give "
        f"{numbers.fixed(chance, 2)}."
    )
    if len(seeds) > 1:
        yield (
            f"Two runs of {a} with different seeds reach {numbers.fixed(between, 2)}: that is how far latents agree "
            "where the factor is the same, and the data and initial weights are not."
        )
    else:
        yield "There is one seed only: nothing can be said about how any of this varies."


def _figures(levels: Levels, drawn: int, first: Arrays, second: Arrays, matched: pd.DataFrame) -> Iterator[Figure]:
    order = (matched["first"].to_numpy(), matched["second"].to_numpy())
    sides = list(zip(levels.names, (first, second), order, strict=True))
    of_seed = f"{levels.factor} {levels.names[0]} beside {levels.names[1]}, seed {drawn}"
    rows = "Latents in one row are matched, and each is named by its number in its own run"
    features = [f"x{feature}" for feature in range(first["correlation"].shape[1])]

    def title(level: str) -> str:
        return f"{levels.factor} = {level}"

    def panels(name: str) -> list[Panel]:
        return [
            Panel(title(level), arrays[name][own], [*map(str, own)], features, "latent", "feature")
            for level, arrays, own in sides
        ]

    yield side_by_side(
        "encoding",
        f"What each latent encodes: correlation of its activation with each feature ({of_seed}). {rows}; they are in "
        f"the order of the feature that is strongest for {levels.names[0]}. Grey: undefined.",
        f"Heat maps, latents by features. {_strongest(matched)}",
        panels("correlation"),
        Scale("correlation", -1, 1, "RdBu_r"),
        with_numbers=True,
    )
    maps = [
        _with_silence(panel, arrays[_SILENT][own])
        for panel, (_, arrays, own) in zip(panels(_ACTIVE), sides, strict=True)
    ]
    if all("resemblance" in arrays for _, arrays, _ in sides):
        yield side_by_side(
            "recovery",
            f"What each latent stands for: cosine of its decoder direction with what each feature adds to the hidden "
            f"layer ({of_seed}). {rows}. 1 is a feature recovered; grey, one that the network ignores.",
            "Heat maps of cosines, latents by features.",
            panels("resemblance"),
            Scale("cosine", -1, 1, "RdBu_r"),
            with_numbers=True,
        )
    everything = np.concatenate([panel.values.ravel() for panel in maps])
    low, high = float(np.nanmin(everything, initial=0)), float(np.nanmax(everything, initial=0))
    yield side_by_side(
        "activation",
        f"Activation maps: mean activation of each latent while a feature is active, and while none is ({of_seed}). "
        f"{rows}. Colours share one scale.",
        f"Heat maps, latents by features and by silence; values from {numbers.significant(low, 3)} to "
        f"{numbers.significant(high, 3)}.",
        maps,
        Scale("mean activation", low, high, "cividis"),
        with_numbers=True,
    )
    cosine = [
        Panel(
            title(level),
            overlap(arrays["decoder"])[np.ix_(own, own)],
            [*map(str, own)],
            [*map(str, own)],
            "latent",
            "latent",
        )
        for level, arrays, own in sides
    ]
    yield side_by_side(
        "overlap",
        f"Overlap of decoder directions: cosine of every pair ({of_seed}). {rows}. 0 off the diagonal is no "
        "interference; opposite directions are −1.",
        f"Two square heat maps of cosines between decoder directions, {levels.names[0]} and {levels.names[1]}.",
        cosine,
        Scale("cosine", -1, 1, "RdBu_r"),
        with_numbers=False,
    )


_ACTIVE, _SILENT = "mean_when_active", "mean_when_silent"


def _with_silence(panel: Panel, silent: np.ndarray) -> Panel:
    """The panel with one more column: the activation while no feature is active."""
    return replace(panel, values=np.column_stack([panel.values, silent]), columns=[*panel.columns, "none"])


def _strongest(matched: pd.DataFrame) -> str:
    counts = matched.loc[matched["feature"] >= 0, "feature"].value_counts().sort_index()
    told = [f"x{feature} for {numbers.counted(count, 'latent')}" for feature, count in counts.items()]
    return f"Strongest feature of the first run's latents: {numbers.listed(told, most=20)}." if told else ""


def _stacked(seeds: pd.DataFrame) -> pd.DataFrame:
    """Two rows a seed: the similarity that chance makes, and that of the data."""
    return pd.concat(
        [
            pd.DataFrame({"matched": name, "seed": seeds["seed"], "similarity": seeds[column]})
            for name, column in (("by chance", "chance"), ("observed", "similarity"))
        ]
    )


def _effects(contrasts: pd.DataFrame, a: str, b: str) -> Table:
    columns = (
        Column("Measure", ("label",), key=True),
        Column(f"{b} − {a} [95%]", ("estimate", "low", "high"), "interval"),
        Column("p, adjusted", ("p_adjusted",), "p"),
        Column("Seeds", ("n",), "count"),
    )
    frame = contrasts.assign(label=contrasts["metric"].map(MEASURES))
    notes = ["One difference per seed; t intervals, p adjusted over the measures (BH): exploratory."]
    return Table(f"{b} against {a}, per run", frame, columns, notes=notes)


def _similarities(seeds: pd.DataFrame, above: pd.DataFrame, a: str, b: str) -> Table:
    columns = (
        Column("Seed", ("seed",), "count", key=True),
        Column(f"{a} to {b}", ("similarity",), "value"),
        Column("By chance", ("chance",), "value"),
        Column("p", ("p",), "p"),
        Column(f"{a} to {a}, next seed", ("between_seeds",), "value"),
    )
    excess = above.iloc[0]
    interval = numbers.interval(excess["estimate"], excess["low"], excess["high"])
    share = f"of {REPETITIONS} permutations, the data counted in, that reach the similarity of the seed; not adjusted"
    notes = [f"Above chance, over seeds: {interval} (95% t interval).", f"p: the share {share}."]
    return Table("Mean cosine of matched latents' correlations with the features", seeds, columns, notes=notes)
