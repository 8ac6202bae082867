"""The journal gives back exactly what was stored, or says what it cannot."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import math
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError, Exit
from bench.execute.journal import Damage, Journal, mend, read, settled
from bench.execute.records import Record, decode, decode_record, encode, encode_record
from bench.execute.storage import locked

BASE = Record(
    key="k0", levels={"act": "relu", "width": 32, "tied": True, "rate": 0.1}, seed=3, status="ok",
    metrics={"loss": 0.1 + 0.2, "score": math.nan, "best": math.inf, "worst": -math.inf},
    notes={"score": "nothing “to” score\n"}, reason="", seconds=0.25, batch=1, batch_size=4, attempt=1,
    host="here", environment="e1",
)  # fmt: skip


def record(number: int, **changes: object) -> Record:
    metrics = {**BASE.metrics, "loss": number / 7}
    return dataclasses.replace(BASE, **{"key": f"k{number}", "seed": number, "metrics": metrics, **changes})


def write(folder: Path, *records: Record) -> None:
    with Journal(folder, {"host": "here"}) as journal:
        for entry in records:
            journal.append([entry])


def same(one: Record, other: Record) -> bool:
    return encode_record(one) == encode_record(other)


@given(
    st.builds(
        Record,
        key=st.text(),
        levels=st.dictionaries(st.text(), st.text() | st.booleans() | st.integers() | st.floats(allow_nan=False)),
        seed=st.integers(0, 2**63 - 1),
        status=st.sampled_from(["ok", "diverged", "failed", "lost"]),
        metrics=st.dictionaries(st.text(), st.floats()),
        notes=st.dictionaries(st.text(), st.text()),
        reason=st.text(st.characters()),
        seconds=st.floats(),
        batch=st.integers(),
        batch_size=st.integers(),
        attempt=st.integers(),
        host=st.text(),
        environment=st.text(),
    )
)
def test_records_round_trip_to_the_bit(stored: Record) -> None:
    """A record comes back with the same bits in every float, on one line of strict JSON without null."""
    line = encode_record(stored)
    back = decode_record(decode(line[:-1]))
    assert line.count(b"\n") == 1
    assert b"null" not in encode_record(dataclasses.replace(stored, key="", levels={}, notes={}, reason="", host=""))
    json.loads(line, parse_constant=pytest.fail)
    bits = [(name, value.hex()) for name, value in stored.metrics.items()]
    assert [(name, value.hex()) for name, value in back.metrics.items()] == bits
    assert encode_record(back) == line


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "fine"), ("seed", "3"), ("seed", True), ("metrics", {"loss": None}), ("metrics", {"loss": "0.5"}),
        ("metrics", {"loss": 1}), ("metrics", [1.0]), ("key", 7), ("levels", None), ("seconds", "soon"),
    ],
)  # fmt: skip
def test_a_line_with_a_good_checksum_is_still_checked(field: str, value: object) -> None:
    """A line that bench did not write is refused even where its checksum is right."""
    content = {**decode(encode_record(BASE)[:-1]), field: value}
    del content["kind"], content["schema"]
    line = encode("record", content)
    with pytest.raises(ValueError, match=field if field != "metrics" else "loss|metrics"):
        decode_record(decode(line[:-1]))


@pytest.mark.parametrize("inside", [b"[" * 100_000, b"NaN", b"1" * 5000, b"1e999", b"{", b"\xff"])
def test_hostile_json_is_refused(inside: bytes) -> None:
    """JSON that is nested without end, not JSON, or has numbers beyond all bounds is a damaged line, not a crash."""
    body = b'{"kind":"record","schema":1,"seconds":' + inside
    checksum = hashlib.blake2b(body + b"}", digest_size=8).hexdigest()
    with pytest.raises(ValueError, match=r".+"):
        decode_record(decode(body + f',"checksum":"{checksum}"}}'.encode()))


def test_other_schema_versions_are_not_read_as_this_one() -> None:
    """A line of another schema version is set aside, whatever it holds."""
    body = encode_record(BASE)[:-1].replace(b'"schema":1', b'"schema":2')
    with pytest.raises(ValueError, match="checksum"):
        decode(body)


def test_truncation_at_every_byte_keeps_every_earlier_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut anywhere, a journal still gives every record that ended before the cut, and the cut is said and mended."""
    monkeypatch.setattr("bench.execute.journal.os.fsync", lambda _: None)
    write(tmp_path / "whole", *[record(number) for number in range(3)])
    (segment,) = (tmp_path / "whole").iterdir()
    data = segment.read_bytes()
    ends = [index + 1 for index, byte in enumerate(data) if byte == ord("\n")]
    folder = tmp_path / "cut"
    folder.mkdir()
    for size in range(len(data) + 1):
        (folder / segment.name).write_bytes(data[:size])
        whole_lines = sum(end <= size for end in ends)
        contents = read(folder)
        assert list(contents.records) == [f"k{number}" for number in range(whole_lines - 1)]
        is_torn = size not in (0, *ends)
        assert [damage.line for damage in contents.damaged] == ([whole_lines + 1] if is_torn else [])
        assert len(mend(folder)) == is_torn
        assert (folder / segment.name).stat().st_size == max([0, *(end for end in ends if end <= size)])
        assert not read(folder).damaged


def test_a_new_segment_is_never_glued_to_a_torn_one(tmp_path: Path) -> None:
    """What is appended after a torn tail is read whole."""
    write(tmp_path, record(0), record(1))
    (segment,) = tmp_path.iterdir()
    segment.write_bytes(segment.read_bytes()[:-9])
    assert mend(tmp_path) == [Damage("00001.jsonl", 0, mend_reason(segment, record(1)))]
    write(tmp_path, record(1), record(2))
    contents = read(tmp_path)
    assert list(contents.records) == ["k0", "k1", "k2"]
    assert not contents.damaged
    assert len(contents.sessions) == 2


def mend_reason(segment: Path, last: Record) -> str:
    return f"torn: its last {len(encode_record(last)) - 9} bytes have been cut off"


def test_random_damage_is_found_and_never_read_as_data(tmp_path: Path) -> None:
    """Bytes flipped, dropped, doubled or zeroed: each record comes back exactly or not at all, and damage is said."""
    originals = {f"k{number}": record(number) for number in range(8)}
    write(tmp_path, *originals.values())
    (segment,) = tmp_path.iterdir()
    data = segment.read_bytes()
    choose = random.Random(7)
    for _ in range(600):
        damaged = bytearray(data)
        at, size = choose.randrange(len(data)), choose.randint(1, 40)
        match choose.randrange(4):
            case 0:
                damaged[at] ^= 1 << choose.randrange(8)
            case 1:
                del damaged[at : at + size]
            case 2:
                damaged[at:at] = damaged[at : at + size]
            case 3:
                damaged[at : at + size] = bytes(size)
        if bytes(damaged) == data:
            continue
        segment.write_bytes(damaged)
        contents = read(tmp_path)
        assert all(same(found, originals[key]) for key, found in contents.records.items())
        lost = len(originals) - len(contents.records)
        whole_lines_gone = lost and damaged == data[:at] + data[at + size :] and not contents.damaged
        assert contents.damaged or not lost or whole_lines_gone
        assert settled(tmp_path) == (set(contents.records), list(contents.damaged))


def test_repeated_jobs(tmp_path: Path) -> None:
    """Equal repeats are dropped, an outcome supersedes a failure (not the reverse), different outcomes are an alarm."""
    write(
        tmp_path,
        record(0), record(0, seconds=9.0, host="there"),
        record(1, status="failed", metrics={}, reason="no"), record(1, status="lost", metrics={}), record(1),
        record(2, status="diverged"), record(2, status="failed", metrics={}),
        record(3), record(3, metrics={"loss": 1.0}),
    )  # fmt: skip
    contents = read(tmp_path)
    assert [entry.status for entry in contents.records.values()] == ["ok", "ok", "diverged", "ok"]
    ((first, second),) = [(alarm.first, alarm.second) for alarm in contents.alarms]
    assert same(first, record(3))
    assert second.metrics == {"loss": 1.0}
    assert same(contents.records["k3"], first)
    assert settled(tmp_path)[0] == {"k0", "k1", "k2", "k3"}


def test_only_regular_segments_are_read(tmp_path: Path) -> None:
    """Links, pipes and other files in the folder are not followed, opened or taken for results."""
    write(tmp_path / "elsewhere", record(0))
    folder = tmp_path / "journal"
    write(folder, record(1))
    (folder / "00002.jsonl").symlink_to(tmp_path / "elsewhere" / "00001.jsonl")
    os.mkfifo(folder / "00003.jsonl")
    (folder / "notes.txt").write_text("{}")
    assert list(read(folder).records) == ["k1"]


def test_an_unreadable_segment_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails while reading is an error that names the file."""
    write(tmp_path, record(0))

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(BenchError, match=r"00001\.jsonl cannot be read"):
        read(tmp_path)


@pytest.mark.parametrize("written", [0, 1, 100])
def test_a_full_disk_keeps_what_was_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int) -> None:
    """When the disk is full in the middle of a line, the error says so and every record before it is readable."""
    journal = Journal(tmp_path, {})
    journal.append([record(0)])
    full = iter([written])

    def write_until_full(descriptor: int, data: memoryview) -> int:
        if (room := next(full, 0)) == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:room])

    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr("bench.execute.journal.os.write", write_until_full)
        with pytest.raises(BenchError, match="No space left") as raised:
            journal.append([record(1)])
    assert raised.value.exit_code is Exit.RUNS_FAILED
    assert "Free some space" in raised.value.hint
    journal.append([record(2)])
    journal.close()
    contents = read(tmp_path)
    assert list(contents.records) == ["k0", "k2"]
    assert not contents.damaged


def test_everything_reaches_the_disk_within_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was appended is synced in time without any further call, the rest by closing; a failed sync is raised."""
    synced: list[int] = []
    monkeypatch.setattr("bench.execute.journal.os.fsync", lambda fd: synced.append(os.fstat(fd).st_size))
    journal = Journal(tmp_path, {}, sync_every=0.05)
    journal.append([record(0)])
    journal.append([record(1)])
    size = (tmp_path / "00001.jsonl").stat().st_size
    deadline = time.monotonic() + 5
    while synced[-1:] != [size] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert synced[-1] == size
    journal.append([record(2)])
    journal.close()
    assert synced[-1] == (tmp_path / "00001.jsonl").stat().st_size

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("bench.execute.journal.os.fsync", fail)
    with pytest.raises(BenchError, match="cannot be written"), Journal(tmp_path / "..", {}) as failing:
        failing.append([record(3)])


def test_a_second_writer_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    """The second writer is told the PID and host of the first; once that is killed the folder is free."""
    script = (
        "import sys; from pathlib import Path; from bench.execute.storage import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(BenchError, match=f"process {holder.pid} on {os.uname().nodename}"), locked(tmp_path):
            pass
        holder.kill()
    with locked(tmp_path):
        pass


def test_reading_and_appending_are_quick_enough(tmp_path: Path) -> None:
    """A record takes less than 100 µs to append and less than 30 µs to read (four times that on a busy machine)."""
    records = [record(number) for number in range(5_000)]
    start = time.process_time()
    with Journal(tmp_path, {}) as journal:
        for first in range(0, len(records), 100):
            journal.append(records[first : first + 100])
    appended = time.process_time()
    assert len(read(tmp_path).records) == len(records)
    assert appended - start < 4 * 100e-6 * len(records)
    assert time.process_time() - appended < 4 * 30e-6 * len(records)
