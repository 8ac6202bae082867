"""A count, range or list -> seeds; the claims and cells of a suite -> its seal, and seeds that are drawn from it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.errors import BenchError
from bench.plan.claims import Claim
from bench.plan.shape import MAX_SEEDS
from bench.plan.source import show

_SEEDS = f'Give a count ("20"), a range ("0-19") or a list ("3,5,8") of different integers, at most {MAX_SEEDS}.'


def parse_seeds(text: str) -> tuple[int, ...]:
    """``"20"`` -> 0 to 19; ``"5-9"`` -> 5 to 9; ``"3,5,8"`` -> these, and ranges among them.

    Raises:
        BenchError: for anything else.
    """
    if re.fullmatch(r"[0-9]{1,7}", text):
        return check_seeds(int(text))
    seeds: list[int] = []
    for part in text.split(","):
        bounds = re.fullmatch(r" *([0-9]{1,18})(?:-([0-9]{1,18}))? *", part)
        first, last = (int(bounds[1]), int(bounds[2] or bounds[1])) if bounds else (1, 0)
        if not first <= last < first + MAX_SEEDS:
            raise BenchError(f"{show(text)} does not name seeds.", hint=_SEEDS)
        seeds.extend(range(first, last + 1))
    return check_seeds(seeds)


def check_seeds(seeds: int | Sequence[Any]) -> tuple[int, ...]:
    """The seeds 0 to ``seeds`` - 1 of a count, or the seeds themselves.

    Raises:
        BenchError: they are not different integers of at least 0, or too many.
    """
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    are_valid = all(type(seed) is int and 0 <= seed < 2**63 for seed in numbers)
    if not (are_valid and 0 < len(numbers) <= MAX_SEEDS and len(set(numbers)) == len(numbers)):
        raise BenchError(f"The seeds {show(seeds)} are not different integers of at least 0.", hint=_SEEDS)
    return numbers


def seal(claims: Iterable[Claim], cells: Iterable[Mapping[str, Any]], reference: str, version: str) -> str:
    """A hash of what the claims compare and expect (not of their wording), the cells, the experiment and its version.

    ``cells``: for each, the parameters that differ from their defaults. Neither claims nor cells have an order.
    """
    parts = [
        sorted(json.dumps(claim.rules, sort_keys=True) for claim in claims),
        sorted(json.dumps(params, sort_keys=True) for params in cells),
        reference,
        version,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def draw_seeds(seal: str, count: int) -> tuple[int, ...]:
    """``count`` different seeds below 2³¹; a larger count begins with the same ones.

    >>> draw_seeds("0" * 40, 2)
    (468457670, 2045668054)
    """
    seeds: dict[int, None] = {}
    number = 0
    while len(seeds) < count:
        digest = hashlib.sha256(f"{seal}:{number}".encode()).digest()
        seeds[int.from_bytes(digest[:4], "big") >> 1] = None
        number += 1
    return tuple(seeds)
