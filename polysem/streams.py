"""A seed becomes independent, named random generators; nothing in polysem draws from anywhere else."""

from __future__ import annotations

from zlib import crc32

import numpy as np

_STRATUM_OF = {"data": "data", "init": "init", "order": "order", "noise": "order"}
"""The first name of a stream -> its stratum; all others, of the autoencoder and of nulls, belong to ``sae``."""


def seed_of(seed: int, stratum: str) -> int:
    """The seed of a stratum, of a run's seed that may hold one for each by name (``bench.experiment.Seed``)."""
    strata = getattr(seed, "strata", {})
    return int(strata.get(stratum, next(iter(strata.values()), seed)))


def stream(seed: int, *names: str) -> np.random.Generator:
    """The generator of one purpose of one seed, e.g. ``stream(3, "noise", "bipolar")``.

    Streams of different seeds or names are statistically independent (numpy's ``SeedSequence``), so that what one
    purpose draws never shifts what another one sees. (SFC64 is the fastest of numpy's generators; noise is most of what
    is drawn.) The seed is that of the stratum which the first name belongs to.
    """
    return np.random.Generator(np.random.SFC64(sequence(seed, *names)))


def sequence(seed: int, *names: str) -> np.random.SeedSequence:
    """What the stream of these names is made of."""
    own = seed_of(seed, _STRATUM_OF.get(names[0], "sae"))
    return np.random.SeedSequence([own, *(crc32(name.encode()) for name in names)])
