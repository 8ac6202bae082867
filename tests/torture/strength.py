"""How long a torture goes on: until it has done its share, or its time is up."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Strength:
    """``scale`` is the part of the full strength that is wanted, ``until`` the end on the monotonic clock."""

    scale: float
    until: float

    def wants(self, done: int, full: int) -> bool:
        """Whether more than ``done`` is wanted, where ``full`` is the full strength."""
        return done < max(1, round(full * self.scale)) and time.monotonic() < self.until
