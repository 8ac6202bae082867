"""Suites that are mutated at random: each is loaded or refused in words, and nothing else is ever raised."""

from __future__ import annotations

import random
from pathlib import Path

from bench.errors import BenchError
from bench.plan.source import SuiteError
from bench.plan.suite import load
from tests.torture.strength import Strength

ROOT = Path(__file__).parents[2]
TOKENS = (
    *b"' \" ''' [ ] [[ ]] { } = . , # .. nan -inf 1e999 0x -1 true 1979-05-27 \\u0000 seeds params factors".split(),
    *b'cells experiment margin "5%" [metrics.loss] [claims] \0 \xff \xf0\x9f\x98\x80 \xed\xa0\x80'.split(b" "),
    *(b"\n", b"\r\n", b"9" * 30),
)


def suites(folder: Path, strength: Strength) -> str:
    """Load 100,000 mutants of the suites of this repository."""
    originals = [path.read_bytes() for path in sorted([*ROOT.glob("suites/*.toml"), *ROOT.glob("suites/*/*.toml")])]
    choose, path = random.Random(17), folder / "mutant.toml"
    tries = valid = faults = 0
    while strength.wants(tries, 100_000):
        tries += 1
        mutant = _mutant(originals, choose)
        path.write_bytes(mutant)
        try:
            load(path)
            valid += 1
        except SuiteError as error:
            faults += len(error.faults)
        except BenchError:
            faults += 1
        except BaseException:
            print(repr(mutant))  # noqa: T201  whoever mends this needs it
            raise
    return (
        f"{tries} mutants of {len(originals)} suites: {valid} valid, {tries - valid} refused with {faults} faults, "
        "no traceback"
    )


def _mutant(originals: list[bytes], choose: random.Random) -> bytes:
    mutant = bytearray(choose.choice(originals))
    for _ in range(choose.choice([1, 1, 2, 5, 20])):
        at, size = choose.randrange(len(mutant) + 1), choose.choice([1, 2, 10, 50])
        match choose.randrange(6):
            case 0:
                del mutant[at : at + size]
            case 1:
                mutant[at:at] = choose.choice(TOKENS)
            case 2:
                mutant[at : at + size] = choose.choice(TOKENS)
            case 3:
                mutant[at : at + size] = choose.randbytes(size)
            case 4:
                lines = bytes(mutant).split(b"\n")
                lines.insert(choose.randrange(len(lines) + 1), choose.choice(lines))
                mutant = bytearray(b"\n".join(lines))
            case 5:
                other = choose.choice(originals)
                start = choose.randrange(len(other))
                mutant[at : at + size] = other[start : start + size]
    return bytes(mutant)
