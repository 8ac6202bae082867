"""The suites that come with the project."""

from pathlib import Path

import pytest

import bench
from bench.plan.design import n_jobs

ROOT = Path(__file__).parent.parent
SUITES = [*sorted((ROOT / "suites").glob("*.toml")), ROOT / "examples" / "digits.toml"]


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_suites_are_valid_and_named_as_their_files(path: Path) -> None:
    """Every suite passes its own check, and its run's folder bears the name of its file."""
    assert bench.check(path).name == path.stem


def test_the_designs_have_the_sizes_that_they_claim() -> None:
    """160 runs for the full factorial in either protocol, 80 for the post's eight cells."""
    sizes = {path.stem: n_jobs(bench.check(path)) for path in SUITES}
    assert sizes["full_factorial"] == sizes["full_factorial_described"] == 160
    assert sizes["published_ablations"] == 80


def test_smoke_runs_to_a_report(tmp_path: Path) -> None:
    """Twelve small networks are trained on worker processes, and the report says that all went well."""
    frame = bench.run(ROOT / "suites" / "smoke.toml", out=tmp_path, workers=2)
    assert len(frame) == 12 * 8
    assert frame["value"].notna().all()
    assert "All 12 runs are done and none failed." in str(bench.report("smoke", out=tmp_path))
