"""A worker turns whatever an experiment does into one result per job."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.execute.worker import Result, reporting, work
from tests.execute.conftest import MakeSuite


def run(experiment: str, *kinds: str, folder: Path | str = "") -> list[Result]:
    """Results of one batch: the n-th job is of the n-th kind and has the seed n."""
    batch = [({"kind": kind, "folder": str(folder)}, seed) for seed, kind in enumerate(kinds)]
    done = work(f"tiny:{experiment}", [batch], [str(Path(__file__).parent)], limit=9.0)
    assert len(done.results) == len(kinds)
    return list(done.results)


@pytest.mark.parametrize("experiment", ["LOOP", "ENSEMBLE"])
@pytest.mark.parametrize("fault", ["raises", "exits"])
def test_only_jobs_that_raise_fail(experiment: str, fault: str) -> None:
    """Every other job of the batch has the very numbers that it has without them, wherever the culprits are."""
    expected = run("LOOP", *["fine"] * 7)
    for culprits in ({0}, {6}, {2, 3}, {1, 4, 6}, set(range(7))):
        results = run(experiment, *[fault if seed in culprits else "fine" for seed in range(7)])
        for seed, (result, fine) in enumerate(zip(results, expected, strict=True)):
            assert result.status == ("failed" if seed in culprits else "ok")
            assert result.metrics == ({} if seed in culprits else fine.metrics)


def test_the_reason_names_the_exception_and_the_line() -> None:
    """A failed job says which exception was raised where in the experiment, and shows no line of the harness."""
    (result,) = run("LOOP", "raises")
    first, *frames = result.reason.splitlines()
    assert first == "ValueError: seed 0 cannot be run"
    assert "tiny.py" in frames[-1]
    assert "in misbehave: raise ValueError" in frames[-1]
    assert "worker.py" not in result.reason


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("text", "score is '1.5', not a number (it is text)"),
        ("none", "score is None, not a number"),
        ("vector", "score is array([1., 1.]), not a number"),
        ("lacks", "the outcome lacks score; declared are loss, score"),
        ("adds", "the outcome adds extra; declared are loss, score"),
    ],
)
def test_an_outcome_that_is_not_numbers_fails(kind: str, reason: str) -> None:
    """A metric that is missing, unknown or no number fails its own job with the reason, and no other."""
    before, result, after = run("ENSEMBLE", "fine", kind, "fine")
    assert (before.status, result.status, after.status) == ("ok", "failed", "ok")
    assert result.reason.startswith(reason)


@pytest.mark.parametrize(("experiment", "count"), [("TOO_FEW", "0"), ("TOO_MANY", "more")])
def test_a_wrong_number_of_outcomes_is_believed_of_none(experiment: str, count: str) -> None:
    """Where outcomes cannot be told apart, each job is run alone, and one that then has no outcome has failed."""
    results = run(experiment, "fine", "fine", "fine")
    assert {result.status for result in results} == {"failed"}
    assert results[0].reason.startswith(f"run yielded {count} outcomes for 1 jobs")


@pytest.mark.parametrize(("kind", "reason"), [("skips", "run yielded 0 outcomes"), ("stops", "Stop: not an Exception")])
def test_a_job_costs_no_other_its_outcome(kind: str, reason: str) -> None:
    """A job that yields nothing, or raises what is no Exception, fails alone; the others keep their numbers."""
    before, result, after = run("LOOP", "fine", kind, "nan")
    assert (before.status, result.status, after.status) == ("ok", "failed", "ok")
    assert result.reason.startswith(reason)
    assert before.metrics == run("LOOP", "fine")[0].metrics


def test_what_is_not_finite_is_kept() -> None:
    """NaN with its note, infinities and divergence are recorded as they are; what a diverged run lacks is NaN."""
    nan, infinite, diverged = run("LOOP", "nan", "infinite", "diverges")
    assert math.isnan(nan.metrics["score"])
    assert nan.notes == {"score": "nothing to score"}
    assert infinite.metrics == {"loss": -math.inf, "score": math.inf}
    assert infinite.status == "ok"
    assert (diverged.status, diverged.reason) == ("diverged", "the loss left the earth")
    assert diverged.metrics["loss"] == math.inf
    assert math.isnan(diverged.metrics["score"])


def test_an_exception_after_the_last_outcome_is_said() -> None:
    """Outcomes that were all given are kept, and the late exception stands beside the last."""
    first, last = run("LATE", "fine", "fine")
    assert (first.status, last.status) == ("ok", "ok")
    assert not first.reason
    assert last.reason.startswith("after its last outcome, run raised OSError: cannot clean up")


def test_progress_rises_to_one() -> None:
    """Over several batches and repeated attempts, the fraction done rises from near 0 to 1 and never falls."""
    heard: list[float] = []
    batches = [[({"kind": kind}, seed) for seed, kind in enumerate(kinds)] for kinds in (["fine"] * 3, ["raises"] * 2)]
    with reporting(lambda fraction, _began: heard.append(fraction)):
        work("tiny:ENSEMBLE", batches, [str(Path(__file__).parent)], limit=9.0)
    assert heard == sorted(heard)
    assert heard[0] <= 0.2
    assert heard[-1] == pytest.approx(1.0)


def test_time_up_hands_back_whole_batches() -> None:
    """After the limit no further batch is started, and those that were run are whole."""
    batches = [[({"sleep": 0.01}, seed), ({"sleep": 0.01}, seed + 1)] for seed in range(0, 10, 2)]
    done = work("tiny:LOOP", batches, [str(Path(__file__).parent)], limit=0.03)
    assert len(done.results) in (4, 2)
    assert all(result.seconds >= 0.01 for result in done.results)


def test_an_experiment_that_cannot_be_imported_is_no_result(make_suite: MakeSuite) -> None:
    """A worker that lacks the experiment says so instead of failing jobs."""
    with pytest.raises(BenchError, match="cannot be imported"):
        work("nowhere:AT_ALL", [[({}, 0)]], [], limit=1.0)
