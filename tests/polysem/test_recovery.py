"""Recovery of features, overlap and their nulls: closed forms, known answers, and what must not matter."""

import math

import numpy as np
import pytest

from polysem import recovery
from polysem.nulls import Null, expected_abs_cos, random_dictionaries, square_root
from polysem.recovery import cosines, features_per_neuron, match, mcc, mmcs, partial_correlations

DRAWS = 3000


def _rng() -> np.random.Generator:
    return np.random.default_rng(5)


def _off_diagonal(dictionaries: np.ndarray) -> np.ndarray:
    size = np.abs(np.swapaxes(dictionaries, 1, 2) @ dictionaries)
    k = size.shape[1]
    return (size.sum(axis=(1, 2)) - k) / (k * (k - 1))


@pytest.mark.parametrize(
    ("d", "e_mmcs", "e_mcc", "e_stability"),
    [(4, 0.876, 0.860, 0.820), (8, 0.682, 0.665, 0.631), (12, 0.572, 0.559, 0.529)],
)
def test_nulls_have_their_known_values(d: int, e_mmcs: float, e_mcc: float, e_stability: float) -> None:
    """16 random latents against 8 random features, and against 16 others: values known to 0.003."""
    rng = _rng()
    latents = random_dictionaries(np.eye(d), 16, DRAWS, rng)
    features = random_dictionaries(np.eye(d), 8, DRAWS, rng)
    others = random_dictionaries(np.eye(d), 16, DRAWS, rng)
    for values, expected in (
        (mmcs(cosines(features, latents)), e_mmcs),
        (mcc(cosines(features, latents)), e_mcc),
        (mcc(cosines(others, latents)), e_stability),
    ):
        null = Null(values)
        assert null.mean == pytest.approx(expected, abs=3 * null.error + 0.003)


@pytest.mark.parametrize("d", [4, 8, 12])
def test_overlap_of_random_directions_has_its_closed_form(d: int) -> None:
    """E|cos| by the gamma functions and E cos^2 = 1/d, within three Monte-Carlo standard errors."""
    dictionaries = random_dictionaries(np.eye(d), 16, DRAWS, _rng())
    null = Null(_off_diagonal(dictionaries))
    np.testing.assert_allclose(recovery.mean_abs_cosine(dictionaries), null.values)
    assert null.mean == pytest.approx(expected_abs_cos(d), abs=3 * null.error)
    uniform = np.ones(16)
    squares = Null(recovery.weighted_overlap(dictionaries, uniform) / 120)
    assert squares.mean == pytest.approx(1 / d, abs=3 * squares.error)
    assert expected_abs_cos(12) == pytest.approx(0.2352, abs=5e-5)


def test_a_covariance_matched_null_lives_in_the_dimensions_of_the_data() -> None:
    """With a covariance of rank 4 in 12 units, random directions overlap as in 4 dimensions, not as in 12."""
    basis = np.linalg.qr(_rng().standard_normal((12, 4)))[0]
    null = Null(_off_diagonal(random_dictionaries(square_root(basis @ basis.T), 16, 1000, _rng())))
    assert null.mean == pytest.approx(expected_abs_cos(4), abs=4 * null.error)


def test_a_random_decoder_scores_its_null() -> None:
    """The mean over random decoders of a metric less its null is 0 within Monte-Carlo error."""
    rng = _rng()
    directions = random_dictionaries(np.eye(12), 8, 1, rng)[0]
    null = Null(mmcs(cosines(directions, random_dictionaries(np.eye(12), 16, 1000, rng))))
    decoders = random_dictionaries(np.eye(12), 16, 300, rng)
    scores = mmcs(cosines(directions, decoders)) - null.mean
    assert scores.mean() == pytest.approx(0, abs=3 * math.hypot(null.error, scores.std() / math.sqrt(300)))


def test_an_orthonormal_dictionary_is_recovered_whatever_the_order_and_sign() -> None:
    """MCC and MMCS are 1 for a permuted dictionary, and signs do not matter to them."""
    features = np.linalg.qr(_rng().standard_normal((12, 8)))[0]
    order = _rng().permutation(8)
    latents = np.hstack([features[:, order] * np.where(np.arange(8) % 2, -1, 1), _rng().standard_normal((12, 8)) * 0.1])
    assert mcc(cosines(features, latents)) == pytest.approx(1)
    assert mmcs(cosines(features, latents)) == pytest.approx(1)
    assert recovery.share_above(recovery.matched_cosines(cosines(features, latents))) == 1


def test_a_duplicated_latent_changes_neither_matching_nor_mcc() -> None:
    """A copy of a latent is matched by no further feature, but fewer of the latents are unique."""
    features = np.linalg.qr(_rng().standard_normal((12, 8)))[0]
    doubled = cosines(features, np.hstack([features, features[:, :1]]))
    assert mcc(doubled) == pytest.approx(1)
    assert len(set(match(np.abs(doubled)))) == 8
    assert recovery.uniqueness(cosines(features, features)) == 1
    assert recovery.uniqueness(doubled) == pytest.approx(8 / 9)


def test_features_without_a_direction_are_left_out() -> None:
    """A zero direction is matched by nothing and does not enter a mean; with no direction at all the value is NaN."""
    features = np.linalg.qr(_rng().standard_normal((12, 8)))[0]
    features[:, 3] = 0
    cosine = cosines(features, np.eye(12))
    assert match(cosine)[3] == -1
    assert sorted(set(match(cosine)) - {-1}) == sorted(match(cosine)[match(cosine) >= 0])
    assert mcc(cosines(features, features)) == pytest.approx(1)
    for value in (mcc, mmcs, recovery.mmcs_latents):
        assert math.isnan(value(cosines(np.zeros((12, 8)), np.eye(12))))


def test_directions_of_a_linear_layer_are_its_columns() -> None:
    """Causal directions are exact, least-squares ones too, with R^2 1 and NaN for a unit that does not vary."""
    rng = _rng()
    w, x = rng.standard_normal((6, 4)), np.maximum(rng.standard_normal((300, 4)), 0)
    w[2] = 0
    np.testing.assert_allclose(recovery.causal_directions(lambda rows: rows @ w.T + 1, x), w, atol=1e-12)
    fitted = recovery.linear_directions(x @ w.T + 1, x)
    np.testing.assert_allclose(fitted.directions, w, atol=1e-10)
    assert np.isnan(fitted.r2).tolist() == [False, False, True, False, False, False]
    np.testing.assert_allclose(fitted.r2[[0, 1, 3, 4, 5]], 1)


def test_partial_correlations_are_those_of_the_inverse_covariance() -> None:
    """-P_ij/sqrt(P_ii P_jj) of the precision of (unit, features); a constant unit has 0."""
    rng = _rng()
    x = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 3))
    h = np.column_stack([x @ [1.0, 0.5, 0.0] + rng.standard_normal(200), np.ones(200)])
    precision = np.linalg.inv(np.cov(np.column_stack([h[:, 0], x]).T))
    expected = np.square(precision[0, 1:]) / (precision[0, 0] * np.diag(precision)[1:])
    np.testing.assert_allclose(partial_correlations(h, x), [expected, [0, 0, 0]], atol=1e-12)


def test_features_per_neuron() -> None:
    """1 for a neuron of one feature, n for one that shares equally; neurons without any are left out."""
    assert features_per_neuron(np.array([[0.5, 0, 0, 0], [0.2, 0.2, 0.2, 0.2], [0, 0, 0, 0]])) == pytest.approx(2.5)
    counts = recovery.polysemantic_neurons(np.array([[0.5, 0.3], [0.2, 0.05], [0.0, 0.0]]), np.array([0.01, 0.1, 0.4]))
    assert counts.tolist() == [2, 1, 0]


def test_f1_and_what_an_always_active_latent_gets() -> None:
    """Perfect latents score 1; an always-active one 2q/(1 + q), which is the null."""
    rng = _rng()
    x = np.maximum(rng.standard_normal((5000, 4)), 0) * (rng.random((5000, 4)) < 0.3)
    identity = cosines(np.eye(4), np.eye(4))
    assert recovery.matched_f1(identity, x, x) == 1
    assert recovery.matched_f1(identity, np.ones_like(x), x) == pytest.approx(recovery.always_on_f1(x))
    assert recovery.best_latent_f1(np.column_stack([x, np.zeros(5000)]), x) == 1
    assert recovery.matched_f1(cosines(np.eye(4), -np.eye(4)), x, x) < 0.7  # opposite signs are no match here


def test_coactivation_gap() -> None:
    """0 for a latent that fires with its feature; 1 for one that fires only where the companion is silent."""
    x = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    identity = cosines(np.eye(2), np.eye(2))
    assert recovery.coactivation_gap(identity, x, x, [[0, 1]]) == 0
    absorbed = x * (x[:, ::-1] == 0)
    assert recovery.coactivation_gap(identity, absorbed, x, [[0, 1]]) == 1
    assert math.isnan(recovery.coactivation_gap(identity, x, x, [[0], [1]]))


def test_unexplained_variance_of_the_mean_is_one() -> None:
    """Exactly 1 for predicting the mean, 0 for the data, NaN for constant data; R^2 the other way round."""
    x = _rng().standard_normal((50, 3))
    mean = np.broadcast_to(x.mean(axis=0), x.shape)
    assert recovery.unexplained_variance(x, mean) == 1
    assert recovery.unexplained_variance(x, x) == 0
    assert math.isnan(recovery.unexplained_variance(np.ones((5, 2)), np.ones((5, 2))))
    assert recovery.mean_r2(x, mean) == pytest.approx(0)
    assert recovery.mean_r2(x * [1, 1e-6, 1e6], x * [1, 0, 1e6]) == pytest.approx(2 / 3, abs=0.05)


def test_live_units_and_participation() -> None:
    """A unit of SD 0 and one of a thousandth of the largest are not live; participation counts dimensions."""
    assert recovery.live_units(np.array([1.0, 0.5, 0.001, 0.0])).tolist() == [True, True, False, False]
    assert not recovery.live_units(np.zeros(3)).any()
    assert recovery.participation(np.eye(5)) == pytest.approx(5)
    assert recovery.participation(np.diag([1.0, 0, 0])) == pytest.approx(1)
    assert math.isnan(recovery.participation(np.zeros((3, 3))))


def test_weighted_overlap_and_the_mean_cosine() -> None:
    """Two directions at 60 degrees, importances 1 and 1/2, and one that is 0."""
    v = np.array([[1.0, 0.5, 0.0], [0.0, math.sqrt(3) / 2, 0.0]])
    assert recovery.weighted_overlap(v, np.array([1, 0.5, 1])) == pytest.approx(0.125)
    assert recovery.mean_abs_cosine(v) == pytest.approx(0.5)
    assert recovery.matched_overlap(cosines(v, v), v, np.array([1, 0.5, 1])) == pytest.approx(0.125)
    assert math.isnan(recovery.mean_abs_cosine(v[:, 2:]))


def test_metrics_of_many_dictionaries_are_those_of_each() -> None:
    """A stack of dictionaries gives what its members give alone, with a feature that has no direction too."""
    rng = _rng()
    directions, dictionaries = rng.standard_normal((12, 8)), rng.standard_normal((5, 12, 16))
    directions[:, 2] = 0
    importance = 0.9 ** np.arange(8.0)
    cosine = cosines(directions, dictionaries)
    for metric in (mmcs, recovery.mmcs_latents, mcc):
        np.testing.assert_array_equal(metric(cosine), [metric(cosines(directions, w)) for w in dictionaries])
    together = recovery.matched_overlap(cosine, dictionaries, importance)
    alone = [recovery.matched_overlap(cosines(directions, w), w, importance) for w in dictionaries]
    np.testing.assert_allclose(together, alone)


def test_the_precision_of_mmcs_counts_latents() -> None:
    """Latents that no feature resembles lower it; the mean over features does not see them."""
    features = np.linalg.qr(_rng().standard_normal((12, 12)))[0]
    cosine = cosines(features[:, :8], features)
    assert mmcs(cosine) == pytest.approx(1)
    assert recovery.mmcs_latents(cosine) == pytest.approx(8 / 12)


def test_what_a_feature_adds_to_the_others() -> None:
    """The R^2 of each feature is what the fit loses without it, over the variance of all units."""
    rng = _rng()
    x = np.maximum(rng.standard_normal((200, 3)), 0)
    h = x @ rng.standard_normal((3, 5)) + rng.standard_normal((200, 5))
    total = np.square(h - h.mean(axis=0)).sum()

    def explained(columns: list[int]) -> float:
        design = np.column_stack([np.ones(200), x[:, columns]])
        return 1 - np.square(h - design @ np.linalg.lstsq(design, h, rcond=None)[0]).sum() / total

    expected = [explained([0, 1, 2]) - explained([j for j in range(3) if j != i]) for i in range(3)]
    np.testing.assert_allclose(recovery.linear_directions(h, x).feature_r2, expected, atol=1e-10)


def test_a_percentile_counts_the_value_in() -> None:
    """Below all of 99 it is 1 in 100; NaN has no place."""
    null = Null(np.arange(99.0))
    assert null.percentile(-1) == 0.01
    assert null.percentile(1000) == 1
    assert math.isnan(null.percentile(math.nan))


def test_dead_latents_have_no_score() -> None:
    """Where no latent is ever active, F1 and the co-activation gap are NaN, not 0."""
    x = np.maximum(_rng().standard_normal((50, 4)), 0)
    identity = cosines(np.eye(4), np.eye(4))
    assert math.isnan(recovery.matched_f1(identity, np.zeros_like(x), x))
    assert math.isnan(recovery.coactivation_gap(identity, np.zeros_like(x), x, [[0, 1]]))
    assert math.isnan(recovery.best_latent_f1(np.zeros_like(x), x))
