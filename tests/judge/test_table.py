"""Anyone's file becomes a frame, or an error that says what is wrong with it."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bench
from bench.errors import BenchError
from bench.judge.table import alike_levels, read_table, without_failures


@pytest.fixture
def write(tmp_path: Path):
    """Function from a file's content to its path."""

    def to(content: str | bytes, name: str = "runs.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return to


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_levels_are_text_as_written_and_numbers_are_exact(write, delimiter):
    """01, None and NA are levels; a number reads back to the last bit; NA in a metric is missing."""
    value = 0.1 + 0.2
    rows = [["init", "seed", "loss"], ["01", "0", repr(value)], ["None", "1", "NA"], ["NA", "2", "-inf"]]
    frame = read_table(write("\n".join(delimiter.join(row) for row in rows)), ["init"], ["loss"])
    assert frame["init"].tolist() == ["01", "None", "NA"]
    assert frame["seed"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(frame["loss"], [value, np.nan, -np.inf])


def test_a_byte_order_mark_and_quotes_do_not_matter(write):
    """A file as spreadsheets write it has the columns that it shows."""
    frame = read_table(write(b'\xef\xbb\xbf"a, b",y\r\n"x, 1",2\r\n'), ["a, b"], ["y"])
    assert frame.to_dict("list") == {"a, b": ["x, 1"], "y": [2]}


def test_a_column_is_of_one_kind_in_a_long_table(write):
    """A column of numbers with a word in the last of 1,100 wide rows is text throughout, without a warning."""
    names = ["seed", *(f"m{position}" for position in range(1_000))]
    rows = [",".join([seed, *["0"] * 1_000]) for seed in [*map(str, range(1_099)), "last"]]
    frame = read_table(write("\n".join([",".join(names), *rows])), [], ["m0"])
    assert frame["seed"].map(type).eq(str).all()
    assert frame["seed"].iloc[1] == "1"


def test_one_row_a_run_and_metric_becomes_one_row_a_run(write):
    """The long table that bench exports is analysed like the wide one, levels in their order."""
    wide = pd.DataFrame(
        {"run": ["u", "v"], "reg": ["l2", "l1"], "seed": [0, 0], "loss": [1.5, 2.5], "macs": [3.0, 4.0]}
    )
    long = wide.melt(["run", "reg", "seed"], var_name="metric")
    path = write(long.to_csv(index=False))
    frame = read_table(path, ["reg"], ["macs", "loss"])
    pd.testing.assert_frame_equal(frame[wide.columns], wide, check_dtype=False, check_names=False)
    with pytest.raises(BenchError, match="none is of the metric 'value'") as error:
        read_table(path, ["reg"], ["value"])
    assert "loss, macs" in error.value.hint
    with pytest.raises(BenchError, match="cannot be told apart"):
        read_table(write(long.assign(run="u", reg="l1").to_csv(index=False)), ["reg"], ["loss"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"a,a,y\n1,2,3\n", "called 'a'"),
        (b"a,y\n1,2,3\n", "more fields than the first line"),
        (b"a,y\n1,2\n1,2,3\n", "line 3"),
        (b"\xff\xfe\x00", "no text in UTF-8"),
    ],
)
def test_what_is_no_table_is_named(write, content, said):
    """An empty, ragged, binary or ambiguous file is an error that names the file and what is wrong."""
    with pytest.raises(BenchError, match=said):
        read_table(write(content), ["a"], ["y"])


def test_a_missing_file_and_parquet_without_its_library_are_named(tmp_path, monkeypatch):
    """What cannot be opened is said with what to do."""
    with pytest.raises(BenchError, match="No such file"):
        read_table(tmp_path / "none.csv", [], [])
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(BenchError, match="needs pyarrow"):
        read_table(tmp_path / "none.parquet", [], [])


@pytest.mark.parametrize(
    ("status", "kept", "note"),
    [
        (["ok", "ok", "ok"], [1, 2, 3], ""),
        (["ok", "diverged", "failed"], [1], "Of 3 runs, 2 are not ok by their status (1 diverged, 1 failed)"),
        (["OK ", "crashed", None], [1], "2 are not ok by their status (1 crashed, 1 without a status)"),
        (["failed", "lost", "missing"], [], "Of 3 runs, 3 are not ok"),
        (["active", "retired", "active"], [1, 2, 3], "status is not used: none of its values is ok"),
        ([None, None, None], [1, 2, 3], "status is not used"),
        ([200, 404, 500], [1, 2, 3], "status is not used"),
    ],
)
def test_a_status_says_which_values_count(status, kept, note):
    """Values of runs that are not ok are missing, and counted by status; a column of another meaning is said unused."""
    frame = pd.DataFrame({"arm": ["a", "b", "b"], "status": status, "loss": [1, 2, 3]})
    found, notes = without_failures(frame, ["loss"], ["arm"])
    assert found["loss"].dropna().tolist() == kept
    assert note in " ".join(notes)
    assert bool(notes) == bool(note)


def test_a_status_that_is_analysed_is_no_status():
    """A factor, a block or a metric may be called status, and then every run counts."""
    frame = pd.DataFrame({"status": ["ok", "failed"], "loss": [1, 2]})
    for metrics, others in ((["loss"], ["status"]), (["status"], [])):
        assert without_failures(frame, metrics, others) == (frame, ())


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1,5", "0,25", "2"], [1.5, 0.25, 2.0]),
        (["0,125", "-1,250e3", ""], [0.125, -1250.0, np.nan]),
        (["1,234", "0,5"], [1.234, 0.5]),
    ],
)
def test_decimal_commas_are_numbers_where_they_cannot_be_thousands(write, values, numbers):
    """As a spreadsheet of many countries writes them; levels stay text as written."""
    rows = ["arm;seed;loss", *(f"1,{place};{place};{value}" for place, value in enumerate(values))]
    frame = read_table(write("\n".join(rows)), ["arm"], ["loss"])
    np.testing.assert_array_equal(frame["loss"], numbers)
    assert frame["arm"].tolist() == ["1,0", "1,1", "1,2"][: len(values)]


@pytest.mark.parametrize("values", [["1,234", "5,678"], ["1,5", "2.5"], ["1.234,5", "2"]])
def test_what_may_be_thousands_is_no_number(write, values):
    """1,234 alone may be one thousand: it stays text, which the analysis refuses, unless the mark is given."""
    path = write("arm;loss\n" + "\n".join(f"a;{value}" for value in values))
    assert read_table(path, ["arm"], ["loss"])["loss"].tolist() == values
    if values[0] == "1,234":
        assert read_table(path, ["arm"], ["loss"], decimal=",")["loss"].tolist() == [1.234, 5.678]
    with pytest.raises(BenchError, match="';' is no decimal mark"):
        read_table(path, ["arm"], ["loss"], decimal=";")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_tables_are_read(write, pack):
    """By what they hold, whatever they are called; one that is cut short is named."""
    packed = pack(b"arm,loss\na,1.5\nb,2.5\n")
    assert read_table(write(packed, "runs.csv.gz"), ["arm"], ["loss"])["loss"].tolist() == [1.5, 2.5]
    with pytest.raises(BenchError, match="cannot be unpacked"):
        read_table(write(packed[:-9]), ["arm"], ["loss"])


@pytest.mark.parametrize(
    ("encoding", "given"), [("utf-8", ""), ("utf-16", ""), ("cp1252", "cp1252"), ("shift-jis", "shift-jis")]
)
def test_texts_are_read_in_their_encoding(write, encoding, given):
    """UTF-8 and UTF-16 are known, others are named; a wrong or unknown name is said."""
    level = "日本" if encoding == "shift-jis" else "größer"
    path = write(f"arm,loss\n{level},1.5\n".encode(encoding))
    assert read_table(path, ["arm"], ["loss"], encoding=given)["arm"].tolist() == [level]
    if given:
        with pytest.raises(BenchError, match=r"no text in UTF-8 or UTF-16 \(byte \d+\)") as error:
            read_table(path, ["arm"], ["loss"])
        assert "--encoding" in error.value.hint
    with pytest.raises(BenchError, match="no text in martian"):
        read_table(path, ["arm"], ["loss"], encoding="martian")


def test_excel_is_read_as_text_is(tmp_path):
    """Levels as text, numbers exact, an empty cell missing; what is no workbook is named."""
    path = tmp_path / "runs.xlsx"
    rows = {"arm": ["NA", "01"], "size": [1, 2], "loss": [0.375, None]}
    pd.DataFrame(rows).to_excel(path, index=False)
    frame = read_table(path, ["arm", "size"], ["loss"])
    assert (frame["arm"].tolist(), frame["size"].tolist()) == (["NA", "01"], ["1", "2"])
    np.testing.assert_array_equal(frame["loss"], [0.375, np.nan])
    path.write_bytes(b"no workbook")
    with pytest.raises(BenchError, match="is no table"):
        read_table(path, ["arm"], ["loss"])


ALIKE = [["x", "x "], ["x", "X"], ["0.1", "1e-1"], ["a b", "a\u00a0 b"], ["1", "1.0"], ["0,5", "0.50"], ["ﬁt", "fit"]]


@pytest.mark.parametrize("levels", ALIKE)
def test_levels_that_differ_in_their_writing_only_are_named(levels):
    """Blanks, case and the writing of a number make other levels, which is said with both."""
    frame = pd.DataFrame({"arm": [*levels, "other"], "loss": [1.0, 2.0, 3.0]})
    (caution,) = alike_levels(frame, ["arm"])
    assert caution.startswith("Levels of arm differ in blanks, case or the writing of a number only")
    assert all(repr(level) in caution for level in levels)
    assert "other" not in caution
    assert not list(alike_levels(frame, ["loss"]))


def test_levels_that_differ_are_not_alike():
    """Levels of other letters or numbers are not named."""
    frame = pd.DataFrame({"arm": ["x", "y", "1", "10", "0.1", "01x"]})
    assert not list(alike_levels(frame, ["arm", "none"]))


def test_blanks_around_levels_are_removed_on_request(write):
    """``trim`` makes one level of "x" and "x ", and the caution is gone; without it both count, and are named."""
    rows = [f"{level},{seed},{seed + ('y' in level)}.5" for seed in range(4) for level in ("x ", "y")]
    path = write("\n".join(["arm,seed,m", *rows, "x,9,1.0", "y ,9,2.0"]))
    plain = bench.analyze(path, ["arm"], "seed", ["m"])
    assert any("'x ' and 'x'" in note for note in plain.notes)
    trimmed = bench.analyze(path, ["arm"], "seed", ["m"], trim=True)
    assert list(trimmed.factors["arm"]) == ["x", "y"]
    assert not any("differ in blanks" in note for note in trimmed.notes)


@pytest.mark.parametrize("compression", ["snappy", "gzip", None])
def test_parquet_gives_what_csv_gives(tmp_path, compression):
    """Texts, numbers, truth values, categories and missing values are analysed alike from both."""
    frame = pd.DataFrame(
        {
            "model": pd.Categorical(["b", "a"] * 12, categories=["b", "a", "unused"]),
            "depth": np.repeat([2, 10], 12),
            "big": [False, False, True, True] * 6,
            "seed": np.tile(np.repeat(np.arange(3), 4), 2),
            "loss": np.random.default_rng(0).normal(size=24),
        }
    )
    frame.loc[5, "loss"] = np.nan
    frame.to_parquet(tmp_path / "runs.parquet", compression=compression)
    frame.to_csv(tmp_path / "runs.csv", index=False)
    factors = ["model", "depth", "big"]
    one, two = (bench.analyze(tmp_path / f"runs.{end}", factors, "seed", ["loss"]) for end in ("parquet", "csv"))
    for name in ("cells", "contrasts"):
        columns = ["effect" if name == "contrasts" else "n", "estimate" if name == "contrasts" else "mean"]
        pd.testing.assert_frame_equal(getattr(one, name)[columns], getattr(two, name)[columns])


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    """Text, and the first half of a file."""
    pd.DataFrame({"a": ["x", "y"], "y": [1.0, 2.0]}).to_parquet(tmp_path / "whole.parquet")
    content = (tmp_path / "whole.parquet").read_bytes()
    for number, wrong in enumerate((b"a,y\nx,1\n", content[: len(content) // 2], b"")):
        (tmp_path / f"{number}.parquet").write_bytes(wrong)
        with pytest.raises(BenchError, match=rf"{number}\.parquet is no table"):
            read_table(tmp_path / f"{number}.parquet", ["a"], ["y"])


def test_parquet_without_its_library_says_what_to_install(tmp_path, monkeypatch):
    """In one line, for a table that is read and for one that is exported."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(BenchError, match="needs pyarrow") as error:
        read_table(tmp_path / "none.parquet", [], [])
    assert 'pip install "polysem-bench[parquet]"' in error.value.hint
