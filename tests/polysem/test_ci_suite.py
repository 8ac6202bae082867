"""The gate that CI stands behind, on short trainings of the toy experiment: what it lets pass and what it stops."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import bench
from bench.errors import Exit
from bench.present.compared import GateReport
from polysem.kernel.build import INSTRUCTIONS, available

ROOT = Path(__file__).parents[2]
LABORATORY = """
from dataclasses import replace
from polysem import toy

PARAMS = {}
FACTOR = {}

def run(jobs, progress):
    changed = [replace(job, params=job.params.model_copy(update=PARAMS)) for job in jobs]
    for outcome in toy.POST.run(changed, progress):
        metrics = {name: value * FACTOR.get(name, 1.0) for name, value in outcome.metrics.items()}
        yield replace(outcome, metrics=metrics)

EXPERIMENT = replace(toy.POST, run=run)
"""
Sabotaged = Callable[[Mapping[str, object], Mapping[str, float]], GateReport]


@pytest.fixture(scope="module")
def sabotaged(tmp_path_factory: pytest.TempPathFactory) -> Sabotaged:
    """Function from changed parameters and factors on metrics, which the code got wrong, to the gate's report."""
    folder = tmp_path_factory.mktemp("ci")
    (folder / "laboratory_of_ci.py").write_text(LABORATORY)
    text = (ROOT / "suites" / "ci.toml").read_text().replace("polysem.toy:POST", "laboratory_of_ci:EXPERIMENT")
    suite, out = folder / "ci.toml", folder / "reports"
    suite.write_text(text.replace("../reports/baselines", str(folder)))
    bench.run(suite, out=out, executor="serial")
    bench.accept("ci", folder / "ci.csv", out=out)

    def compare(params: Mapping[str, object], factor: Mapping[str, float]) -> GateReport:
        import laboratory_of_ci

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(laboratory_of_ci, "PARAMS", params)
            patch.setattr(laboratory_of_ci, "FACTOR", factor)
            bench.run(suite, out=out, executor="serial", fresh=True)
        return bench.compare("ci", out=out)

    return compare


CELLS = {"l1/relu", "l1/gelu", "l2/relu", "l2/gelu"}


@pytest.mark.parametrize(
    ("params", "factor", "metric", "cells"),
    [
        ({"sigma": 0.0}, {}, "Sparsity W4", {"l2/gelu"}),
        ({"reg_lambda": 1e-3}, {}, "Train MSE", {"l1/relu", "l1/gelu"}),
        ({}, {"interference": 1.1}, "Interference", CELLS),
    ],
    ids=["noise off", "wrong lambda", "one metric × 1.1"],
)
def test_a_sabotaged_experiment_is_stopped(
    sabotaged: Sabotaged, params: Mapping[str, object], factor: Mapping[str, float], metric: str, cells: set[str]
) -> None:
    """Noise left off, a wrong penalty or a metric a tenth too large exits with 1 and is named with its cells."""
    report = sabotaged(params, factor)
    failing = {(finding.metric, finding.where) for finding in report.findings if finding.fails}
    assert report.exit_code is Exit.REGRESSION
    assert {(metric, cell) for cell in cells} <= failing
    assert any(point.startswith(f"{metric}: ") for point in report.sections[0].points)
    if factor:
        assert {name for name, _ in failing} == {metric}


def _verdicts(out: Path, **environment: str) -> set[str]:
    """Of all comparisons of the suite, trained in another process, with the committed baseline."""
    suite = ROOT / "suites" / "ci.toml"
    code = f"import bench; bench.run({str(suite)!r}, out={str(out)!r}, executor='serial')"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, check=True, cwd=ROOT)
    report = bench.compare("ci", out=out)
    assert report.exit_code is Exit.OK
    return set(report.data["changes"]["verdict"])


@pytest.mark.parametrize("instructions", INSTRUCTIONS)
def test_the_committed_baseline_is_met_to_the_bit(instructions: str, tmp_path: Path) -> None:
    """Whatever the machine and the instructions that its kernel is compiled for, every value is the baseline's."""
    if instructions not in available():
        pytest.skip(f"this CPU has no {instructions}")
    assert _verdicts(tmp_path, POLYSEM_KERNEL=instructions) == {"identical"}


def test_the_reference_passes(tmp_path: Path) -> None:
    """Trained by numpy and torch with plain instructions, the numbers are equivalent to the baseline, and pass."""
    verdicts = _verdicts(tmp_path, POLYSEM_KERNEL="off", ATEN_CPU_CAPABILITY="default")
    assert verdicts <= {"equivalent", "identical"}
