"""Plain text becomes LaTeX that shows just this text, in every engine's default fonts; and how wide that is."""

from __future__ import annotations

import re
import unicodedata

from bench.present.report import plain

FALLBACK = r"\providecommand{\benchchar}[2]{\ifdefined\Umathchar\iffontchar\font"
FALLBACK += r'"#1 #2\else\fbox{\tiny U+#1}\fi\else\fbox{\tiny U+#1}\fi}'
"""Defines what ``escape`` puts around a character that a font may lack: it, or its number in a box."""


def escape(text: str) -> str:
    """Plain text as LaTeX that shows just this text, straight quotes as the typesetter's."""
    return _TOKEN.sub(lambda token: _shown(token[0]) + (r"\/" if token["ligature"] else ""), plain(text))


def width(text: str) -> float:
    """About how many points the text takes in 8 pt Computer Modern, rather more than less."""
    return sum(_WIDTHS.get(character, 4.4 if character.isascii() else 7.0) for character in text)


def _shown(character: str) -> str:
    if character in COMMANDS:
        return COMMANDS[character]
    if character.isascii() or _is_accented(character):
        return character
    return rf"\benchchar{{{ord(character):04X}}}{{{character}}}"


def _is_accented(character: str) -> bool:
    """Whether LaTeX composes it: a Latin letter with an accent other than the ogonek."""
    parts = unicodedata.normalize("NFD", character)
    return len(parts) > 1 and parts[0].isascii() and character < "\u0180" and "\N{COMBINING OGONEK}" not in parts


_TOKEN = re.compile(
    r"""
    (?P<ligature> [-–](?=[-–]) | ['"\u2019”](?=['"\u2019”]) | [\u2018“](?=[\u2018“]) | [?!](?=[\u2018“]) | ,(?=,) )
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
"""One character, and whether LaTeX would melt it with the next."""

_GREEK = (
    "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi mathrm{o} pi rho varsigma sigma tau "
)
_GREEK += "upsilon varphi chi psi omega"
_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"
_MATHEMATICS = {
    "<": "<",
    ">": ">",
    "|": "|",
    "−": "-",
    "±": r"\pm",
    "×": r"\times",
    "÷": r"\div",
    "·": r"\cdot",
    "←": r"\leftarrow",
    "↑": r"\uparrow",
    "↓": r"\downarrow",
    "→": r"\rightarrow",
    "↔": r"\leftrightarrow",
    "∞": r"\infty",
    "≈": r"\approx",
    "≠": r"\neq",
    "≤": r"\leq",
    "≥": r"\geq",
    "∈": r"\in",
    "√": r"\surd",
    "°": r"^\circ",
    "¹": "^1",
    "²": "^2",
    "³": "^3",
    "µ": r"\mu",
    **{letter: f"\\{name}" for letter, name in zip("αβγδεζηθικλμνξοπρςστυφχψω", _GREEK.split(), strict=True)},
    **{letter: f"\\{unicodedata.name(letter).split()[-1].capitalize()}" for letter in "ΓΔΘΞΠΣΥΦΨΩ"},
    "Λ": r"\Lambda",
    **{digit: f"_{value}" for value, digit in enumerate(_SUBSCRIPTS)},
}
COMMANDS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    '"': "''",
    "\N{LEFT SINGLE QUOTATION MARK}": "`",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "“": "``",
    "”": "''",
    "–": "--",
    "—": r"\textemdash{}",
    "…": r"\dots{}",
    "•": r"\textbullet{}",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
    "§": r"\S{}",
    "€": r"\texteuro{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "✓": r"\ding{51}",
    "✗": r"\ding{55}",
    "\N{REPLACEMENT CHARACTER}": r"\fbox{?}",
    **{character: f"\\{character}" for character in "#$%&_{}"},
    **{character: f"${command}$" for character, command in _MATHEMATICS.items()},
}
"""What LaTeX would act upon, or what its default fonts lack -> what shows it."""

_WIDTHS = {
    **dict.fromkeys("0123456789", 4.3),
    **dict.fromkeys(" ijl.,:;'`!()[]|-–", 2.9),
    **dict.fromkeys("frst", 3.5),
    **dict.fromkeys("ABCDEFGHKLNOPQRTUVXYZ&", 6.3),
    **dict.fromkeys("mwMW%—", 8.0),
    "→": 8.6,
    "…": 10.0,
}
