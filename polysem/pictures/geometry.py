"""Toy models of superposition: the phase diagram, directions of features, dimensionalities, plateaus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Float

from bench.present.figures.style import GRID, INK, MUTED, SERIES, SMALL, Drawing, blank, key, log_axis
from bench.present.report import Figure
from polysem.superposition import STICKY, dimensionality

Weights = Float[np.ndarray, "hidden feature"]
PHASES = {"absent": GRID, "dedicated": SERIES[0], "superposed": SERIES[1]}
"""What may become of the last feature, by its metric -> a colour."""


def figures(table: pd.DataFrame, factors: Sequence[str], weights: Callable[[pd.Series], Weights]) -> Iterator[Figure]:
    """The pictures that a run of ``polysem.superposition`` has the data for.

    ``table`` has a row a run with metrics and levels as columns, ``weights`` gives the stored ones of a row.
    """
    if {"importance", "sparsity"} <= set(factors):
        yield Figure(
            "phase",
            "What becomes of the second feature. Colours are mixed by the share of seeds.",
            "A map over importance and sparsity: the second is absent, has the dimension to itself or shares it.",
            partial(_phase, table),
        )
        return
    by = factors[0]
    groups = table.sort_values("loss").groupby(by, observed=True)
    best = {str(level): weights(rows.iloc[0]) for level, rows in groups}
    if "sparsity" in factors and all(len(w) > 2 for w in best.values()):
        yield Figure(
            "plateaus",
            "Dimensions a feature, m / |W|². A feature with a dimension to itself has 1, one of an antipodal pair ½.",
            "Dimensions a feature fall as features become sparser, and stay for a while at 1 and at one half.",
            partial(_plateaus, table),
        )
    yield Figure(
        "dimensionalities",
        "Dimensionality of each feature, of the seed with the lowest loss. Lines are those of regular geometries.",
        f"Dots for the features of each level of {by}, beside lines at 1, 3/4, 2/3, 1/2, 2/5 and 3/8.",
        partial(_dimensionalities, by, best),
    )
    if all(len(w) == 2 for w in best.values()):
        yield Figure(
            "directions",
            "Directions of the features in the two hidden dimensions, of the seed with the lowest loss.",
            f"A panel for each level of {by}, with a line from the origin to every feature's weights.",
            partial(_directions, by, best),
        )


def _phase(table: pd.DataFrame) -> Drawing:
    shares = table.groupby(["importance", "sparsity"], observed=True)[list(PHASES)].mean()
    grid = {name: shares[name].unstack() for name in PHASES}
    importance, sparsity = (grid["absent"].index.astype(float), grid["absent"].columns.astype(float))
    colours = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in PHASES.values()])
    mixed = sum(part.to_numpy()[..., None] * colour for part, colour in zip(grid.values(), colours, strict=True))
    drawing, [axes] = blank(3.6)
    axes.pcolormesh(_edges(1 / (1 - sparsity)), _edges(importance), np.asarray(mixed))
    log_axis(axes)
    log_axis(axes, "y")
    axes.grid(visible=False)
    axes.set_xlabel("1/(1 − S): sparser to the right")
    axes.set_ylabel("Relative importance of the second")
    patches = [axes.scatter([], [], marker="s", color=colour) for colour in PHASES.values()]
    key(drawing, patches, ["not represented", "alone", "shares its dimension"], columns=3)
    return drawing


def _edges(centres: pd.Index) -> Float[np.ndarray, " edge"]:
    """Limits of tiles on a log axis, halfway between centres."""
    logs = np.log(np.asarray(centres, dtype=float))
    halfway = (logs[1:] + logs[:-1]) / 2
    return np.exp([2 * logs[0] - halfway[0], *halfway, 2 * logs[-1] - halfway[-1]])


def _plateaus(table: pd.DataFrame) -> Drawing:
    drawing, [axes] = blank(3.0)
    x = 1 / (1 - table["sparsity"].astype(float))
    for height, name in ((1, "a dimension each"), (0.5, "antipodal pairs")):
        axes.axhline(height, color=MUTED, lw=0.8, ls="--")
        axes.text(x.max(), height, name, va="bottom", ha="right", size=SMALL, color=MUTED)
    means = table["dimensions_per_feature"].groupby(x).mean()
    axes.plot(means.index, means, color=SERIES[0])
    dots = axes.scatter(x, table["dimensions_per_feature"], s=12, color=SERIES[0])
    drawing.name_marks(
        dots, [f"S = {s}, seed {seed}" for s, seed in zip(table["sparsity"], table["seed"], strict=True)]
    )
    log_axis(axes)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("1/(1 − S): sparser to the right")
    axes.set_ylabel("m / |W|²")
    return drawing


def _dimensionalities(by: str, best: Mapping[str, Weights]) -> Drawing:
    drawing, [axes] = blank(3.2)
    for height in STICKY:
        axes.axhline(height, color=MUTED, lw=0.6, ls="--")
    axes.set_yticks(STICKY, ["1", "3/4", "2/3", "1/2", "2/5", ""])
    rng = np.random.default_rng(0)
    for place, w in enumerate(best.values()):
        d = dimensionality(w.astype(float))
        d = d[np.linalg.norm(w, axis=0) ** 2 >= 0.5]
        axes.scatter(place + rng.uniform(-0.28, 0.28, len(d)), d, s=9, alpha=0.6, lw=0, color=SERIES[0])
    axes.set_xticks(range(len(best)), list(best))
    axes.set_ylim(0, 1.08)
    axes.grid(visible=False)
    axes.set_xlabel(by)
    axes.set_ylabel("D of represented features")
    return drawing


def _directions(by: str, best: Mapping[str, Weights]) -> Drawing:
    columns = 4
    rows = -(-len(best) // columns)
    drawing, axes = blank(1.35 * rows + 0.2, rows, columns)
    limit = 1.1 * max(np.abs(w).max() for w in best.values())
    for place, (level, w) in zip(axes, best.items(), strict=False):
        for feature, (x, y) in enumerate(w.T):
            place.plot([0, x], [0, y], color=SERIES[feature % len(SERIES)], marker="o", markevery=[1], ms=4)
        place.set_title(f"{by} {level}", size=SMALL, color=INK)
        place.set_xlim(-limit, limit)
        place.set_ylim(-limit, limit)
        place.set_aspect("equal")
        place.set_axis_off()
    for place in axes[len(best) :]:
        place.set_visible(False)
    return drawing
