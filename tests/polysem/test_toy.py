"""The toy experiment: what a job's numbers depend on, and what its parameters mean."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.experiment import Job, Outcome
from bench.plan.imports import source_files
from polysem import ensemble
from polysem.toy import EXPERIMENT, METRICS, POST, PRESETS, SHARED_BY_A_BATCH, Params

QUICK = {"epochs": 6, "sae_epochs": 4}


def _run(jobs: Sequence[Job], *, cold: bool = True) -> list[Outcome]:
    """The outcomes; ``cold``: of networks that are trained now, whatever this process has trained before."""
    if cold:
        ensemble._NETWORKS.clear()
    return [outcome for outcome in EXPERIMENT.run(jobs, lambda _: None) if isinstance(outcome, Outcome)]


def _one(seed: int = 0, **values: object) -> list[str]:
    return _bits(_run([Job(Params.model_validate({**QUICK, **values}), seed)])[0])


def _bits(outcome: Outcome) -> list[str]:
    arrays = [np.asarray(array).tobytes().hex() for array in outcome.arrays.values()]
    return [float(outcome.metrics[metric.name]).hex() for metric in METRICS] + arrays


free = st.fixed_dictionaries(
    {
        "init": st.sampled_from(["random", "orthogonal", "gaussian", "xavier", "kaiming"]),
        "noise": st.sampled_from(["none", "bipolar", "positive_kurtosis", "gaussian", "laplace"]),
        "reg": st.sampled_from(["none", "l1", "l2", "elastic_net"]),
        "sigma": st.sampled_from([0.0, 0.1, 0.3]),
        "lr": st.sampled_from([1e-3, 1e-2]),
        "p_keep": st.sampled_from([0.5, 0.9]),
        "sae_l1": st.sampled_from(["sum", "mean"]),
        "draws": st.sampled_from(["post", "streams"]),
        "keep_arrays": st.booleans(),
    }
)
shared = st.sampled_from(
    [
        {},
        {"act": "gelu", "hidden": 9},
        {"act": "tanh", "n_train": 100, "batch": 48, "sae_batch": 30, "sae_input": "standardised"},
        {"act": "silu", "layers": 2, "n_train": 70, "sae_width": 7, "sae_tied": True},
        {"act": "leaky_relu", "protocol": "described", "epochs": 2, "sae_epochs": 2},
        {"protocol": "corrected", "epochs": 2, "sae_epochs": 2, "sae_repeats": 2, "shuffled_null": True},
    ]
)


@settings(max_examples=12)
@given(shared, st.lists(st.tuples(free, st.integers(0, 5)), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_a_jobs_bits_do_not_depend_on_its_companions(
    common: dict[str, object], members: list[tuple[dict[str, object], int]], random: object
) -> None:
    """A job gives the same bits alone, in any batch that may hold it, and in any order."""
    jobs = [Job(Params.model_validate({**QUICK, **common, **own}), seed) for own, seed in members]
    together = [_bits(outcome) for outcome in _run(jobs)]
    order = list(range(len(jobs)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = [_bits(outcome) for outcome in _run([jobs[k] for k in order])]
    assert [together[k] for k in order] == shuffled
    alone = order[0]
    assert _bits(_run([jobs[alone]])[0]) == together[alone]
    assert _bits(_run([jobs[alone]], cold=False)[0]) == together[alone]


def test_every_parameter_matters() -> None:
    """Changing any one parameter, but for what is kept, changes some metric, so that each can be a factor."""
    base = {"noise": "bipolar", "reg": "l1", "n_train": 100, "n_val": 40}
    context = {
        "l1_ratio": {"reg": "elastic_net"},
        "l2_form": {"reg": "l2"},
        "orthogonal_gain": {"init": "orthogonal"},
        "sae_bandwidth": {"sae": "jumprelu", "sae_l1": "mean"},
        "sae_k": {"sae": "batch_topk"},
        "sae_l0": {"sae": "batch_topk"},
        "sae_frozen": {"sae": "topk"},
        "sae_penalty": {"sae": "topk"},
        "sae_penalty_lambda": {"sae": "topk", "sae_penalty": "l2"},
    }
    other: dict[str, object] = {
        "protocol": "described", "init": "orthogonal", "noise": "laplace", "reg": "none", "act": "silu", "n_train": 90,
        "draws": "streams",
        "n_val": 30, "groups": ((0, 1), (2, 3, 4), (5, 6, 7)), "p_active": 0.3, "strength_low": 0.1,
        "strength_high": 0.6, "p_keep": 0.9, "importance": "uniform", "importance_rate": 0.5, "hidden": 6, "layers": 3,
        "random_init": "gaussian", "orthogonal_gain": 1.0, "sigma": 0.5, "bipolar_noise": "uniform", "reg_lambda": 0.1,
        "l1_ratio": 0.1, "l2_form": "penalty", "lr": 0.01, "epochs": 9, "batch": 32, "sae_width": 9, "sae_tied": True,
        "sae_lambda": 0.1, "sae_l1": "mean", "sae_input": "standardised", "sae_lr": 0.01, "sae_epochs": 7,
        "sae_batch": 32, "hierarchy": True, "sae": "relu_l1", "sae_repeats": 2, "sae_scored": "held_out",
        "macs_over": "pairs", "tau": 0.9, "shuffled_null": True,
        "sae_k": 3.5, "sae_l0": 3.0, "sae_frozen": "decoder", "sae_penalty": "l1", "sae_penalty_lambda": 0.1,
        "sae_act": "relu", "sae_bias": 0.3, "sae_bandwidth": 0.01,
    }  # fmt: skip
    assert set(other) == set(Params.model_fields) - {"keep_arrays", "sae_l0_status"}
    unchanged: dict[str, list[str]] = {}
    for name, value in other.items():
        before = {**base, **context.get(name, {})}
        if str(before) not in unchanged:
            unchanged[str(before)] = _one(**before)
        assert unchanged[str(before)] != _one(**before | {name: value}), name


def test_keeping_arrays_changes_no_number() -> None:
    """Runs with and without arrays share a batch and have the same metrics to the bit; arrays are small."""
    without, kept = _run([Job(Params.model_validate({**QUICK, "keep_arrays": keep}), 0) for keep in (False, True)])
    assert _bits(without) == _bits(kept)[: len(METRICS)]
    assert not without.arrays
    shapes = {"encoder": (16, 13), "decoder": (12, 16), "correlation": (16, 8)}
    shapes |= {"mean_when_active": (16, 8), "mean_when_silent": (16,), "resemblance": (16, 8)}
    assert {name: np.shape(array) for name, array in kept.arrays.items()} == shapes
    assert {np.asarray(array).dtype for array in kept.arrays.values()} == {np.dtype(np.float32)}


def test_the_posts_metrics_are_the_same_bits_alone() -> None:
    """``POST`` leaves out what the post does not report, and changes nothing of the rest."""
    job = Job(Params(**QUICK), 0)
    (alone,) = POST.run([job], lambda _: None)
    assert isinstance(alone, Outcome)
    everything = _run([job])[0].metrics
    assert dict(alone.metrics) == {metric.name: everything[metric.name] for metric in POST.metrics}


def test_seeds_are_independent_replicates() -> None:
    """Another seed gives other numbers; the same seed the same."""
    assert _one(seed=1) == _one(seed=1)
    assert _one(seed=1) != _one(seed=2)


def test_divergence_is_reported_and_contained() -> None:
    """A run that blows up is marked, has NaN where nothing can be measured, and leaves its companions alone."""
    wild = Job(Params(act="leaky_relu", lr=1e30, **QUICK), 0)
    tame = Job(Params(act="leaky_relu", **QUICK), 0)
    diverged, fine = _run([wild, tame])
    assert diverged.diverged
    assert math.isnan(diverged.metrics["macs"])
    assert not fine.diverged
    assert _bits(fine) == _bits(_run([tame])[0])


def test_presets_fill_what_is_not_named() -> None:
    """A protocol gives the defaults of all other fields, and a named field wins over it."""
    described = Params(protocol="described", layers=7)
    assert (described.layers, described.batch, described.l2_form) == (7, 64, "penalty")
    assert Params() == Params(protocol="published")
    for preset in PRESETS.values():
        assert set(preset) <= set(Params.model_fields)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"act": "rleu"}, "act"),
        ({"hidden": 0}, "hidden"),
        ({"strength_low": 0.9, "strength_high": 0.2}, "strength_low"),
        ({"depth": 3}, "depth"),
        ({"groups": [[0, 1], [1]]}, "groups"),
        ({"sae": "relu_l1", "sae_tied": True}, "sae_tied"),
        ({"macs_over": "pairs", "sae_width": 1}, "sae_width"),
    ],
)
def test_bad_parameters_are_named(values: dict[str, object], field: str) -> None:
    """A value that a field does not admit raises an error that names the field."""
    with pytest.raises(ValidationError, match=field):
        Params.model_validate(values)


def test_its_sources_are_all_that_decides_its_numbers() -> None:
    """The kernel's source belongs to the experiment's, and so does what trains where nothing can be compiled."""
    names = {Path(path).name for path in source_files("polysem.toy:EXPERIMENT", EXPERIMENT)}
    assert {"kernel.cpp", "lanes.h", "native.py", "exact.py", "philox.py", "activation.py"} <= names


def test_batches_share_what_fixes_shapes() -> None:
    """Two jobs are trained together exactly if they agree in the parameters that change shapes or code."""
    base = Params()
    assert EXPERIMENT.batch_by(base) == EXPERIMENT.batch_by(Params(init="orthogonal", noise="none", reg="l2", lr=0.1))
    for name in SHARED_BY_A_BATCH:
        changed = base.model_copy(update={name: object()})
        assert EXPERIMENT.batch_by(base) != EXPERIMENT.batch_by(changed), name


def test_progress_rises_to_one() -> None:
    """Steps inside a batch count, and the last report says that all is done."""
    seen: list[float] = []
    jobs = [Job(Params(epochs=30, sae_epochs=30), seed) for seed in range(20)]
    list(EXPERIMENT.run(jobs, seen.append))
    assert seen == sorted(seen)
    assert len(seen) > 20
    assert seen[-1] == pytest.approx(1)
    assert np.diff(seen).max() < 0.1
