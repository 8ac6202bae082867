"""The kinds of contrast that a claim may be about: how each is written, what it compares, how it is tested and told.

A new kind is a class here, and its place in ``KINDS``; nothing else asks for a kind by its name.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from bench.errors import BenchError
from bench.plan.claims import Claim, Comparison, Region
from bench.plan.labels import cell_label, listed, visible
from bench.plan.levels import Level
from bench.plan.lookup import Lookup
from bench.plan.positions import KeyPath
from bench.plan.source import show

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)
"""Of the tables of a suite: no key that is unknown, nothing converted."""
OneOrMore = Annotated[Any, BeforeValidator(lambda given: given if isinstance(given, list) else [given])]
"""A value, or a list of several."""
_SIDES = 'Give factor = "…" too, or { factor = level, … }.'


class Kind(BaseModel):
    """A kind of contrast: the keys that it is written with are its fields, those without a default make it one.

    What it does not say of itself is so for a weighted sum of means, tested by t.
    """

    model_config = STRICT

    at: dict[str, Any] = Field({}, description='Levels of other factors that hold everywhere: { act = "gelu" }.')

    expects: ClassVar[frozenset[str]] = frozenset({"increase", "decrease", "difference", "equivalent"})
    """What may be expected of it."""
    expects_hint: ClassVar[str] = (
        'expect = "bimodal" is for contrast = { cell = … }: the cell\'s runs fall into two groups.'
    )
    test: ClassVar[Literal["contrast", "groups"]] = "contrast"
    """One contrast a seed and t on it, or whether the runs of a cell fall into two groups."""
    is_difference: ClassVar[bool] = False
    """Whether there are two sides: the change can then be given in percent, credited to a factor, and taken apart."""
    is_order: ClassVar[bool] = False
    """Whether each of several comparisons must hold: the weakest decides, and a margin has no part in it."""
    averages: ClassVar[bool] = True
    """Whether it is the mean over all levels of the factors that it leaves open."""
    joint: ClassVar[str] = ""
    """What stands between the factors that are compared."""
    meaning: ClassVar[str] = ""
    """What its number is, where that is not plain: put in parentheses."""
    detail: ClassVar[str] = ""
    """How the detail of its estimate is told."""

    @abstractmethod
    def comparisons(self, names: Lookup) -> Sequence[Comparison] | None:
        """What this contrast compares; None where a fault was reported."""

    def compared(self, names: Lookup) -> tuple[Comparison, ...]:
        """The comparisons where ``at`` holds; empty where a fault was reported."""
        at, own = names.region(("at",), self.at), self.comparisons(names)
        if at is None or own is None:
            return ()
        if twice := sorted({name for comparison in own for name in comparison.fixed & at.keys()}):
            names.fault(("at", twice[0]), f"{twice[0]} is what is compared", "at fixes other factors.", key=True)
            return ()
        return tuple(
            Comparison(tuple({**at, **region} for region in comparison.regions), comparison.weights)
            for comparison in own
        )

    @classmethod
    def name(cls) -> str:
        """What is stored with a claim."""
        return cls.__name__.lower()

    @classmethod
    def contrast(cls, claim: Claim) -> str:
        """What a claim compares, as people read it: ``reg: l1 → l2 at act = gelu``."""
        levels = _levels(claim)
        varied = [f"{name}: {' → '.join(map(visible, taken))}" for name, taken in levels.items() if len(taken) > 1]
        held = cls.held(claim)
        return cls.joint.join(varied) + (f" at {held}" if held else "")

    @classmethod
    def held(cls, claim: Claim) -> str:
        """Where it is compared: the levels that all sides share, ``act = gelu``."""
        return listed({name: taken[0] for name, taken in _levels(claim).items() if len(taken) == 1})

    @classmethod
    def fewest_seeds(cls, claim: Claim) -> int:
        """Without so many nothing varies that could be tested: two distances from their median are equal."""
        return 3 if claim.measure == "spread" else 2

    @classmethod
    def is_refutable(cls, claim: Claim) -> bool:
        """Whether anything could refute it: without a margin, it is never shown that there is no difference."""
        return claim.expect != "difference" or claim.margin is not None


class Difference(Kind):
    """One side less another."""

    factor: str | None = Field(None, description="The factor whose levels from and to name.")
    from_: Any = Field(alias="from", description="A level of factor, or a table of levels: the earlier side.")
    to: Any = Field(description="A level of factor, or a table of levels: the later side, less that of from.")
    is_difference = True
    joint = " and "

    def comparisons(self, names: Lookup) -> Sequence[Comparison] | None:
        """Later less earlier."""
        first, second = (
            _side(names, self.factor, (key,), side) for key, side in (("from", self.from_), ("to", self.to))
        )
        if first is None or second is None:
            return None
        if first.keys() != second.keys() or first == second:
            names.fault(("to",), "from and to must differ in levels of the same factors", "Name each factor in both.")
            return None
        return [Comparison((first, second), (-1.0, 1.0))]


class Interaction(Kind):
    """How one factor's effect depends on others."""

    interaction: dict[str, list[Any]] = Field(
        description='Two levels of each of its factors: { init = ["random", "orthogonal"], reg = ["l1", "l2"] }.'
    )
    joint = " × "
    meaning = "half the difference between the two effects"

    def comparisons(self, names: Lookup) -> Sequence[Comparison] | None:
        """Half the difference of differences, and so on for more factors."""
        known = [name for name in self.interaction if names.factor(("interaction", name), name, key=True)]
        if len(self.interaction) < 2:
            names.fault(("interaction",), "an interaction has at least two factors", "E.g. lr = [0.1, 1.0].")
            return None
        levels: dict[str, list[Any]] = {}
        for name in known:
            pair = self.interaction[name]
            found = [names.level(("interaction", name, index), name, value) for index, value in enumerate(pair)]
            if len(pair) != 2 or found[0] == found[1]:
                names.fault(("interaction", name), f"{name} needs two different levels", 'E.g. reg = ["l1", "l2"].')
            elif None not in found:
                levels[name] = found
        if len(levels) < len(self.interaction):
            return None
        regions, weights = [], []
        for choice in itertools.product((0, 1), repeat=len(levels)):
            regions.append({name: pair[side] for (name, pair), side in zip(levels.items(), choice, strict=True)})
            weights.append(math.prod(2 * side - 1 for side in choice) / 2 ** (len(levels) - 1))
        return [Comparison(tuple(regions), tuple(weights))]


class Trend(Kind):
    """The change over the range of a factor with numbers as levels, by a line fitted to the means."""

    trend: str = Field(description="A factor with numbers as levels, along which the metric rises.")
    spacing: Literal["linear", "log"] = Field(
        "linear", description='What a trend is linear in: the levels ("linear") or their logarithms ("log").'
    )

    def comparisons(self, names: Lookup) -> Sequence[Comparison] | None:
        """The slope times the range."""
        if not names.factor(("trend",), self.trend):
            return None
        levels: list[Any] = list(names.levels[self.trend])
        log = self.spacing == "log"
        if len(levels) < 2 or not all(type(level) in (int, float) and (not log or level > 0) for level in levels):
            hint = 'Along a trend, a factor has at least two levels; for spacing = "log" they are above 0.'
            names.fault(("trend",), f"the levels of {self.trend} are not numbers of a trend", hint)
            return None
        position = [math.log(level) if log else float(level) for level in levels]
        middle = sum(position) / len(position)
        steepness = (max(position) - min(position)) / sum((x - middle) ** 2 for x in position)
        weights = tuple((x - middle) * steepness for x in position)
        return [Comparison(tuple({self.trend: level} for level in levels), weights)]


class Order(Kind):
    """Every step of a list goes the same way."""

    factor: str | None = Field(None, description="The factor whose levels order names.")
    order: list[OneOrMore] = Field(
        description="Levels of factor, or tables of levels (or lists of these), each above the one before it."
    )
    expects = frozenset({"increase", "decrease"})
    expects_hint = 'An order is expected to "increase" or to "decrease" along the list.'
    is_order = True
    averages = False
    detail = "the weakest comparison: {}"

    def comparisons(self, names: Lookup) -> Sequence[Comparison] | None:
        """One for each pair of neighbours, later less earlier."""
        groups: list[list[Region]] = []
        for index, place in enumerate(self.order):
            sides = [_side(names, self.factor, ("order", index, inner), side) for inner, side in enumerate(place)]
            groups.append([side for side in sides if side is not None])
            if len(groups[-1]) < len(place):
                return None
        if len(groups) < 2 or not all(groups):
            names.fault(("order",), "an order has at least two places", "E.g. order = [0.1, 0.2, 0.4].")
            return None
        pairs = [pair for lower, upper in itertools.pairwise(groups) for pair in itertools.product(lower, upper)]
        return [Comparison(pair, (-1.0, 1.0)) for pair in pairs]

    @classmethod
    def contrast(cls, claim: Claim) -> str:
        """How many comparisons there are."""
        return f"{len(claim.comparisons)} comparisons in order"

    @classmethod
    def held(cls, claim: Claim) -> str:  # noqa: ARG003  the sides of an order may differ in anything
        """Nothing."""
        return ""


class Cell(Kind):
    """Whether the runs of one cell fall into two groups."""

    cell: dict[str, Any] = Field(description="A level of each factor: the cell whose runs are looked at.")
    expects = frozenset({"bimodal"})
    test = "groups"
    averages = False

    def comparisons(self, names: Lookup) -> Sequence[Comparison] | None:
        """The cell by itself."""
        region = names.region(("cell",), self.cell)
        if region is not None and len(region) < len(names.levels):
            hint = f"A cell has a level of each factor: {', '.join(names.levels)}."
            names.fault(("cell",), "this is not one cell", hint)
            return None
        return None if region is None else [Comparison((region,), (1.0,))]

    @classmethod
    def contrast(cls, claim: Claim) -> str:
        """The name of the cell."""
        return cell_label(claim.comparisons[0].regions[0].values())

    @classmethod
    def held(cls, claim: Claim) -> str:  # noqa: ARG003  a cell fixes all there is
        """Nothing."""
        return ""

    @classmethod
    def fewest_seeds(cls, claim: Claim) -> int:  # noqa: ARG003  whatever is measured
        """Fewer values always split into two groups as well as normal ones do."""
        return 5

    @classmethod
    def is_refutable(cls, claim: Claim) -> bool:  # noqa: ARG003  whatever is expected
        """That runs fall into no groups is never shown."""
        return False


KINDS: Mapping[str, type[Kind]] = {kind.name(): kind for kind in (Difference, Interaction, Trend, Order, Cell)}
"""By the name that is stored with a claim."""


def tag(kind: type[Kind]) -> str:
    """What the kind is called where pydantic reads a contrast; no key of a contrast is called so."""
    return f"<{kind.name()}>"


def _tag_of(given: Any) -> str | None:
    """The kind that a table is of: the first one of whose own keys it has some."""
    keys = set(given) if isinstance(given, dict) else set()
    for kind in KINDS.values():
        if keys & {field.alias or name for name, field in kind.model_fields.items() if field.is_required()}:
            return tag(kind)
    return None


if TYPE_CHECKING:
    AnyKind: TypeAlias = Kind
else:
    _tagged = (Annotated[kind, Tag(tag(kind))] for kind in KINDS.values())
    AnyKind = Annotated[functools.reduce(operator.or_, _tagged), Discriminator(_tag_of)]


def kind_of(claim: Claim) -> type[Kind]:
    """The kind of a claim.

    Raises:
        BenchError: a stored claim is of a kind that this bench does not know.
    """
    if claim.kind not in KINDS:
        hint = f"It knows {', '.join(KINDS)}; a newer bench may have stored it."
        raise BenchError(
            f"The claim {claim.id} is of the kind {claim.kind!r:.40}, which this bench cannot judge.", hint=hint
        )
    return KINDS[claim.kind]


def _levels(claim: Claim) -> Mapping[str, Sequence[Level]]:
    """Factor that some region fixes -> its levels in the order of the regions, each once."""
    regions, names = claim.comparisons[0].regions, claim.comparisons[0].fixed
    return {name: list(dict.fromkeys(region[name] for region in regions)) for name in regions[0] if name in names}


def _side(names: Lookup, factor: str | None, path: KeyPath, given: Any) -> Region | None:
    """A level of ``factor``, or without one a table of levels."""
    if factor is not None:
        level = names.level(path, factor, given) if names.factor(("factor",), factor) else None
        return None if level is None else {factor: level}
    if isinstance(given, dict) and given:
        return names.region(path, given)
    names.fault(path, f"{show(given)} is no table of levels", _SIDES)
    return None
