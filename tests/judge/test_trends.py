"""Trends along factors with numbers as levels: against polynomials fitted seed by seed, and by hand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.judge.analysis import analyze
from bench.judge.coded import Factor, code_runs
from bench.judge.estimation import estimate_effects
from bench.judge.trend_frame import positions, trend_frame
from bench.present.build import analyzed
from bench.present.render import markdown
from bench.stats.identify import identify

SWEPT = (0.001, 0.01, 0.1, 1.0)
DEPTHS = (10, 20, 40)


def sweep(seeds: int = 6, random_seed: int = 3) -> pd.DataFrame:
    """A log sweep, an uneven one and a factor with names, and a value that bends along the first."""
    rng = np.random.default_rng(random_seed)
    rows = []
    for seed, (lam, depth, reg) in product(range(seeds), product(SWEPT, DEPTHS, ("l1", "l2"))):
        x = np.log10(lam)
        value = 20 + 2 * x + 0.5 * x**2 + 0.05 * depth + rng.normal() * (1 + (reg == "l2"))
        rows.append({"lam": lam, "depth": depth, "reg": reg, "seed": seed, "value": value})
    return pd.DataFrame(rows)


def found(
    frame: pd.DataFrame,
    factors: Sequence[str] = ("lam", "depth", "reg"),
    block: str | None = "seed",
    *,
    log: bool = False,
) -> pd.DataFrame:
    """The frame of trends, by factor and order."""
    runs = code_runs(frame, factors, block, ["value"])
    planned = identify(runs.cells, runs.n_levels)
    values = np.log(runs.values["value"]) if log else runs.values["value"]
    effects = estimate_effects(runs, planned, "value", values, log=log, confidence=0.95)
    return trend_frame(runs, [effects], 0.95).set_index(["factor", "order"])


@pytest.mark.parametrize(
    ("factor", "order", "degree"),
    [
        ("lam", "linear", 1),
        ("lam", "quadratic", 2),
        ("lam", "cubic", 3),
        ("depth", "quadratic", 2),
    ],
)
def test_a_trend_is_a_polynomial_fitted_seed_by_seed(factor: str, order: str, degree: int) -> None:
    """Estimate, t, p and interval are those of a t test of the leading coefficients that numpy fits to each seed."""
    frame = sweep()
    means = frame.pivot_table(index="seed", columns=factor, values="value")
    x = np.log10(SWEPT) if factor == "lam" else np.log10(DEPTHS)
    fitted = [np.polyfit(x, row, degree)[0] for row in means.to_numpy()]
    test = stats.ttest_1samp(fitted, 0.0)
    row = found(frame).loc[(factor, order)]
    low, high = test.confidence_interval(0.95)
    shown = row[["estimate", "low", "high", "t", "df", "p"]].to_numpy(float)
    np.testing.assert_allclose(shown, [np.mean(fitted), low, high, test.statistic, 5, test.pvalue], rtol=1e-8)
    assert row["n"] == 6
    assert row["per"] == "decade"


def test_a_parabola_by_hand() -> None:
    """3 + 2 x + x² at 0, 1, 2 has the means 3, 6, 11: the line rises by 4 a unit, the parabola by 1 a squared unit."""
    noise = {0: (0.1, -0.1), 1: (-0.2, 0.2), 2: (0.3, -0.3)}
    rows = [{"x": x, "seed": s, "value": 3 + 2 * x + x**2 + noise[x][s]} for x in (0, 1, 2) for s in (0, 1)]
    trend = found(pd.DataFrame(rows), ["x"])
    assert trend["estimate"].to_dict() == pytest.approx({("x", "linear"): 4.0, ("x", "quadratic"): 1.0})
    assert trend["per"].tolist() == ["unit", "unit"]


@pytest.mark.parametrize(
    ("levels", "per"),
    [
        ((0.001, 0.01, 0.1), "decade"),
        ((1, 2, 5, 10), "decade"),
        ((10, 20, 30), "unit"),
        ((0.0, 0.01, 0.1), "unit"),
        ((-1, 0, 1), "unit"),
        (("1e-3", "1e-2", "1e-1"), "decade"),
        ((1, 2), None),
        ((False, True, "x"), None),
        (("a", "b", "c"), None),
        ((1.0, 2.0, float("inf")), None),
    ],
)
def test_which_factors_have_trends_and_in_what(levels: tuple[object, ...], per: str | None) -> None:
    """Three or more finite numbers, as logarithms where these are spaced more evenly; nothing else."""
    placed = positions(Factor("x", levels))
    assert (None if placed is None else placed[0]) == per


def test_on_a_log_scale_a_trend_is_a_ratio() -> None:
    """A value that doubles with every tenfold has the ratio 2 per decade and no bend."""
    rng = np.random.default_rng(1)
    rows = [
        {"lam": lam, "seed": seed, "value": 2 ** np.log10(lam) * np.exp(rng.normal(0, 1e-3))}
        for lam in SWEPT
        for seed in range(5)
    ]
    trend = found(pd.DataFrame(rows), ["lam"], log=True)
    assert (trend["scale"] == "ratio").all()
    assert trend["estimate"].to_numpy() == pytest.approx([2.0, 1.0, 1.0], rel=0.01)


def test_p_is_adjusted_over_the_frame() -> None:
    """Benjamini and Hochberg's p over every metric, factor and order."""
    trend = found(sweep())
    np.testing.assert_allclose(trend["p_adjusted"], stats.false_discovery_control(trend["p"]))


def test_blocks_without_a_compared_cell_are_left_out() -> None:
    """A seed that lacks a value does not enter; the others do as they are."""
    frame = sweep()
    lacking = frame.assign(value=frame["value"].where((frame["seed"] != 2) | (frame["lam"] != 0.1)))
    trend, without = found(lacking), found(frame[frame["seed"] != 2])
    assert (trend["n"] == 5).all()
    np.testing.assert_allclose(trend["estimate"], without["estimate"])
    np.testing.assert_allclose(trend["p"], without["p"])


def test_a_level_without_values_leaves_the_trend_of_the_others() -> None:
    """Where a whole level has no values, trends are those of the table without it."""
    frame = sweep()
    trend = found(frame.assign(value=frame["value"].where(frame["lam"] != 0.1)))
    pd.testing.assert_frame_equal(trend, found(frame[frame["lam"] != 0.1]))


def test_independent_runs() -> None:
    """Without blocks it is Welch's contrast of the means of the levels, which numpy's polynomial agrees with."""
    frame = sweep()
    trend = found(frame, block=None)
    means = frame.groupby("lam")["value"].mean()
    assert trend.loc[("lam", "quadratic"), "estimate"] == pytest.approx(np.polyfit(np.log10(SWEPT), means, 2)[0])
    assert (trend["df"] > 5).all()


def test_a_fraction_says_what_a_trend_assumes() -> None:
    """Where combinations are missing the trend names the interactions that it takes to be absent."""
    frame = sweep()
    part = frame[(frame["reg"] == "l1") | (frame["lam"] == SWEPT[0])]
    trend = found(part, ["lam", "reg"])
    assert (trend["assumes"] == "lam:reg").all()
    assert np.isfinite(trend["p"]).all()


def test_no_swept_factor_no_trends() -> None:
    """Without a factor of three numbers the frame is empty and the report has no section."""
    analysis = analyze(sweep(), ["reg"], "seed", ["value"])
    assert len(analysis.trends) == 0
    assert "Trends" not in [section.title for section in analyzed(analysis, "table").sections]


def test_the_report_shows_and_explains_trends() -> None:
    """The report has a table of trends, and the methods say in what the levels were placed."""
    text = markdown.render(analyzed(analyze(sweep(), ["lam", "reg"], "seed", ["value"]), "table"))
    assert "## Trends" in text
    assert "| lam | quadratic | ×10, squared |" in text
    assert "Trends along lam: orthogonal polynomials (linear, quadratic and cubic) in the decimal logarithms" in text
    assert "Adjusted p of trends: exploratory (BH) over every metric, factor and order; 3 tests." in text


def test_assumptions_stand_below_the_table() -> None:
    """What a trend assumes is a note of its table."""
    frame = sweep()
    part = frame[(frame["reg"] == "l1") | (frame["lam"] == SWEPT[0])]
    analysis = analyze(part, ["lam", "reg"], "seed", ["value"])
    (section,) = (part for part in analyzed(analysis, "table").sections if part.title == "Trends")
    (table,) = section.tables
    assert list(table.notes) == ["Assumes that there is no lam × reg."]
