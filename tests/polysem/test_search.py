"""The search for penalties of matched strength: what it finds, when it says that it did not, and what it writes."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

import bench
from bench.errors import BenchError
from polysem import search
from polysem.ensemble import measure, train_network
from polysem.search import By, Strength, cells, match, match_l0, sae_cells, to_toml
from polysem.toy import Params

SUITE = """
name = "small"
experiment = "polysem.toy:EXPERIMENT"
seeds = 2
[params]
protocol = "corrected"
[factors]
act = ["relu", "gelu"]
reg = ["none", "l1", "l2"]
"""


def _pretend(monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    monkeypatch.setattr(search, "_attained", value)


def test_a_norm_is_matched_within_a_hundredth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Norms that fall with lambda, L2's more slowly, are met; every lambda that was tried is kept."""

    def norm(params: Params, _by: By) -> float:
        steepness = 1.0 if params.reg == "l1" else 0.7
        return 4 / (1 + (params.reg_lambda / 1e-4) ** steepness / 5)

    _pretend(monkeypatch, norm)
    strength = match((Params(reg="l1", reg_lambda=2e-3), Params(reg="l2"), {"reg": "l2"}))
    assert strength.status == "reached"
    assert strength.attained == pytest.approx(strength.target, rel=0.01)
    assert strength.value == pytest.approx(1e-4 * 20 ** (1 / 0.7), rel=0.05)
    assert strength.attained in dict(strength.tried).values()


def test_a_norm_out_of_reach_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A penalty that cannot bring the norm down is told from one that was matched."""
    _pretend(monkeypatch, lambda params, _by: 1.0 if params.reg == "l1" else 4.0)
    assert match((Params(reg="l1"), Params(reg="l2"), {"reg": "l2"})).status == "unreachable"


def test_by_validation_error_the_largest_lambda_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is not monotone in lambda: of two stretches where it is low enough, the upper one is taken."""

    def error(params: Params, _by: By) -> float:
        return (
            1.0 if params.reg == "l1" else 0.5 if 1e-3 < params.reg_lambda < 3e-3 or params.reg_lambda < 1e-5 else 2.0
        )

    _pretend(monkeypatch, error)
    strength = match((Params(reg="l1"), Params(reg="l2"), {"reg": "l2"}), by=By.ERROR)
    assert 3e-3 / 1.08 < strength.value < 3e-3
    assert strength.status == "reached"
    _pretend(monkeypatch, lambda params, _by: 1.0 if params.reg == "l1" else 1.001)
    assert match((Params(reg="l1"), Params(reg="l2"), {"reg": "l2"}), by=By.ERROR).status == "unreachable"


def test_what_is_written_can_be_extended(tmp_path: Path) -> None:
    """One lambda a cell; other cells, those of L1 and none, keep theirs."""
    base = tmp_path / "small.toml"
    base.write_text(SUITE)
    pairs = cells(base)
    assert [(first.reg, second.reg, levels["act"]) for first, second, levels in pairs] == [
        ("l1", "l2", "gelu"),
        ("l1", "l2", "relu"),
    ]
    strengths = [Strength(levels, 0.001 * (k + 1), 3.0, 3.0, [(1e-4, 3.5)]) for k, (*_, levels) in enumerate(pairs)]
    output = tmp_path / "matched" / "small.toml"
    output.parent.mkdir()
    output.write_text(to_toml(base, strengths, By.NORM, output))
    derived = tmp_path / "derived.toml"
    derived.write_text('name = "derived"\nextends = "matched/small.toml"\n')
    plan = bench.check(derived)
    found = {(cell["act"], cell["reg"]): plan.values(cell).get("reg_lambda") for cell in plan.combinations()}
    assert found["gelu", "l2"] == 0.001
    assert found["relu", "l2"] == 0.002
    assert {found[act, reg] for act in ("relu", "gelu") for reg in ("none", "l1")} == {None}


def test_a_suite_without_penalties_to_match_is_refused(tmp_path: Path) -> None:
    """No factor reg, or no L1 among its levels: the message says what is needed."""
    path = tmp_path / "small.toml"
    for text in (SUITE.replace('reg = ["none", "l1", "l2"]', ""), SUITE.replace('"l1", ', "")):
        path.write_text(text)
        with pytest.raises(BenchError, match=r"no penalties to match|no cell with L1"):
            cells(path)


def test_training_a_network_alone_gives_its_metrics() -> None:
    """The search trains no autoencoder, and measures what the run's metrics say."""
    params = Params(protocol="corrected", epochs=2, sae_epochs=1)
    (whole,) = measure([params], [3], lambda _: None)
    for name, value in train_network(params, 3).items():
        assert whole.metrics[name] == value, name


# ---- The sparsity of autoencoders -----------------------------------------------------------------------------------


def _jumprelu(**values: object) -> tuple[Params, dict[str, str]]:
    """Of which the search is quick: fewer steps than the protocol's, one seed."""
    short = {"protocol": "corrected", "epochs": 300, "sae_epochs": 400}
    return Params.model_validate({"sae": "jumprelu", **short, **values}), {"sae": "jumprelu"}


def test_jumprelu_reaches_its_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two active latents a row within 5 %, from thresholds and a bandwidth of 0.1; a run then counts as many."""
    monkeypatch.setattr(search, "SAE_SEEDS", [1000])
    strength = match_l0(_jumprelu(sae_l0=2.0))
    assert (strength.status, strength.parameter) == ("reached", "sae_lambda")
    assert strength.attained == pytest.approx(2, rel=0.05)
    found, _ = _jumprelu(sae_l0=2.0, sae_lambda=strength.value)
    (run,) = measure([found], [1000], lambda _: None)
    assert run.metrics["l0_count"] == pytest.approx(strength.attained, rel=1e-12)


@pytest.mark.parametrize("values", [{"sae_l0": 2.0, "sae_bandwidth": 0.001}, {"sae_l0": 0.05}], ids=["band", "far"])
def test_a_penalty_that_moves_nothing_is_saturated(values: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Thresholds learn in a narrow band only, or no longer at all: a lambda 100 times beyond the search tells."""
    monkeypatch.setattr(search, "SAE_SEEDS", [1000])
    strength = match_l0(_jumprelu(**values))
    assert strength.status == "saturated"
    assert strength.attained > 1.05 * values["sae_l0"]
    assert max(value for value, _ in strength.tried) == search.HIGHEST_SPARSITY * search.BEYOND


@pytest.mark.parametrize(
    ("sae", "target", "count", "status"),
    [
        ("gated", 2.0, lambda p: 8 / (1 + 10 * p.sae_lambda), "reached"),
        ("gated", 2.0, lambda p: 3 + 0.1 * math.log10(1e8 / p.sae_lambda), "unreachable"),
        ("gated", 2.0, lambda _: 4.0, "saturated"),
        ("gated", 9.0, lambda p: 8 / (1 + 10 * p.sae_lambda), "saturated"),
        ("batch_topk", 3.0, lambda p: 0.9 * p.sae_k, "reached"),
        ("batch_topk", 3.0, lambda p: 0.1 * p.sae_k, "unreachable"),
        ("topk", 3.0, lambda p: 0.97 * p.sae_k, "reached"),
        ("topk", 3.0, lambda p: 0.6 * p.sae_k, "unreachable"),
    ],
)
def test_a_target_is_reached_or_its_status_says_why_not(
    sae: str, target: float, count: Callable[[Params], float], status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of penalties and of k; topk takes an integer, the target itself."""
    monkeypatch.setattr(search, "_attained", lambda params, _by: count(params))
    params = Params.model_validate({"protocol": "corrected", "sae": sae, "sae_l0": target})
    strength = match_l0((params, {"sae": sae}))
    assert strength.status == status
    if status == "reached":
        assert strength.attained == pytest.approx(target, rel=0.05)
    if sae == "topk":
        assert strength.value == 3


def test_statuses_reach_the_runs(tmp_path: Path) -> None:
    """What is written gives every cell its strength, and its status where the target was missed; runs note it."""
    base = tmp_path / "saes.toml"
    base.write_text(SUITE.replace('reg = ["none", "l1", "l2"]', 'sae = ["topk", "gated"]\nsae_l0 = [1, 2]'))
    strengths = []
    for params, levels in sae_cells(base):
        reached = params.sae_l0 == 2
        parameter = "sae_k" if params.sae == "topk" else "sae_lambda"
        strengths.append(
            Strength(levels, 3.0, 2.0, params.sae_l0 or 0.0, [(3.0, 2.0)], parameter, saturated=not reached)
        )
    output = tmp_path / "matched" / "saes.toml"
    output.parent.mkdir()
    output.write_text(to_toml(base, strengths, By.L0, output))
    plan = bench.check(output)
    for cell in plan.combinations():
        params = Params.model_validate({**plan.values(cell), "epochs": 1, "sae_epochs": 1})
        assert (params.sae_k if cell["sae"] == "topk" else params.sae_lambda) == 3
        (run,) = measure([params], [0], lambda _: None)
        assert params.sae_l0_status == ("reached" if cell["sae_l0"] == 2 else "saturated")
        assert ("is saturated" in run.notes.get("l0_count", "")) == (cell["sae_l0"] == 1)


def test_a_suite_without_targets_is_refused(tmp_path: Path) -> None:
    """The message says which factor is needed."""
    path = tmp_path / "small.toml"
    path.write_text(SUITE)
    with pytest.raises(BenchError, match="has a target"):
        sae_cells(path)
