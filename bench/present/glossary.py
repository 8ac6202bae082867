"""The words of a report, each explained in a sentence or two: the page links to them, docs/glossary.md lists them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from markupsafe import Markup, escape

from bench.present.report import plain

TERMS = {
    "adj. p | adjusted p": "p corrected for how many tests its family has: by Benjamini and Hochberg for effects that "
    "were looked for (the share of false finds among those below 0.05 stays below 5%), by Holm for claims, "
    "comparisons of cells and contrasts asked for (the chance of even one false find stays below 5%).",
    "block": "Runs that share what is drawn at random, here a seed. Effects are differences within blocks, so that "
    "what a seed does to all of its runs cancels.",
    "cell": "One combination of the factors' levels; its runs differ in their seeds only.",
    "CI | interval": "The values of an effect that the data do not contradict at the stated confidence, by Student's "
    "t over the blocks. It speaks of one effect alone, unadjusted, unless it says otherwise.",
    "contrast": "One number a block, made of its runs: a difference between two levels, or a difference of "
    "differences.",
    "CV": "Coefficient of variation: the standard deviation of a cell's runs, relative to their mean.",
    "d_av": "An effect in units of the mean of the two cells' standard deviations (Cumming 2012): how far apart the "
    "runs lie, whether or not they are paired.",
    "d_z": "An effect in units of its own spread over the blocks (Cohen 1988): how surely more blocks would show it, "
    "not how large it is.",
    "equivalence | equivalent": "Shown to be smaller than the margin in either direction, by two one-sided tests "
    "(Schuirmann 1987). A large p of an effect shows no such thing.",
    "family": "The tests whose p values are adjusted together: all effects on all metrics are one, the claims of a "
    "suite another.",
    "FCR interval": "An interval wide enough to be read after selection: of those drawn for the effects that survive, "
    "5% at most miss on average (Benjamini and Yekutieli 2005). It excludes no effect just where the adjusted p says "
    "so.",
    "geometric mean": "The mean on the logarithmic scale. Its differences are ratios: × 2 and × 0.5 are equally far "
    "from × 1.",
    "Greenhouse–Geisser | Greenhouse and Geisser": "A factor with more than two levels has several contrasts that may "
    "vary unequally over the blocks; epsilon lowers the degrees of freedom of their F test by how unequally.",
    "immaterial": "An effect that is shown to exist, and to be smaller than the margin.",
    "inconclusive": "Neither supported nor refuted: the interval holds values that would be either. No evidence "
    "against the claim, only too little evidence.",
    "interaction": "How much the effect of one factor depends on the level of another: half the difference between "
    "its effects.",
    "main effect": "What a factor changes, averaged over the levels of all other factors. Where it interacts with one "
    "of them, that is an average of effects that differ.",
    "margin": "The smallest effect that matters, as the suite states it before anything is run.",
    "max-T": "The adjusted p of sign flips: how often the largest t of all effects would be as large as this one.",
    "post hoc": "A claim that was made, or changed, when results of its runs were stored: it may have been chosen by "
    "them.",
    "refuted": "The contrary of the claim is shown, at the same adjusted level that would have supported it.",
    "seed": "The number that decides all that is drawn at random in a run.",
    "share of variance | ω² | η² | ε²": "How much of the variance a term explains: η² of the runs at hand, ω² and ε² "
    "without its bias.",
    "sign flips": "Under no effect a contrast is as likely to be +x as −x: p counts how many of all arrangements of "
    "signs give as large a t.",
    "simple effect": "What a factor changes at one level of another.",
    "supported": "What the claim says is shown: its adjusted p is at most 0.05, and the effect has the direction "
    "claimed. ~ where several factors changed together and one is credited.",
}
"""Spellings, joined by " | ", the first the title -> the explanation."""

_TITLES = {spelling.casefold(): words.split(" | ")[0] for words in TERMS for spelling in words.split(" | ")}
_ANY = re.compile(
    rf"(?<![\w.-])(?:{'|'.join(re.escape(spelling) for spelling in sorted(_TITLES, key=len, reverse=True))})(?![\w-])",
    re.IGNORECASE,
)


def anchor(title: str) -> str:
    """Where a page, or docs/glossary.md, explains a term."""
    return "-".join(["term", *re.findall(r"[^\W_]+", title.lower())])


def entries() -> list[tuple[str, str, str]]:
    """Anchor, title with the other spellings, and explanation of each term."""
    return [(anchor(words.split(" | ")[0]), words.replace(" | ", ", "), text) for words, text in TERMS.items()]


def terms_in(texts: Iterable[str]) -> list[str]:
    """The titles of the terms that occur in the texts, each once, in their order there."""
    return list(dict.fromkeys(_TITLES[match[0].casefold()] for text in texts for match in _ANY.finditer(text)))


def linker() -> Callable[[str], Markup]:
    """A function that escapes text and links each term to its explanation where it occurs for the first time."""
    seen: set[str] = set()

    def link(match: re.Match[str]) -> str:
        title = _TITLES[match[0].casefold()]
        if title in seen:
            return match[0]
        seen.add(title)
        return f'<a class="term" href="#{anchor(title)}">{match[0]}</a>'

    return lambda text: Markup(_ANY.sub(link, str(escape(plain(text)))))  # noqa: S704 (no term is what is escaped)


def markdown() -> str:
    """The whole glossary, as docs/glossary.md holds it."""
    listed = (f'- <a id="{place}"></a>**{title}**: {text}' for place, title, text in entries())
    return "\n".join(["# Glossary", "", "The words of a report.", "", *listed, ""])
