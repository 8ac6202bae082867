"""Designs in suites: the cells that each spelling stands for, and what is said of a bad one, where."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from bench.errors import BenchError
from bench.plan.design import cells, jobs, n_cells
from bench.plan.source import SuiteError
from bench.plan.subgrid import DesignError, fraction
from bench.plan.suite import Plan, load

Write = Callable[[str | bytes], Path]
HEAD = 'name = "designed"\nexperiment = "subject:EXPERIMENT"\nseeds = 2\n'
TWO_LEVELS = """[factors]
reg = ["l1", "l2"]
act = ["relu", "gelu"]
lr = [0.1, 1.0]
steps = [10, 20]
"""


def rows(suite: Plan) -> list[tuple[object, ...]]:
    return [tuple(combination.values()) for combination in suite.combinations()]


def signs(found: object, n: int) -> np.ndarray:
    return np.array([[2 * level - 1 for level in cell.values()] for cell in found]).reshape(-1, n)


@pytest.mark.parametrize(
    "design",
    ['{ fraction = ["D=ABC"] }', '{ fraction = "D = ABC" }', '{ fraction = ["steps = reg*act*lr"] }'],
)
def test_a_fraction_by_its_generator(write: Write, design: str) -> None:
    """D=ABC, by letters or by names, is the half in which the product of all four columns is +1."""
    suite = load(write(f"{HEAD}design = {design}\n{TWO_LEVELS}"))
    codes = np.array(
        [[list(suite.factors.values())[i].index(level) for i, level in enumerate(row)] for row in rows(suite)]
    )
    assert (2 * codes - 1).prod(axis=1).tolist() == [1] * 8
    assert codes[:, :3].tolist() == [list(levels) for levels in product((0, 1), repeat=3)]
    assert n_cells(suite) == 8


def test_a_negative_generator_is_the_other_half() -> None:
    """The cells of D=ABC and D=-ABC are all sixteen."""
    factors = dict.fromkeys("wxyz", (0, 1))
    halves = [tuple(cell.values()) for text in ("D=ABC", "z = -w*x*y") for cell in fraction([text], factors)]
    assert sorted(halves) == sorted(product((0, 1), repeat=4))


def test_one_at_a_time(write: Write) -> None:
    """The reference, then every other level of each factor with the others at their first."""
    text = f'{HEAD}design = "one_at_a_time"\n[factors]\nreg = ["l1", "l2", "none"]\nlr = [0.1, 1.0]\n'
    assert rows(load(write(text))) == [("l1", 0.1), ("l2", 0.1), ("none", 0.1), ("l1", 1.0)]


def test_a_sweep_is_made_only_under_its_levels(write: Write) -> None:
    """A nested factor takes its swept levels under the named ones, and the experiment's default elsewhere."""
    text = f'{HEAD}[factors]\nreg = ["none", "l1", "l2"]\nlr = {{ levels = [1, 2], under = {{ reg = ["l1"] }} }}\n'
    suite = load(write(text))
    assert rows(suite) == [("none", 0.1), ("l1", 1.0), ("l1", 2.0), ("l2", 0.1)]
    assert suite.factors["lr"] == (0.1, 1.0, 2.0)
    otherwise = load(write(text.replace("under", "otherwise = 2, under")))
    assert rows(otherwise) == [("none", 2.0), ("l1", 1.0), ("l1", 2.0), ("l2", 2.0)]
    assert otherwise.factors["lr"] == (1.0, 2.0)


@pytest.mark.parametrize(
    ("sweep", "levels"),
    [
        ("lr = { log = [1e-4, 1e-1], points = 4 }", (0.0001, 0.001, 0.01, 0.1)),
        ("lr = { log = [8, 1], points = 4 }", (8.0, 4.0, 2.0, 1.0)),
        ("steps = { linear = [10, 50], points = 5 }", (10, 20, 30, 40, 50)),
        ("lr = { levels = [3, 1] }", (3.0, 1.0)),
    ],
)
def test_spaced_levels(write: Write, sweep: str, levels: tuple[float, ...]) -> None:
    """Levels spaced evenly, or by even ratios, are called by round numbers; of an integer parameter, integers."""
    (found,) = load(write(f"{HEAD}[factors]\n{sweep}\n")).factors.values()
    assert found == levels
    assert [type(level) for level in found] == [type(level) for level in levels]


def test_excluded_cells_are_not_run(write: Write) -> None:
    """What lies in the region of an exclusion is left out of the grid, and the reason is kept."""
    exclude = '[[exclude]]\nwhere = { reg = "l2", tied = true }\nreason = "tied weights need l1"\n'
    text = f'{HEAD}[factors]\nreg = ["l1", "l2"]\ntied = [false, true]\n'
    with pytest.raises(SuiteError, match="refuses the cell"):
        load(write(text))
    suite = load(write(text + exclude))
    assert rows(suite) == [("l1", False), ("l1", True), ("l2", False)]
    assert (n_cells(suite), suite.exclusions[0].reason) == (3, "tied weights need l1")


def test_nested_and_excluded_grids_are_lazy(write: Write) -> None:
    """The first job of a huge nested grid with an exclusion comes without the others being made."""
    many = list(range(1, 900))
    text = (
        f'{HEAD}[factors]\nreg = ["l1", "l2"]\nsteps = {many}\nclip = {many}\n'
        'lr = { levels = [1, 2], under = { reg = "l1" } }\n[[exclude]]\nwhere = { steps = 1 }\nreason = "too few"\n'
    )
    first, job = next(jobs(load(write(text))))
    assert dict(first.levels) == {"reg": "l1", "steps": 2, "clip": 1.0, "lr": 1.0}
    assert job.seed == 0


def test_a_job_is_the_same_however_its_cell_is_declared(write: Write) -> None:
    """Listed, chosen by a generator, nested or left by exclusions, equal parameters have equal keys."""

    def keys(text: str) -> set[str]:
        suite = load(write(HEAD + text))
        return {suite.experiment.key(job) for _, job in jobs(suite)}

    grid = '[factors]\nreg = ["l1", "l2"]\nact = ["relu", "gelu"]\nsteps = [10, 20]\n'
    chosen = keys(f'design = {{ fraction = "C=AB" }}\n{grid}')
    listed = keys(
        "".join(
            f'[[cells]]\nreg = "{reg}"\nact = "{act}"\nsteps = {steps}\n'
            for reg, act, steps in (("l1", "relu", 20), ("l1", "gelu", 10), ("l2", "relu", 10), ("l2", "gelu", 20))
        )
    )
    excluded = keys(
        grid + '[[exclude]]\nwhere = { reg = "l1", act = "relu", steps = 10 }\nreason = "r"\n'
        '[[exclude]]\nwhere = { reg = "l1", act = "gelu", steps = 20 }\nreason = "r"\n'
        '[[exclude]]\nwhere = { reg = "l2", act = ["relu"], steps = 20 }\nreason = "r"\n'
        '[[exclude]]\nwhere = { reg = "l2", act = ["gelu"], steps = 10 }\nreason = "r"\n'
    )
    assert chosen == listed == excluded
    nested = keys('[factors]\nreg = ["none", "l1"]\nlr = { levels = [1, 2], under = { reg = "l1" } }\n')
    plain = keys('[[cells]]\nreg = "none"\nlr = 0.1\n[[cells]]\nreg = "l1"\nlr = 1\n[[cells]]\nreg = "l1"\nlr = 2\n')
    assert nested == plain


@pytest.mark.parametrize(
    ("design", "line", "column", "words"),
    [
        ('{ fraction = ["D=ABX"] }', 4, 24, ["names X, which is no factor", "A reg, B act, C lr, D steps"]),
        ('{ fraction = "steps = reg*akt" }', 4, 23, ["names akt", 'Did you mean "act"']),
        ('{ fraction = ["D=ABC", "D=AB"] }', 4, 33, ["steps is generated twice"]),
        ('{ fraction = ["C=AB", "D=AC"] }', 4, 32, ["made of lr, which is itself generated"]),
        ('{ fraction = ["DABC"] }', 4, 24, ["no generator", "D=ABC"]),
        ('{ fraction = ["D=AAB"] }', 4, 24, ["names a factor twice"]),
        ('{ fracton = ["D=ABC"] }', 4, 12, ['unknown key "fracton"', 'Did you mean "fraction"']),
        ("{ fraction = 3 }", 4, 23, ["design.fraction cannot be 3", "D=ABC"]),
        ("{ plackett_burman = 12 }", 4, 12, ["unknown key"]),
        ("{}", 4, 1, ['"fraction" is missing']),
        ('"one_at_once"', 4, 10, ['design cannot be "one_at_once"', "one_at_a_time"]),
    ],
)
def test_a_fault_in_a_design(write: Write, design: str, line: int, column: int, words: list[str]) -> None:
    """A wrong generator or design names its place, what was given and what is allowed."""
    check_fault(write(f"{HEAD}design = {design}\n{TWO_LEVELS}"), line, column, words)


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("lr = { log = [0.1, 1] }", 6, 1, ["log and no points", "points = 4"]),
        ("lr = { log = [0, 1], points = 3 }", 6, 14, ["not positive", "linear"]),
        ("lr = { linear = [1, 1], points = 3 }", 6, 17, ["from a number to itself"]),
        ("lr = { log = [0.1, 1], levels = [1], points = 3 }", 6, 1, ["both levels and log"]),
        ("lr = { lvls = [1] }", 6, 8, ['unknown key "lvls"', 'Did you mean "levels"']),
        ("lr = { levels = [1, 0] }", 6, 21, ["lr cannot be 0", "greater than 0"]),
        ("lr = { log = [0.1, 1], points = 1 }", 6, 33, ["points cannot be 1"]),
        ('lr = { levels = [1], under = { rge = "l1" } }', 6, 32, ['no factor "rge"', 'Did you mean "reg"']),
        ('lr = { levels = [1], under = { reg = "L1" } }', 6, 38, ['reg has no level "L1"', 'Did you mean "l1"']),
        ("lr = { levels = [1], under = { steps = 10 } }\nsteps = [10, 20]", 6, 32, ["steps comes after"]),
        ("lr = { levels = [1], otherwise = 2 }", 6, 22, ["otherwise goes with under"]),
        ('lr = { levels = [1], otherwise = -2, under = { reg = "l1" } }', 6, 34, ["lr cannot be -2"]),
        ('[[exclude]]\nwhere = { reg = "L1" }\nreason = "r"', 7, 17, ['no level "L1"', 'Did you mean "l1"']),
        ('[[exclude]]\nwhere = { reg = "l1" }', 6, 3, ['"reason" is missing']),
        ('[[exclude]]\nwhere = { reg = ["l1", "l2"] }\nreason = "r"', 6, 3, ["every cell is excluded"]),
        ('[[exclude]]\nwhere = { reg = "l1" }\nreason = "r"', 5, 1, ['no cell has reg = "l1"']),
    ],
)
def test_a_fault_in_a_sweep_or_an_exclusion(write: Write, text: str, line: int, column: int, words: list[str]) -> None:
    """A wrong sweep, nesting or exclusion names its place, what was given and what is allowed."""
    check_fault(write(f'{HEAD}[factors]\nreg = ["l1", "l2"]\n{text}\n'), line, column, words)


def check_fault(path: Path, line: int, column: int, words: list[str]) -> None:
    with pytest.raises(SuiteError) as raised:
        load(path)
    fitting = [fault for fault in raised.value.faults if (fault.line, fault.column) == (line, column)]
    assert fitting, str(raised.value)
    said = " ".join(f"{fault.message} {fault.hint}" for fault in fitting)
    assert all(word in said for word in words), said


def test_a_design_needs_two_levels(write: Write) -> None:
    """A factor of three levels takes no part in a fraction."""
    factors = {"a": (0, 1, 2), "b": (0, 1), "c": (0, 1)}
    with pytest.raises(DesignError, match="a has 3 levels"):
        fraction(["C=AB"], factors)


def test_a_design_does_not_go_with_listed_cells(write: Write) -> None:
    """Listed cells are a choice already; a design or an exclusion beside them is refused."""
    check_fault(write(f'{HEAD}design = "one_at_a_time"\n[[cells]]\nlr = 1\n'), 4, 1, ["goes with factors"])
    assert list(cells(load(write(f"{HEAD}[[cells]]\nlr = 1\n"))))


BASE = HEAD.replace("designed", "base") + '[params]\nsteps = 20\nlr = 0.5\n[factors]\nreg = ["l1", "l2"]\n'


def extended(folder: Path, text: str, base: str = BASE) -> Path:
    (folder / "base.toml").write_text(base)
    path = folder / "child.toml"
    path.write_text(f'name = "child"\nextends = "base.toml"\n{text}')
    return path


def test_a_suite_may_extend_another(tmp_path: Path) -> None:
    """Own values are laid over the base's, key by key in tables; the rest is inherited."""
    suite = load(extended(tmp_path, '[params]\nlr = 2\n[factors]\nact = ["relu", "gelu"]\n[metrics.l0]\nmargin = 1\n'))
    assert (suite.name, suite.seeds, suite.params) == ("child", (0, 1), {"steps": 20, "lr": 2})
    assert suite.factors == {"reg": ("l1", "l2"), "act": ("relu", "gelu")}
    assert suite.metrics["l0"].margin == 1
    listed = load(extended(tmp_path, '[[cells]]\nreg = "none"\n'))
    assert rows(listed) == [("none",)]


def test_a_fault_in_the_base_is_placed_there(tmp_path: Path) -> None:
    """What is wrong in an inherited value is shown in the file that holds it; what is one's own in one's own."""
    path = extended(tmp_path, "[params]\nstepz = 1\n", BASE.replace('"l2"', '"l4"'))
    with pytest.raises(SuiteError) as raised:
        load(path)
    assert f'{tmp_path / "base.toml"}:8:14: reg cannot be "l4"' in str(raised.value)
    assert f'{path}:4:1: the experiment has no parameter "stepz"' in str(raised.value)
    assert '    reg = ["l1", "l4"]' in str(raised.value)


@pytest.mark.parametrize(
    ("base", "child", "said"),
    [
        (
            f'extends = "child.toml"\n{BASE}',
            "",
            "base.toml:1:11: the suites go round in a circle: child.toml extends base",
        ),
        (BASE, 'extends = "bsae.toml"', 'no suite "bsae.toml"'),
        (BASE.replace('name = "base"', ""), "seeds = 0\n", "child.toml:3:9: seeds cannot be 0"),
        ("name = ", "", "base.toml:1:8: Invalid value"),
    ],
)
def test_a_wrong_base(tmp_path: Path, base: str, child: str, said: str) -> None:
    """A base that is missing, goes round in a circle or is no TOML is an error with its place."""
    path = extended(tmp_path, "" if child.startswith("extends") else child, base)
    if child.startswith("extends"):
        path.write_text(f'name = "child"\n{child}\n')
    with pytest.raises(BenchError) as raised:
        load(path)
    assert said in str(raised.value)
    if "bsae" in child:
        assert 'Did you mean "base.toml"?' in str(raised.value)


def test_a_base_that_is_no_suite_file_is_not_opened(tmp_path: Path) -> None:
    """What it holds is not quoted: a suite may name any file of the machine, by a link too."""
    (tmp_path / "passwd").write_text("root:secret\n")
    (tmp_path / "link.toml").symlink_to("passwd")
    for name in ("passwd", "link.toml"):
        path = extended(tmp_path, "")
        path.write_text(f'name = "child"\nextends = "{name}"\n')
        with pytest.raises(SuiteError, match="is no suite") as raised:
            load(path)
        assert "secret" not in str(raised.value)


def test_a_name_is_not_inherited(tmp_path: Path) -> None:
    """Two suites with one name would share a folder, so that each has its own."""
    path = extended(tmp_path, "")
    path.write_text('extends = "base.toml"\n')
    with pytest.raises(SuiteError, match='"name" is missing'):
        load(path)
