"""Journals that are cut and corrupted: what is read is what was written, and what is not read is named."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from bench.execute import artefacts, records
from bench.execute.journal import read
from bench.execute.records import encode_record
from tests.torture import subjects
from tests.torture.strength import Strength


def truncation(folder: Path, strength: Strength) -> str:
    """Cut a journal at every byte; every record that ended before the cut is read, and the rest is set aside."""
    subjects.journal(folder / "whole", max(2, round(40 * strength.scale)))
    data = (folder / "whole" / "00001.jsonl").read_bytes()
    ends = {index + 1 for index, byte in enumerate(data) if byte == ord("\n")}
    cut = folder / "cut"
    cut.mkdir()
    records.os.fsync = lambda _: None  # type: ignore[assignment]  # power cuts are not what is tried here
    whole_lines = 0
    for size in range(len(data) + 1):
        whole_lines += size in ends
        (cut / "00001.jsonl").write_bytes(data[:size])
        contents = read(cut)
        assert list(contents.records) == [f"k{number}" for number in range(whole_lines - 1)], size
        assert len(contents.damaged) == (size not in {0, *ends}), size
        records.set_aside(cut, contents.damaged)
        assert read(cut).records == contents.records, size
    return f"cut at each of {len(data) + 1} byte offsets; every earlier record read, every cut said and mended"


def corruption(folder: Path, strength: Strength) -> str:
    """Corrupt a journal at random; each record comes back exactly as it was written, or not at all."""
    lines = {key: encode_record(record) for key, record in subjects.journal(folder, 30).items()}
    segment = folder / "00001.jsonl"
    data = segment.read_bytes()
    choose = random.Random(11)
    tries = lost = silent = 0
    while strength.wants(tries, 10_000):
        tries += 1
        segment.write_bytes(_corrupted(data, choose))
        contents = read(folder)
        for key, record in contents.records.items():
            assert encode_record(record) == lines[key], key
        resumed = read(folder, whole=False)
        assert (set(resumed.settled()), resumed.damaged) == (set(contents.records), contents.damaged)
        lost += len(lines) - len(contents.records)
        silent += len(contents.records) < len(lines) and not contents.damaged
    return (
        f"{tries} corruptions cost {lost} of {tries * len(lines)} records ({silent} times whole lines "
        "and nothing else, which only the plan can miss); no wrong value was read"
    )


def arrays(folder: Path, strength: Strength) -> str:
    """Corrupt stored arrays at random; they are read exactly as they were written, or refused."""
    given = {"decoder": np.arange(600, dtype=np.float32) / 7, "steps": np.arange(40)}
    digest = artefacts.save(folder, artefacts.pack(given))
    (path,) = folder.rglob("*.npz")
    data, choose = path.read_bytes(), random.Random(13)
    tries = refused = 0
    while strength.wants(tries, 10_000):
        tries += 1
        path.write_bytes(_corrupted(data, choose))
        try:
            found = artefacts.read(folder, digest)
        except ValueError:
            refused += 1
        else:
            assert all(found[name].tobytes() == array.tobytes() for name, array in given.items())
    return f"{tries} corruptions of stored arrays, {refused} refused and {tries - refused} without effect"


def _corrupted(data: bytes, choose: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(choose.choice([1, 1, 1, 3, 20])):
        at, size = choose.randrange(len(damaged)), choose.choice([1, 1, 8, 60, 600])
        match choose.randrange(6):
            case 0:
                damaged[at] ^= 1 << choose.randrange(8)
            case 1:
                del damaged[at : at + size]
            case 2:
                damaged[at:at] = damaged[at : at + size]
            case 3:
                damaged[at : at + size] = bytes(size)
            case 4:
                damaged[at : at + size] = choose.randbytes(size)
            case 5:
                other = choose.randrange(len(damaged))
                damaged[at : at + size] = damaged[other : other + size]
        if not damaged:
            return b""
    return bytes(damaged)
