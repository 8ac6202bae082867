"""Seeds of strata: what each of them decides in a run of the toy experiment."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bench.experiment import Job, Seed
from polysem.toy import POST, Params


@pytest.mark.parametrize("protocol", ["published", "corrected"])
def test_strata_move_their_own_parts_only(protocol: str) -> None:
    """One seed for all strata gives the bits of that seed; another autoencoder's seed leaves the network as it is."""
    params = Params.model_validate({"protocol": protocol, "epochs": 3, "sae_epochs": 3})

    def metrics(seed: int) -> Mapping[str, float]:
        return next(iter(POST.run([Job(params, seed)], lambda _part: None))).metrics

    names = ("data", "init", "order", "sae")
    plain, base = metrics(3), metrics(Seed.of(dict.fromkeys(names, 3)))
    assert {name: value.hex() for name, value in plain.items()} == {name: value.hex() for name, value in base.items()}
    others = {name: metrics(Seed.of({**dict.fromkeys(names, 3), name: 4})) for name in names}
    assert all(others[name]["train_mse"] != base["train_mse"] for name in ("data", "init", "order"))
    assert others["sae"]["train_mse"] == base["train_mse"]
    assert all(other["macs"] != base["macs"] for other in others.values())
