"""What a suite claims and runs -> its seal, and seeds drawn from it: no result can be known before the claims are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from bench.plan.claims import Claim


def seal(claims: Iterable[Claim], cells: Iterable[Mapping[str, Any]], reference: str, version: str) -> str:
    """A hash of what the claims compare and expect (not of their wording), the cells, the experiment and its version.

    ``cells``: of each, the parameters that differ from their defaults. Neither claims nor cells have an order.
    """
    parts = [
        sorted(json.dumps(claim.rules, sort_keys=True) for claim in claims),
        sorted(json.dumps(changed, sort_keys=True) for changed in cells),
        reference,
        version,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def draw_seeds(seal: str, count: int) -> tuple[int, ...]:
    """So many different seeds below 2³¹; more of them begin with the same ones.

    >>> draw_seeds("0" * 40, 2)
    (468457670, 2045668054)
    """
    seeds: dict[int, None] = {}
    number = 0
    while len(seeds) < count:
        drawn = hashlib.sha256(f"{seal}:{number}".encode()).digest()
        seeds[int.from_bytes(drawn[:4], "big") >> 1] = None
        number += 1
    return tuple(seeds)
