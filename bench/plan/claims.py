"""What a suite claims before it is run: each claim as data, ready to be judged without the file it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from bench.plan.levels import Level

Expect = Literal["increase", "decrease", "difference", "equivalent", "bimodal", "u_shape", "inverted_u"]
Region = Mapping[str, Level]
"""Some factors at a level each; every combination of the other factors counts alike. All factors make it a cell."""


@dataclass(frozen=True)
class Comparison:
    """A weighted sum of the means of regions; a claim states its sign, or that it is small."""

    regions: tuple[Region, ...]
    weights: tuple[float, ...]
    """One for each region."""

    @property
    def fixed(self) -> frozenset[str]:
        """The factors that some region fixes; the comparison is averaged over all others."""
        return frozenset(name for region in self.regions for name in region)


def changed_factors(comparison: Comparison) -> tuple[str, ...]:
    """The factors in which the two sides of a difference are not at the same level."""
    first, second = comparison.regions
    return tuple(name for name in first if first[name] != second[name])


@dataclass(frozen=True)
class Claim:
    """A statement about a metric, with the comparisons that decide it and the result that supports it."""

    id: str
    statement: str
    """The claim as a sentence."""
    metric: str
    kind: str
    """One of ``bench.plan.kinds.KINDS``."""
    comparisons: tuple[Comparison, ...]
    """One; of an order, one for each pair of neighbours, later minus earlier; of two lines, two for each break."""
    expect: Expect
    measure: Literal["mean", "spread"] = "mean"
    """What is compared: means of runs, or of their distances from the median of their cell."""
    scale: Literal["identity", "log"] = "identity"
    margin: float | None = None
    """The smallest effect that matters, in the metric's unit; if ``relative``, a fraction of its mean."""
    relative: bool = False
    credited_to: str = ""
    """The factor to which a difference was credited, where the two sides differ in more than one."""
    gate: bool = False
    """Whether the report's exit code is 1 if the claim is refuted or immaterial."""
    published: Mapping[str, Any] = field(default_factory=dict)
    """Figures as they were printed elsewhere, by name."""
    label: str = ""
    """The claim in at most 40 characters, for tables and figures; empty for none."""
    headline: bool = False
    """Whether a report opens with it."""

    @property
    def rules(self) -> Mapping[str, Any]:
        """The fields that decide the verdict: all but the id, the wording, and those in ``_OUTSIDE``."""
        return self._fields_without("id", "statement", *_OUTSIDE)

    @property
    def digest(self) -> str:
        """A hash of id, statement and rules; published figures, the gate and the label are no part of it."""
        fields = self._fields_without(*_OUTSIDE)
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:20]

    def _fields_without(self, *names: str) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name not in names}


_OUTSIDE = ("published", "gate", "credited_to", "label", "headline")
"""Fields that neither decide the verdict nor word the claim."""


def claims_to_decide(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """The claims whose decision a sequential run waits for: those that gate, or all if none does."""
    return tuple(claim for claim in claims if claim.gate) or tuple(claims)
