"""``python -m polysem.kernel`` compiles the kernel ahead of its first use, and says what it is."""

from __future__ import annotations

import sys

from polysem.kernel import KNOWN_ANSWER, choose
from polysem.kernel.build import library


def main() -> str | None:
    """Build the best library that this CPU can run; a message if there is none, else nothing."""
    choice = choose()
    if choice.kernel:
        sys.stdout.write(f"{library(choice.instructions)}: {choice.instructions}, answers {KNOWN_ANSWER} as it must\n")
        return None
    return f"No kernel: {choice.why_not}."


if __name__ == "__main__":
    sys.exit(main())
