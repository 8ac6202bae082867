"""Which test keeps which promise of the store; each is kept at full strength by ``make torture``."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import bench
from bench.present.render import terminal

ROOT = Path(__file__).parent
PROMISES = {
    "1. A coordinator that is killed anywhere loses nothing but the jobs in flight": [
        "execute/test_coordinate.py::test_a_coordinator_killed_anywhere_loses_nothing",
    ],
    "2. A worker that is killed costs its neighbours nothing": [
        "execute/test_coordinate.py::test_a_killed_worker_costs_nobody_else",
        "execute/test_slots.py::test_workers_that_are_killed_while_they_start_are_replaced",
    ],
    "3. A full disk leaves earlier data readable and the exit code is not 0": [
        "execute/test_journal.py::test_a_full_disk_keeps_what_was_stored",
        "execute/test_coordinate.py::test_a_full_disk_stops_the_run_and_loses_nothing",
    ],
    "4. A second coordinator of one folder is refused": [
        "execute/test_journal.py::test_a_second_writer_is_refused_and_a_killed_one_leaves_no_lock",
        "execute/test_coordinate.py::test_a_second_coordinator_is_refused",
    ],
    "5. A cut journal gives every earlier record, and corrupted bytes are never read as data": [
        "execute/test_journal.py::test_truncation_at_every_byte_keeps_every_earlier_record",
        "execute/test_journal.py::test_random_damage_is_found_and_never_read_as_data",
        "execute/test_journal.py::test_damaged_lines_are_set_aside_once",
    ],
    "6. No suite gives a traceback": [
        "plan/test_source.py::test_no_suite_gives_a_traceback",
        "plan/test_source.py::test_no_bytes_give_a_traceback",
        "plan/test_source.py::test_a_damaged_suite_gives_no_traceback",
    ],
    "7. NaN, infinite, missing and constant metrics are recorded and shown, and left out only in words": [
        "test_promises.py::test_odd_metrics_are_recorded_and_shown",
        "execute/test_journal.py::test_records_round_trip_to_the_bit",
        "execute/test_run.py::test_tables_hold_every_planned_run",
    ],
    "8. A suite that changed adds new cells and reinterprets none": [
        "execute/test_run.py::test_a_changed_suite_adds_and_reinterprets_nothing",
        "execute/test_run.py::test_readers_see_one_plan_while_another_takes_its_place",
        "execute/test_run.py::test_folders_that_are_not_ours_are_left_alone",
    ],
    "9. Whoever runs the jobs, the table is the same to the byte": [
        "execute/test_coordinate.py::test_the_table_depends_on_no_executor_or_number_of_workers",
    ],
    "10. Ctrl-C keeps what is done and exits with 130": [
        "execute/test_coordinate.py::test_ctrl_c_keeps_what_is_done",
        "test_cli.py::test_an_interruption_exits_with_130_and_keeps_what_is_done",
        "execute/test_coordinate.py::test_ctrl_c_gives_up_a_long_list_and_readers_see_what_is_stored",
    ],
    "11. No code runs from a data file, and none leads out of the run's folder": [
        "test_security.py::test_nothing_that_is_read_can_run_code",
        "test_security.py::test_a_suite_imports_only_the_experiment_that_it_names",
        "test_security.py::test_links_in_the_folder_of_a_run_lead_nowhere",
        "test_security.py::test_what_is_stored_is_read_from_the_folder_itself",
        "test_security.py::test_a_report_is_written_through_nothing",
        "test_security.py::test_figures_and_tables_go_into_folders_of_the_run",
        "test_security.py::test_a_malicious_run_is_only_text",
        "execute/test_artefacts.py::test_a_malicious_file_is_refused",
        "present/test_origin.py::test_a_malicious_journal_is_only_text",
    ],
}


@pytest.mark.parametrize("promise", PROMISES)
def test_every_promise_has_its_test(promise: str) -> None:
    """The tests that keep a promise exist, and none of them is skipped or expected to fail."""
    for place in PROMISES[promise]:
        file, _, name = place.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        (test,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
        marks = [ast.unparse(mark) for mark in test.decorator_list]
        assert not any("skip" in mark or "xfail" in mark for mark in marks)


ODD = """
from dataclasses import dataclass
from bench.experiment import Experiment, Metric, Outcome

@dataclass(frozen=True)
class Params:
    dose: int = 0

def run(jobs, progress):
    for job in jobs:
        if job.seed == 5:
            raise ValueError("seed 5 is cursed")
        values = {"constant": 1.0, "never": float("nan"), "beyond": float("inf") if job.seed == 1 else job.seed / 7}
        yield Outcome({**values, "sometimes": float("nan") if job.seed == 2 else job.seed + job.params.dose / 3},
                      notes={"sometimes": "nothing to count"} if job.seed == 2 else {})

EXPERIMENT = Experiment(Params, [Metric(n, n) for n in ("constant", "never", "beyond", "sometimes")], run)
"""


def test_odd_metrics_are_recorded_and_shown(tmp_path: Path) -> None:
    """Constant, missing, infinite and partly missing metrics keep every row, and the report says what it left out."""
    (tmp_path / "odd_lab.py").write_text(ODD)
    suite = tmp_path / "odd.toml"
    suite.write_text('name = "odd"\nexperiment = "odd_lab:EXPERIMENT"\nseeds = 6\n[factors]\ndose = [0, 1]\n')
    frame = bench.run(suite, out=tmp_path / "out", executor="serial")
    counts = frame.groupby("metric", observed=True)["value"].agg(["size", "count"])
    assert counts["size"].tolist() == [12] * 4
    assert counts["count"].to_dict() == {"constant": 10, "never": 0, "beyond": 10, "sometimes": 8}
    text = " ".join(terminal.render(bench.report("odd", out=tmp_path / "out"), full=True).split())
    assert "10 of the runs that are ok have a value that is no finite number" in text
    assert "nothing to count" in text
    assert "seed 5 is cursed" in text
