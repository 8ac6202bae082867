"""The corrected protocol on one small job, against its formulas written out once more, in double precision."""

import math
from itertools import combinations, permutations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from bench.experiment import Job, Outcome
from polysem import draws, philox
from polysem.ensemble import samples_of, shapes
from polysem.streams import stream
from polysem.toy import EXPERIMENT, METRICS, Params

SEED, EPOCHS, SAE_EPOCHS, N = 5, 12, 30, 1024
IMPORTANCE = 0.9 ** np.arange(8)
GROUPS = [[0, 1, 2], [3, 4], [5, 6, 7]]


class _Adam:
    """Kingma & Ba 2014 with the constants of the protocol."""

    def __init__(self, parameters: list[np.ndarray]) -> None:
        self.parameters, self.step = parameters, 0
        self.m, self.v = ([np.zeros_like(w) for w in parameters] for _ in range(2))

    def move(self, gradients: list[np.ndarray]) -> None:
        self.step += 1
        for k, g in enumerate(gradients):
            self.m[k] += 0.1 * (g - self.m[k])
            self.v[k] += 0.001 * (g * g - self.v[k])
            root = np.sqrt(self.v[k] / (1 - 0.999**self.step))
            self.parameters[k] -= 1e-3 * self.m[k] / (1 - 0.9**self.step) / (root + 1e-8)


class _Job:
    """One run: rows are samples; ``w``, ``b`` the network's, ``e``, ``be``, ``d``, ``c`` the autoencoder's."""

    def __init__(self, params: Params) -> None:
        self.p, start = params, draws.start(params, SEED, shapes(params))
        samples = samples_of(params, start)
        self.x, self.y = samples.x.T.astype(float), samples.y.T.astype(float)
        self.w = [layer[:, :-1].copy() for layer in start.weights]
        self.b = [layer[:, -1].copy() for layer in start.weights]
        self.train_network()
        h = self.hidden(self.x)
        self.h, self.h_held_out = h, h[N:]
        mean, sd = h[:N].mean(axis=0), h[:N].std(axis=0, ddof=1)
        self.factor = np.array([1 / (s + 1e-8) if s > 1e-8 else 0 for s in sd])
        self.z = (h - mean) * self.factor
        self.e, self.be, self.d = start.encoder[:, :-1].copy(), start.encoder[:, -1].copy(), start.decoder.copy()
        self.c = np.zeros(12)
        np.testing.assert_allclose(self.e, self.d.T)
        self.train_autoencoder()
        self.f = np.maximum((self.z[N:] - self.c) @ self.e.T + self.be, 0)

    def hidden(self, x: np.ndarray) -> np.ndarray:
        for w, b in zip(self.w[:-1], self.b[:-1], strict=True):
            x = np.maximum(x @ w.T + b, 0)
        return x

    def train_network(self) -> None:
        order, adam = stream(SEED, "order"), _Adam([*self.w, *self.b])
        key, step = philox.key(SEED, "rademacher"), 0
        for _ in range(EPOCHS):
            shuffled = order.permutation(N)
            for first in range(0, N, 64):
                rows = shuffled[first : first + 64]
                noise = 0.1 * philox.draws("rademacher", key, [step], 12 * 64).reshape(12, 64).T
                step += 1
                layers = [self.x[rows]]
                for w, b in zip(self.w[:-1], self.b[:-1], strict=True):
                    layers.append(np.maximum(layers[-1] @ w.T + b, 0))
                noisy = layers[-1] + noise
                back = 2 * (noisy @ self.w[-1].T + self.b[-1] - self.y[rows]) / (64 * 8)
                of_w, of_b = [back.T @ noisy], [back.sum(axis=0)]
                for k in range(len(self.w) - 1, 0, -1):
                    back = (back @ self.w[k]) * (layers[k] > 0)
                    of_w.insert(0, back.T @ layers[k - 1])
                    of_b.insert(0, back.sum(axis=0))
                of_w = [g + 2 * self.p.reg_lambda * w for g, w in zip(of_w, self.w, strict=True)]
                adam.move([*of_w, *of_b])

    def train_autoencoder(self) -> None:
        order, adam = stream(SEED, "sae order"), _Adam([self.e, self.be, self.d, self.c])
        for _ in range(SAE_EPOCHS):
            shuffled = order.permutation(N)
            for first in range(0, N, 64):
                x = self.z[shuffled[first : first + 64]]
                f = np.maximum((x - self.c) @ self.e.T + self.be, 0)
                error = 2 * (f @ self.d.T + self.c - x) / 64
                back = (error @ self.d + 0.3 / 64) * (f > 0)
                of_d = error.T @ f
                of_d -= (of_d * self.d).sum(axis=0) * self.d
                gradients = [back.T @ (x - self.c), back.sum(axis=0), of_d, (error - back @ self.e).sum(axis=0)]
                adam.move(gradients)
                self.d /= np.linalg.norm(self.d, axis=0)


@pytest.fixture(scope="module")
def job() -> _Job:
    return _Job(_params())


@pytest.fixture(scope="module")
def measured() -> dict[str, float]:
    (outcome,) = EXPERIMENT.run([Job(_params(), SEED)], lambda _: None)
    assert isinstance(outcome, Outcome)
    return dict(outcome.metrics)


def _params() -> Params:
    values = {"protocol": "corrected", "init": "orthogonal", "reg": "l2", "reg_lambda": 1e-3}
    return Params.model_validate({**values, "epochs": EPOCHS, "sae_epochs": SAE_EPOCHS})


def _cos(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def _table(v: np.ndarray, d: np.ndarray) -> np.ndarray:
    return np.array([[_cos(a, b) for b in d.T] for a in v.T])


def _directions(job: _Job, value: float = 1.0) -> np.ndarray:
    columns = []
    for i in range(8):
        on, off = job.x[N:].copy(), job.x[N:].copy()
        on[:, i], off[:, i] = value, 0
        columns.append((job.hidden(on) - job.hidden(off)).mean(axis=0))
    return np.array(columns).T


def _match(table: np.ndarray) -> np.ndarray:
    return linear_sum_assignment(-table)[1]


def _mean_cos(d: np.ndarray) -> float:
    return float(np.mean([abs(_cos(a, b)) for a, b in combinations(d.T, 2)]))


def _close(measured: dict[str, float], expected: dict[str, float], rel: float = 2e-3) -> None:
    for name, value in expected.items():
        assert measured[name] == pytest.approx(value, rel=rel, abs=2e-4), name


def test_the_network_is_trained_and_scored_as_the_protocol_says(job: _Job, measured: dict[str, float]) -> None:
    """Batches of 64, Adam, Rademacher noise behind the last hidden layer, gradient 2 lambda w; clean errors."""
    predicted = job.h @ job.w[-1].T + job.b[-1]
    y, at = job.y[N:], predicted[N:]
    norms = [math.sqrt((w**2).sum()) for w in job.w]
    r2 = 1 - ((y - at) ** 2).sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    expected = {
        "train_mse": ((predicted - job.y)[:N] ** 2).mean(),
        "val_mse": ((y - at) ** 2).mean(),
        "val_r2": r2.mean(),
        "weight_norm": math.sqrt(sum(norm**2 for norm in norms)),
        "mean_weight_norm": np.mean(norms),
        "sparsity_w4": np.concatenate([w.ravel() ** 4 for w in job.w]).mean(),
    }
    _close(measured, expected)


def test_units_and_dimensions(job: _Job, measured: dict[str, float]) -> None:
    """Live units by SD over all samples, participation of the covariance of standardised units."""
    sd = job.h.std(axis=0, ddof=1)
    eigenvalues = np.linalg.eigvalsh(np.cov(job.z[:N].T))
    _close(
        measured,
        {
            "live_units": ((sd > 1e-8) & (sd > 0.01 * sd.max())).sum(),
            "live_units_exact": (sd > 1e-8).sum(),
            "participation": eigenvalues.sum() ** 2 / (eigenvalues**2).sum(),
        },
    )


def test_overlap_of_features_without_an_autoencoder(job: _Job, measured: dict[str, float]) -> None:
    """Causal directions in raw and standardised units, weighted by importance, and what is linear."""
    raw = _directions(job)
    for ending, v in (("", raw * job.factor[:, None]), ("_raw", raw)):
        pairs = list(combinations(range(8), 2))
        weight = {(i, j): IMPORTANCE[i] * IMPORTANCE[j] for i, j in pairs}
        expected = {
            f"interference_free{ending}": sum(weight[i, j] * _cos(v[:, i], v[:, j]) ** 2 for i, j in pairs),
            f"mean_abs_cos{ending}": _mean_cos(v),
        }
        _close(measured, expected)
        above = f"interference_free{ending}_minus_null_isotropic"
        by_chance = expected[f"interference_free{ending}"] - sum(weight.values()) / 12
        assert measured[above] == pytest.approx(by_chance, rel=5e-3)


def test_features_per_neuron_are_by_partial_correlations(job: _Job, measured: dict[str, float]) -> None:
    """Correlation of what is left of a unit and of a feature once the other features have been regressed out."""
    x, h, counts, several = job.x[N:], job.h_held_out, [], 0
    sd = job.h.std(axis=0, ddof=1)
    for unit in np.flatnonzero((sd > 1e-8) & (sd > 0.01 * sd.max())):
        squares = []
        for i in range(8):
            others = np.column_stack([np.ones(len(x)), np.delete(x, i, axis=1)])
            residual = [v - others @ np.linalg.lstsq(others, v, rcond=None)[0] for v in (h[:, unit], x[:, i])]
            squares.append(np.corrcoef(*residual)[0, 1] ** 2)
        share = np.array(squares) / np.sum(squares)
        counts.append(1 / (share**2).sum())
        several += sum(square > 0.1 for square in squares) >= 2
    _close(measured, {"features_per_neuron": np.mean(counts), "polysemantic_neurons": several})
    assert measured["polysemantic_share"] == pytest.approx(several / len(counts))


def test_the_autoencoder_is_trained_and_scored_as_the_protocol_says(job: _Job, measured: dict[str, float]) -> None:
    """Shared bias, unit columns, error summed over inputs, 0.3 times the sum of latents; scored on samples held out."""
    z, reconstruction = job.z[N:], job.f @ job.d.T + job.c
    overlap = [_cos(a, b) for a, b in permutations(job.d.T, 2)]
    weight = [IMPORTANCE[i % 8] * IMPORTANCE[j % 8] for i, j in combinations(range(16), 2)]
    cosine = [_cos(a, b) ** 2 for a, b in combinations(job.d.T, 2)]
    expected = {
        "macs": np.abs(overlap).mean(),
        "interference": np.dot(weight, cosine),
        "l0_sparsity": (job.f > 0).mean(),
        "l0_count": (job.f > 0).sum(axis=1).mean(),
        "dead_latents": (~(job.f > 0).any(axis=0)).sum(),
        "sae_mse": ((z - reconstruction) ** 2).mean(),
        "fvu": ((z - reconstruction) ** 2).sum() / ((z - z.mean(axis=0)) ** 2).sum(),
        "decoder_norm": 1,
    }
    _close(measured, expected, rel=5e-3)


def test_recovery_is_matched_and_scored_as_the_protocol_says(job: _Job, measured: dict[str, float]) -> None:
    """Hungarian matching on |cos|, on signed cosines for what fires, both ways of MMCS, F1 and the gap."""
    v, x, active = _directions(job) * job.factor[:, None], job.x[N:] > 0, job.f > 0
    table = _table(v, job.d)
    size, signed = np.abs(table), _match(table)
    matched = size[np.arange(8), _match(size)]

    def f1(latent: np.ndarray, feature: np.ndarray) -> float:
        hits = (latent & feature).sum()
        return float(2 * hits / (2 * hits + (latent & ~feature).sum() + (~latent & feature).sum()))

    gaps = [
        active[x[:, i] & ~x[:, j], signed[i]].mean() - active[x[:, i] & x[:, j], signed[i]].mean()
        for group in GROUPS
        for i, j in permutations(group, 2)
    ]
    q = x.mean(axis=0)
    squares = {(i, j): _cos(job.d[:, signed[i]], job.d[:, signed[j]]) ** 2 for i, j in combinations(range(8), 2)}
    at_median = np.abs(_table(_directions(job, 0.65) * job.factor[:, None], job.d))
    design = np.column_stack([np.ones(len(x)), job.x[N:]])
    linear = np.linalg.lstsq(design, job.h_held_out, rcond=None)[0][1:].T * job.factor[:, None]
    by_least_squares = np.abs(_table(linear, job.d))
    expected = {
        "mmcs": size.max(axis=1).mean(),
        "mmcs_latents": size.max(axis=0).mean(),
        "mcc": matched.mean(),
        "recovered": (matched > 0.9).mean(),
        "f1": np.mean([f1(active[:, signed[i]], x[:, i]) for i in range(8)]),
        "f1_always_on": (2 * q / (1 + q)).mean(),
        "f1_best": np.mean([max(f1(a, feature) for feature in x.T) for a in active.T if a.any()]),
        "interference_matched": sum(IMPORTANCE[i] * IMPORTANCE[j] * square for (i, j), square in squares.items()),
        "coactivation_gap": np.mean(gaps),
        "mcc_at_median": at_median[np.arange(8), _match(at_median)].mean(),
        "mcc_linear": by_least_squares[np.arange(8), _match(by_least_squares)].mean(),
        "features_without_direction": 0,
    }
    _close(measured, expected, rel=5e-3)


def test_nulls_are_those_of_random_dictionaries(job: _Job, measured: dict[str, float]) -> None:
    """Directions S^(1/2) g against the features of this network, drawn anew; closed forms in d and in live units."""
    values, vectors = np.linalg.eigh(np.cov(job.z[:N].T))
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    v, rng = _directions(job) * job.factor[:, None], np.random.default_rng(0)
    drawn: dict[str, list[float]] = {"macs": [], "mmcs": [], "mcc": [], "mean_abs_cos": []}
    for _ in range(300):
        d = root @ rng.standard_normal((12, 16))
        size = np.abs(_table(v, d))
        drawn["macs"].append(_mean_cos(d))
        drawn["mmcs"].append(size.max(axis=1).mean())
        drawn["mcc"].append(size[np.arange(8), _match(size)].mean())
        drawn["mean_abs_cos"].append(_mean_cos(d[:, :8]))
    for name, null in drawn.items():
        error = math.hypot(measured[f"{name}_null_error"], np.std(null) / math.sqrt(300))
        assert measured[name] - measured[f"{name}_minus_null"] == pytest.approx(np.mean(null), abs=4 * error), name

    def by_chance(d: float) -> float:
        return math.gamma(d / 2) / (math.sqrt(math.pi) * math.gamma((d + 1) / 2))

    for ending, d in (
        ("_isotropic", 12),
        ("_live", measured["live_units"]),
        ("_live_exact", measured["live_units_exact"]),
    ):
        assert measured["macs"] - measured[f"macs_minus_null{ending}"] == pytest.approx(by_chance(d))
        assert measured["macs"] / measured[f"macs_over_null{ending}"] == pytest.approx(by_chance(d))


def test_random_and_orthogonal_weights_are_made_of_the_same_draws() -> None:
    """The random start is g over the root of the larger width times the Gaussian whose Q is the orthogonal one's."""
    random, orthogonal = (
        draws.start(p, SEED, shapes(p)).weights
        for p in (Params(protocol="corrected", init=i) for i in ("random", "orthogonal"))
    )
    for a, b in zip(random, orthogonal, strict=True):
        w, q = a[:, :-1], b[:, :-1]
        assert not a[:, -1].any()
        assert not b[:, -1].any()
        small = min(q.shape)
        gram = q @ q.T if len(q) == small else q.T @ q
        np.testing.assert_allclose(gram, 2 * np.eye(small), atol=1e-12)
        tall, gaussian = (of if len(of) > small or of.shape[1] == small else of.T for of in (q, w))
        positive = np.linalg.qr(gaussian)[0]
        np.testing.assert_allclose(np.abs(positive.T @ tall), math.sqrt(2) * np.eye(small), atol=1e-10)
    big = Params(protocol="corrected", hidden=400)
    w = draws.start(big, SEED, shapes(big)).weights[1][:, :-1]
    assert np.sqrt((w**2).mean()) == pytest.approx(math.sqrt(2 / 400), rel=0.01)


def test_every_value_that_is_missing_says_why() -> None:
    """What was not asked for is NaN with a reason; with it, everything is finite and within its declared range."""
    short = {"protocol": "corrected", "epochs": 3, "sae_epochs": 3}
    more = {"sae_repeats": 2, "shuffled_null": True}
    plain, full = (
        next(iter(EXPERIMENT.run([Job(Params.model_validate(values), 0)], lambda _: None)))
        for values in (short, {**short, **more})
    )
    assert isinstance(plain, Outcome)
    assert isinstance(full, Outcome)
    missing = {name for name, value in plain.metrics.items() if math.isnan(value)}
    assert missing == set(plain.notes)
    assert {name.removesuffix("_shuffled") for name in missing} >= {"stability", "macs_minus_null", "macs_over_null"}
    assert not full.notes
    for metric in METRICS:
        low, high = metric.range or (-math.inf, math.inf)
        assert low <= full.metrics[metric.name] <= high, metric.name


def test_a_network_without_any_live_unit_has_no_directions() -> None:
    """Where a penalty has killed every unit, what cannot be measured is NaN with the reason, never 0."""
    strong = {"protocol": "corrected", "reg": "l2", "reg_lambda": 1.0, "lr": 0.01, "epochs": 60, "sae_epochs": 1}
    (outcome,) = EXPERIMENT.run([Job(Params.model_validate(strong), 0)], lambda _: None)
    assert isinstance(outcome, Outcome)
    assert not outcome.diverged
    assert outcome.metrics["live_units"] == 0
    for name in ("mmcs", "mcc", "f1", "interference_free", "features_per_neuron", "participation", "fvu"):
        assert math.isnan(outcome.metrics[name]), name
        assert outcome.notes[name] == "no unit of the last hidden layer varies"
