"""The suites of the two other systems: each has a reduced one, of the same claims, and each runs."""

from pathlib import Path

import pytest

import bench

SUITES = Path(__file__).parents[2] / "suites"
SMALL = sorted(path for name in ("incidental", "superposition") for path in SUITES.glob(f"{name}_*_small.toml"))
BRIEF = {"incidental": {"steps": 20}, "superposition": {"steps": 20, "batch": 32, "instances": 2}}
"""Experiment -> parameters that make a run take milliseconds."""
OWN = {"speed": {"neurons": 100}, "sae": {"sae_rows": 64, "sae_epochs": 1}}
"""Suite -> its own such parameters."""
FACTORS = {"speed": {"steps": [10, 20]}}
"""Suite -> levels that do."""


def test_every_suite_has_a_reduced_one() -> None:
    """And no more."""
    real = {path.stem for name in BRIEF for path in SUITES.glob(f"{name}_*.toml")}
    assert {path.stem for path in SMALL} == {f"{stem}_small" for stem in real if not stem.endswith("_small")}


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_a_reduced_suite_has_fewer_runs_of_the_same(path: Path) -> None:
    """Its cells are cells of the real one, its claims have the same names, and it has half of the runs at most."""
    small, real = bench.check(path), bench.check(path.with_name(path.name.replace("_small", "")))
    cells = [list(plan.combinations()) for plan in (small, real)]
    assert all(cell in cells[1] for cell in cells[0])
    assert [claim.id for claim in small.claims] == [claim.id for claim in real.claims]
    assert 2 * len(cells[0]) * len(small.seeds) <= len(cells[1]) * len(real.seeds)


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_a_suite_runs(path: Path, tmp_path: Path) -> None:
    """Every cell has a result when it is trained for a moment; noise that diverges does so later."""
    experiment, name, *_ = path.stem.split("_")
    factors = FACTORS.get(name, {})
    given = BRIEF[experiment] | OWN.get(name, {})
    params = {key: value for key, value in given.items() if key not in factors}
    tables = [
        f"[{table}]\n" + "".join(f"{key} = {value}\n" for key, value in of.items())
        for table, of in (("params", params), ("factors", factors))
    ]
    suite = tmp_path / "brief.toml"
    suite.write_text(f'name = "brief"\nextends = "{path}"\nseeds = 1\nset = []\n' + "".join(tables))
    bench.run(suite, out=tmp_path, executor="serial")
    assert bench.load("brief", wide=True, out=tmp_path)["status"].eq("ok").all()
