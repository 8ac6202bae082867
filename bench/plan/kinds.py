"""The kinds of contrast that a claim may be about: the keys of each, its comparisons, its test and its words.

A new kind is a class here, and its place in ``KINDS``; nothing else asks for a kind by its name.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from bench.errors import BenchError
from bench.plan.claims import Claim, Comparison, Region
from bench.plan.labels import assignments, cell_label, visible
from bench.plan.levels import Level
from bench.plan.lookup import Lookup
from bench.plan.positions import KeyPath
from bench.plan.source import show

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)
"""pydantic's settings for the tables of a suite: unknown keys are faults, and no value is converted."""
OneOrMore = Annotated[Any, BeforeValidator(lambda value: value if isinstance(value, list) else [value])]
"""A value, or a list of several."""
_SIDES = 'Give factor = "…" too, or { factor = level, … }.'


class Kind(BaseModel):
    """A kind of contrast; its fields are its keys in a suite, and those without a default tell it from other kinds.

    The class attributes here are those of a weighted sum of means that is tested by t.
    """

    model_config = STRICT

    at: dict[str, Any] = Field({}, description='Levels of other factors that hold everywhere: { act = "gelu" }.')

    expects: ClassVar[frozenset[str]] = frozenset({"increase", "decrease", "difference", "equivalent"})
    """The values that ``expect`` may have in a claim of this kind."""
    expects_hint: ClassVar[str] = (
        'expect = "bimodal" is for contrast = { cell = … }: the cell\'s runs fall into two groups.'
    )
    test: ClassVar[Literal["contrast", "groups", "lines"]] = "contrast"
    """``contrast``: t on one contrast a seed; ``groups``: whether the runs of a cell fall into two groups; ``lines``:
    whether a metric falls and then rises."""
    is_difference: ClassVar[bool] = False
    """Whether there are two sides: the change can then be given in percent, credited to a factor, and taken apart."""
    is_order: ClassVar[bool] = False
    """Whether each of several comparisons must hold, and the weakest decides."""
    averages: ClassVar[bool] = True
    """Whether it averages over all levels of the factors that it does not fix."""
    joint: ClassVar[str] = ""
    """The text between the factors in the name of a contrast."""
    meaning: ClassVar[str] = ""
    """An explanation of its estimate that reports put in parentheses; empty for none."""
    detail: ClassVar[str] = ""
    """A format for the ``detail`` of its estimate in reports."""

    @abstractmethod
    def comparisons(self, names: Lookup) -> Sequence[Comparison] | None:
        """The comparisons of this contrast; None where a fault was reported."""

    def compared(self, names: Lookup) -> tuple[Comparison, ...]:
        """The comparisons where ``at`` holds; empty where a fault was reported."""
        at, parts = names.region(("at",), self.at), self.comparisons(names)
        if at is None or parts is None:
            return ()
        if clashes := sorted({name for comparison in parts for name in comparison.fixed & at.keys()}):
            names.fault(("at", clashes[0]), f"{clashes[0]} is what is compared", "at fixes other factors.", key=True)
            return ()
        return tuple(
            Comparison(tuple({**at, **region} for region in comparison.regions), comparison.weights)
            for comparison in parts
        )

    @classmethod
    def name(cls) -> str:
        """The name that is stored with a claim: ``two_lines`` of ``TwoLines``."""
        return re.sub(r"(?<=.)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def contrast(cls, claim: Claim) -> str:
        """The contrast of a claim in words: ``reg: l1 → l2 at act = gelu``."""
        levels = _levels(claim)
        factors = [f"{name}: {' → '.join(map(visible, sides))}" for name, sides in levels.items() if len(sides) > 1]
        place = cls.shared_levels(claim)
        return cls.joint.join(factors) + (f" at {place}" if place else "")

    @classmethod
    def shared_levels(cls, claim: Claim) -> str:
        """The levels that all sides share: ``act = gelu``."""
        return assignments({name: sides[0] for name, sides in _levels(claim).items() if len(sides) == 1})

    @classmethod
    def fewest_seeds(cls, claim: Claim) -> int:
        """The fewest seeds with a test; of a spread three, since two distances from their median are always equal."""
        return 3 if claim.measure == "spread" else 2

    @classmethod
    def is_refutable(cls, claim: Claim) -> bool:
        """Whether a result could refute it: without a margin, no result shows that there is no difference."""
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
        description='Two levels of each factor, or sets of levels: { width = [[8, 12], [4, 6]], reg = ["l1", "l2"] }.'
    )
    joint = " × "
    meaning = "half the difference between the two effects"

    def comparisons(self, names: Lookup) -> Sequence[Comparison] | None:
        """Half the difference of differences, and so on for more factors; the levels of a set count alike."""
        factors = [name for name in self.interaction if names.factor(("interaction", name), name, key=True)]
        if len(self.interaction) < 2:
            names.fault(("interaction",), "an interaction has at least two factors", "E.g. lr = [0.1, 1.0].")
            return None
        sides: dict[str, list[list[Level]]] = {}
        for name in factors:
            pair = [names.levels_of(("interaction", name, i), name, x) for i, x in enumerate(self.interaction[name])]
            pair_levels = [level for side in pair for level in side or ()]
            if len(pair) != 2 or len(set(pair_levels)) < len(pair_levels):
                names.fault(("interaction", name), f"{name} needs two different levels", 'E.g. reg = ["l1", "l2"].')
            elif all(pair):
                sides[name] = [side for side in pair if side]
        if len(sides) < len(self.interaction):
            return None
        regions, weights = [], []
        for choice in itertools.product((0, 1), repeat=len(sides)):
            chosen = [pair[side] for pair, side in zip(sides.values(), choice, strict=True)]
            weight = math.prod(2 * side - 1 for side in choice) / 2 ** (len(sides) - 1) / math.prod(map(len, chosen))
            for levels in itertools.product(*chosen):
                regions.append(dict(zip(sides, levels, strict=True)))
                weights.append(weight)
        return [Comparison(tuple(regions), tuple(weights))]

    @classmethod
    def contrast(cls, claim: Claim) -> str:
        """The two sides of each factor: ``width: 8, 12 → 4, 6 × reg: l1 → l2 at act = gelu``."""
        (comparison, *_), place = claim.comparisons, cls.shared_levels(claim)
        signed = list(zip(comparison.regions, comparison.weights, strict=True))
        first, sign = signed[0]
        factors = []
        for name in (name for name, levels in _levels(claim).items() if len(levels) > 1):
            along = [one for one in signed if all(one[0][other] == first[other] for other in first if other != name)]
            sides = (
                [region[name] for region, weight in along if (weight * sign > 0) is same] for same in (True, False)
            )
            factors.append(f"{name}: {' → '.join(', '.join(map(visible, side)) for side in sides)}")
        return cls.joint.join(factors) + (f" at {place}" if place else "")


class Trend(Kind):
    """The change over the range of a factor with numbers as levels, by a line fitted to the means."""

    trend: str = Field(description="A factor with numbers as levels, along which the metric rises.")
    spacing: Literal["linear", "log"] = Field(
        "linear", description='What a trend is linear in: the levels ("linear") or their logarithms ("log").'
    )

    def comparisons(self, names: Lookup) -> Sequence[Comparison] | None:
        """The slope times the range."""
        positions = _positions(names, "trend", self.trend, self.spacing, at_least=2)
        return None if positions is None else [_line(self.trend, positions)]


class TwoLines(Kind):
    """A fall and then a rise, or the reverse: a line up to a level, the break, and one from there on.

    The test of Simonsohn (2018), https://doi.org/10.1177/2515245918805755. A quadratic term is no test of a U shape.
    """

    two_lines: str = Field(description='A factor with numbers as levels; with expect = "u_shape" or "inverted_u".')
    spacing: Literal["linear", "log"] = Field(
        "linear", description='What the lines are linear in: the levels ("linear") or their logarithms ("log").'
    )
    up_to: int | float | None = Field(None, description="Without the levels above this number.")
    expects = frozenset({"u_shape", "inverted_u"})
    expects_hint = 'Two lines are expected to make a "u_shape" or an "inverted_u".'
    test = "lines"
    is_order = True
    averages = False

    def comparisons(self, names: Lookup) -> Sequence[Comparison] | None:
        """Two for each level between the ends: the fall up to it and the rise from it, each line's change in all."""
        positions = _positions(names, "two_lines", self.two_lines, self.spacing, at_least=3, up_to=self.up_to)
        if positions is None:
            return None
        ordered = sorted(positions.items(), key=lambda item: item[1])
        comparisons = []
        for at in range(1, len(ordered) - 1):
            rise = _line(self.two_lines, dict(ordered[: at + 1]))
            comparisons.append(Comparison(rise.regions, tuple(-weight for weight in rise.weights)))
            comparisons.append(_line(self.two_lines, dict(ordered[at:])))
        return comparisons

    @classmethod
    def contrast(cls, claim: Claim) -> str:
        """The factor and its range: ``two lines along lambda, 1e-06 to 0.01, at reg = l1``."""
        first, last = claim.comparisons[0].regions[0], claim.comparisons[-1].regions[-1]
        name = next(name for name in first if first[name] != last[name])
        place = assignments({other: level for other, level in first.items() if other != name})
        return f"two lines along {name}, {visible(first[name])} to {visible(last[name])}{place and f', at {place}'}"

    @classmethod
    def fewest_seeds(cls, claim: Claim) -> int:  # noqa: ARG003  whatever is measured
        """Four: two to choose the break, and two others to test both lines."""
        return 4


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
        """The number of comparisons."""
        return f"{len(claim.comparisons)} comparisons in order"

    @classmethod
    def shared_levels(cls, claim: Claim) -> str:  # noqa: ARG003  the sides of an order may differ in anything
        """None, an empty text."""
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
    def shared_levels(cls, claim: Claim) -> str:  # noqa: ARG003  a cell fixes all there is
        """None, an empty text."""
        return ""

    @classmethod
    def fewest_seeds(cls, claim: Claim) -> int:  # noqa: ARG003  whatever is measured
        """Five: ``bench.stats.diagnostics.bimodality`` has no p value for fewer."""
        return 5

    @classmethod
    def is_refutable(cls, claim: Claim) -> bool:  # noqa: ARG003  whatever is expected
        """False: no result shows that runs fall into one group."""
        return False


KINDS: Mapping[str, type[Kind]] = {
    kind.name(): kind for kind in (Difference, Interaction, Trend, TwoLines, Order, Cell)
}
"""The name that is stored with a claim -> its kind."""


def tag(kind: type[Kind]) -> str:
    """The tag of a kind in pydantic's union of kinds; the angle brackets keep it apart from keys in error locations."""
    return f"<{kind.name()}>"


def _tag_of(table: Any) -> str | None:
    """The tag of the first kind of whose keys without a default a table has one."""
    keys = set(table) if isinstance(table, dict) else set()
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


def _positions(
    names: Lookup, key: str, factor: str, spacing: str, *, at_least: int, up_to: float | None = None
) -> Mapping[Level, float] | None:
    """Level of a factor with numbers as levels, ``up_to`` one -> its position on a line; None with a fault."""
    if not names.factor((key,), factor):
        return None
    levels: list[Any] = list(names.levels[factor])
    log = spacing == "log"
    if all(type(level) in (int, float) and (not log or level > 0) for level in levels):
        levels = [level for level in levels if up_to is None or level <= up_to]
        if len(levels) >= at_least:
            return {level: math.log(level) if log else float(level) for level in levels}
    number = {2: "two", 3: "three"}[at_least]
    hint = f'Along a line, a factor has at least {number} levels; for spacing = "log" they are above 0.'
    names.fault((key,), f"the levels of {factor} are not numbers of a trend", hint)
    return None


def _line(factor: str, positions: Mapping[Level, float]) -> Comparison:
    """The change over the range of positions by a line fitted to the means: its slope times the range."""
    middle = sum(positions.values()) / len(positions)
    squares = sum((x - middle) ** 2 for x in positions.values())
    steepness = (max(positions.values()) - min(positions.values())) / squares
    regions = tuple({factor: level} for level in positions)
    return Comparison(regions, tuple((x - middle) * steepness for x in positions.values()))


def _side(names: Lookup, factor: str | None, path: KeyPath, side: Any) -> Region | None:
    """The region of a side: a level of ``factor`` or, without a factor, a table of levels; None with a fault."""
    if factor is not None:
        level = names.level(path, factor, side) if names.factor(("factor",), factor) else None
        return None if level is None else {factor: level}
    if isinstance(side, dict) and side:
        return names.region(path, side)
    names.fault(path, f"{show(side)} is no table of levels", _SIDES)
    return None
