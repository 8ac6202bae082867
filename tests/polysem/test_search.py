"""The search for penalties of matched strength: what it finds, when it says that it did not, and what it writes."""

from pathlib import Path

import pytest

import bench
from bench.errors import BenchError
from polysem import search
from polysem.ensemble import measure, train_network
from polysem.search import By, Strength, cells, match, to_toml
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
    assert 1e-3 < strength.value < 3e-3


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
