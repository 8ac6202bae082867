"""No code runs from a data file, and nothing in a data file leads writing out of the folder of a run."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import bench
from bench import cli
from bench.errors import BenchError
from bench.execute import artefacts, interim, journal, run
from bench.execute.run import create
from bench.execute.storage import locked
from bench.plan.suite import load
from bench.present.render import html, markdown, terminal
from bench.present.render.csv import csv

if TYPE_CHECKING:
    from tests.conftest import Commands, Lab

ROOT = Path(__file__).parents[1]
RUNS_CODE = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml"}
CALLS_CODE = {"eval", "exec", "compile", "__import__"}


def test_nothing_that_is_read_can_run_code() -> None:
    """Bench and polysem import no format that carries code, evaluate no text, and read arrays without pickles."""
    breaches = []
    for path in [*ROOT.glob("bench/**/*.py"), *ROOT.glob("polysem/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
                breaches += [where for name in names if name.partition(".")[0] in RUNS_CODE]
            elif isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else ""
                method = ast.unparse(node.func) if isinstance(node.func, ast.Attribute) else ""
                safe = any(word.arg == "allow_pickle" and ast.unparse(word.value) == "False" for word in node.keywords)
                loads = method in ("np.load", "numpy.load", "torch.load")
                breaches += [where] * (called in CALLS_CODE or method.endswith("_pickle") or (loads and not safe))
    assert breaches == []


def test_a_suite_imports_only_the_experiment_that_it_names(tmp_path: Path) -> None:
    """Module names anywhere else in a suite, and other files beside it, are never imported."""
    trap = "raise SystemExit('a module was imported that no suite names as its experiment')"
    for name in ("trap", "conftest", "sitecustomize", "numpy_helper"):
        (tmp_path / f"{name}.py").write_text(trap)
    (tmp_path / "named.py").write_text(
        "from dataclasses import dataclass\nfrom bench.experiment import Experiment, Metric\n"
        "@dataclass\nclass Params:\n    word: str = ''\n"
        "EXPERIMENT = Experiment(Params, [Metric('m', 'M')], lambda jobs, progress: ({'m': 1.0} for _ in jobs))\n"
    )
    suite = tmp_path / "suite.toml"
    suite.write_text(
        'name = "quiet"\nexperiment = "named:EXPERIMENT"\nseeds = 1\n'
        '[factors]\nword = ["trap:EXPERIMENT", "__import__(\'trap\')", "{0.__class__}", "../trap.py", "$(touch x)"]\n'
    )
    script = (
        "import sys, bench; before = set(sys.modules)\n"
        "bench.run('suite.toml', executor='serial', out='out'); print(bench.report(out='out'))\n"
        "print(sorted(name for name in set(sys.modules) - before if name in ('named', 'trap', 'conftest')))"
    )
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.splitlines()[-1] == "['named']"
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {
        "trap.py", "conftest.py", "sitecustomize.py", "numpy_helper.py", "named.py", "suite.toml", "out",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["..", "../up", "/tmp/abs", "a/b", ".hidden", "a\\0b", "~", "a..b", "", "-rf"])
def test_the_name_of_a_suite_is_no_path(lab: Lab, name: str) -> None:
    """A name that could lead out of the folder of reports, or hide in it, is refused before anything is made."""
    suite = lab.suite("odd")
    suite.write_text(suite.read_text().replace('"odd"', f'"{name}"'))
    with pytest.raises(BenchError, match="name"):
        load(suite)
    assert not lab.out.exists()


@pytest.mark.usefixtures("sketched")
def test_links_in_the_folder_of_a_run_lead_nowhere(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a link stands in a run's folder, running, mending and reporting write nothing through it."""
    suite = lab.suite(seeds=1)
    bench.run(suite, out=lab.out, executor="serial")
    folder, elsewhere = lab.out / "diets", lab.folder / "elsewhere"
    elsewhere.mkdir()
    for name in ("report.md", "lock", "run.json", "suite.toml", "cells.jsonl", "journal", "artefacts", "damaged"):
        kept = folder / name
        aside = lab.folder / "aside"
        if kept.exists():
            kept.rename(aside)
        target = elsewhere if name in ("journal", "artefacts", "damaged") else elsewhere / "precious"
        target.write_text("thesis") if target != elsewhere else None
        kept.symlink_to(target)
        with pytest.raises(BenchError, match="link"):
            create(load(suite), lab.out)
        with suppress(BenchError):
            bench.run(suite, out=lab.out, executor="serial")
        kept.unlink(missing_ok=True)
        if aside.exists():
            aside.rename(kept)
        assert {path.read_text() for path in elsewhere.iterdir()} <= {"thesis"}
    (folder / "report.md").symlink_to(elsewhere / "precious")
    monkeypatch.setattr(sys, "argv", ["bench", "report", "diets", "--out", str(lab.out), "--format", "md"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert (elsewhere / "precious").read_text() == "thesis"


@pytest.fixture
def foreign(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the folder of a stranger's run, whose files name a module that leaves a mark when imported."""
    suite = lab.suite("stranger", seeds=[3, 7, 9, 11])
    suite.write_text(suite.read_text() + "[metrics]\nscore = { margin = 0.001 }\n[baseline]\nmore_seeds = 2\n")
    bench.run(suite, out=lab.out, executor="serial")
    project = lab.folder / "project"
    project.mkdir()
    (project / "pyproject.toml").touch()
    folder = project / "reports" / "stranger"
    (lab.out / "stranger").rename(folder.parent.mkdir() or folder)
    trap = f"open({str(lab.folder / 'owned')!r}, 'w').close()\nEXPERIMENT = None\n"
    for place in (project, lab.folder, folder):
        (place / "trap_of_a_stranger.py").write_text(trap)
    text = suite.read_text().replace("lab_of_a_user", "trap_of_a_stranger")
    for place in (suite, folder / "suite.toml"):
        place.write_text(text)
    stored = json.loads((folder / "run.json").read_text())
    stored |= {"reference": "trap_of_a_stranger:EXPERIMENT", "path": str(folder / "suite.toml")}
    (folder / "run.json").write_text(json.dumps(stored))
    monkeypatch.chdir(project)
    return folder


@pytest.mark.usefixtures("sketched")
def test_a_run_is_data_for_every_command(foreign: Path, lab: Lab, command: Commands) -> None:
    """Whatever a run's folder names, no command that reads it imports it, not even for a second look."""
    assert command("baseline", "accept", "stranger", "--to", "old.csv")[0] == 0
    table = pd.read_csv("old.csv").assign(seed=lambda rows: rows["seed"] + 1)
    text = table.to_csv(index=False, lineterminator="\n")
    Path("old.csv").write_text(text)
    manifest = json.loads(Path("old.json").read_text())
    Path("old.json").write_text(json.dumps(manifest | {"sha256": hashlib.sha256(text.encode()).hexdigest()}))
    for arguments, code in (
        (("compare", "stranger", "--baseline", "old.csv"), 4),
        (("compare", foreign, "--baseline", "old.csv", "--strict"), 1),
        (("compare", "stranger", "--baseline", "old.csv", "--more-seeds", 2, "--format", "json"), 4),
        (("report", "stranger"), 0),
        (("compare", "stranger", foreign), 0),
        (("report", "stranger", "--format", "html"), 0),
        (("export", "stranger", "--wide"), 0),
        (("runs",), 0),
        (("calibrate", "stranger", "--repetitions", 20), 0),
        (("calibrate", foreign / "suite.toml", "--repetitions", 20), 0),
        (("baseline", "accept", "stranger"), 0),
    ):
        found, _, error = command(*arguments)
        assert (arguments, found, error) == (arguments, code, error)
    done = subprocess.run(
        [sys.executable, "-m", "polysem.features", "stranger"], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert "trap_of_a_stranger" not in sys.modules
    assert not (lab.folder / "owned").exists()


@pytest.mark.parametrize(
    "way", ["absolute", "dots", "name", "a link to a folder", "a link to a file", "a folder elsewhere"]
)
def test_a_baseline_is_written_inside_the_project(foreign: Path, lab: Lab, command: Commands, way: str) -> None:
    """Where a run's folder says, its baseline goes only if that is in the project; ``--to`` goes anywhere."""
    elsewhere = lab.folder / "elsewhere"
    elsewhere.mkdir()
    stored = json.loads((foreign / "run.json").read_text())
    name: object = "stranger"
    if way == "absolute":
        stored["baseline"]["file"] = str(elsewhere / "a.csv")
    elif way == "dots":
        stored["baseline"]["file"] = "../../../elsewhere/a.csv"
    elif way == "name":
        stored["name"] = "../../../elsewhere/a"
    elif way == "a link to a folder":
        Path("reports/baselines").symlink_to(elsewhere)
    elif way == "a link to a file":
        Path("reports/baselines").mkdir()
        (elsewhere / "a.csv").write_text("thesis")
        Path("reports/baselines/stranger.csv").symlink_to(elsewhere / "a.csv")
    else:
        name = foreign.rename(elsewhere / "stranger")
    (Path(str(name)) if way == "a folder elsewhere" else foreign).joinpath("run.json").write_text(json.dumps(stored))
    before = sorted(path.name for path in elsewhere.iterdir())
    code, _, error = command("baseline", "accept", name)
    assert code == 2
    assert "outside the project" in error
    assert "--to" in error
    assert sorted(path.name for path in elsewhere.iterdir()) == before
    assert command("baseline", "accept", name, "--to", elsewhere / "meant.csv")[0] == 0
    assert (elsewhere / "meant.csv").is_file()


def test_a_baseline_replaces_baselines_only(foreign: Path, command: Commands) -> None:
    """No other file of the project is replaced, also not by the manifest that goes beside a baseline."""
    Path("package.json").write_text('{"name": "precious"}')
    Path("table.csv").write_text("a,b\n")
    stored = json.loads((foreign / "run.json").read_text())
    for file in ("../../package.csv", "../../table.csv", "run.csv"):
        stored["baseline"]["file"] = file
        (foreign / "run.json").write_text(json.dumps(stored))
        code, _, error = command("baseline", "accept", "stranger")
        assert code == 2
        assert "no baseline that bench accepted" in error
    assert Path("package.json").read_text() == '{"name": "precious"}'
    assert Path("table.csv").read_text() == "a,b\n"


@pytest.fixture
def kept(lab: Lab) -> Path:
    """The folder of a run with every file that a run may have."""
    (lab.folder / "table.csv").write_text("dose,diet,metric,mean,std,n\n0.0,plain,score,10,1,4\n")
    suite = lab.suite(seeds=2)
    suite.write_text(f'published = "table.csv"\n{suite.read_text()}')
    bench.run(suite, out=lab.out, executor="serial")
    folder = lab.out / "diets"
    arrays = artefacts.save(folder / "artefacts", artefacts.pack({"decoder": [1.0]}))
    (record, *_) = journal.read(folder / "journal").records.values()
    record = replace(record, key="another", artefact=arrays)
    with journal.Journal(folder / "journal", {"host": "here", "code": []}) as more:
        more.append([record])
    interim.plan(folder, interim.Looks(seeds=(0, 1), looks=(1, 2), spending="obrien_fleming", alphas=(0.01, 0.04)), 0)
    (folder / "calibration.json").write_text('{"digest": "of another suite", "seeds": 2}')
    return folder


def _reads(folder: Path) -> str:
    """What everything that reads a run says of it: errors, damage and reports."""
    said = [line.damage for line in bench.runs(folder.parent)]
    for read in (
        lambda: bench.report(folder),
        lambda: bench.load(folder),
        lambda: bench.compare(folder, folder),
        lambda: run.load(folder).arrays("another"),
    ):
        try:
            said.append(str(read()))
        except BenchError as error:
            said.append(str(error))
    return "\n".join(said)


STORED = (
    *("run.json", "cells-*.jsonl", "looks.json", "calibration.json"),
    *("journal", "journal/00001.jsonl", "artefacts", "artefacts/*", "artefacts/*/*.npz"),
)


def test_files_and_folders_of_a_run_are_no_links(kept: Path) -> None:
    """What is stored and was never touched is read without a word on links."""
    assert " link" not in _reads(kept)


@pytest.mark.parametrize("place", STORED)
def test_what_is_stored_is_read_from_the_folder_itself(kept: Path, tmp_path: Path, place: str) -> None:
    """A link, or a FIFO, in the place of any stored file or folder is named and neither followed nor waited for."""
    (path,) = kept.glob(place)
    path.rename(tmp_path / "away")
    path.symlink_to(tmp_path / "away")
    assert "it is a link" in _reads(kept)
    path.unlink()
    os.mkfifo(path)
    said = _reads(kept)
    assert "it is a FIFO" in said or "it is not a folder" in said


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize("form", ["md", "json", "csv"])
@pytest.mark.parametrize("target", ["journal/00001.jsonl", "fifo"])
def test_a_report_is_written_through_nothing(
    kept: Path, command: Commands, monkeypatch: pytest.MonkeyPatch, form: str, target: str
) -> None:
    """Where a report, or the folder of its figures or tables, is a link or a FIFO, it is refused: no result is lost."""
    report = bench.report(kept)
    monkeypatch.setattr(bench, "report", lambda *_, **__: report)
    os.mkfifo(kept / "fifo")
    before = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    name = "tables/contrasts.csv" if form == "csv" else f"report.{form}"
    path = kept / name
    path.parent.mkdir(exist_ok=True)
    for make in (lambda: path.symlink_to(kept / target), lambda: path.hardlink_to(kept / target)):
        make()
        given = ["--output", path.parent if form == "csv" else path]
        for output in ([], given) if form in ("md", "csv") else (given,):
            code, _, err = command("report", kept, "--format", form, *output)
            assert code == (2 if path.is_symlink() or target == "fifo" else 0), err
            assert {file: file.read_bytes() for file in before} == before
        path.unlink()


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize(("form", "inner"), [("md", "figures"), ("csv", "tables")])
def test_figures_and_tables_go_into_folders_of_the_run(kept: Path, command: Commands, form: str, inner: str) -> None:
    """A link in the place of their folder is refused, wherever it leads."""
    (kept / inner).symlink_to(kept / "journal")
    before = sorted(kept.rglob("*"))
    code, _, err = command("report", kept, "--format", form)
    assert (code, "it is a link" in err) == (2, True)
    assert sorted(kept.rglob("*")) == before


@pytest.mark.usefixtures("sketched")
def test_outside_of_a_run_a_path_is_the_users_own(kept: Path, tmp_path: Path, command: Commands) -> None:
    """A link or a device that is named with --output is written to, as by any program."""
    (tmp_path / "real.html").write_text("old")
    (tmp_path / "link.html").symlink_to(tmp_path / "real.html")
    assert command("report", kept, "--format", "html", "--output", tmp_path / "link.html")[0] == 0
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "real.html").read_text().startswith("<!DOCTYPE html>")
    assert command("report", kept, "--format", "html", "--output", "/dev/null")[0] == 0
    assert Path("/dev/null").is_char_device()


MARKUP = "<script>alert(1)</script>"


@pytest.mark.usefixtures("sketched")
def test_a_malicious_run_is_only_text(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels, notes, paths and reasons of a run that somebody else made are escaped, and control characters cut."""
    bench.run(lab.suite("evil", trouble="fails"), out=lab.out, executor="serial")
    path = lab.out / "evil" / "run.json"
    stored = json.loads(path.read_text())
    for metric in stored["metrics"]:
        metric |= {"label": f"{MARKUP}\x1b]0;owned\x07", "unit": "<img src=x onerror=alert(1)>", "note": MARKUP}
    stored |= {"path": f"/x/{MARKUP}.toml", "params": {MARKUP: "$(touch owned)"}, "host": MARKUP}
    path.write_text(json.dumps(stored))
    for name in ("lab_of_a_user", "named"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    report = bench.report("evil", out=lab.out)
    fragment = html.fragment(report)
    assert "<script" not in fragment
    assert "<img" not in re.sub(r'<img alt="[^"<>]*" src="data:image/svg\+xml;base64,[\w+/=]*">', "", fragment)
    assert "&lt;script&gt;" in fragment
    for text in (fragment, terminal.render(report, full=True), markdown.render(report), str(report)):
        assert "\x1b" not in text
        assert "\x07" not in text
    assert "lab_of_a_user" not in sys.modules
    assert "\n<script" not in markdown.render(report)


def test_messages_obey_no_terminal(lab: Lab, command: Commands) -> None:
    """Names of files, hosts, columns and options reach the terminal without their escapes, in every message."""
    escape = "\x1b]0;owned\x07\u202e"
    (lab.folder / "table.csv").write_text(f"a,{escape}\n1,2\n")
    bench.run(lab.suite(seeds=1), out=lab.out, executor="serial")
    (lab.out / "diets" / "run.json").write_text("{")
    for given in (
        ["report", f"no{escape}", "--out", lab.out],
        ["check", f"no{escape}.toml"],
        ["runs", "--out", lab.out],
        ["analyze", lab.folder / "table.csv", "--factors", "b", "--metric", "a"],
        ["audit", f"no{escape}.toml"],
    ):
        _, out, err = command(*given)
        assert not {"\x1b", "\x07", "\u202e"} & {*out, *err}
    (lab.out / "diets" / "lock").write_text(json.dumps({"pid": 1, "host": escape}))
    with locked(lab.out / "diets"):
        (lab.out / "diets" / "lock").write_text(json.dumps({"pid": 1, "host": escape}))
        _, out, err = command("run", lab.suite(seeds=1), "--out", lab.out, "--fresh")
    assert "being written by process 1" in err
    assert not {"\x1b", "\x07"} & {*out, *err}


def test_tables_hold_no_formula(lab: Lab, command: Commands) -> None:
    """In CSV no text is one that a spreadsheet computes or a terminal obeys; numbers are as they are."""
    levels = ["=1+1", "@SUM(A1)", "+cmd|x", "-2+3", "-2", "+1e5", "plain"]
    frame = pd.DataFrame({"=name": levels, "value": [-1.5, 2, 3, 4, 5, 6, 7], "odd": pd.Categorical(levels)})
    frame.loc[6, "=name"] = "\x1b[31m"
    rows = [line.split(",") for line in csv(frame).splitlines()]
    assert rows[0] == ["'=name", "value", "odd"]
    harmless = ["'=1+1", "'@SUM(A1)", "'+cmd|x", "'-2+3", "-2", "+1e5"]
    assert [row[0] for row in rows[1:]] == [*harmless, "\ufffd[31m"]
    assert [row[2] for row in rows[1:]] == [*harmless, "plain"]
    assert [float(row[1]) for row in rows[1:]] == [-1.5, 2, 3, 4, 5, 6, 7]
    bench.run(lab.suite(seeds=1), out=lab.out, executor="serial")
    for wide in ([], ["--wide"]):
        table = bench.load("diets", out=lab.out, wide=bool(wide))
        assert command("export", "diets", "--out", lab.out, *wide)[1] == table.to_csv(index=False, lineterminator="\n")
