"""Variance components of tables of runs, what the next comparison needs, and rank correlations of proxies."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bench
from bench.errors import BenchError
from bench.judge.analysis import Analysis, MetricOptions, analyze
from bench.judge.proxies import proxy_frame
from bench.plan.shape import ProxiesTable
from bench.stats.rank_correlation import rank_correlation

STRATA = ["data", "init", "sae"]
COLUMNS = ["data_seed", "init_seed", "sae_seed"]
OWN = {"data": 1.0, "init": 0.5, "sae": 0.2}


def runs(*, crossed: bool = True, data: int = 6, rng_seed: int = 0) -> pd.DataFrame:
    """Two cells of every combination; an effect of 1 that varies by data (SD 0.3) and by run (0.1)."""
    rng = np.random.default_rng(rng_seed)
    drawn: dict[tuple[object, ...], float] = {}

    def draw(*what: object) -> float:
        return drawn.setdefault(what, float(rng.standard_normal()))

    rows = []
    for place in product(range(data), range(3), range(3)):
        names = place if crossed else tuple(hash(place[: depth + 1]) % 2**31 for depth in range(3))
        base = sum(OWN[name] * draw(name, own) for name, own in zip(STRATA, names, strict=True))
        for reg in ("l1", "l2"):
            effect = (reg == "l2") * (1 + 0.3 * draw("effect", place[0])) + 0.1 * draw("run", place, reg)
            rows.append({"reg": reg, **dict(zip(COLUMNS, names, strict=True)), "loss": 10 + base + effect})
    return pd.DataFrame(rows)


def analysis(frame: pd.DataFrame, **options: object) -> Analysis:
    return analyze(frame, ["reg"], COLUMNS[0], [MetricOptions("loss", margin=0.2)], strata=COLUMNS, **options)


def variances(found: Analysis, effect: str) -> dict[str, float]:
    assert found.components is not None
    rows = found.components[found.components["effect"] == effect]
    return dict(zip(rows["component"], rows["variance"], strict=True))


def test_components_of_crossed_strata_are_those_of_a_hand_calculation() -> None:
    """The component of one stratum is the variance of its means less what the interactions put there."""
    frame = runs()
    table = frame.groupby(COLUMNS)["loss"].mean().to_numpy().reshape(6, 3, 3)
    found = variances(analysis(frame), "mean")
    assert [*found] == ["data", "init", "sae", "data × init", "data × sae", "init × sae", "data × init × sae"]
    residual = table.copy()
    for axis in range(3):
        residual -= residual.mean(axis=axis, keepdims=True)
    error = (residual**2).sum() / (5 * 2 * 2)
    means = table.mean(axis=2)
    both = means - means.mean(axis=0) - means.mean(axis=1, keepdims=True) + means.mean()
    assert found["data × init × sae"] == pytest.approx(error)
    assert found["data × init"] == pytest.approx(((both**2).sum() / 10 * 3 - error) / 3)


def test_the_effect_varies_by_what_makes_it_vary() -> None:
    """In the effect the strata's own means cancel; its spread over data and its standard errors come out."""
    found = analysis(runs(data=60))
    own = variances(found, "reg")
    assert own["data"] == pytest.approx(0.09, rel=0.5)
    assert abs(own["init"]) < 0.003
    assert own["data × init × sae"] == pytest.approx(0.02, rel=0.3)
    assert found.components is not None
    row = found.components[found.components["effect"] == "reg"].iloc[0]
    assert row["se_units"] == pytest.approx(found.contrasts["se"].iloc[0])
    assert row["share"] == pytest.approx(own["data"] / sum(max(value, 0) for value in own.values()))


def test_nested_strata_are_known_by_their_labels() -> None:
    """Where inner labels are never shared, each component is that of a stratum within the outer one."""
    found = variances(analysis(runs(crossed=False, data=40)), "mean")
    assert [*found] == ["data", "init", "sae"]
    assert found["data"] == pytest.approx(1.0 + 0.09 / 4, rel=0.6)
    assert found["init"] == pytest.approx(0.25, rel=0.4)
    assert found["sae"] == pytest.approx(0.045, rel=0.4)


def test_only_the_first_block_replicates() -> None:
    """The primary test is that of the means within the outermost block; labels of inner ones do not matter."""
    frame = runs()
    means = frame.groupby(["reg", "data_seed"], as_index=False)["loss"].mean()
    once = analyze(means, ["reg"], "data_seed", ["loss"])
    found = analysis(frame)
    for name in ("estimate", "se", "p", "n"):
        assert found.contrasts[name].to_numpy() == pytest.approx(once.contrasts[name].to_numpy())
    assert once.components is None


def test_lost_runs_drop_their_outermost_group() -> None:
    """What lacks a run is left out whole, and counted; the components are those of the rest."""
    frame = runs(data=7)
    lacking = frame.copy()
    lacking.loc[(lacking["data_seed"] == 2).to_numpy().nonzero()[0][:1], "loss"] = np.nan
    found, rest = analysis(lacking), analysis(frame[frame["data_seed"] != 2])
    assert found.components is not None
    assert rest.components is not None
    assert found.components["dropped"].eq(1).all()
    pd.testing.assert_frame_equal(found.components.drop(columns="dropped"), rest.components.drop(columns="dropped"))
    few = frame[frame["data_seed"] < 2].copy()
    few.loc[few.index[0], "loss"] = np.nan
    nothing = analysis(few).components
    assert nothing is not None
    assert nothing["reason"].tolist() == ["fewer than two data groups have every run"] * 2


def test_needs_follow_from_the_components() -> None:
    """The SD over units of their own seeds falls with inner seeds towards what outer strata leave."""
    found = analysis(runs())
    assert found.needs is not None
    own = variances(found, "reg")
    between = sum(value for name, value in own.items() if "sae" not in name)
    within = sum(value for name, value in own.items() if "sae" in name)
    assert found.needs["per_unit"].tolist() == [1, 2, 3, 5, 10]
    assert found.needs["sd"].tolist() == pytest.approx([(between + within / m) ** 0.5 for m in (1, 2, 3, 5, 10)])
    assert found.needs["units"].is_monotonic_decreasing


def test_analyze_takes_several_blocks(tmp_path: Path) -> None:
    """In Python and in words: the outermost replicates, the section names what varies."""
    frame = runs()
    found = bench.analyze(frame, ["reg"], COLUMNS, ["loss"], margin={"loss": 0.2})
    assert found.components is not None
    assert "copies of one run" not in " ".join(found.notes)
    shown = str(found.report().only(["Variance components"]))
    assert "data × init × sae" in shown
    assert "sae seeds a unit" in shown
    assert "Left out" not in shown
    for blocks, why in ((["data_seed", "nothing"], "no column"), (["data_seed", "reg"], "Named twice")):
        with pytest.raises(BenchError, match=why):
            bench.analyze(frame, ["reg"], blocks, ["loss"])
    gone = frame.assign(sae_seed=frame["sae_seed"].astype(float).mask(frame.index == 3))
    with pytest.raises(BenchError, match="missing in some rows"):
        bench.analyze(gone, ["reg"], COLUMNS, ["loss"])
    path = tmp_path / "runs.csv"
    frame.to_csv(path, index=False)
    again = bench.analyze(path, ["reg"], COLUMNS, ["loss"], margin={"loss": 0.2})
    assert again.components is not None
    pd.testing.assert_frame_equal(again.components, found.components)


def test_rank_correlation_is_spearmans_within_blocks_and_t_over_them() -> None:
    """By scipy, block by block; constant blocks have none; where all agree exactly their signs are counted."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 8, 9))
    y += x
    x[3], x[5, :7] = 1.0, np.nan
    found = rank_correlation(x, y)
    kept = [block for block in range(8) if block not in (3, 5)]
    per_block = [stats.spearmanr(x[block], y[block]).statistic for block in kept]
    assert found.per_block[kept].tolist() == pytest.approx(per_block)
    assert np.isnan(found.per_block[[3, 5]]).all()
    assert (found.estimate, found.n) == (pytest.approx(np.mean(per_block)), 6)
    assert found.p == pytest.approx(stats.ttest_1samp(per_block, 0).pvalue)
    same = rank_correlation(np.tile(np.arange(4.0), (5, 1)), np.tile(np.arange(4.0), (5, 1)))
    assert (same.estimate, same.n, same.p) == (1.0, 5, 2 / 2**5)
    assert np.isnan(rank_correlation(x[:1], y[:1]).p)


def test_unrelated_metrics_that_share_their_seeds_are_seldom_called_related() -> None:
    """Where a seed moves all cells of both metrics, pooled ranks reject a third and more; t over seeds 5 %."""
    rng, ours, pooled, repeats = np.random.default_rng(4), 0, 0, 400
    for _ in range(repeats):
        seed = rng.standard_normal((10, 1))
        x, y = (seed + rng.standard_normal((10, 8)) for _ in range(2))
        ours += rank_correlation(x, y).p < 0.05
        pooled += stats.spearmanr(x.ravel(), y.ravel()).pvalue < 0.05
    assert stats.binomtest(ours, repeats, 0.05).pvalue > 1e-3
    assert pooled / repeats > 0.33


def test_proxies_are_ranked_by_strength_and_adjusted_together() -> None:
    """A proxy that follows the target comes first, one that opposes it second; Holm over all."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(list(product("abcd", range(3), range(8), range(2))), columns=["act", "width", "seed", "inner"])
    frame["truth"] = rng.standard_normal(len(frame)) + frame["width"]
    frame["good"] = frame["truth"] + 0.1 * rng.standard_normal(len(frame))
    frame["opposed"] = -frame["truth"] + 2 * rng.standard_normal(len(frame))
    frame["noise"] = rng.standard_normal(len(frame))
    proxies = ProxiesTable(target="truth", metrics=["noise", "opposed", "good", "truth"])
    found = proxy_frame(frame, ["act", "width"], "seed", proxies)
    assert found["proxy"].tolist() == ["good", "opposed", "noise"]
    assert found["rho"].iloc[0] > 0.9
    assert found["rho"].iloc[1] < -0.3
    assert found["p_adjusted"].iloc[0] == pytest.approx(3 * found["p"].iloc[0])
    assert found["n"].tolist() == [8, 8, 8]
