"""Labels of cells, effects and terms: what differs is called differently, and what is plain stays as it is."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from bench.plan import labels
from bench.plan.labels import cell_label, effect_label, term_label

TRICKY = st.text('ab/:[]",\\ \n×', max_size=4)
NAME = TRICKY.filter(bool)


@given(st.lists(TRICKY, min_size=2, max_size=2), st.lists(TRICKY, min_size=2, max_size=2))
def test_cells_that_differ_have_labels_that_differ(a: list[str], b: list[str]) -> None:
    """However levels hold slashes and quotes, no two cells share a label, and each label can be seen."""
    assert (cell_label(a) == cell_label(b)) == (a == b)
    assert cell_label(a).isprintable()
    assert cell_label(a).strip() == cell_label(a)


PARTS = st.lists(st.tuples(NAME, st.none() | TRICKY), min_size=1, max_size=3)


@given(PARTS, PARTS)
def test_effects_that_differ_have_labels_that_differ(a: list[tuple[str, str]], b: list[tuple[str, str]]) -> None:
    """No column name looks like an interaction or like the level of another factor."""
    assert (effect_label(a) == effect_label(b)) == (a == b)
    assert (term_label(name for name, _ in a) == effect_label(b)) == ([(name, None) for name, _ in a] == b)


def test_plain_names_stay_as_they_are() -> None:
    """Words, numbers, truth values and blanks within are not quoted; examples are true."""
    assert cell_label(["l1", 1e-05, True, "two words", '["a"]']) == 'l1/1e-05/True/two words/["a"]'
    assert effect_label([("init", "kaiming"), ("reg", None)]) == "init[kaiming]:reg"
    assert doctest.testmod(labels) == doctest.TestResults(failed=0, attempted=4)
