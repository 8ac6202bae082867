"""A coordinator to be killed: ``python coordinator.py SUITE OUT [EXECUTOR]``, on two workers, says how it goes."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from bench.errors import BenchError
from bench.execute.coordinate import execute
from bench.execute.run import create
from bench.plan.suite import load


def main() -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell turns off for what it starts with "&"
    sys.path.insert(0, str(Path(__file__).parent))
    suite = load(sys.argv[1])
    try:
        executor = sys.argv[3] if len(sys.argv) > 3 else "local"
        execute(suite, create(suite, Path(sys.argv[2])), workers=2, executor=executor, on_progress=_say)
    except BenchError as error:
        print(error.message, flush=True)  # noqa: T201  a command of its own
        return error.exit_code
    return 0


def _say(done: float, stored: int, total: int, failed: int) -> None:
    print(stored, flush=True)  # noqa: T201  a command of its own


if __name__ == "__main__":
    sys.exit(main())
