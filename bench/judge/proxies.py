"""Runs of a suite that names a target and its proxies -> how well each proxy orders the cells as the target does."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.judge.analysis import in_range
from bench.judge.coded import code_runs
from bench.plan.shape import ProxiesTable
from bench.stats.multiplicity import adjust
from bench.stats.pairs import Cells
from bench.stats.rank_correlation import rank_correlation

COLUMNS = ["proxy", "target", "rho", "low", "high", "t", "p", "p_adjusted", "n", "smallest", "largest"]


def proxy_frame(
    frame: pd.DataFrame, factors: Sequence[str], block: str, proxies: ProxiesTable, confidence: float = 0.95
) -> pd.DataFrame:
    """A row a proxy, the strongest first: the mean over blocks of Spearman's ``rho`` over cells, with its t test.

    ``p_adjusted`` by Holm over the proxies; ``smallest`` and ``largest`` of a block. Several runs of a cell and block
    are one, their mean. ``frame`` has NaN in every metric of a run that is not ok.
    """
    names = [proxies.target, *(name for name in proxies.metrics if name != proxies.target)]
    runs = code_runs(frame, factors, block, names).averaged([])
    tables = {
        name: Cells.of(in_range(name, runs.values[name])[0], runs.cell, runs.block, len(runs.cells)).table
        for name in names
    }
    rows = []
    for name in names[1:]:
        table, target = tables[name], tables[proxies.target]
        assert table is not None
        assert target is not None
        test = rank_correlation(table, target, confidence)
        ends = pd.Series(test.per_block).agg(["min", "max"])
        numbers = (getattr(test, field) for field in ("estimate", "low", "high", "t", "p", "n"))
        rows.append([name, proxies.target, *numbers, *ends])
    shown = pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "p_adjusted"])
    shown["p_adjusted"] = adjust(shown["p"].to_numpy(float), "holm")
    order = shown["rho"].abs().sort_values(ascending=False, kind="stable").index
    return shown.loc[order, COLUMNS].reset_index(drop=True)
