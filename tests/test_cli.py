"""Every command, its output and its exit codes, as a user meets them."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import bench
from bench import cli
from bench.errors import BenchError
from bench.execute import run as bench_run
from bench.execute.baseline import require_repeats
from bench.execute.coordinate import Tally, execute
from bench.execute.journal import Journal, read
from bench.present.render import json as as_json

if TYPE_CHECKING:
    from bench.present.report import Report
    from tests.conftest import Commands, Lab


COMMANDS = ["run", "report", "check", "design", "runs", "export"]
COMMANDS += ["analyze", "calibrate", "audit", "compare", "init", "schema"]


def run(command: Commands, lab: Lab, suite: Path, *arguments: object) -> tuple[int, str, str]:
    return command("run", suite, "--executor", "serial", "--out", lab.out, *arguments)


def test_help_answers_at_once() -> None:
    """``bench --help`` imports neither pandas, numpy, pydantic nor torch, which keeps it within half a second."""
    code = (
        "import sys; from bench import cli; sys.argv = ['bench', '--help']\n"
        "try: cli.main()\n"
        "except SystemExit: print(sorted({'pandas', 'numpy', 'pydantic', 'torch', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(command: Commands, name: str) -> None:
    """The help of every command has an example, and every option an explanation."""
    code, out, _ = command(name, "--help")
    assert code == 0
    assert f"  bench {name}" in out.partition("Example")[2]
    options = out.partition("Options:\n")[2].partition("\n\n")[0]
    assert all(len(line.split()) > 2 or line.startswith("   ") for line in options.splitlines())


def test_run_report_and_export(command: Commands, lab: Lab) -> None:
    """A suite is run, listed, reported and exported, and running it again runs nothing."""
    suite = lab.suite(seeds=4)
    code, out, err = run(command, lab, suite, "--format", "json")
    assert (code, json.loads(out)["ok"]) == (0, 16)
    assert f"Next: bench report diets --out {lab.out}" in err
    assert json.loads(command("run", suite, "--out", lab.out, "--dry-run", "--format", "json")[1])["to_run"] == 0
    code, out, err = command("report", "diets", "--out", lab.out)
    assert (code, err) == (0, "")
    assert "All 16 runs are done" in out
    assert "Score (points), higher is better" in out
    assert "Only an exhibit." in out
    code, out, _ = command("runs", "--out", lab.out, "--format", "json")
    assert (code, json.loads(out)["runs"][0]["ok"]) == (0, 16)
    code, out, _ = command("export", "diets", "--out", lab.out)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, len(rows)) == (0, 32)
    exact = bench.load("diets", out=lab.out)["value"]
    assert [float(row["value"]) for row in rows] == exact.tolist()


def test_more_seeds_run_only_the_new_ones(command: Commands, lab: Lab) -> None:
    """With more seeds than before, the dry run announces the new ones and only they are run."""
    suite = lab.suite(seeds=2)
    run(command, lab, suite)
    _, out, err = command("run", suite, "--seeds", "5", "--out", lab.out, "--dry-run", "--format", "json")
    assert (json.loads(out)["stored"], json.loads(out)["to_run"]) == (8, 12)
    assert "Nothing was run; the same command without --dry-run runs the rest." in err
    _, out, _ = run(command, lab, suite, "--seeds", "5", "--format", "json")
    assert json.loads(out)["ok"] == 20


def test_a_run_mends_what_is_damaged(command: Commands, lab: Lab) -> None:
    """A torn journal is named by ``runs``; the next run says what it moved away and runs it again."""
    run(command, lab, lab.suite())
    segment = lab.out / "diets" / "journal" / "00001.jsonl"
    segment.write_bytes(segment.read_bytes()[:-5])
    assert "1 damaged lines (the first is line 18 of journal/00001.jsonl: torn" in command("runs", "--out", lab.out)[2]
    (lab.out / "diets" / "run.json").write_text("{")
    code, _, err = run(command, lab, lab.suite())
    assert code == 0
    assert "moved to folders called damaged, and made anew: 1 lines of 00001.jsonl and run.json" in err
    assert (lab.out / "diets" / "damaged" / "run.json.1").read_text() == "{"
    code, _, err = run(command, lab, lab.suite())
    assert (code, "made anew" in err) == (0, False)
    assert command("runs", "--out", lab.out)[2] == ""


def test_a_damaged_run_is_listed_with_the_others(command: Commands, lab: Lab) -> None:
    """``bench runs`` shows every run, a damaged one with dashes and a word on stderr."""
    for name in ("well", "ill"):
        run(command, lab, lab.suite(name, seeds=1))
    (lab.out / "ill" / "run.json").write_text("{")
    code, out, err = command("runs", "--out", lab.out)
    assert code == 0
    assert "well" in out
    assert "–" in next(line for line in out.splitlines() if line.startswith("ill"))
    assert f"{lab.out / 'ill'}: {lab.out / 'ill' / 'run.json'} is damaged" in err


@pytest.mark.usefixtures("sketched")
def test_markdown_is_printed_and_kept(command: Commands, lab: Lab) -> None:
    """``--format md`` prints the report and keeps the same text as report.md; ``--output`` writes there alone."""
    run(command, lab, lab.suite())
    code, out, err = command("report", "--format", "md", "--out", lab.out)
    kept = lab.out / "diets" / "report.md"
    assert (code, out) == (0, kept.read_text())
    assert str(kept) in err
    kept.unlink()
    code, out, _ = command("report", "--format", "md", "--out", lab.out, "--output", lab.folder / "a.md")
    assert (code, out, kept.exists()) == (0, "", False)
    assert (lab.folder / "a.md").read_text().startswith("# diets: 4 cells × 4 seeds")


@pytest.mark.usefixtures("sketched")
def test_html_is_kept_and_not_printed(command: Commands, lab: Lab) -> None:
    """``--format html`` keeps report.html in the run's folder and prints nothing; ``--output -`` prints it."""
    run(command, lab, lab.suite())
    code, out, err = command("report", "--format", "html", "--out", lab.out)
    kept = lab.out / "diets" / "report.html"
    assert (code, out) == (0, "")
    assert str(kept) in err
    assert command("report", "--format", "html", "--out", lab.out, "--output", "-")[1] == kept.read_text()


def test_markdown_has_its_figures_beside_it(command: Commands, lab: Lab) -> None:
    """Every picture that report.md refers to lies where it says, in a folder that is made if need be."""
    run(command, lab, lab.suite())
    target = lab.folder / "paper" / "appendix.md"
    assert command("report", "--format", "md", "--out", lab.out, "--output", target)[0] == 0
    pictures = re.findall(r"\]\((appendix-figures/[^)]*)\)", target.read_text())
    assert len(pictures) > 5
    assert all((target.parent / picture).read_bytes().startswith(b"<svg") for picture in pictures)


def test_printed_markdown_refers_to_no_file(command: Commands, lab: Lab) -> None:
    """What is only printed has no pictures beside it: neither ``--output -`` nor a comment links to one."""
    run(command, lab, lab.suite())
    for options in (("md", "--output", "-"), ("comment",)):
        code, out, _ = command("report", "--format", *options, "--out", lab.out)
        assert (code, out.startswith("# diets"), ".svg" in out) == (0, True, False)
    assert not (lab.out / "diets" / "figures").exists()


def test_a_table_of_ones_own_gets_pictures(command: Commands, lab: Lab) -> None:
    """``bench analyze`` draws effects and runs from a table alone, seeds as the table names them."""
    run(command, lab, lab.suite(seeds=4))
    table = lab.folder / "runs.csv"
    table.write_text(command("export", "diets", "--wide", "--out", lab.out)[1])
    page = lab.folder / "page.html"
    given = ["--factors", "dose,diet", "--block", "seed", "--metric", "score", "--format", "html", "--output", page]
    assert command("analyze", table, *given)[0] == 0
    drawn = re.findall(r"<figure[^>]*><h3>([^<]*)", page.read_text())
    assert drawn[:2] == ["Effects on score", "Interactions, score"]
    assert ", seed 3: " in page.read_text()


def test_tables_are_a_folder(command: Commands, lab: Lab) -> None:
    """``--format csv`` writes one file a frame, and says that it cannot be printed; LaTeX can."""
    run(command, lab, lab.suite())
    assert command("report", "--format", "csv", "--out", lab.out)[0] == 0
    rows = list(csv.DictReader(io.StringIO((lab.out / "diets" / "tables" / "contrasts.csv").read_text())))
    expected = bench.report("diets", out=lab.out).data["contrasts"]
    assert [float(row["estimate"]) for row in rows] == expected["estimate"].tolist()
    code, _, err = command("report", "--format", "csv", "--out", lab.out, "--output", "-")
    assert (code, "Name the folder with --output" in err) == (2, True)
    code, _, err = command("report", "--format", "csv", "--out", lab.out, "--output", lab.folder / "a" / "r.csv")
    assert (code, f"Name a folder: --output {lab.folder / 'a' / 'r'}." in err) == (2, True)
    assert r"\toprule" in command("report", "--format", "latex", "--out", lab.out)[1]


def test_some_metrics_are_told(command: Commands, lab: Lab) -> None:
    """``--metric`` leaves the words, tables and figures of the others out, and no number of the frames."""
    run(command, lab, lab.suite(seeds=3))
    code, out, _ = command("report", "diets", "--metric", "loss", "--full", "--out", lab.out)
    assert (code, "Loss, lower is better" in out, "Score (points)" in out) == (0, True, False)
    whole, part = (bench.report("diets", out=lab.out, metrics=names) for names in ((), ["loss"]))
    assert part.data["contrasts"].equals(whole.data["contrasts"])
    assert {name.partition("-")[2] for name in part.figures} == {"loss"}
    code, _, err = command("report", "diets", "--metric", "fame", "--out", lab.out)
    assert (code, "No metric is called 'fame'" in err, "score and loss" in err) == (2, True, True)


@pytest.mark.usefixtures("sketched")
def test_a_report_of_other_results_is_marked(command: Commands, lab: Lab) -> None:
    """What is kept in the folder of a run, and is of an earlier one, says so, once, until it is written anew."""
    run(command, lab, lab.suite(seeds=2))
    kept = lab.out / "diets" / "report.md"
    command("report", "diets", "--format", "md", "--out", lab.out)
    assert "of another run" not in kept.read_text()
    run(command, lab, lab.suite(seeds=2), "--seeds", 3)
    for _ in range(2):
        _, _, err = command("report", "diets", "--out", lab.out)
        assert "report.md is of another run" in err
        assert kept.read_text().count("These are the numbers of another run") == 1
    command("report", "diets", "--format", "md", "--out", lab.out)
    assert "of another run" not in kept.read_text()


def test_runs_are_compared(command: Commands, lab: Lab) -> None:
    """``compare A B`` lays two runs side by side, and refuses a baseline besides."""
    for name in ("one", "two"):
        run(command, lab, lab.suite(name))
    code, out, _ = command("compare", "one", "two", "--out", lab.out)
    assert (code, "one (A) beside two (B)" in out) == (0, True)
    assert command("compare", "one", "two", "--baseline", "three", "--out", lab.out)[0] == 2


def test_json_report_holds_the_frames(command: Commands, lab: Lab) -> None:
    """The JSON report has a schema version and the numbers of the Python API, row by row."""
    run(command, lab, lab.suite())
    content = json.loads(command("report", "--format", "json", "--out", lab.out)[1])
    assert content["schema_version"] == 2
    expected = bench.report("diets", out=lab.out).data["contrasts"]
    assert [row["estimate"] for row in content["contrasts"]] == expected["estimate"].tolist()


def test_a_refuted_claim_that_gates_exits_with_1(command: Commands, lab: Lab) -> None:
    """A report is printed as ever, and exits with 1 if a gating claim is refuted, not if another is."""
    suite = lab.suite(seeds=8)
    claim = (
        '[[claims]]\nid = "harm"\nstatement = "A dose lowers the score"\nmetric = "score"\nexpect = "decrease"\n'
        'contrast = { factor = "dose", from = 0, to = 1 }\n'
    )
    suite.write_text(suite.read_text() + claim)
    run(command, lab, suite)
    assert command("report", "--out", lab.out)[0] == 0
    suite.write_text(suite.read_text() + "gate = true\n")
    run(command, lab, suite)
    code, out, err = command("report", "--out", lab.out, "--format", "json")
    assert code == 1
    assert json.loads(out)["claims"][0]["verdict"] == "refuted"
    assert json.loads(out)["claims"][0]["declared"] == "in advance"
    assert err == "Gating claims fail: harm (refuted)\n"
    suite.write_text(suite.read_text().replace('"decrease"', '"increase"\nmargin = 100.0'))
    run(command, lab, suite)
    code, out, err = command("report", "--out", lab.out)
    assert (code, err) == (1, "Gating claims fail: harm (immaterial)\n")
    assert "but smaller than the margin of 100" in " ".join(out.split())


def test_names_with_commas_and_equals_signs_can_be_passed(command: Commands, lab: Lab) -> None:
    """A quoted name may hold a comma, as in a CSV file; NAME=VALUE takes the longest name that is known."""
    rows = [
        ("a/b"[: 1 + 2 * i], "cd"[j], seed, (i + 2 * j + seed * (i + 1)) % 7)
        for seed in range(5)
        for i in (0, 1)
        for j in (0, 1)
    ]
    frame = pd.DataFrame(rows, columns=["lr, log", "b=c", "seed", "m=1"])
    path = lab.folder / "odd.csv"
    frame.to_csv(path, index=False)
    given = ["--factors", '"lr, log", b=c', "--block", "seed", "--metric", "m=1", "--reference", "b=c=d"]
    code, out, err = command("analyze", path, *given, "--margin", "m=1=5%", "--format", "json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert [row["effect"] for row in found["contrasts"]] == ["lr, log", "b=c", "lr, log:b=c"]
    assert {row["cell"] for row in found["cells"]} == {"a/d", "a/c", '"a/b"/d', '"a/b"/c'}
    assert found["equivalence"][0]["margin"] == pytest.approx(0.05 * frame["m=1"].mean())


def test_audit_prints_what_contradicts_itself(command: Commands, lab: Lab) -> None:
    """The post's figures are audited in every format; a file with a fault exits with 2 and says where."""
    post = Path(__file__).parents[1] / "suites" / "audits" / "post.toml"
    code, out, err = command("audit", post)
    assert (code, err) == (0, "")
    assert "p 0.04 is inconsistent, 0.0501" in " ".join(out.split())
    assert "7 (8.350) is above 2 (8.110)" in " ".join(out.split())
    _, out, _ = command("audit", post, "--ddof", "1", "--format", "json")
    content = json.loads(out)
    assert {"schema_version", "figures", "orders", "confounded"} <= content.keys()
    assert "# Audit of Taming" in command("audit", post, "--format", "md")[1]
    broken = lab.folder / "paper.toml"
    broken.write_text("titel = 1\n")
    code, out, err = command("audit", broken)
    assert (code, out) == (2, "")
    assert "paper.toml:1:1: unknown key" in err


def test_failed_runs_exit_with_3_and_are_shown(command: Commands, lab: Lab) -> None:
    """Failed runs cost the exit code 3 and nothing else: the others are stored, and the report says why they failed."""
    code, out, err = run(command, lab, lab.suite("sick", trouble="fails"), "--format", "json")
    assert (code, json.loads(out)["failed"], json.loads(out)["ok"]) == (3, 4, 12)
    assert "4 of 16 runs have no result" in err
    assert "The first: " in err
    _, out, _ = command("report", "sick", "--out", lab.out)
    assert out.index("Unfinished") < out.index("What was found")
    assert "no luck with seed 1" in " ".join(out.split())


def test_a_missing_run_exits_with_3(command: Commands, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was stored and is gone when the run is over, as from a failing disk, counts as missing, which is said."""

    def lose_the_last(*given: Any, **options: Any) -> Tally:
        tally = execute(*given, **options)
        (segment,) = (lab.out / "diets" / "journal").glob("*.jsonl")
        segment.write_bytes(segment.read_bytes()[:-5])
        return tally

    monkeypatch.setattr("bench.execute.coordinate.execute", lose_the_last)
    code, out, err = run(command, lab, lab.suite(), "--format", "json")
    assert (code, json.loads(out)["missing"], json.loads(out)["ok"]) == (3, 1, 15)
    assert "1 of 16 runs are missing; the same command runs them." in err


def test_divergence_is_a_result(command: Commands, lab: Lab) -> None:
    """A diverged run exits with 0, is named with its reason, and its numbers enter no mean."""
    code, _, _ = run(command, lab, lab.suite("wild", trouble="diverges"))
    assert code == 0
    content = json.loads(command("report", "wild", "--out", lab.out, "--format", "json")[1])
    assert {row["n"] for row in content["cells"]} == {3}
    assert {row["text"] for row in content["remarks"]} == {"loss is 1e30"}


def test_a_missing_value_is_a_dash_with_its_reason(command: Commands, lab: Lab) -> None:
    """A NaN metric counts as missing in its cell, and the reason that the experiment gave is shown."""
    run(command, lab, lab.suite("holes", trouble="nan"))
    _, out, _ = command("report", "holes", "--out", lab.out, "--full")
    assert "(n=3)" in out
    assert "all <units> dead" in " ".join(out.split())


def test_one_seed_does_not_pretend(command: Commands, lab: Lab) -> None:
    """A report on one seed says so first and tests nothing."""
    run(command, lab, lab.suite("single", seeds=1))
    _, out, _ = command("report", "single", "--out", lab.out)
    assert out.index("One seed only") < out.index("What was found")
    assert "*" not in out.partition("What was found")[2].partition("Effects")[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "name"),
        ("name = 'x'\nseeds = 0\nexperiment = 'nowhere:X'\ncolour = 1\n[factors]\na = [1, 1]", "colour"),
        ("name = 'x'\nseeds = 1\nexperiment = 'nowhere:X'\n[factors]\na = [1, 1]", "nowhere"),
        ("\x00\x01", ":1:"),
    ],
)
def test_bad_suites_exit_with_2(command: Commands, lab: Lab, text: str, said: str) -> None:
    """A bad suite costs the exit code 2 and a message with file and line on stderr, never a traceback."""
    path = lab.folder / "bad.toml"
    path.write_text(text)
    for name in ("check", "run"):
        code, out, err = command(name, path)
        assert (code, out) == (2, "")
        assert "bad.toml" in err
        assert said in err
        assert "Traceback" not in err


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize(
    "arguments",
    [
        ("frobnicate",),
        ("run",),
        ("run", "no-such.toml"),
        ("report", "no-such-run"),
        ("report", "--format", "pdf"),
        ("run", "{suite}", "--seeds", "many"),
        ("run", "{suite}", "--workers", "0"),
        ("design", "{suite}", "--looks", "ten"),
        ("design", "{suite}", "--augment", "1"),
        ("design", "{suite}", "--pilot", "nothing"),
        ("run", "{suite}", "--executor", "nowhere"),
        ("run", "{suite}", "--out", "/proc/nowhere"),
        ("report", "--output", "/proc/nowhere/x.md", "--format", "md", "--out", "{out}"),
    ],
)
def test_bad_usage_exits_with_2(command: Commands, lab: Lab, arguments: tuple[str, ...]) -> None:
    """Bad usage costs the exit code 2 and a message, never a traceback, and prints nothing on stdout."""
    suite = lab.suite()
    bench.run(suite, out=lab.out, executor="serial")
    filled = [argument.format(suite=suite, out=lab.out) for argument in arguments]
    code, out, err = command(*filled)
    assert (code, out) == (2, "")
    assert err.strip()
    assert "Traceback" not in err


def test_design_is_said_before_anything_is_run(command: Commands, lab: Lab) -> None:
    """A design is printed in every format without a run; the JSON holds the frames and the lines to paste."""
    suite = lab.suite()
    suite.write_text('design = "one_at_a_time"' + suite.read_text())
    asked = ("design", suite, "--out", lab.out, "--augment", "1")
    code, out, err = command(*asked)
    assert (code, err, lab.out.exists()) == (0, "", False)
    assert "3 of the 4 combinations of 2 factors, × 4 seeds: 12 runs." in out
    content = json.loads(command(*asked, "--looks", "4,8", "--format", "json")[1])
    assert [row["estimable"] for row in content["effects"]] == [True, True, False]
    assert [row["seeds"] for row in content["looks"]] == [4, 8]
    (lines,) = (section["lines"] for section in content["sections"] if "lines" in section)
    assert lines[-3:] == ["[[cells]]", "dose = 1.0", 'diet = "rich"']
    markdown = command(*asked, "--format", "md")[1]
    assert "```toml\n[[cells]]\ndose = 0.0" in markdown


def test_a_bug_is_one_line_and_70(command: Commands, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours is one line that asks for a report, unless BENCH_DEBUG asks for the traceback."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("in the\nmiddle")

    monkeypatch.setattr(bench, "runs", broken)
    monkeypatch.delenv("BENCH_DEBUG", raising=False)
    code, out, err = command("runs", "--out", lab.out)
    assert (code, out) == (70, "")
    assert "ZeroDivisionError: in the middle" in err.splitlines()[0]
    monkeypatch.setenv("BENCH_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["bench", "runs"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def start(*arguments: object, folder: Path, experiment: Path) -> subprocess.Popen[str]:
    """A command of its own process, which heeds Ctrl-C even where the tests run in the background."""
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from bench.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(experiment)}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_an_interruption_exits_with_130_and_keeps_what_is_done(
    lab: Lab, lab_folder: Path, sent: signal.Signals
) -> None:
    """A run ended by Ctrl-C or by a scheduler exits with 130, without a traceback; what it had finished is there."""
    suite = lab.suite("slow", seeds=50, seconds=0.1)
    with start("run", suite, "--out", lab.out, "--workers", "1", folder=lab.folder, experiment=lab_folder) as process:
        journal = lab.out / "slow" / "journal"
        deadline = time.monotonic() + 120
        while not (journal.is_dir() and any(journal.iterdir())) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(sent)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Interrupted" in err
    assert "Traceback" not in err


def test_a_closed_pipe_is_quiet(lab: Lab, lab_folder: Path) -> None:
    """A reader that goes away, as ``head`` does, is no reason for a word on stderr."""
    bench.run(lab.suite(seeds=2), out=lab.out, executor="serial")
    with start("export", "--out", lab.out, folder=lab.folder, experiment=lab_folder) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=30) == 0


def test_the_example_runs_and_repeats_itself(command: Commands, tmp_path: Path) -> None:
    """The example of a user's own experiment runs by the same commands, and gives the same bits twice."""
    pytest.importorskip("sklearn")
    suite = Path(__file__).parents[1] / "examples" / "digits.toml"
    outputs = []
    for out in (tmp_path / "once", tmp_path / "again"):
        assert command("run", suite, "--seeds", "1", "--executor", "serial", "--out", out)[0] == 0
        outputs.append(command("export", "--out", out)[1])
    assert outputs[0] == outputs[1]
    assert "accuracy" in outputs[0]


ANALYZE = ["--factors", "dose,diet", "--block", "seed"]


@pytest.fixture
def exported(command: Commands, lab: Lab) -> Path:
    """The table of a run of the small experiment."""
    run(command, lab, lab.suite(seeds=4))
    path = lab.folder / "runs.csv"
    command("export", "--out", lab.out, "--output", path)
    return path


def test_analyze_finds_in_a_table_what_report_finds_in_its_run(command: Commands, lab: Lab, exported: Path) -> None:
    """The exported table of a run gives the effects of its report to the last digit; so does the standard input."""
    reported = json.loads(command("report", "--out", lab.out, "--format", "json")[1])["contrasts"]
    options = [*ANALYZE, "--metric", "score", "--metric", "loss", "--log", "loss", "--format", "json"]
    code, out, _ = command("analyze", exported, *options)
    found = json.loads(out)
    assert (code, found["schema_version"]) == (0, 2)
    assert found["contrasts"] == reported
    done = subprocess.run(
        [sys.executable, "-c", "from bench.cli import main; main()", "analyze", "-", *options],
        input=exported.read_text(encoding="utf-8"), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["contrasts"] == reported


@pytest.mark.parametrize("options", [[], ["--wide"], ["--all-values"], ["--wide", "--all-values"]])
def test_exported_values_are_of_runs_that_are_ok(
    command: Commands, wild: tuple[Path, Report], tmp_path: Path, options: list[str]
) -> None:
    """A diverged run's value is an empty field unless it is asked for, and ``analyze`` leaves it out either way."""
    out, report = wild
    reported = json.loads(as_json.render(report))["contrasts"]
    path = tmp_path / "wild.csv"
    command("export", "wild", "--out", out, "--output", path, *options)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if ",diverged," in line]
    assert len(lines) == (4 if "--wide" in options else 8)
    assert all(line.endswith(",") for line in lines) == ("--all-values" not in options)
    given = [*ANALYZE, "--metric", "score", "--metric", "loss", "--log", "loss"]
    assert json.loads(command("analyze", path, *given, "--format", "json")[1])["contrasts"] == reported
    assert "4 are not ok by their status (4 diverged)" in " ".join(command("analyze", path, *given)[1].split())


def test_analyze_takes_margins_directions_and_references(command: Commands, exported: Path) -> None:
    """A margin in percent of the mean, a direction and another reference level change what is compared with what."""
    options = [*ANALYZE, "--metric", "score", "--margin", "score=5%", "--better", "score=higher"]
    plain = json.loads(command("analyze", exported, *options, "--format", "json")[1])
    turned = json.loads(command("analyze", exported, *options, "--reference", "diet=rich", "--format", "json")[1])
    effect = {row["effect"]: row["estimate"] for row in plain["contrasts"]}
    other = {row["effect"]: row["estimate"] for row in turned["contrasts"]}
    assert other["diet"] == pytest.approx(-effect["diet"])
    assert other["dose"] == pytest.approx(effect["dose"])
    with exported.open(encoding="utf-8", newline="") as file:
        scores = [float(row["value"]) for row in csv.DictReader(file) if row["metric"] == "score"]
    (margin,) = {row["margin"] for row in plain["equivalence"]}
    assert margin == pytest.approx(0.05 * sum(scores) / len(scores))
    assert all(isinstance(row["p_noninferior"], float) for row in plain["equivalence"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--metric", "lost"], "'lost'"),
        (["--metric", "score", "--log", "loss"], "log is given for 'loss'"),
        (["--metric", "score", "--margin", "score=wide"], "'wide' of score is no size"),
        (["--metric", "score", "--better", "score=up"], "lower, higher or neither"),
        (["--metric", "score", "--reference", "diet"], "--reference diet=VALUE"),
        (["--metric", "score", "--reference", "diet=poor"], "'poor'"),
    ],
)
def test_bad_requests_of_analyze_are_named(command: Commands, exported: Path, options: list[str], said: str) -> None:
    """What was given and what is allowed, on stderr, with exit code 2 and nothing on stdout."""
    code, out, err = command("analyze", exported, *ANALYZE, *options)
    assert (code, out) == (2, "")
    assert said in err


def test_confidence_reaches_every_label(command: Commands, lab: Lab) -> None:
    """With ``--confidence 0.9`` a report of effects, trends, cells, claims and pictures says 90%, and 95% nowhere."""
    suite = lab.suite(seeds=8)
    claim = (
        '[[claims]]\nid = "harm"\nstatement = "A dose raises the score"\nmetric = "score"\nexpect = "increase"\n'
        'contrast = { factor = "dose", from = 0, to = 1 }\n'
    )
    suite.write_text(suite.read_text() + claim)
    run(command, lab, suite)
    page = lab.folder / "page.html"
    assert command("report", "--out", lab.out, "--format", "html", "--confidence", "0.9", "--output", page)[0] == 0
    assert "95%" not in (text := re.sub(r"<style>.*?</style>", "", page.read_text(), flags=re.DOTALL))
    assert text.count("90%") > 8
    narrow, wide = (bench.report("diets", out=lab.out, confidence=level).data for level in (0.9, 0.95))
    for frame in ("contrasts", "claims", "pairwise"):
        spans = [data[frame]["high"] - data[frame]["low"] for data in (narrow, wide)]
        assert (spans[0] < spans[1]).all()
    assert command("report", "--out", lab.out, "--confidence", "95")[0] == 2


def test_contrasts_of_ones_own_from_the_command_line(command: Commands, lab: Lab) -> None:
    """``--contrast`` takes the table of a claim, and an error points into it."""
    run(command, lab, lab.suite(seeds=4))
    table = lab.folder / "runs.csv"
    table.write_text(command("export", "diets", "--wide", "--out", lab.out)[1])
    given = ["analyze", table, "--factors", "dose,diet", "--block", "seed", "--metric", "score", "--format", "json"]
    code, out, _ = command(*given, "--contrast", '{ factor = "dose", from = 0, to = 1 }')
    assert (code, len(json.loads(out)["requested"])) == (0, 1)
    code, _, err = command(*given, "--contrast", '{ factor = "dose", from = 0, to = 7 }')
    assert (code, "dose has no level 7" in err, "^" in err) == (2, True, True)


@pytest.mark.parametrize(
    ("redirection", "arguments", "code", "said"),
    [
        ("2>/dev/full", ["runs"], 0, ""),
        ("2>&-", ["runs"], 0, ""),
        ("2>/dev/full", ["report", "none"], 2, ""),
        ("2>&-", ["run", "diets.toml", "--executor", "serial"], 0, ""),
        (">/dev/full", ["report"], 2, "The output cannot be written: No space left"),
        (">&-", ["export"], 2, "The output cannot be written"),
        (">&-", ["run", "diets.toml", "--executor", "serial"], 2, "The output cannot be written"),
        (">&-", ["--help"], 2, "Bad file descriptor"),
        (">/dev/full", ["--help"], 3, "No space left"),
    ],
)
def test_streams_that_are_closed_or_full(
    lab: Lab, lab_folder: Path, redirection: str, arguments: list[str], code: int, said: str
) -> None:
    """What cannot be said on stderr is not said and changes no exit code; a result that cannot be printed is code 2."""
    bench.run(lab.suite(seeds=2), out=lab.out, executor="serial")
    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, "-m", "tests.command", *arguments],
        cwd=lab.folder, env={**os.environ, "PYTHONPATH": f"{lab_folder}:{Path(__file__).parents[1]}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr, "bug" in done.stderr) == (code, False, False), done.stderr
    assert said in done.stderr
    assert "Exception ignored" not in done.stderr


def test_too_few_open_files_are_said(lab: Lab, lab_folder: Path) -> None:
    """With ``ulimit -n 20`` a run ends with a message and not as a bug, and what is stored stays readable."""
    bench.run(lab.suite(seeds=1), out=lab.out, executor="serial")
    lab.suite(seeds=3)
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 20; "$@"', "sh", sys.executable, "-m", "tests.command", "run", "diets.toml"],
        cwd=lab.folder, env={**os.environ, "PYTHONPATH": f"{lab_folder}:{Path(__file__).parents[1]}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 2)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or "Too many open files" in done.stderr
    assert (bench.load("diets", out=lab.out)["status"] == "ok").sum() >= 8


def test_full_shared_memory_is_said(command: Commands, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that can share no memory with their coordinator end the run with 3; where space may be short is said."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("bench.execute.slots._SPAWN.RawArray", full)
    code, _, err = command("run", lab.suite(), "--out", lab.out)
    assert (code, "No space left on device" in err, "/dev/shm too" in err) == (3, True, True)
    assert command("run", lab.suite(), "--executor", "serial", "--out", lab.out)[0] == 0


def test_no_command_fails_where_every_run_is_damaged(command: Commands, lab: Lab) -> None:
    """They are listed without counts, as text and as JSON."""
    bench.run(lab.suite(seeds=1), out=lab.out, executor="serial")
    (lab.out / "diets" / "run.json").write_text("{")
    code, out, err = command("runs", "--out", lab.out)
    assert (code, "diets" in out, "is damaged" in err) == (0, True, True)
    assert json.loads(command("runs", "--out", lab.out, "--format", "json")[1])["runs"][0]["planned"] == "nan"


def test_a_header_that_lacks_its_code_stops_no_command(command: Commands, lab: Lab) -> None:
    """A journal whose sessions say nothing, or nonsense, of their code is compared, reported and run as any other."""
    suite = lab.suite(seeds=3)
    run(command, lab, suite)
    journal = lab.out / "diets" / "journal"
    records = list(read(journal).records.values())
    (journal / "00001.jsonl").unlink()
    for head in ({}, {"code": 3}, {"code": [1, {}]}, {"code": None, "started": 7, "host": []}):
        with Journal(journal, head) as more:
            more.append(records)
        for given in (["compare", "diets", "--baseline", lab.out / "diets"], ["report", "diets"], ["runs"]):
            code, _, err = command(*given, "--out", lab.out)
            assert code in (0, 4), err
        again = [bench_run.load(lab.out / "diets") for _ in range(2)]
        with pytest.raises(BenchError, match="the results of another run that is named"):
            require_repeats(again)
        assert run(command, lab, suite)[0] == 0


def test_a_published_table_of_other_cells_is_compared_with_nothing(command: Commands, lab: Lab) -> None:
    """That no cell of the table was run is said, with the code of what was not measured."""
    run(command, lab, lab.suite(seeds=3))
    table = lab.folder / "table.csv"
    for row in ("7.0,plain,score,10,1,4", "0.0,plain,fame,10,1,4"):
        table.write_text(f"dose,diet,metric,mean,std,n\n{row}\n")
        code, _, err = command("compare", "diets", "--baseline", table, "--out", lab.out)
        assert code in (2, 4), err


def test_ctrl_c_while_a_command_starts_leaves_no_traceback(lab: Lab) -> None:
    """Whatever is being imported then, it ends with code 130 and in silence."""
    script = (
        "import signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == MODULE: signal.raise_signal(signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from bench.cli import main\n"
        "sys.argv[1:] = ['runs']\n"
        "main()\n"
    )
    for module in ("typer", "bench.cli.running", "bench.cli.app", "pandas"):
        done = subprocess.run(
            [sys.executable, "-c", f"MODULE = {module!r}\n{script}"],
            cwd=lab.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (130, "")
