"""The words of a report, and where they are explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.present import glossary

ROOT = Path(__file__).parents[2]


def test_the_documents_hold_the_glossary() -> None:
    """docs/glossary.md is what ``glossary.markdown()`` writes."""
    assert (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8") == glossary.markdown()


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Adjusted p of d_z", ["adj. p", "d_z"]),
        ("adj. p (Holm)", ["adj. p"]),
        ("margins and marginal means, re-family", []),
        ("Ratio [95% CI]; intervals", ["CI"]),
        ("post hoc: inconclusive, inconclusive", ["post hoc", "inconclusive"]),
    ],
)
def test_whole_words_are_terms(text: str, terms: list[str]) -> None:
    """Whatever their case, once each, and no part of another word."""
    assert glossary.terms_in([text]) == terms


def test_a_term_is_linked_once_and_the_rest_escaped() -> None:
    """The first of its occurrences over all texts is a link; nothing that a user wrote is markup."""
    link = glossary.linker()
    assert link("<b> margin & margin") == ('&lt;b&gt; <a class="term" href="#term-margin">margin</a> &amp; margin')
    assert link("the margin") == "the margin"
    assert [title for _, title, _ in glossary.entries()] == sorted(
        (title for _, title, _ in glossary.entries()), key=str.casefold
    )
