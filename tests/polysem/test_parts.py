"""Data, noise, initial weights and metrics against hand calculation and theory."""

from math import sqrt

import numpy as np
import pytest
import torch
from scipy import stats

from polysem import data, draws, exact, initial, metrics, noise
from polysem.mersenne import Mersenne
from polysem.mersenne import pairs as normals
from polysem.reference import batches
from polysem.streams import stream
from polysem.toy import Params, environment

N = 200_000


def _features(n: int = N, seed: int = 0, **changes: object) -> np.ndarray:
    settings: dict[str, object] = {
        "groups": [[0, 1, 2], [3, 4], [5, 6, 7]], "p_active": 0.6, "strength": (0.5, 1.0), "p_keep": 0.5, **changes,
    }  # fmt: skip
    return data.features(n, np.random.default_rng(seed), **settings)  # type: ignore[arg-type]


def test_feature_density_follows_from_the_protocol() -> None:
    """An entry is nonzero with probability 0.6 * 0.5 * 0.5; between 38 and 40 % of the samples are all zero."""
    x = _features()
    assert stats.binomtest(int((x[:, 0] > 0).sum()), N, 0.15).pvalue > 1e-4
    assert 0.38 < (x == 0).all(axis=1).mean() < 0.40
    assert x.min() == 0


def test_features_correlate_within_groups_only() -> None:
    """Given s, features of a group correlate with s^2/(s^2 + (1-s)^2), seen in how often both are positive."""
    x = _features(p_active=1.0, p_keep=1.0)
    both = (x[:, 0] > 0) & (x[:, 1] > 0)
    orthant = np.mean([0.25 + np.arcsin(s**2 / (s**2 + (1 - s) ** 2)) / (2 * np.pi) for s in np.linspace(0.5, 1, 2001)])
    assert both.mean() == pytest.approx(orthant, abs=4 * 0.5 / sqrt(N))
    assert abs(np.corrcoef(x.T)[2, 3]) < 4 / sqrt(N)
    identical = _features(n=50, strength=(1.0, 1.0), p_active=1.0, p_keep=1.0)
    np.testing.assert_array_equal(identical[:, 0], identical[:, 2])


def test_targets_are_the_posts() -> None:
    """The eight targets at one point, times importance, by hand."""
    x = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]])
    by_hand = [0.17, np.sin(0.4) + 0.2, 0.07, 0.38, np.tanh(0.9), 0.336, 1.16, 0.97]
    np.testing.assert_allclose(data.targets(x, np.arange(8.0))[0], by_hand * np.arange(8), rtol=1e-12)
    np.testing.assert_allclose(data.importance("exponential", 0.9)[[0, 1, 7]], [1, 0.9, 0.9**7])
    np.testing.assert_allclose(data.importance("power_law", 2.0)[[0, 1, 3]], [1, 1 / 4, 1 / 16])
    np.testing.assert_array_equal(data.importance("uniform", 0.9), np.ones(8))


@pytest.mark.parametrize(
    ("kind", "distribution"),
    [
        ("student_t3", stats.t(3, scale=1 / sqrt(3))),
        ("uniform", stats.uniform(-1, 2)),
        ("gaussian", stats.norm()),
        ("laplace", stats.laplace(scale=sqrt(0.5))),
    ],
)
def test_noise_has_its_distribution(kind: str, distribution: object) -> None:
    """Draws pass a Kolmogorov-Smirnov test against the named distribution, tails included, and are uncorrelated."""
    drawn = noise.draw(kind, (N,), np.random.default_rng(1))
    assert stats.kstest(drawn, distribution.cdf).pvalue > 1e-3  # type: ignore[attr-defined]
    far = distribution.isf(1e-4)  # type: ignore[attr-defined]
    assert stats.binomtest(int((drawn > far).sum()), N, 1e-4).pvalue > 1e-4
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 5 / sqrt(N)


def test_bipolar_noise_is_a_fair_sign() -> None:
    """Rademacher draws are -1 or 1, each half of the time; ``none`` is zero."""
    drawn = noise.draw("rademacher", (N,), np.random.default_rng(2))
    assert set(np.unique(drawn)) == {-1, 1}
    assert stats.binomtest(int((drawn > 0).sum()), N).pvalue > 1e-4
    assert not noise.draw("none", (3, 2), np.random.default_rng(2)).any()


def test_what_is_drawn_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest of draws is the same again, and another one if the streams or the post's generator give others."""
    digest = environment()["draws"]
    assert digest == draws.digest()
    with monkeypatch.context() as other:
        other.setattr(draws, "stream", lambda seed, *names: stream(seed + 1, *names))
        assert draws.digest() != digest
    monkeypatch.setattr(draws, "normals", lambda words: np.nextafter(normals(words), 0))
    draws._post_features.cache_clear()
    assert draws.digest() != digest
    draws._post_features.cache_clear()


def test_streams_differ_by_seed_and_name() -> None:
    """The same name and seed repeat; any other name or seed is another stream."""
    draws = {
        stream(seed, *names).integers(2**62) for seed in (0, 1) for names in (("data",), ("init",), ("noise", "a"))
    }
    assert len(draws) == 6
    assert stream(0, "data").integers(2**62) in draws


@pytest.mark.parametrize(
    ("kind", "sd", "bias"),
    [
        ("uniform", 1 / sqrt(300), True),
        ("gaussian", 1 / sqrt(300), False),
        ("xavier", 1 / sqrt(100), False),
        ("kaiming", sqrt(2 / 100), False),
        ("orthogonal", sqrt(2) / 10, False),
    ],
)
def test_initial_weights_have_their_scale(kind: str, sd: float, bias: bool) -> None:
    """A 100 x 100 layer has the standard deviation of its scheme, and biases only where the scheme has them."""
    (layer,) = initial.network(kind, [(100, 101)], np.random.default_rng(3), orthogonal_gain=sqrt(2))
    assert layer[:, :-1].std() == pytest.approx(sd, rel=0.03)
    assert bool(layer[:, -1].any()) is bias


def test_orthogonal_weights_are_orthogonal() -> None:
    """Tall and wide layers have orthonormal columns or rows, times the gain."""
    tall, wide = initial.network("orthogonal", [(12, 9), (8, 13)], np.random.default_rng(4), orthogonal_gain=3.0)
    np.testing.assert_allclose(tall[:, :-1].T @ tall[:, :-1], 9 * np.eye(8), atol=1e-12)
    np.testing.assert_allclose(wide[:, :-1] @ wide[:, :-1].T, 9 * np.eye(8), atol=1e-12)


def test_sae_starts_as_published() -> None:
    """Decoder columns have unit length, the encoder is their transpose, its biases lie in (0, 0.1)."""
    encoder, decoder = initial.autoencoder(12, 16, np.random.default_rng(5))
    np.testing.assert_allclose(np.linalg.norm(decoder, axis=0), 1)
    np.testing.assert_array_equal(encoder[:, :-1], decoder.T)
    assert 0 < encoder[:, -1].min() < encoder[:, -1].max() < 0.1


def test_minibatches_partition_the_samples() -> None:
    """Each epoch shows every sample once, the last batch smaller; padding weighs nothing; epochs differ in order."""
    samples = torch.arange(1.0, 101).expand(2, 3, 100).contiguous()
    orders = [np.random.default_rng(s).permutation for s in (0, 1)]
    epoch = [(b.samples.clone(), b.n, b.weight) for b in batches(samples, 100, 48, 2, orders)]
    assert [n for _, n, _ in epoch] == [48, 48, 4] * 2
    for part in (epoch[:3], epoch[3:]):
        for member in range(2):
            shown = torch.cat([s[member, 0, weight > 0] for s, _, weight in part])
            assert sorted(shown.tolist()) == samples[0, 0].tolist()
        assert all(float(weight.sum()) == pytest.approx(1) for _, _, weight in part)
    assert not torch.equal(epoch[0][0], epoch[3][0])
    assert not torch.equal(epoch[0][0][0], epoch[0][0][1])


def test_metrics_by_hand() -> None:
    """MACS and interference of three directions at 0, 60 and 90 degrees, whatever their lengths."""
    decoder = np.array([[2.0, 1.0, 0.0], [0.0, sqrt(3), 5.0]])
    cosine = {(0, 1): 0.5, (0, 2): 0.0, (1, 2): sqrt(3) / 2}
    assert metrics.macs(decoder) == pytest.approx(2 * sum(cosine.values()) / 9, rel=1e-6)
    weights = np.array([1.0, 0.9, 0.81])
    by_hand = sum(c**2 * weights[i] * weights[j] for (i, j), c in cosine.items())
    assert metrics.interference(decoder, weights) == pytest.approx(by_hand, rel=1e-6)
    assert metrics.l0_sparsity(np.array([[1.0, -1.0, 0.0, 2.0]])) == 0.5
    assert metrics.sparsity_w4([np.array([[1.0, 2.0]]), np.array([[0.0]])]) == pytest.approx(17 / 3)
    assert metrics.mse(np.array([[1.0, 3.0]]), np.array([[0.0, 1.0]])) == 2.5


def test_importance_repeats_over_more_latents_than_features() -> None:
    """Latent 8 takes the importance of feature 0."""
    decoder = np.zeros((9, 9))
    decoder[0, 0] = decoder[0, 8] = 1
    decoder[1:8, 1:8] = np.eye(7)
    importance = np.array([2.0, 1, 1, 1, 1, 1, 1, 1])
    assert metrics.interference(decoder, importance) == pytest.approx(4)


def test_calibrated_macs_is_rounding_noise() -> None:
    """The null of the published calibration has no spread: values straddle 1/2 whatever the directions are."""
    values = []
    for seed in range(40):
        decoder = np.random.default_rng(seed).standard_normal((12, 16)).astype(np.float32)
        values.append(metrics.calibrated_macs(decoder, stream(seed, "null")))
    assert 0.3 < np.mean(values) < 0.7
    assert min(values) < 0.5 < max(values)


def test_standardise_uses_the_sample_sd_and_keeps_dead_units() -> None:
    """Each unit gets mean 0 and sample SD 1; a unit that never moves stays 0."""
    activations = np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]])
    scored = metrics.standardise(activations, metrics.scale(activations))
    np.testing.assert_allclose(scored, [[-1.0, 0.0, 1.0], [0.0, 0.0, 0.0]], atol=1e-7)


# ---- The same bits everywhere ---------------------------------------------------------------------------------------


def test_elementary_functions_are_accurate() -> None:
    """Within two units in the last place of the C library's, over the range in which they are used."""
    x = np.linspace(-30, 30, 60_001)
    for ours, theirs in ((exact.sin, np.sin), (exact.cos, np.cos), (exact.tanh, np.tanh), (exact.exp, np.exp)):
        np.testing.assert_allclose(ours(x), theirs(x), rtol=5e-16, atol=5e-16)
    u = np.concatenate([np.logspace(-20, 0, 20_001), 1 - np.logspace(-16, -1, 1_001)])
    np.testing.assert_allclose(exact.log(u), np.log(u), rtol=5e-16, atol=0)


def test_sums_do_not_depend_on_the_order() -> None:
    """A mean is that of the exact sum; products are numpy's to rounding; what is not finite stays visible."""
    values = np.array([1e16, 1.0, -1e16, 1.0])
    assert exact.mean(values) == exact.mean(values[::-1]) == 0.5
    a, b = np.random.default_rng(0).standard_normal((2, 5, 5))
    np.testing.assert_allclose(exact.product(a, b), a @ b, rtol=1e-13)
    assert np.isnan(exact.mean(np.array([1.0, np.inf])))


def test_orthonormal_columns_are_those_of_qr() -> None:
    """The Q of LAPACK's QR decomposition with the signs that make R's diagonal positive."""
    for shape in ((12, 12), (20, 7), (3, 1)):
        columns = np.random.default_rng(1).standard_normal(shape)
        q, r = np.linalg.qr(columns)
        np.testing.assert_allclose(exact.orthonormal(columns), q * np.sign(np.diag(r)), atol=1e-12)


def test_torchs_generator_is_matched() -> None:
    """Uniform numbers equal torch's to the bit, normal ones to rounding, one at a time and in tensors of any size."""
    theirs, ours = torch.Generator().manual_seed(7), Mersenne(7)
    for shape in ((1,), (3, 5), (40,)):
        np.testing.assert_array_equal(ours.uniform(*shape), torch.rand(shape, generator=theirs).numpy())
        np.testing.assert_allclose(ours.normal(*shape), torch.randn(shape, generator=theirs).numpy(), atol=2e-6)
    again = ours.copy()
    np.testing.assert_array_equal(again.normal(3), ours.normal(3))
    assert ours.uniform(1) == torch.rand(1, generator=_skipped(theirs, 3)).numpy()


def _skipped(generator: torch.Generator, n: int) -> torch.Generator:
    torch.randn(n, generator=generator)
    return generator


@pytest.mark.parametrize("seed", [0, 9])
@pytest.mark.parametrize("init", ["random", "orthogonal"])
def test_the_posts_draws_are_those_of_its_public_code(seed: int, init: str) -> None:
    """Features equal what torch's generator gives one number at a time, weights what its initialisers give."""
    p = Params.model_validate({"init": init})
    start = draws.start(p, seed, [(12, 9), (12, 13), (8, 13)])
    generator = torch.Generator().manual_seed(seed)

    def one(draw: object) -> float:
        return float(draw(1, generator=generator))  # type: ignore[operator]

    x = np.zeros((1024, 8))
    for sample in x:
        for group in [group for group in p.groups if one(torch.rand) > 1 - p.p_active]:
            s = one(torch.rand) * 0.5 + 0.5
            shared = s * one(torch.randn)
            for feature in group:
                sample[feature] = shared + (1 - s) * one(torch.randn)
    kept = torch.rand(1024, 8, generator=generator).numpy() > 0.5
    np.testing.assert_array_equal(start.features, np.maximum(x * kept, 0))

    def linear(out: int, fan_in: int, *, bias: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        weight, offsets = torch.empty(out, fan_in), torch.empty(out, int(bias))
        torch.nn.init.kaiming_uniform_(weight, a=sqrt(5), generator=generator)
        return weight, offsets.uniform_(-1 / sqrt(fan_in), 1 / sqrt(fan_in), generator=generator)

    layers = [linear(12, 8), linear(12, 12), linear(8, 12)]
    for weight, bias in layers if init == "orthogonal" else []:
        torch.nn.init.orthogonal_(weight, sqrt(2), generator=generator)
        bias.zero_()
    linear(16, 12)
    decoder = torch.nn.functional.normalize(linear(12, 16, bias=False)[0], dim=0)
    offsets = torch.empty(16, 1).uniform_(0, 0.1, generator=generator)
    for ours, layer in zip(start.weights, layers, strict=True):
        np.testing.assert_allclose(ours, torch.cat(layer, dim=1), atol=5e-6)
    np.testing.assert_allclose(start.decoder, decoder, atol=1e-6)
    np.testing.assert_allclose(start.encoder, torch.cat([decoder.T, offsets], dim=1), atol=1e-6)
