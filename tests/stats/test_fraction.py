"""Regular fractions found from their cells, against generators worked out by hand."""

from itertools import product

import numpy as np

from bench.stats.fraction import regular_fraction

BASE = np.array(list(product((0, 1), repeat=3)))
SIGNS = 2 * BASE - 1


def column(signs: np.ndarray) -> np.ndarray:
    return ((signs + 1) // 2)[:, None]


def test_a_half_fraction_of_resolution_four() -> None:
    """D = -ABC gives I = -ABCD."""
    cells = np.hstack([BASE, column(-SIGNS.prod(axis=1))])
    found = regular_fraction(cells, (2,) * 4)
    assert found is not None
    assert (found.generated, found.words, found.signs, found.resolution) == (1, ((0, 1, 2, 3),), (-1,), 4)


def test_a_quarter_fraction_lists_the_products_of_its_words() -> None:
    """D = AB and E = AC give I = ABD = ACE = BCDE, in any order of the cells."""
    cells = np.hstack([BASE, column(SIGNS[:, 0] * SIGNS[:, 1]), column(SIGNS[:, 0] * SIGNS[:, 2])])
    found = regular_fraction(cells[np.random.default_rng(1).permutation(8)], (2,) * 5)
    assert found is not None
    assert found.words == ((0, 1, 3), (0, 2, 4), (1, 2, 3, 4))
    assert (found.signs, found.resolution) == ((1, 1, 1), 3)


def test_what_is_no_regular_fraction() -> None:
    """A full factorial, seven of its cells, and factors of three levels are no regular fraction."""
    assert regular_fraction(BASE, (2,) * 3) is None
    assert regular_fraction(BASE[:7], (2,) * 3) is None
    assert regular_fraction(BASE, (2, 2, 3)) is None
