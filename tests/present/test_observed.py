"""The means, intervals and curves that figures show, by hand and by closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bench
from bench.experiment import Metric
from bench.judge.analysis import analyze
from bench.present.figures.observed import by_block, cell_means, fitted_curve, marginal, observed
from bench.present.study import Context
from tests.present.test_figures import simulated


def test_means_of_a_seed_weigh_cells_equally() -> None:
    """A seed's mean at a level averages the other factors' cells, however many runs each has; geometric for ratios."""
    runs = pd.DataFrame({"a": list("xxxyyy"), "b": list("ppqppq"), "seed": 0, "y": [1.0, 1, 4, 2, 2, 8]})
    analysis = analyze(runs, ["a", "b"], "seed", ["y"])
    rows = observed(analysis, Context({"a": ["x", "y"], "b": ["p", "q"]}, [Metric("y", "Y")]))
    assert by_block(rows, [0], log=False).to_numpy().tolist() == [[2.5, 5.0]]
    assert by_block(rows, [0], log=True).to_numpy() == pytest.approx(np.array([[2.0, 4.0]]))


def test_a_seed_that_lacks_a_cell_is_not_averaged() -> None:
    """Where a run has no value, its seed's means would be of other cells than those of the rest, and are left out."""
    analysis, runs, context = simulated({"a": ["x", "y"], "b": ["p", "q"]})
    runs.loc[runs["seed"].eq(2) & runs["a"].eq("x") & runs["b"].eq("p"), "loss"] = np.nan
    analysis = analyze(runs, ["a", "b"], "seed", ["loss"])
    assert list(by_block(observed(analysis, context), [0], log=False).index) == ["0", "1", "3", "4", "5"]


def test_marginal_means_have_the_t_interval_of_their_blocks() -> None:
    """Of blocks 1, 2 and 6 at a level: mean 3, and t times SD over root 3 around it; geometric for logarithms."""
    rows = pd.DataFrame({"factor 0": 0, "cell": "x", "block": list("abc"), "value": [1.0, 2.0, 6.0]})
    half = stats.t.ppf(0.975, 2) * np.sqrt(7.0 / 3)
    found = marginal(rows, [0], 0.95, log=False).iloc[0]
    assert (found["mean"], found["low"], found["high"]) == pytest.approx((3, 3 - half, 3 + half))
    same = marginal(rows.assign(value=np.exp(rows["value"])), [0], 0.95, log=True).iloc[0]
    assert np.log([same["mean"], same["high"]]) == pytest.approx([3, 3 + half])
    assert cell_means(rows, 0.95, log=False).iloc[0][["mean", "low"]].tolist() == pytest.approx([3, 3 - half])


def test_marginal_means_of_independent_runs_add_variances() -> None:
    """Two cells of a level: the mean of their means, and Welch's standard error and degrees of freedom."""
    rows = pd.DataFrame(
        {"factor 0": 0, "cell": list("xxxyyy"), "block": list("012345"), "value": [1.0, 2, 3, 10, 14, 18]}
    )
    parts = np.array([1 / 3, 16 / 3])
    df = parts.sum() ** 2 / (parts**2 / 2).sum()
    found = marginal(rows, [0], 0.95, log=False).iloc[0]
    assert found["mean"] == pytest.approx(8)
    assert found["high"] - 8 == pytest.approx(stats.t.ppf(0.975, df) * np.sqrt(parts.sum()) / 2)


def test_a_curve_of_full_order_goes_through_the_means() -> None:
    """A quadratic through three doses spaced by tens, and its band at a dose is the interval of the mean there."""
    analysis, _, context = simulated({"dose": [1, 10, 100], "b": [1, 2]})
    rows = observed(analysis, context)
    means = marginal(rows, [0], 0.95, log=False)
    curve = fitted_curve(rows, 0, [1.0, 10.0, 100.0], 2, 0.95, log=False)
    assert curve.iloc[0][["dose", "value", "low"]].tolist() == pytest.approx([1, *means.iloc[0][["mean", "low"]]])
    assert curve.iloc[-1]["value"] == pytest.approx(means.iloc[-1]["mean"])


def test_a_curve_of_independent_runs_has_the_bands_of_their_means() -> None:
    """Without blocks a full-order curve is each dose's mean of cells, with Welch's interval; the report is made."""
    analysis, runs, context = simulated({"dose": [1, 10, 100], "b": [1, 2]})
    analysis = analyze(runs, ["dose", "b"], None, ["loss"])
    rows = observed(analysis, context)
    means = marginal(rows, [0], 0.95, log=False)
    curve = fitted_curve(rows, 0, [1.0, 10.0, 100.0], 2, 0.95, log=False)
    first = runs[runs["dose"] == 1].groupby("b")["loss"].agg(["mean", "var", "size"])
    parts = first["var"] / first["size"]
    half = stats.t.ppf(0.975, parts.sum() ** 2 / (parts**2 / (first["size"] - 1)).sum()) * np.sqrt(parts.sum()) / 2
    expected = [first["mean"].mean() + side * half for side in (0, -1, 1)]
    for row in (means.iloc[0][["mean", "low", "high"]], curve.iloc[0][["value", "low", "high"]]):
        assert row.tolist() == pytest.approx(expected)
    report = bench.analyze(runs, ["dose", "b"], None, ["loss"]).report()
    assert "trend-loss-0" in report.figures
