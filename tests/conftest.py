"""What tests of several rooms share: R's answers, and a folder with a small experiment of a user's own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pandas as pd
import pytest

import bench
from bench import cli

if TYPE_CHECKING:
    from bench.present.report import Report

hypothesis.settings.register_profile("bench", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("bench")

REFERENCE = Path(__file__).parent / "reference" / "stats"
Reference = tuple[pd.DataFrame, Mapping[str, Any]]

EXPERIMENT = """
import random
import time
from dataclasses import dataclass
from typing import Literal

from bench.experiment import Experiment, Metric, Outcome


@dataclass(frozen=True)
class Params:
    dose: float = 0.0
    diet: Literal["plain", "rich"] = "plain"
    trouble: Literal["none", "fails", "diverges", "nan"] = "none"
    seconds: float = 0.0


def run(jobs, progress):
    for job in jobs:
        p = job.params
        time.sleep(p.seconds)
        if p.trouble == "fails" and job.seed == 1:
            raise ValueError("no luck with seed 1")
        draw = random.Random(f"{p} {job.seed}")
        score = draw.gauss(10 + 5 * p.dose, 1)
        if p.trouble == "nan" and job.seed == 0:
            yield Outcome({"score": float("nan"), "loss": 1.0}, notes={"score": "all <units> dead"})
        else:
            diverged = "loss is 1e30" if p.trouble == "diverges" and job.seed == 2 else ""
            yield Outcome({"score": score, "loss": draw.lognormvariate(0, 1)}, diverged=diverged)
        progress(1.0)


EXPERIMENT = Experiment(
    params=Params,
    metrics=[
        Metric("score", "Score", unit="points", better="higher", note="Only an exhibit."),
        Metric("loss", "Loss", better="lower", scale="log"),
    ],
    run=run,
)
"""

SUITE = """
name = "{name}"
experiment = "lab_of_a_user:EXPERIMENT"
seeds = {seeds}
[params]
seconds = {seconds}
trouble = "{trouble}"
[factors]
dose = [0.0, 1.0]
diet = ["plain", "rich"]
"""


@pytest.fixture(scope="module", autouse=True)
def _path_of_a_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Folders that the tests of a file add to Python's path, and modules from there, are gone for those of the next."""
    yield
    made = tmp_path_factory.getbasetemp()
    sys.path[:] = [folder for folder in sys.path if not Path(folder).is_relative_to(made)]
    _forget(made)


def _forget(folder: Path) -> None:
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "").is_relative_to(folder):
            del sys.modules[name]


class Lab:
    """A folder with the experiment and suites of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "reports"

    def suite(self, name: str = "diets", *, seeds: object = 4, trouble: str = "none", seconds: float = 0.0) -> Path:
        """Write a suite of 2 doses × 2 diets and return its path."""
        path = self.folder / f"{name}.toml"
        path.write_text(SUITE.format(name=name, seeds=seeds, trouble=trouble, seconds=seconds))
        return path


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that Python imports the experiment from, one for all tests of a process."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "lab_of_a_user.py").write_text(EXPERIMENT)
    return folder


@pytest.fixture
def lab(lab_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A laboratory of one's own, in which the experiment can be imported."""
    monkeypatch.syspath_prepend(str(lab_folder))
    (tmp_path / "lab_of_a_user.py").unlink(missing_ok=True)
    return Lab(tmp_path)


@pytest.fixture(scope="session")
def wild(lab_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """Where the run ``wild`` lies, of which 4 of 20 jobs diverged, and its report."""
    wild = Lab(tmp_path_factory.mktemp("wild"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(lab_folder))
        bench.run(wild.suite("wild", seeds=5, trouble="diverges"), out=wild.out, executor="serial")
    return wild.out, bench.report("wild", out=wild.out)


@pytest.fixture(scope="session")
def reference() -> Callable[[str], Reference]:
    """Function from a data set's name to its frame and R's results."""

    def load(name: str) -> Reference:
        answers = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
        frame = pd.read_csv(REFERENCE / f"{name}.csv")
        for factor, levels in answers.get("factor_levels", {}).items():
            frame[factor] = pd.Categorical(frame[factor].astype(str), categories=[str(level) for level in levels])
        return frame, answers["results"]

    return load


@pytest.fixture(scope="session")
def factorial(reference: Callable[[str], Reference]) -> Reference:
    """The balanced 2^4 with 10 seeds, and R's results."""
    return reference("a01_factorial_balanced")


@pytest.fixture
def sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture is an empty one, for tests of where reports go and not of what their pictures show."""
    sketch = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"></svg>'
    monkeypatch.setattr("bench.present.report.Figure.encode", lambda *_: sketch)
    monkeypatch.setattr("bench.present.files.draw", lambda _: None)


@pytest.fixture
def uncollected(monkeypatch: pytest.MonkeyPatch) -> None:
    """No garbage is collected, as ``multipletests`` by Holm does, which takes long in a process of so many tests."""
    monkeypatch.setattr("gc.collect", lambda: 0)


class Commands:
    """Runs commands in this process, as ``bench`` would."""

    def __init__(self, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capture = capfdbinary
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        self._monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = self._capture.readouterr()
        return int(stop.value.code or 0), out.decode(), err.decode()

    def anew(self, folder: Path, *arguments: object) -> tuple[int, str, str]:
        """The same in a folder, with no module of that folder imported before or after, as in a process of its own."""
        with self._monkeypatch.context() as patch:
            patch.chdir(folder)
            patch.setattr(sys, "path", [*sys.path])
            patch.setattr(sys, "dont_write_bytecode", True)
            for path in Path(folder).glob("*.py"):  # of the same name, from another folder
                patch.delitem(sys.modules, path.stem, raising=False)
            try:
                return self(*arguments)
            finally:
                _forget(folder)


@pytest.fixture
def command(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The command line, in a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    return Commands(capfdbinary, monkeypatch)
