"""The journal gives back exactly what was stored, or says what it cannot."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import math
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import bench
from bench.errors import BenchError, Exit
from bench.execute.coordinate import execute
from bench.execute.journal import Journal, read
from bench.execute.records import Record, decode, encode, encode_record, set_aside
from bench.execute.results import wide
from bench.execute.run import create
from bench.execute.storage import locked
from tests.conftest import Commands
from tests.execute.conftest import MakeSuite

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
        reason=st.text(),
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
    back = decode(line[:-1])
    assert line.count(b"\n") == 1
    numbers = {f"m{index}": value for index, value in enumerate(stored.metrics.values())}
    words = {"key": "", "levels": {}, "notes": {}, "reason": "", "host": "", "environment": ""}
    assert b"null" not in encode_record(dataclasses.replace(stored, metrics=numbers, **words))
    json.loads(line, parse_constant=pytest.fail)
    bits = [(name, value.hex()) for name, value in stored.metrics.items()]
    assert [(name, value.hex()) for name, value in back.metrics.items()] == bits
    assert encode_record(back) == line


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "fine"), ("seed", "3"), ("seed", True), ("metrics", {"loss": None}), ("metrics", {"loss": "many"}),
        ("metrics", [1.0]), ("key", 7), ("levels", None), ("seconds", "soon"), ("artefact", "../../etc"),
    ],
)  # fmt: skip
def test_a_line_with_a_good_checksum_is_still_checked(field: str, value: object) -> None:
    """A line that bench did not write is refused even where its checksum is right."""
    for schema in (1, 2):
        line = encode("record", {"schema": schema, **dataclasses.asdict(BASE), "metrics": {}, field: value})
        with pytest.raises(ValueError, match=f"^{field}"):
            decode(line[:-1])


@pytest.mark.parametrize("inside", [b"[" * 100_000, b"NaN", b"1" * 5000, b"1e999", b"{", b"\xff"])
def test_hostile_json_is_refused(inside: bytes) -> None:
    """JSON that is nested without end, not JSON, or has numbers beyond all bounds is a damaged line, not a crash."""
    with pytest.raises(ValueError, match=r".+"):
        decode(sealed(b'{"kind":"record","schema":2,"seconds":' + inside))


def sealed(body: bytes) -> bytes:
    """A line whose checksum is right, whatever it holds."""
    checksum = hashlib.blake2b(body + b"}", digest_size=8).hexdigest()
    return body + f',"checksum":"{checksum}"}}'.encode()


def test_a_newer_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A line of a later schema version is neither read nor taken for damage: updating bench is what helps."""
    write(tmp_path, record(0))
    (segment,) = tmp_path.iterdir()
    with segment.open("ab") as file:
        file.write(sealed(b'{"kind":"record","schema":3,"more":1') + b"\n")
    with pytest.raises(BenchError, match=r"00001\.jsonl was written by a newer bench \(schema version 3") as raised:
        read(tmp_path)
    assert "Update bench" in raised.value.hint


STORED = Path(__file__).parent / "stored_schema_1"


def test_a_journal_of_schema_1_is_read_and_goes_on(tmp_path: Path, make_suite: MakeSuite) -> None:
    """What an earlier bench stored has the numbers of today's to the bit, NaN and infinities too, and is not rerun."""
    shutil.copytree(STORED / "run_json_2", tmp_path / "out" / "old")
    before = bench.load("old", out=tmp_path / "out", wide=True, all_values=True)
    factors = {"kind": ["fine", "nan", "infinite", "diverges", "raises"], "size": [1, 2]}
    suite = make_suite("LOOP", factors, seeds=2, name="old", folder="")
    tally = execute(suite, create(suite, tmp_path / "out"), executor="serial")
    assert (tally.stored_before, tally.ok + tally.diverged, tally.failed) == (16, 0, 4)
    anew = create(suite, tmp_path / "anew")
    execute(suite, anew, executor="serial")
    assert_frame_equal(before, wide(anew), check_exact=True)
    assert_frame_equal(bench.load("old", out=tmp_path / "out", wide=True, all_values=True), before, check_exact=True)


def test_what_an_earlier_bench_stored_is_exported_as_it_did(tmp_path: Path, command: Commands) -> None:
    """All 160 runs of the full factorial that commit d4560a3 stored are, to the byte, what that commit exported.

    Its bench was given the values of today's experiment, so that ``make torture`` can hold every executor to the table.
    """
    shutil.copytree(STORED / "full_factorial", tmp_path / "full_factorial")
    expected = (STORED / "full_factorial.csv").read_text()
    assert command("export", "full_factorial", "--wide", "--out", tmp_path)[:2] == (0, expected)


def test_a_plan_of_schema_1_is_read(tmp_path: Path) -> None:
    """Reading a run whose keys were made otherwise writes nothing and finds every result, by the keys of then."""
    shutil.copytree(STORED / "run_json_1", tmp_path / "keys")
    files = {path: path.read_bytes() for path in (tmp_path / "keys").rglob("*") if path.is_file()}
    assert list(bench.load("keys", out=tmp_path)["value"]) == [1, 3, 15, 17, 1.125, 3.125, 15.125, 17.125]
    assert {path: path.read_bytes() for path in (tmp_path / "keys").rglob("*") if path.is_file()} == files


def test_what_is_no_text_is_stored_as_text() -> None:
    """Halves of characters, which file names and host names may hold, are replaced wherever they stand."""
    odd = dataclasses.replace(
        BASE, reason="a\ud800b", notes={"\udc80": "\udfff"}, host="h\udcff", levels={"x": "\ud900"}
    )
    back = decode(encode_record(odd)[:-1])
    assert (back.reason, back.notes, back.host, back.levels) == ("a?b", {"?": "?"}, "h?", {"x": "?"})


def test_truncation_at_every_byte_keeps_every_earlier_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut anywhere, a journal still gives every record that ended before the cut; the rest is said and set aside."""
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
        set_aside(folder, contents.damaged)
        whole = max([0, *(end for end in ends if end <= size)])
        assert (folder / segment.name).read_bytes() == data[:whole]
        if is_torn:
            aside = folder / "damaged" / segment.name
            assert aside.read_bytes() == data[whole:size]
            aside.unlink()
        assert not read(folder).damaged


def test_damaged_lines_are_set_aside_once(tmp_path: Path) -> None:
    """Damaged lines go to a file of their own byte for byte, all others stay, and they are reported no longer."""
    write(tmp_path, *map(record, range(4)))
    write(tmp_path, record(4))
    first, second = sorted(tmp_path.iterdir())
    lines = first.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"ok", b"OK")
    lines[4] = lines[4][:-9]
    first.write_bytes(b"".join(lines))
    before = second.read_bytes()
    contents = read(tmp_path)
    assert [(damage.segment, damage.line) for damage in contents.damaged] == [(first.name, 3), (first.name, 5)]
    set_aside(tmp_path, contents.damaged)
    assert (tmp_path / "damaged" / first.name).read_bytes() == lines[2] + lines[4]
    assert first.read_bytes() == lines[0] + lines[1] + lines[3]
    assert second.read_bytes() == before
    assert list(tmp_path.glob(".*")) == []
    again = read(tmp_path)
    assert again.records == contents.records
    assert not again.damaged
    write(tmp_path, record(1), record(3))
    assert set(read(tmp_path).records) == {f"k{number}" for number in range(5)}


@pytest.mark.parametrize("step", ["os.fsync", "sync_folder", "Path.replace"])
def test_setting_aside_loses_nothing_when_it_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whichever step fails, every good record is still read, and the damaged bytes are still somewhere."""
    write(tmp_path, *map(record, range(3)))
    (segment,) = tmp_path.iterdir()
    good = segment.read_bytes()
    segment.write_bytes(good.replace(b'"k1"', b'"k8"'))
    found = read(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(f"bench.execute.records.{step}", fail)
        with pytest.raises(BenchError, match="No space left"):
            set_aside(tmp_path, found.damaged)
    assert read(tmp_path).records == found.records
    assert any(b'"k8"' in path.read_bytes() for path in tmp_path.rglob("*.jsonl"))


def test_links_in_the_journal_lead_nowhere(tmp_path: Path) -> None:
    """A link where damaged lines would go is an error, one in the place of the new segment goes: nothing is lost."""
    folder = tmp_path / "journal"
    write(folder, record(0), record(1))
    segment = folder / "00001.jsonl"
    segment.write_bytes(segment.read_bytes()[:-5])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("thesis")
    (folder / "damaged").symlink_to(elsewhere)
    (folder / ".00001.jsonl.new").symlink_to(elsewhere / "precious")
    with pytest.raises(BenchError, match="damaged cannot be written: it is a link"):
        set_aside(folder, read(folder).damaged)
    (folder / "damaged").unlink()
    (folder / "damaged").mkdir()
    os.link(elsewhere / "precious", folder / "damaged" / "00001.jsonl")
    with pytest.raises(BenchError, match="it is a second name of another file"):
        set_aside(folder, read(folder).damaged)
    (folder / "damaged" / "00001.jsonl").unlink()
    set_aside(folder, read(folder).damaged)
    assert [path.read_text() for path in elsewhere.iterdir()] == ["thesis"]
    assert list(read(folder).records) == ["k0"]


def test_every_record_knows_its_session(tmp_path: Path) -> None:
    """A record in use names the coordinator that stored it; one whose coordinator's line is gone names none."""
    for host, numbers in (("a", [0, 1]), ("b", [2, 1]), ("c", [3])):
        with Journal(tmp_path, {"host": host}) as journal:
            journal.append(map(record, numbers))
    (tmp_path / "00002.jsonl").write_bytes((tmp_path / "00002.jsonl").read_bytes().replace(b'"b"', b'"z"', 1))
    for _ in range(2):
        contents = read(tmp_path)
        hosts = {key: contents.sessions[index]["host"] for key, index in contents.session_of.items()}
        assert hosts == {"k0": "a", "k1": "a", "k3": "c"}
        set_aside(tmp_path, contents.damaged)


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
        resumed = read(tmp_path, whole=False)
        assert (set(resumed.settled()), resumed.damaged) == (set(contents.records), contents.damaged)


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
    assert set(read(tmp_path, whole=False).settled()) == {"k0", "k1", "k2", "k3"}


def test_only_regular_segments_are_read(tmp_path: Path) -> None:
    """A link, a pipe or a folder in the place of a segment is an error; other files are not taken for results."""
    write(tmp_path / "elsewhere", record(0))
    folder = tmp_path / "journal"
    write(folder, record(1))
    (folder / "notes.txt").write_text("{}")
    assert list(read(folder).records) == ["k1"]
    for make, why in (
        (lambda path: path.symlink_to(tmp_path / "elsewhere" / "00001.jsonl"), "link"),
        (os.mkfifo, "FIFO"),
        (Path.mkdir, "folder"),
    ):
        make(folder / "00002.jsonl")
        with pytest.raises(BenchError, match=rf"00002\.jsonl cannot be read: it is a {why}"):
            read(folder)
        (folder / "00002.jsonl").rename(tmp_path / f"away-{why}")


def test_an_unreadable_segment_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails while reading is an error that names the file."""
    write(tmp_path, record(0))

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("bench.execute.storage.os.open", fail)
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


def test_a_record_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    """A job that notes too much has failed, and says how much; what is stored with it is read."""
    notes = {f"note {number}": "x" * 2000 for number in range(2200)}
    with Journal(tmp_path, {"host": "here"}) as journal:
        stored = journal.append([record(0), dataclasses.replace(record(1), notes=notes), record(2)])
    assert [entry.status for entry in stored] == ["ok", "failed", "ok"]
    contents = read(tmp_path)
    assert list(contents.records.values()) == stored
    assert not contents.damaged
    assert re.fullmatch(r"what it noted takes 44\d{5} bytes; a run may note 4194304", stored[1].reason)


def test_lines_may_end_as_version_control_made_them(tmp_path: Path) -> None:
    """A journal whose lines end in CR LF holds the same records; one byte more between them is damage."""
    write(tmp_path, record(0), record(1))
    before, path = read(tmp_path), tmp_path / "00001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    after = read(tmp_path)
    assert (after.records, after.sessions, after.damaged) == (before.records, before.sessions, [])
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\r\r\n"))
    assert len(read(tmp_path).damaged) == 3


def test_the_last_segment_that_can_be_named_is_said(tmp_path: Path) -> None:
    """Nothing is stored where no reader would look."""
    (tmp_path / "999999999.jsonl").touch()
    with pytest.raises(BenchError, match="after which none can be named"), Journal(tmp_path, {}) as journal:
        journal.append([record(0)])
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_writer_forks_holds_no_lock(tmp_path: Path) -> None:
    """A child of the holder, as an experiment may leave one, keeps nobody from writing when the holder has let go."""
    with locked(tmp_path):
        pid = os.fork()
        if not pid:
            signal.pause()
            os._exit(0)
    try:
        with locked(tmp_path):
            pass
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_dead_holder_is_named_as_dead(tmp_path: Path) -> None:
    """Where a lock outlives the process that took it, that is said instead of "being written by"."""
    script = "import os\nprint(os.getpid())"
    pid = int(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
    with locked(tmp_path):
        (tmp_path / "lock").write_text(json.dumps({"pid": pid, "host": socket.gethostname()}))
        said = f"process {pid} on .* has left running; that process has itself ended"
        with pytest.raises(BenchError, match=said), locked(tmp_path):
            pass


def session(source: str, *, covers: str | None = "imports") -> dict[str, object]:
    """What a coordinator says of itself that ran an experiment of this source."""
    entry = {"name": "lab", "digest": source, **({} if covers is None else {"covers": covers})}
    return {"code": [{"name": "bench", "digest": "b"}, entry]}


def store(folder: Path, said: dict[str, object], *records: Record) -> None:
    with Journal(folder, said) as journal:
        journal.append(records)


@pytest.mark.parametrize("covers", ["imports", None])
def test_a_later_record_of_other_source_is_in_use(tmp_path: Path, covers: str | None) -> None:
    """What was run again with other source supersedes what was stored, and is no alarm, whatever it came to."""
    values = {name: {"loss": value} for name, value in (("old", 1.0), ("new", 2.0))}
    olds = [record(number, metrics=values["old"]) for number in range(3)]
    store(tmp_path, session("s1", covers=covers), *olds)
    news = [record(0, metrics=values["new"]), record(1, metrics=values["old"]), record(2, status="failed", metrics={})]
    store(tmp_path, session("s2", covers=covers), *news)
    contents = read(tmp_path)
    assert all(map(same, contents.records.values(), news))
    assert [entry.key for entry in contents.superseded] == ["k0", "k1", "k2"]
    assert not contents.alarms
    assert {key: contents.source(key)[-2:] for key in contents.records} == dict.fromkeys(("k0", "k1", "k2"), "s2")
    assert set(read(tmp_path, whole=False).settled()) == {"k0", "k1"}
    store(tmp_path, session("s2", covers=covers), record(0, metrics=values["old"]))
    assert [alarm.first.key for alarm in read(tmp_path).alarms] == ["k0"]


def test_an_outcome_that_lacks_a_declared_metric_is_none(tmp_path: Path) -> None:
    """It counts as missing, is counted, and whatever is stored later takes its place without an alarm."""
    olds = [record(0, metrics={"loss": 1.0}), record(1, metrics={"loss": 1.0}), record(2, status="failed", metrics={})]
    store(tmp_path, session("s"), *olds)
    declared = ["loss", "score"]
    contents, resumed = read(tmp_path, declared), read(tmp_path, declared, whole=False)
    assert (list(contents.records), list(contents.lacking)) == (["k2"], ["k0", "k1"])
    assert (resumed.settled(), len(resumed.lacking)) == ({}, 2)
    store(tmp_path, session("s"), record(0, metrics={"loss": 3.0, "score": math.nan}))
    contents, resumed = read(tmp_path, declared), read(tmp_path, declared, whole=False)
    assert contents.records["k0"].metrics["loss"] == 3.0
    assert ([entry.key for entry in contents.superseded], list(contents.lacking), contents.alarms) == (
        ["k0"], ["k1"], [],
    )  # fmt: skip
    assert (set(resumed.settled()), len(resumed.lacking)) == ({"k0"}, 1)
    assert set(read(tmp_path, ["loss"]).records) == {"k0", "k1", "k2"}
