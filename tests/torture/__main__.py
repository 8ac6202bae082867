"""The promises of the store at full strength, with figures: ``make torture``, or ``python -m tests.torture fuzz``.

``--scale 0.01`` does a hundredth of everything. Every figure that is printed has been checked on the way.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.torture import damage, disk, executors, fuzz, kills, together
from tests.torture.strength import Strength

TORTURES: Mapping[str, Callable[[Path, Strength], str]] = {
    "truncation": damage.truncation,
    "corruption": damage.corruption,
    "arrays": damage.arrays,
    "disk": disk.full_disk,
    "workers": kills.workers,
    "coordinators": kills.coordinators,
    "together": together.together,
    "executors": executors.executors,
    "fuzz": fuzz.suites,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*TORTURES, []], help=", ".join(TORTURES))
    parser.add_argument("--scale", type=float, default=1.0, help="the part of the full strength (default: all of it)")
    parser.add_argument("--seconds", type=float, default=math.inf, help="after which each begins nothing new")
    options = parser.parse_args()
    for name in options.names or TORTURES:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            figures = TORTURES[name](Path(folder), Strength(options.scale, start + options.seconds))
        print(f"{name}: {figures} ({time.monotonic() - start:.0f} s)", flush=True)  # noqa: T201  a command of its own


if __name__ == "__main__":
    main()
