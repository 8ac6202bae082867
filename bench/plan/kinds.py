"""The kinds of contrast that a claim may be about: how each is written, what it compares, how it is tested and told.

A new kind is a class here with its instance in ``KINDS``, and its keys in ``ContrastTable``; nothing else asks for a
kind by its name.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.errors import BenchError
from bench.plan.claims import Claim, Comparison
from bench.plan.labels import cell_label, listed, visible
from bench.plan.levels import Level

if TYPE_CHECKING:
    from bench.plan.claim_check import Contrast

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)
"""Of the tables of a suite: no key that is unknown, nothing converted."""
CONTRASTS = (
    'Give from and to (levels of a factor, or tables of levels); or interaction = { a = ["from", "to"], b = […] }; '
    "or trend = FACTOR; or order = [LEVEL, …]; or cell = { … }."
)


class ContrastTable(BaseModel):
    """What a claim compares: ``from`` and ``to``, or one of ``interaction``, ``trend``, ``order`` and ``cell``."""

    model_config = STRICT

    factor: str | None = Field(None, description="The factor whose levels from and to (or order) name.")
    from_: Any = Field(None, alias="from", description="A level of factor, or a table of levels: the earlier side.")
    to: Any = Field(None, description="A level of factor, or a table of levels: the later side, less the earlier.")
    at: dict[str, Any] = Field({}, description='Levels of other factors that hold everywhere: { act = "gelu" }.')
    interaction: dict[str, list[Any]] | None = Field(
        None, description='Two levels of each of its factors: { init = ["random", "orthogonal"], reg = ["l1", "l2"] }.'
    )
    trend: str | None = Field(None, description="A factor with numbers as levels, along which the metric rises.")
    spacing: Literal["linear", "log"] = Field(
        "linear", description='What a trend is linear in: the levels ("linear") or their logarithms ("log").'
    )
    order: list[Any] | None = Field(
        None, description="Levels of factor, or tables of levels (or lists of these), each above the one before it."
    )
    cell: dict[str, Any] | None = Field(None, description="A level of each factor: the cell whose runs are looked at.")


class Kind(ABC):
    """A kind of contrast. What it does not say of itself is so for a weighted sum of means, tested by t."""

    needs: ClassVar[frozenset[str]]
    """The keys that make a contrast one of this kind."""
    may: ClassVar[frozenset[str]] = frozenset({"at"})
    """Those that it may have besides."""
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
    def comparisons(self, given: Contrast) -> Sequence[Comparison] | None:
        """What a contrast of this kind compares; None where a fault was reported."""

    def contrast(self, claim: Claim) -> str:
        """What a claim compares, as people read it: ``reg: l1 → l2 at act = gelu``."""
        levels = _levels(claim)
        varied = [f"{name}: {' → '.join(map(visible, taken))}" for name, taken in levels.items() if len(taken) > 1]
        held = self.held(claim)
        return self.joint.join(varied) + (f" at {held}" if held else "")

    def held(self, claim: Claim) -> str:
        """Where it is compared: the levels that all sides share, ``act = gelu``."""
        return listed({name: taken[0] for name, taken in _levels(claim).items() if len(taken) == 1})

    def fewest_seeds(self, claim: Claim) -> int:
        """Without so many nothing varies that could be tested: two distances from their median are equal."""
        return 3 if claim.measure == "spread" else 2

    def is_refutable(self, claim: Claim) -> bool:
        """Whether anything could refute it: without a margin, it is never shown that there is no difference."""
        return claim.expect != "difference" or claim.margin is not None


class Difference(Kind):
    """One side less another."""

    needs = frozenset({"from", "to"})
    may = frozenset({"factor", "at"})
    is_difference = True
    joint = " and "

    def comparisons(self, given: Contrast) -> Sequence[Comparison] | None:
        """Later less earlier."""
        first, second = (given.side((name,), given.table[name]) for name in ("from", "to"))
        if first is None or second is None:
            return None
        if first.keys() != second.keys() or first == second:
            given.report(("to",), "from and to must differ in levels of the same factors", "Name each factor in both.")
            return None
        return [Comparison((first, second), (-1.0, 1.0))]


class Interaction(Kind):
    """How one factor's effect depends on others."""

    needs = frozenset({"interaction"})
    joint = " × "
    meaning = "half the difference between the two effects"

    def comparisons(self, given: Contrast) -> Sequence[Comparison] | None:
        """Half the difference of differences, and so on for more factors."""
        pairs = given.table["interaction"]
        known = [given.factor(("interaction", name), name, key=True) for name in pairs]
        if len(pairs) < 2:
            given.report(("interaction",), "an interaction has at least two factors", CONTRASTS)
            return None
        levels: dict[str, list[Any]] = {}
        for name in filter(None, known):
            pair = pairs[name]
            found = [given.level(("interaction", name, index), name, value) for index, value in enumerate(pair)]
            if len(pair) != 2 or found[0] == found[1]:
                given.report(("interaction", name), f"{name} needs two different levels", 'E.g. reg = ["l1", "l2"].')
            elif None not in found:
                levels[name] = found
        if len(levels) < len(pairs):
            return None
        regions, weights = [], []
        for choice in itertools.product((0, 1), repeat=len(levels)):
            regions.append({name: pair[side] for (name, pair), side in zip(levels.items(), choice, strict=True)})
            weights.append(math.prod(2 * side - 1 for side in choice) / 2 ** (len(levels) - 1))
        return [Comparison(tuple(regions), tuple(weights))]


class Trend(Kind):
    """The change over the range of a factor with numbers as levels, by a line fitted to the means."""

    needs = frozenset({"trend"})
    may = frozenset({"spacing", "at"})

    def comparisons(self, given: Contrast) -> Sequence[Comparison] | None:
        """The slope times the range."""
        name = given.factor(("trend",), given.table["trend"])
        if name is None:
            return None
        levels: list[Any] = list(given.reader.levels[name])
        log = given.table.get("spacing") == "log"
        if len(levels) < 2 or not all(type(level) in (int, float) and (not log or level > 0) for level in levels):
            hint = 'Along a trend, a factor has at least two levels; for spacing = "log" they are above 0.'
            given.report(("trend",), f"the levels of {name} are not numbers of a trend", hint)
            return None
        position = [math.log(level) if log else float(level) for level in levels]
        middle = sum(position) / len(position)
        steepness = (max(position) - min(position)) / sum((x - middle) ** 2 for x in position)
        weights = tuple((x - middle) * steepness for x in position)
        return [Comparison(tuple({name: level} for level in levels), weights)]


class Order(Kind):
    """Every step of a list goes the same way."""

    needs = frozenset({"order"})
    may = frozenset({"factor", "at"})
    expects = frozenset({"increase", "decrease"})
    expects_hint = 'An order is expected to "increase" or to "decrease" along the list.'
    is_order = True
    averages = False
    detail = "the weakest comparison: {}"

    def comparisons(self, given: Contrast) -> Sequence[Comparison] | None:
        """One for each pair of neighbours, later less earlier."""
        groups = []
        for index, place in enumerate(given.table["order"]):
            sides = list(enumerate(place)) if isinstance(place, list) else [(None, place)]
            paths = [("order", index) if inner is None else ("order", index, inner) for inner, _ in sides]
            groups.append([given.side(path, side) for path, (_, side) in zip(paths, sides, strict=True)])
        if any(region is None for group in groups for region in group):
            return None
        if len(groups) < 2 or not all(groups):
            given.report(("order",), "an order has at least two places", CONTRASTS)
            return None
        pairs = [pair for lower, upper in itertools.pairwise(groups) for pair in itertools.product(lower, upper)]
        return [Comparison((low, high), (-1.0, 1.0)) for low, high in pairs if low is not None and high is not None]

    def contrast(self, claim: Claim) -> str:
        """How many comparisons there are."""
        return f"{len(claim.comparisons)} comparisons in order"

    def held(self, claim: Claim) -> str:  # noqa: ARG002  the sides of an order may differ in anything
        """Nothing."""
        return ""


class Cell(Kind):
    """Whether the runs of one cell fall into two groups."""

    needs = frozenset({"cell"})
    may = frozenset()
    expects = frozenset({"bimodal"})
    test = "groups"
    averages = False

    def comparisons(self, given: Contrast) -> Sequence[Comparison] | None:
        """The cell by itself."""
        region = given.region(("cell",), given.table["cell"])
        factors = given.reader.levels
        if region is not None and len(region) < len(factors):
            hint = f"A cell has a level of each factor: {', '.join(factors)}."
            given.report(("cell",), "this is not one cell", hint)
            return None
        return None if region is None else [Comparison((region,), (1.0,))]

    def contrast(self, claim: Claim) -> str:
        """The name of the cell."""
        return cell_label(claim.comparisons[0].regions[0].values())

    def held(self, claim: Claim) -> str:  # noqa: ARG002  a cell fixes all there is
        """Nothing."""
        return ""

    def fewest_seeds(self, claim: Claim) -> int:  # noqa: ARG002  whatever is measured
        """Fewer values always split into two groups as well as normal ones do."""
        return 5

    def is_refutable(self, claim: Claim) -> bool:  # noqa: ARG002  whatever is expected
        """That runs fall into no groups is never shown."""
        return False


KINDS: Mapping[str, Kind] = {
    "difference": Difference(),
    "interaction": Interaction(),
    "trend": Trend(),
    "order": Order(),
    "cell": Cell(),
}
"""By the name that is stored with a claim."""


def kind_of(claim: Claim) -> Kind:
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
