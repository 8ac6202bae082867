"""The suites of the corrected protocol: what they claim can be decided, and each has a size that takes seconds."""

from pathlib import Path

import pytest

import bench
from polysem.toy import Params

SUITES = Path(__file__).parents[2] / "suites"
SMOKE = sorted((SUITES / "smoke").glob("*.toml"))


def _shown(params: Params) -> int:
    """Samples that a run is shown, its network and its autoencoder."""
    return params.n_train * (params.epochs + params.sae_epochs)


@pytest.mark.parametrize("path", SMOKE, ids=lambda path: path.stem)
def test_a_smoke_suite_has_the_cells_of_its_own_and_little_to_do(path: Path) -> None:
    """The same cells, and claims that some cells can tell; fewer samples are shown than by one run of the real size."""
    smoke, real = bench.check(path), bench.check(SUITES / path.name)
    assert list(smoke.combinations()) == list(real.combinations())
    assert [claim.id for claim in smoke.claims] == [claim.id for claim in real.claims]
    shown = [_shown(Params.model_validate(smoke.values(levels))) for levels in smoke.combinations()]
    assert sum(shown) * len(smoke.seeds) <= _shown(Params(protocol="corrected"))


def test_every_way_of_training_takes_the_same_steps() -> None:
    """In ``training.toml``, epochs follow the size of a batch."""
    plan = bench.check(SUITES / "training.toml")
    steps = {
        Params.model_validate(plan.values(levels)).epochs * 1024 // levels["batch"] for levels in plan.combinations()
    }
    assert steps == {32_000}


def test_a_smoke_suite_runs(tmp_path: Path) -> None:
    """Every cell of the smallest one has a result for both seeds."""
    bench.run(SUITES / "smoke" / "full_factorial_corrected.toml", out=tmp_path, executor="serial")
    runs = bench.load("full_factorial_corrected_smoke", wide=True, out=tmp_path)
    assert len(runs) == 32
    assert runs["status"].eq("ok").all()
