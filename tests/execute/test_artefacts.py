"""Arrays of a job come back as they were, or it is said why not; records without arrays know nothing of them."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

import bench
from bench.errors import BenchError
from bench.execute import artefacts
from bench.execute.coordinate import execute
from bench.execute.inventory import faults
from bench.execute.journal import Journal, read
from bench.execute.results import remarks, wide
from bench.execute.run import Run, create, load
from tests.execute.conftest import MakeSuite

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
NUMBERS = arrays_of.arrays(
    st.sampled_from(["f2", "f4", "f8", ">f8", "i1", "i8", ">i4", "u2"]), arrays_of.array_shapes(min_dims=0, min_side=0)
)


@pytest.fixture
def run(make_suite: MakeSuite, tmp_path: Path) -> Run:
    suite = make_suite("ARRAYS", {"kind": ["fine", "nan"], "size": [1, 3]}, seeds=2)
    made = create(suite, tmp_path / "out")
    execute(suite, made, executor="serial")
    return load(made.folder)


def file_of(run: Run, key: str) -> Path:
    digest = run.contents.records[key].artefact
    return run.artefacts / digest[:2] / f"{digest}.npz"


@given(st.dictionaries(NAMES, NUMBERS, max_size=3))
def test_arrays_round_trip_to_the_bit(tmp_path_factory: pytest.TempPathFactory, given: dict[str, np.ndarray]) -> None:
    """Every array comes back with its name, shape, kind and bits, and equal arrays make equal files."""
    packed = artefacts.pack(given)
    assert packed == artefacts.pack(dict(reversed(given.items())))
    assert (packed == b"") == (not given)
    if given:
        folder = tmp_path_factory.getbasetemp() / "artefacts"
        back = artefacts.read(folder, artefacts.save(folder, packed))
        assert set(back) == set(given)
        for name, array in given.items():
            assert back[name].dtype == array.dtype.newbyteorder("<")
            assert back[name].shape == array.shape
            assert back[name].tobytes() == array.astype(back[name].dtype).tobytes()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"a": np.array(["text"])}, "only floats and integers"),
        ({"a": np.array([object()])}, "only floats and integers"),
        ({"a": np.array([1j])}, "only floats and integers"),
        ({"a": [[1], [2, 3]]}, "a is no array"),
        ({"../a": np.ones(1)}, "cannot be the name of an array"),
        ({3: np.ones(1)}, "cannot be the name of an array"),
        (
            {"a": np.ones(artefacts.MAX_BYTES // 16), "b": np.ones(artefacts.MAX_BYTES // 16 + 1)},
            "all of a job may take",
        ),
    ],
)
def test_what_is_not_stored_is_said(given: dict[str, object], why: str) -> None:
    """Objects, text, ragged lists, names that are paths and too much of anything are refused with the reason."""
    with pytest.raises(ValueError, match=why):
        artefacts.pack(given)


def test_arrays_come_back_from_workers(make_suite: MakeSuite, tmp_path: Path) -> None:
    """Each run's arrays are found by levels and seed; equal ones are stored once."""
    suite = make_suite("ARRAYS", {"kind": ["fine", "nan"], "size": [1, 3]}, seeds=2)
    run = create(suite, tmp_path / "out")
    execute(suite, run, workers=2)
    for size in (1, 3):
        found = bench.arrays("tiny", out=tmp_path / "out", seed=1, kind="fine", size=size)
        assert sorted(found) == ["decoder", "steps"]
        np.testing.assert_array_equal(found["decoder"], np.full((size, 2), 1 / 3, np.float32))
        np.testing.assert_array_equal(found["steps"], np.arange(size))
    assert len(list(run.artefacts.rglob("*.npz"))) == 2
    assert not list(faults(run.folder, run.contents))
    for levels in ({"kind": "fine"}, {"kind": "odd", "size": 1}, {"colour": 1}):
        with pytest.raises(BenchError, match=r"runs of .* have seed=1") as raised:
            bench.arrays("tiny", out=tmp_path / "out", seed=1, **levels)
        assert "kind: 'fine', 'nan'; size: 1, 3" in raised.value.hint
    with pytest.raises(BenchError, match="no result of a run 'nonsense'"):
        run.arrays("nonsense")


def test_records_without_arrays_are_as_before(make_suite: MakeSuite, tmp_path: Path) -> None:
    """A job without arrays has no word of them in its line, no folder, and an empty answer."""
    suite = make_suite("LOOP", {"kind": ["fine"]}, seeds=1)
    run = create(suite, tmp_path / "out")
    execute(suite, run, executor="serial")
    assert b"artefact" not in (run.journal / "00001.jsonl").read_bytes()
    assert not run.artefacts.exists()
    assert bench.arrays("tiny", out=tmp_path / "out", seed=0, kind="fine") == {}


def test_a_bad_array_fails_its_job_alone(make_suite: MakeSuite, tmp_path: Path) -> None:
    """A job whose arrays cannot be stored has failed, with the reason; its neighbours have not."""
    suite = make_suite("ARRAYS", {"kind": ["fine"], "size": [1, 10**6]}, seeds=1)
    run = create(suite, tmp_path / "out")
    execute(suite, run, executor="serial")
    assert wide(run)["status"].tolist() == ["ok", "failed"]
    assert "all of a job may take" in remarks(run)["text"][0]


def test_other_arrays_are_an_alarm(run: Run) -> None:
    """The same job with equal metrics and other arrays is not deterministic either."""
    record = next(iter(run.contents.records.values()))
    with Journal(run.journal, {}) as journal:
        journal.append([replace(record, artefact=journal.keep(artefacts.pack({"decoder": np.zeros(1)})))])
    assert len(read(run.journal).alarms) == 1


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (Path.unlink, "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "does not hold what its name says"),
        (lambda path: path.write_bytes(bytes(3 * artefacts.MAX_BYTES)), "is larger than any"),
        (
            lambda path: (path.rename(path.with_suffix(".away")), path.symlink_to(path.with_suffix(".away"))),
            "it is a link",
        ),
        (lambda path: (path.unlink(), os.mkfifo(path)), "it is a FIFO"),
        (
            lambda path: (
                path.parent.rename(path.parent.with_suffix(".away")),
                path.parent.symlink_to(path.parent.with_suffix(".away")),
            ),
            "it is a link",
        ),
    ],
)
def test_missing_and_wrong_arrays_are_said(run: Run, harm: object, said: str) -> None:
    """Arrays that are gone or changed are an error with the file and never other arrays; what is gone is counted."""
    key = next(iter(run.contents.records))
    harm(file_of(run, key))  # type: ignore[operator]
    with pytest.raises(BenchError, match=said) as raised:
        run.arrays(key)
    assert "--fresh" in raised.value.hint
    gone = file_of(run, key).is_symlink() or not file_of(run, key).is_file()
    assert ("the arrays of 1 records are missing" in " ".join(faults(run.folder, run.contents))) == gone


PICKLE = b"cos\nsystem\n(S'true'\ntR."
"""Which would run a command."""


def hostile(name: str, content: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def npy(header: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


@pytest.mark.parametrize(
    "data",
    [
        hostile(
            "a.npy", npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n") + b"cos\nsystem\n(S'true'\ntR."
        ),
        hostile("a.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (10**15,)}\n")),
        hostile("a.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999,)}\n")),
        hostile("a.npy", npy("__import__('os').system('true')\n")),
        hostile("a.npy", b"\0" * 10**7, zipfile.ZIP_DEFLATED),
        b"PK\x05\x06" + bytes(17),
        PICKLE,
    ],
)
def test_a_malicious_file_is_refused(run: Run, data: bytes) -> None:
    """A file with the right digest that holds pickles, code, a bomb or lies about its size is an error in words."""
    digest = artefacts.save(run.artefacts, data)
    assert digest == hashlib.sha256(data).hexdigest()
    record = next(iter(run.contents.records.values()))
    with Journal(run.journal, {}) as journal:
        journal.append([replace(record, key="evil", artefact=digest)])
    with pytest.raises(BenchError, match="was not written by bench"):
        load(run.folder).arrays("evil")


def test_a_record_cannot_name_a_file_elsewhere(run: Run) -> None:
    """An artefact that is no digest, such as a path, makes its line a damaged one."""
    record = next(iter(run.contents.records.values()))
    with Journal(run.journal, {}) as journal:
        journal.append([replace(record, key="evil", artefact="../../../../etc/passwd")])
    contents = read(run.journal)
    assert "evil" not in contents.records
    assert "artefact: " in contents.damaged[0].why


def test_links_among_the_arrays_lead_nowhere(run: Run, tmp_path: Path) -> None:
    """Where a link stands in the place of the folder, storing is an error and writes nothing."""
    (tmp_path / "elsewhere").mkdir()
    run.artefacts.rename(tmp_path / "away")
    run.artefacts.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BenchError, match="link"):
        artefacts.save(run.artefacts, b"data")
    assert not list((tmp_path / "elsewhere").iterdir())
