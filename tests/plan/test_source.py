"""Positions in TOML, and files that are no suites."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from toml_documents import documents, toml, values

from bench.errors import BenchError
from bench.plan.positions import DEEPEST, Span, _Scanner, locate
from bench.plan.source import Source, SuiteError, read
from bench.plan.suite import Plan, load

Write = Callable[[str | bytes], Path]

TRICKY = '''\
# [not] = "a table"
plain = 1 # = 2
"quo.ted" . 'li"t' . bare-1 = "v # no comment"
"\\u00e9\\"x" = """
[nor] = 'this'
""\\"""""
raw = \'\'\'it's
''quoted\'\'\'\'\'
when = 1979-05-27 07:32:00Z
empty = []
naïve.ok = 1

[factors]
"日本" = [ "語", # ]
  "l]2",
\t[1, { a = [ 2, 3 ], b.c = "}" }],
]   # trailing
[ a . "b c" ]
x = -inf
[[cells]]
reg = "l1"
[[cells]]
reg = "l2"
[cells.inner]
deep = true
[[cells.list]]
y = 0x1F
[[cells.list]]
y = +1_000
'''.replace("naïve.ok", '"naïve".ok')


def at(source: Source, *path: str | int, key: bool = False) -> tuple[int, int]:
    """Line and column of a value, or of its key."""
    fault = source.fault(path, "", key=key)
    return fault.line, fault.column


def test_positions_of_a_tricky_file(write: Write) -> None:
    """Line and column are exact for quoted, dotted and inline keys, nested arrays, headers and wide characters."""
    source = read(write(TRICKY))
    assert at(source, "plain", key=True) == (2, 1)
    assert at(source, "plain") == (2, 9)
    assert at(source, "quo.ted", key=True) == (3, 1)
    assert at(source, "quo.ted", 'li"t', key=True) == (3, 13)
    assert at(source, "quo.ted", 'li"t', "bare-1", key=True) == (3, 22)
    assert at(source, "quo.ted", 'li"t', "bare-1") == (3, 31)
    assert at(source, 'é"x') == (4, 15)
    assert at(source, "raw", key=True) == (7, 1)
    assert at(source, "when") == (9, 8)
    assert at(source, "empty") == (10, 9)
    assert at(source, "naïve", "ok") == (11, 14)
    assert at(source, "factors", key=True) == (13, 2)
    assert at(source, "factors", "日本", key=True) == (14, 1)
    assert at(source, "factors", "日本") == (14, 8)
    assert at(source, "factors", "日本", 0) == (14, 10)
    assert at(source, "factors", "日本", 1) == (15, 3)
    assert at(source, "factors", "日本", 2, 1, "a", 1) == (16, 17)
    assert at(source, "factors", "日本", 2, 1, "b", "c", key=True) == (16, 24)
    assert at(source, "a", "b c", key=True) == (18, 7)
    assert at(source, "a", "b c", "x") == (19, 5)
    assert at(source, "cells", 0, key=True) == (20, 3)
    assert at(source, "cells", 1) == (22, 3)
    assert at(source, "cells", 1, "reg") == (23, 7)
    assert at(source, "cells", 1, "inner", "deep", key=True) == (25, 1)
    assert at(source, "cells", 1, "list", 0, "y") == (27, 5)
    assert at(source, "cells", 1, "list", 1, "y") == (29, 5)


def test_a_key_of_very_many_parts_is_cut_and_those_after_it_are_found() -> None:
    """No path grows beyond the deepest that is kept, and the scanner goes on in the right place."""
    deep = ".".join(["a"] * 5000)
    text = f"{deep} = 1\nlast = {{ x.{deep} = 2, y = 3 }}\n"
    assert locate(text).keys["last", "y"].start == text.rindex("y")
    assert len(_Scanner("").enter(("a",) * (DEEPEST + 1), "b", Span(0, 1))) == DEEPEST + 1


@pytest.mark.parametrize("change", [lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text])
def test_line_ends_and_byte_order_mark_do_not_move_positions(write: Write, change: Callable[[str], str]) -> None:
    """CRLF and a byte order mark leave every position as it is."""
    plain, changed = read(write(TRICKY)), read(write(change(TRICKY)))
    assert changed.data == plain.data
    assert at(changed, "cells", 1, "list", 1, "y") == (29, 5)
    assert at(changed, "factors", "日本", 2, 1, "a", 1) == (16, 17)


def test_a_place_that_is_not_in_the_file_is_the_nearest_above_it(write: Write) -> None:
    """What is not in the text is placed at the nearest table or value that holds it."""
    source = read(write(TRICKY))
    assert at(source, "factors", "日本", 7) == (14, 8)
    assert at(source, "nowhere") == (1, 1)


@given(toml(documents))
@example((tomllib.loads(TRICKY), TRICKY))
def test_every_place_holds_its_key_and_value(written: tuple[dict[str, Any], str]) -> None:
    """In any document, the text at a key's place reads as that key, and at a value's place as that value."""
    document, text = written[0], written[1].replace("\r\n", "\n")
    assert tomllib.loads(text) == document
    places = locate(text)
    for path, value in _walk(document, ()):
        if isinstance(path[-1], str):
            key = places.keys[path]
            assert tomllib.loads(f"{text[key.start : key.end]} = 0") == {path[-1]: 0}
        place = places.values[path]
        if not isinstance(value, dict) and not _is_array_of_tables(value):  # these may stand as headers
            assert tomllib.loads(f"x = {text[place.start : place.end]}")["x"] == value


def _is_array_of_tables(value: Any) -> bool:
    return isinstance(value, list) and value != [] and all(isinstance(item, dict) for item in value)


def _walk(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key), item
        yield from _walk(item, (*path, key))


def suites() -> st.SearchStrategy[dict[str, Any]]:
    """Dictionaries that are almost suites: known keys and wrong ones, plausible values and any others."""
    names = st.sampled_from(["reg", "act", "lr", "steps", "tied", "widths", "clip", "note", "rge", ""])
    levels = st.sampled_from(["l1", "l2", "relu", 0, 1, 1.0, 0.1, True, "off", "crash", float("inf"), [3], {}]) | values
    tables = st.dictionaries(names, levels, max_size=3)
    references = st.sampled_from(
        ["subject:EXPERIMENT"] * 4 + ["subject:NO", "subject", "..:x", "no_such:X", ":", "a\0:b"]
    )
    metric = st.dictionaries(
        st.sampled_from(["margin", "scale", "sclae"]), st.sampled_from(["5%", "log", -1, 1]) | values
    )
    numbers = st.lists(st.sampled_from([0, 1, 0.1, -1, 1e300, "1"]), max_size=3)
    sweep = {"levels": st.lists(levels, max_size=3), "log": numbers, "linear": numbers, "points": st.integers(0, 5)}
    sweeps = st.fixed_dictionaries({}, optional={**sweep, "under": tables | values, "otherwise": levels})
    generators = st.sampled_from(["C=AB", "B = -A", "tied = reg*act", "lr=reg", "C=", "=", "D=A:B", "Z=A", "A=A"])
    designs = {"fraction": generators | st.lists(generators, max_size=2) | values}
    exclusions = {"where": tables | st.dictionaries(names, st.lists(levels, max_size=2)), "reason": st.just("why")}
    keys = {
        "name": st.sampled_from(["grid", "a/b", "..", ""]) | values,
        "experiment": references | values,
        "seeds": st.integers(-1, 5) | st.lists(st.integers(-1, 5)) | values,
        "params": tables | values,
        "factors": st.dictionaries(names, st.lists(levels, max_size=4) | sweeps | values) | values,
        "design": st.just("one_at_a_time") | st.fixed_dictionaries({}, optional=designs) | values,
        "exclude": st.lists(st.fixed_dictionaries({}, optional=exclusions), max_size=2) | values,
        "extends": st.sampled_from(["suite.toml", "no.toml", "..", "a\0b"]) | values,
        "cells": st.lists(tables, max_size=4) | values,
        "metrics": st.dictionaries(st.sampled_from(["loss", "l0", "los"]), metric | values) | values,
        "published": st.just("suite.toml") | values,
        "extra": values,
    }
    return st.fixed_dictionaries({}, optional=keys)


@given(toml(suites()))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_no_suite_gives_a_traceback(tmp_path_factory: pytest.TempPathFactory, written: tuple[Any, str]) -> None:
    """Whatever TOML a file holds, loading it gives a Suite or an error in words."""
    _load_or_explain(tmp_path_factory.getbasetemp() / "suite.toml", written[1].encode())


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"")
@example(b"\xff\xfen\0a\0")
@example(b"name = 1\xff")
@example(b"a = 0000-00-00")
@example(b"a.b = 1\na = 2")
@example(b".".join([b"a"] * 2000) + b" = 1")
@example(b"a = " + b"{a=" * 2000)
@example(b"a = " + b"0x" + b"f" * 9000)
@settings(max_examples=200)
def test_no_bytes_give_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever bytes a file holds, loading it gives a Suite or an error in words."""
    _load_or_explain(tmp_path_factory.getbasetemp() / "suite.toml", content)


@given(st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_suite_gives_no_traceback(
    tmp_path_factory: pytest.TempPathFactory, good: str, data: st.DataObject
) -> None:
    """A good suite with a stretch replaced by anything gives a Suite or an error in words."""
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 5)))
    damaged = good[:start] + data.draw(st.text(alphabet="\"[]{}=.,#\n -10ae'\\\0é", max_size=4)) + good[end:]
    _load_or_explain(tmp_path_factory.getbasetemp() / "suite.toml", damaged.encode())


def _load_or_explain(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        result: Plan | BenchError = load(path)
    except BenchError as error:
        result = error
    if isinstance(result, SuiteError):
        assert result.faults
        assert all(f"{path}:{fault.line}:{fault.column}: " in str(result) for fault in result.faults[:20])


def test_a_missing_file(tmp_path: Path) -> None:
    """A missing file is said to be missing, with the suites that are there."""
    (tmp_path / "smoke.toml").touch()
    with pytest.raises(BenchError, match="does not exist") as raised:
        read(tmp_path / "smok.toml")
    assert "smoke.toml" in raised.value.hint


@pytest.mark.parametrize(
    "path", ["", "/dev/null", "/dev/zero", "a\0b", "n" * 5000, "/proc/self/mem", "/nowhere/x.toml"]
)
def test_paths_that_are_no_files(path: str) -> None:
    """Folders, devices and impossible names are refused in words, and at once."""
    with pytest.raises(BenchError):
        read(path)


def test_links_in_a_circle(tmp_path: Path) -> None:
    """A symlink that leads to itself is refused in words."""
    (tmp_path / "a.toml").symlink_to(tmp_path / "b.toml")
    (tmp_path / "b.toml").symlink_to(tmp_path / "a.toml")
    with pytest.raises(BenchError):
        read(tmp_path / "a.toml")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A named pipe is refused instead of read."""
    os.mkfifo(tmp_path / "a.toml")
    with pytest.raises(BenchError, match="not a regular file"):
        read(tmp_path / "a.toml")


def test_bytes_that_are_not_utf8_are_placed(write: Write) -> None:
    """The first byte that is not UTF-8 is pointed at, by characters and lines."""
    with pytest.raises(SuiteError) as raised:
        read(write("name = 1\r\né = '".encode() + b"\xff'\n"))
    (fault,) = raised.value.faults
    assert (fault.line, fault.column) == (2, 6)
    assert "0xff" in fault.message
