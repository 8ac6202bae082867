"""Suites: what a good one becomes, and what is said of a bad one, where."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.plan.metrics import MetricSettings
from bench.plan.seeds import parse_seeds
from bench.plan.shape import MAX_SEEDS, schema
from bench.plan.source import SuiteError
from bench.plan.suite import load

Write = Callable[[str | bytes], Path]


def test_a_good_suite(good: str, write: Write) -> None:
    """A suite is what its file says: levels by their validated names, and settings for every metric."""
    suite = load(write(good))
    assert (suite.name, suite.reference, suite.seeds) == ("grid", "subject:EXPERIMENT", (0, 1, 2))
    assert suite.params == {"steps": 20}
    assert suite.factors == {"reg": ("l1", "l2"), "lr": (0.1, 1.0)}
    assert [type(level) for level in suite.factors["lr"]] == [float, float]
    assert suite.listed is None
    assert suite.metrics == {"loss": MetricSettings(0.05, relative=True, scale="log"), "l0": MetricSettings()}
    assert suite.text == good


def test_listed_cells(good: str, write: Write) -> None:
    """Listed cells give their factors' levels in the order of first appearance, whatever the order of their keys."""
    listed = '[[cells]]\nreg = "l2"\nlr = 1\n[[cells]]\nlr = 0.5\nreg = "l2"\n[[cells]]\nreg = "l1"\nlr = 1.0\n'
    suite = load(write(good.replace('[factors]\nreg = ["l1", "l2"]\nlr = [0.1, 1]\n', listed)))
    assert suite.listed == ({"reg": "l2", "lr": 1.0}, {"reg": "l2", "lr": 0.5}, {"reg": "l1", "lr": 1.0})
    assert suite.factors == {"reg": ("l2", "l1"), "lr": (1.0, 0.5)}


def test_levels_that_are_no_plain_values(good: str, write: Write) -> None:
    """A level is called by its JSON value, or by its JSON text if that is a list; words may stand for numbers."""
    factors = 'reg = ["l1"]\nwidths = [[8, 8], [16]]\nact = ["gelu"]\ntied = [true, false]\nclip = ["off", 2]\n'
    suite = load(write(good.replace('reg = ["l1", "l2"]\n', factors)))
    expected = {"widths": ("[8, 8]", "[16]"), "act": ("gelu",), "tied": (True, False), "clip": (math.inf, 2.0)}
    assert {name: suite.factors[name] for name in expected} == expected
    levels = next(iter(suite.combinations()))
    assert suite.values(levels)["widths"] == [8, 8]


def test_shared_parameters_that_a_factor_completes(good: str, write: Write) -> None:
    """Parameters that the experiment refuses by themselves are fine if every cell makes them whole."""
    suite = load(write(good.replace("steps = 20", "tied = true").replace('["l1", "l2"]', '["l1"]')))
    assert suite.factors == {"reg": ("l1",), "lr": (0.1, 1.0)}
    assert [type(level) for level in suite.factors["lr"]] == [float, float]


def test_digest(good: str, write: Write) -> None:
    """Comments, layout and the order of tables leave the digest alone; any value changes it."""
    digest = load(write(good)).digest
    assert load(write("# words\r\n" + good.replace("\n", "\r\n"))).digest == digest
    assert load(write(good.replace("0.1, 1", "0.1, 2"))).digest != digest


def test_given_seeds_take_the_place_of_the_files(good: str, write: Write) -> None:
    """Seeds given to load() replace those in the file and are checked like them."""
    assert load(write(good), seeds=(7, 3)).seeds == (7, 3)
    with pytest.raises(BenchError, match="not different integers"):
        load(write(good), seeds=(7, 7))


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "words"),
    [
        ("seeds", "seed", 3, 1, ['unknown key "seed"', 'Did you mean "seeds"']),
        ("[factors]", "[facters]", 6, 2, ['unknown key "facters"', 'Did you mean "factors"']),
        ("margin", '"margín"', 10, 1, ['unknown key "margín"', 'Did you mean "margin"']),
        ('name = "grid"\n', "", 1, 1, ['"name" is missing', "folder of its results"]),
        ("seeds = 3\n", "", 1, 1, ['"seeds" is missing']),
        ("[factors]", "[params.x]", 1, 1, ['"factors" or "cells" is missing']),
        ("[params]", "cells = [{}]\n[params]", 4, 1, ["either factors or cells"]),
        ('"grid"', "7", 1, 8, ["name cannot be 7", "letters, digits"]),
        ('"grid"', '"../grid"', 1, 8, ['name cannot be "../grid"']),
        ('"grid"', '"a..b"', 1, 8, ["single dots"]),
        ('"grid"', '".grid"', 1, 8, ["letters, digits"]),
        ('"grid"', '""', 1, 8, ["letters, digits"]),
        ('"grid"', '"grid\\n"', 1, 8, ["letters, digits"]),
        ('"grid"', f'"{"g" * 101}"', 1, 8, ["at most 100"]),
        ('"subject:EXPERIMENT"', '"subject"', 2, 14, ["does not name an experiment", "package.module:NAME"]),
        ('"subject:EXPERIMENT"', '"subject:Params"', 2, 14, ["no Experiment called 'Params'", "EXPERIMENT"]),
        ('"subject:EXPERIMENT"', '"no_such_module:X"', 2, 14, ["no module called 'no_such_module'", "Sought"]),
        ("seeds = 3", "seeds = 0", 3, 9, ["seeds cannot be 0"]),
        ("seeds = 3", "seeds = true", 3, 9, ["seeds cannot be true"]),
        ("seeds = 3", "seeds = 3.0", 3, 9, ["seeds cannot be 3.0"]),
        ("seeds = 3", "seeds = []", 3, 9, ["seeds cannot be []"]),
        ("seeds = 3", f"seeds = {MAX_SEEDS + 1}", 3, 9, [f"1 to {MAX_SEEDS}"]),
        ("seeds = 3", "seeds = [1,\n  -1]", 4, 3, ["cannot be -1", ">= 0"]),
        ("seeds = 3", "seeds = [1, true]", 3, 13, ["cannot be true"]),
        ("seeds = 3", "seeds = [1, 2, 1]", 3, 16, ["seed 1 is listed twice"]),
        ("steps = 20", "stepz = 20", 5, 1, ['no parameter "stepz"', 'Did you mean "steps"']),
        ("steps = 20", "steps = 0", 5, 9, ["steps cannot be 0", "greater than or equal to 1"]),
        ("steps = 20", 'steps = "many"', 5, 9, ['steps cannot be "many"', "a valid integer"]),
        ("steps = 20", 'steps = "20"', 5, 9, ['steps cannot be "20"', "without quotes"]),
        ("steps = 20", "steps = true", 5, 9, ["steps cannot be true", "a number"]),
        ("steps = 20", "tied = 1", 5, 8, ["tied cannot be 1", "true or false"]),
        ("steps = 20", "clip = nan", 5, 8, ["clip cannot be nan"]),
        ("[params]\nsteps = 20", "params = 3", 4, 10, ["params cannot be 3"]),
        ("reg = [", "rge = [", 7, 1, ['no parameter "rge"', 'Did you mean "reg"']),
        ("reg = [", "steps = [4]\nreg = [", 7, 1, ["steps is a factor and is in [params] too"]),
        ('["l1", "l2"]', '["l1", "L2"]', 7, 14, ['reg cannot be "L2"', "'l1', 'l2' or 'none'", 'Did you mean "l2"']),
        ('["l1", "l2"]', '"l1"', 7, 7, ['factors.reg cannot be "l1"', "name = [level"]),
        ('["l1", "l2"]', "[]", 7, 7, ["factors.reg cannot be []"]),
        ('["l1", "l2"]', '[\n  "l1", # twice\n\t"l1",\n]', 9, 2, ['reg has the level "l1" twice']),
        ('reg = ["l1", "l2"]', 'act = ["relu", "glu"]', 7, 16, ['act cannot be "glu"', 'Did you mean "gelu"']),
        ("[0.1, 1]", "[1, 1.0]", 8, 10, ["lr has the level 1.0 twice, before as 1"]),
        ("[0.1, 1]", "[0.1, 0.0]", 8, 12, ["lr cannot be 0.0", "greater than 0"]),
        ("[0.1, 1]", "[0.1, nan]", 8, 12, ["lr cannot be nan"]),
        ("[0.1, 1]", "[0.1, 1979-05-27 07:32:00]", 8, 12, ["lr cannot be"]),
        ("[0.1, 1]", "[0.1, 12345678901234567890]", 8, 12, ["beyond 64 bits"]),
        ("[0.1, 1]", f"[0.1, {'9' * 5000}]", 8, 12, ["beyond 64 bits"]),
        ("[metrics.loss]", "[metrics.los]", 9, 10, ['no metric "los"', 'Did you mean "loss"']),
        ('"5%"', "-0.5", 10, 10, ["metrics.loss.margin cannot be -0.5", '"5%"']),
        ('"5%"', "0", 10, 10, ["metrics.loss.margin cannot be 0", "above 0"]),
        ('"5%"', '"0.0%"', 10, 10, ['metrics.loss.margin cannot be "0.0%"', "above 0"]),
        ('"5%"', "nan", 10, 10, ["cannot be nan"]),
        ('"5%"', '"5"', 10, 10, ['cannot be "5"']),
        ('margin = "5%"', "range = [1, 0]", 10, 9, ["metrics.loss.range cannot be [1, 0]", "the lower first"]),
        ('margin = "5%"', 'scale = "lg"', 10, 9, ['cannot be "lg"', '"identity" or "log"']),
        (
            'name = "grid"',
            'name = "grid"\npublished = "no.csv"',
            2,
            13,
            ['no file "no.csv"', "relative to the"],
        ),
        ('name = "grid"', f'name = "grid"\npublished = "{"n" * 300}"', 2, 13, ["no file"]),
        ('name = "grid"', 'name = "grid"\nname = "grid"', 2, 14, ["overwrite", "TOML"]),
        ('"grid"', "grid", 1, 8, ["Invalid value", "TOML"]),
        ("[0.1, 1]", "[0.1, 1", 9, 1, ["Unclosed array"]),
        ("[0.1, 1]", "[" * 5000, 1, 1, ["nested too deeply"]),
        ("[0.1, 1]", "[" * 40 + "]" * 40, 8, 36, ["nested too deeply"]),
        ("steps = 20", 'tied = true\nnote = ""', 7, 2, ["refuses the cell", 'reg = "l2"', "tied weights need"]),
        ("steps = 20", 'note = "crash"', 6, 2, ["KeyError: 'crash'"]),
    ],
)
def test_a_fault_is_placed_and_explained(
    good: str, write: Write, old: str, new: str, line: int, column: int, words: list[str]
) -> None:
    """A fault names its line and column, what was given and what is allowed."""
    assert good.count(old) == 1
    path = write(good.replace(old, new))
    with pytest.raises(SuiteError) as raised:
        load(path)
    fitting = [fault for fault in raised.value.faults if (fault.line, fault.column) == (line, column)]
    assert fitting, str(raised.value)
    said = " ".join(f"{fault.message} {fault.hint}" for fault in fitting)
    assert all(word in said for word in words), said
    assert f"{path}:{line}:{column}: {fitting[0].message}" in str(raised.value)


@pytest.mark.parametrize(
    ("cells", "line", "column", "words"),
    [
        ('[[cells]]\nreg = "l1"\n[[cells]]\nlr = 1\n', 6, 3, ["names lr", "the first names reg"]),
        ('[[cells]]\nreg = "l1"\n[[cells]]\n', 6, 3, ["names no factor"]),
        ("[[cells]]\nlr = 1\n[[cells]]\nlr = 1.0\n", 6, 3, ["cell 2 is cell 1 again: lr = 1.0"]),
        ('[[cells]]\nreg = "l1"\n[[cells]]\nreg = "l4"\n', 7, 7, ['reg cannot be "l4"']),
        ("[[cells]]\nsteps = 4\n[params]\nsteps = 3\n", 5, 1, ["in [params] too"]),
        ('[[cells]]\nreg = "l1"\ntied = true\n[[cells]]\nreg = "l2"\ntied = true\n', 7, 3, ["tied weights need"]),
        ("cells = []\n", 4, 9, ["cells cannot be []"]),
        ("cells = [{ lr = 1 }, 3]\n", 4, 22, ["cells.1 cannot be 3"]),
    ],
)
def test_a_fault_in_listed_cells(write: Write, cells: str, line: int, column: int, words: list[str]) -> None:
    """Listed cells all name the same factors, differ, and hold levels that the experiment takes."""
    head = 'name = "listed"\nexperiment = "subject:EXPERIMENT"\nseeds = 3\n'
    with pytest.raises(SuiteError) as raised:
        load(write(head + cells))
    (fault,) = raised.value.faults
    assert (fault.line, fault.column) == (line, column), fault
    assert all(word in f"{fault.message} {fault.hint}" for word in words), fault


def test_every_fault_is_reported_at_once(good: str, write: Write) -> None:
    """One error holds every fault of shape, in the order of the file; without any, every fault otherwise."""
    odd = good.replace("seeds = 3", "seeds = [1, 1]").replace("steps", "stepz").replace('"l2"', "2")
    with pytest.raises(SuiteError) as raised:
        load(write(odd))
    assert [(fault.line, fault.column) for fault in raised.value.faults] == [(3, 13), (5, 1), (7, 14)]
    with pytest.raises(SuiteError) as raised:
        load(write(odd.replace('"grid"', "1").replace("[1, 1]", "0")))
    assert [(fault.line, fault.column) for fault in raised.value.faults] == [(1, 8), (3, 9)]


def test_the_picture_of_a_fault(good: str, write: Write) -> None:
    """A fault is shown with its line and carets under the value, in columns of the terminal, then what is allowed."""
    path = write(good.replace('"l1", "l2"', '"层", "l2"'))
    with pytest.raises(SuiteError) as raised:
        load(path)
    assert str(raised.value) == (
        f'{path}:7:8: reg cannot be "层"\n'
        '    reg = ["层", "l2"]\n'
        "           ^^^^\n"
        "    Allowed: 'l1', 'l2' or 'none'."
    )


def test_control_characters_do_not_reach_the_terminal(good: str, write: Write) -> None:
    """A suite cannot move the cursor or colour the screen through an error message."""
    with pytest.raises(SuiteError) as raised:
        load(write(good.replace('"l2"', '"\u009b31m\u202e\\u001b"')))
    assert all(character.isprintable() or character == "\n" for character in str(raised.value))


def test_a_long_list_of_faults_is_cut(good: str, write: Write) -> None:
    """Of many faults the first twenty are shown and the rest counted."""
    with pytest.raises(SuiteError) as raised:
        load(write(good.replace('"l1", "l2"', ", ".join(f'"x{i}"' for i in range(50)))))
    assert len(raised.value.faults) == 50
    assert str(raised.value).endswith("… and 30 more.")
    assert max(map(len, str(raised.value).splitlines())) < 200


def test_a_million_levels(good: str, write: Write) -> None:
    """A file that is no short text is refused before it is parsed."""
    with pytest.raises(BenchError, match="larger than 1 MiB"):
        load(write(good.replace("[0.1, 1]", str(list(range(1, 1_000_001))))))


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("3", (0, 1, 2)), ("2-4", (2, 3, 4)), ("3,5,8", (3, 5, 8)), ("8, 0-1", (8, 0, 1)), ("7-7", (7,))],
)
def test_parse_seeds(text: str, seeds: tuple[int, ...]) -> None:
    """Seeds are given as a count, a range, a list, or ranges in a list."""
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "1.5",
        "x",
        "3,",
        "4-2",
        "1,1",
        "0-2,1",
        "1-",
        "٣",
        "9999999",
        "0-999999999",
        "9" * 30,
        "1e3",
        "\n3",
    ],
)
def test_parse_seeds_refuses(text: str) -> None:
    """Anything else is refused with the three forms."""
    with pytest.raises(BenchError, match="seeds") as raised:
        parse_seeds(text)
    assert '"0-19"' in raised.value.hint


def test_schema_names_every_key_and_what_it_may_hold() -> None:
    """The JSON Schema forbids unknown keys and describes each known one."""
    assert schema()["additionalProperties"] is False
    properties = schema()["properties"]
    known = "name extends experiment seeds params factors design exclude set cells metrics claims sequential baseline"
    assert {*known.split(), "published", "proxies"} == set(properties)
    assert all(entry["description"] for entry in properties.values())
