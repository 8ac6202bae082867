"""The colours of the figures: a few inks, which a page may replace, and two maps from shares to colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

INK, MUTED, GRID, BAND, PAPER = "#1f2328", "#5f6873", "#d9dde2", "#dfe7f1", "#ffffff"
SERIES = ("#0072b2", "#d55e00", "#00825f", "#9c4f85")
"""Colours that the colour-blind tell apart (after Okabe & Ito 2008), darkened to stand out from white as lines."""
ON_LIGHT, ON_DARK = "#000000", "#fefefe"
"""Text on a tile, whose colour is the same on a light and on a dark page."""
DARK_BELOW = 0.47
"""Shares of cividis below this are dark tiles."""

_MAPS = {
    "cividis": "00224e 083370 35456c 4f576c 666970 7d7c78 948e77 aea371 c8b866 e5cf52 fee838",
    "blue to red": "053061 2065ab 4393c3 90c4dd d1e5f0 f7f6f6 fddbc7 f3a481 d6604d b1182b 67001f",
}
"""Evenly spaced: cividis (Nuñez, Anderton & Renslow 2018), for the colour-blind; RdBu of ColorBrewer, reversed."""


def shades(name: str, shares: ArrayLike) -> list[str]:
    """The colours of a map at ``shares`` from 0 to 1; what is NaN is grey."""
    stops = np.array([[int(stop[at : at + 2], 16) for at in (0, 2, 4)] for stop in _MAPS[name].split()], dtype=float)
    share = np.ravel(np.asarray(shares, dtype=float))
    places = np.linspace(0, 1, len(stops))
    channels = [np.interp(np.nan_to_num(share), places, stops[:, channel]).round() for channel in range(3)]
    mixed = np.stack(channels, axis=1).astype(int).tolist()
    known = np.isfinite(share).tolist()
    return [f"#{r:02x}{g:02x}{b:02x}" if seen else GRID for (r, g, b), seen in zip(mixed, known, strict=True)]
