"""Factors and the ``design`` of a suite -> the cells of the full grid that are run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from bench.plan.levels import Level
from bench.plan.positions import KeyPath
from bench.plan.shape import SuiteKeys
from bench.plan.source import Faults, did_you_mean, show

LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
"""Letters for the factors in generators, in the order of the factors; I is left out, since it is the identity."""
MOST_CELLS = 2**16
_GENERATOR = 'A generator is "D=ABC", with the factors as letters in their order, or "act = init*noise*reg".'

Factors = Mapping[str, tuple[Level, ...]]
Combinations = tuple[Mapping[str, Level], ...]


@dataclass(frozen=True)
class Generator:
    """A factor whose column is the product of others' (-1 for the first level, +1 for the second), times a sign."""

    factor: int
    """Its index."""
    word: tuple[int, ...]
    """The indices of the other factors."""
    sign: int


class DesignError(ValueError):
    """A design that cannot be made of the factors; ``path`` leads from ``design`` to the value at fault."""

    def __init__(self, message: str, hint: str, path: KeyPath = ()) -> None:
        super().__init__(message)
        self.message, self.hint, self.path = message, hint, path


def design_cells(keys: SuiteKeys, faults: Faults, factors: Factors) -> Combinations | None:
    """The cells of the suite's ``design``; None without a design, or with a fault."""
    try:
        if keys.design is None:
            return None
        return one_at_a_time(factors) if keys.design == "one_at_a_time" else fraction(keys.design.generators, factors)
    except DesignError as error:
        faults.add(("design", *error.path), error.message, error.hint)
        return None


def one_at_a_time(factors: Factors) -> Combinations:
    """The cell of all first levels, then each other level of each factor in turn with all others at their first."""
    reference = {name: levels[0] for name, levels in factors.items()}
    return (reference, *({**reference, name: level} for name, levels in factors.items() for level in levels[1:]))


def fraction(generators: Sequence[str], factors: Factors) -> Combinations:
    """A regular 2^(k - p) fraction: every combination of the base factors, with the p factors that generators give.

    Raises:
        DesignError: for factors that have not two levels, or generators that contradict each other.
    """
    relations = [_parse(text, list(factors), ("fraction", index)) for index, text in enumerate(generators)]
    dependent = [generator.factor for generator in relations]
    names = list(factors)
    for index, generator in enumerate(relations):
        path = ("fraction", index)
        if generator.factor in dependent[:index]:
            message = f"{names[generator.factor]} is generated twice"
            raise DesignError(message, "Each generator makes another factor.", path)
        if repeats := [names[factor] for factor in generator.word if factor in dependent]:
            message = f"{show(generators[index])} is made of {repeats[0]}, which is itself generated"
            raise DesignError(message, "Generators are products of the factors that are not generated.", path)
    for name, levels in factors.items():
        if len(levels) != 2:
            hint = "A fraction by generators is of factors with two levels each."
            raise DesignError(f"{name} has {len(levels)} levels", hint, ("fraction",))
    base = [factor for factor in range(len(names)) if factor not in dependent]
    if 2 ** len(base) > MOST_CELLS:
        message = f"{len(base)} factors without a generator make {2 ** len(base)} cells"
        raise DesignError(message, f"A fraction has at most {MOST_CELLS} cells; give more generators.", ("fraction",))
    return tuple(_cells(_fraction_rows(relations, base, len(names)), factors))


def _parse(text: str, names: Sequence[str], path: KeyPath) -> Generator:
    left, equals, right = text.partition("=")
    right = right.strip()
    sign = -1 if right.startswith(("-", "−")) else 1
    right = right.lstrip("+-−").strip()
    if not (equals and left.strip() and right):
        raise DesignError(f"{show(text)} is no generator", _GENERATOR, path)
    is_single = right in names
    factors = [right] if is_single else re.split(r"[\s*:×]+", right) if re.search(r"[\s*:×]", right) else list(right)
    word = tuple(sorted(_factor(name, names, text, path) for name in factors))
    if len(set(word)) < len(word):
        raise DesignError(f"{show(text)} names a factor twice", _GENERATOR, path)
    return Generator(_factor(left.strip(), names, text, path), word, sign)


def _factor(name: str, names: Sequence[str], text: str, path: KeyPath) -> int:
    if name in names:
        return names.index(name)
    position = LETTERS.find(name) if len(name) == 1 else -1
    if 0 <= position < len(names):
        return position
    letters = ", ".join(f"{letter} {factor}" for letter, factor in zip(LETTERS, names, strict=False))
    raise DesignError(
        f"{show(text)} names {name}, which is no factor", f"Factors: {letters}.{did_you_mean(name, names)}", path
    )


def _fraction_rows(generators: Sequence[Generator], base: Sequence[int], k: int) -> Iterator[list[int]]:
    for levels in product((0, 1), repeat=len(base)):
        row = [0] * k
        for factor, level in zip(base, levels, strict=True):
            row[factor] = level
        for generator in generators:
            sign = generator.sign * prod(2 * row[factor] - 1 for factor in generator.word)
            row[generator.factor] = (sign + 1) // 2
        yield row


def _cells(rows: Iterator[Sequence[int]], factors: Factors) -> Iterator[Mapping[str, Level]]:
    for row in rows:
        yield {name: levels[code] for (name, levels), code in zip(factors.items(), row, strict=True)}
