"""A seed becomes independent, named random generators; nothing in polysem draws from anywhere else."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def stream(seed: int, *names: str) -> np.random.Generator:
    """The generator of one purpose of one seed, e.g. ``stream(3, "noise", "bipolar")``.

    Streams of different seeds or names are statistically independent (numpy's ``SeedSequence``), so that what one
    purpose draws never shifts what another one sees. (SFC64 is the fastest of numpy's generators; noise is most of what
    is drawn.)
    """
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, *(crc32(n.encode()) for n in names)])))
