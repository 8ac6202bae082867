"""Autoencoders on toy models of superposition: what they recover of models with a known answer, and how sparsely."""

import math

import numpy as np
import pytest

from bench.experiment import Job, Outcome
from polysem import superposition_sae
from polysem.superposition import Trained
from polysem.superposition_sae import EXPERIMENT, METRICS, Params, of_model

EASY = Params(features=4, hidden=4, sae_width=4, sae_l0=0.4, sae="relu_l1")
"""Four features with a dimension each, a tenth of them active: what any autoencoder finds."""


def _model(w: np.ndarray) -> Trained:
    return Trained(w.astype(np.float32), np.zeros(w.shape[1], np.float32), np.zeros(1))


def _bits(outcome: Outcome) -> list[str]:
    return [float(outcome.metrics[metric.name]).hex() for metric in METRICS]


@pytest.mark.parametrize("sae", ["relu_l1", "gated", "leaky_l1"])
def test_the_penalty_is_found_for_the_number_of_active_latents(sae: str) -> None:
    """On samples held out, within a tenth of what was asked for; its weight is reported."""
    params = Params(sae=sae, sae_l0=2.0, sae_epochs=20)
    outcome = of_model(params, 1, _model(np.hstack([np.eye(10), -np.eye(10)])))
    assert outcome.metrics["l0_count"] == pytest.approx(2, rel=0.1)
    assert 1e-4 < outcome.metrics["penalty"] < 1e2


def test_a_target_that_is_missed_is_noted() -> None:
    """JumpReLU's thresholds have not yet moved after an epoch, whatever the penalty."""
    outcome = of_model(Params(sae="jumprelu", sae_epochs=1), 1, _model(np.hstack([np.eye(10), -np.eye(10)])))
    assert outcome.metrics["l0_count"] > 2.5
    assert "2" in outcome.notes["l0_count"]


def test_features_with_a_dimension_each_are_recovered() -> None:
    """Directions, and when they are active; far better than random dictionaries."""
    values = of_model(EASY, 3, _model(np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0])).metrics
    assert values["represented"] == 4
    assert values["mean_abs_cos"] == pytest.approx(0, abs=1e-6)
    assert values["mcc"] > 0.98
    assert values["mcc_minus_null"] > 0.2
    assert values["recovered"] == 1
    assert values["f1"] > 0.9
    assert values["fvu"] < 0.1


def test_a_frozen_decoder_keeps_its_random_directions() -> None:
    """They recover no more than chance does, and reconstruct worse than trained ones."""
    model = _model(np.hstack([np.eye(10), -np.eye(10)]))
    trained, frozen = (of_model(Params(sae_frozen=part), 1, model).metrics for part in ("none", "decoder"))
    assert abs(frozen["mcc_minus_null"]) < 0.1 < trained["mcc_minus_null"]
    assert trained["fvu"] < frozen["fvu"]
    assert math.isnan(trained["penalty"])


def test_features_that_the_model_ignores_are_left_out() -> None:
    """Of four features one has a direction of length 0.1: three are counted and matched."""
    values = of_model(EASY, 3, _model(np.diag([1.0, 1.0, 1.0, 0.1]))).metrics
    assert values["represented"] == 3
    assert values["recovered"] == 1


def test_a_model_without_features_is_recorded_as_diverged() -> None:
    """Nothing can be recovered: every metric is NaN, with the reason."""
    outcome = of_model(EASY, 3, _model(np.zeros((4, 4))))
    assert outcome.diverged
    assert all(math.isnan(value) for value in outcome.metrics.values())


def test_a_jobs_bits_do_not_depend_on_its_companions() -> None:
    """The same bits alone and together with others, whether the toy model is trained anew or not."""
    base = Params(steps=10, batch=64, sae_epochs=2, sae_rows=200)
    jobs = [
        Job(base.model_copy(update={"sae": sae, "hidden": hidden}), seed)
        for sae in ("topk", "relu_l1")
        for hidden in (10, 6)
        for seed in (0, 7)
    ]

    def run(some: list[Job]) -> list[list[str]]:
        return [_bits(outcome) for outcome in EXPERIMENT.run(some, lambda _: None) if isinstance(outcome, Outcome)]

    together = run(jobs)
    superposition_sae.toy_model.cache_clear()
    assert together[::-1] == run(jobs[::-1])
    for job, bits in zip(jobs, together, strict=True):
        superposition_sae.toy_model.cache_clear()
        assert [bits] == run([job])
