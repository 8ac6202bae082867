"""A published table of means and a run -> the change of every mean, from summary statistics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bench.execute.baseline import Baseline
from bench.judge.gate.absent import Absence
from bench.judge.gate.decide import Moments, independent
from bench.judge.gate.matched import Comparables, labels, valid
from bench.judge.published_table import compare_published
from bench.plan.labels import cell_label


def means_by_table(table: pd.DataFrame, new: Baseline, metrics: Sequence[str], *, ddof: int) -> Comparables:
    """Every published mean with an SD against the runs of its cell, as independent (Welch from summary statistics)."""
    assert new.origin is not None
    factors = list(new.origin.factors)
    shared = [name for name in factors if name in table.columns]
    ran = table[shared].isin({name: new.origin.factors[name] for name in shared}).all(axis=1)
    ours = valid(new).melt([*factors], list(new.origin.metrics), "metric")
    cells = ours.groupby([*factors, "metric"], sort=False)["value"].agg(n="count", mean="mean", sd="std").reset_index()
    joined = compare_published(cells, table[ran & table["metric"].isin(metrics)], factors, ddof=ddof)
    joined["where"] = [cell_label(levels) for levels in joined[factors].itertuples(index=False)]
    n = joined["published_n"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = joined["published_sd"].to_numpy(float) * np.sqrt((n - ddof) / (n - 1))
    usable = np.isfinite(sd) & (n > 1)
    notes = [f"{int((~usable).sum())} published means have no SD and are not compared."] if not usable.all() else []
    joined, n, sd = joined[usable], n[usable], sd[usable]
    changes = independent(
        Moments(joined["published_mean"].to_numpy(float), sd, n),
        Moments(*(joined[name].to_numpy(float) for name in ("our_mean", "our_sd", "our_n"))),
        np.zeros(len(joined), bool),
    )
    rows = joined[["metric", "where"]].assign(
        log=False, old=joined["published_mean"], new=joined["our_mean"], lost=0, method="Welch, from published means"
    )
    published = {cell_label(levels) for levels in table[shared].itertuples(index=False)} if shared == factors else set()
    in_run = list(dict.fromkeys(labels(new, factors)))
    return Comparables(
        changes=changes,
        rows=rows.reset_index(drop=True),
        new_cells=tuple(label for label in in_run if label not in published),
        changed_cells=(),
        old_metrics=tuple(dict.fromkeys(table["metric"])),
        absences=_absences(table[~(ran & table["metric"].isin(new.origin.metrics))], shared),
        notes=tuple(notes),
    )


def _absences(rows: pd.DataFrame, factors: Sequence[str]) -> list[Absence]:
    """Published means without a cell or metric of the run beside them."""
    means = pd.to_numeric(rows["mean"], errors="coerce")
    texts = rows[[*factors, "metric"]].astype(str).itertuples(index=False)
    keys = [dict(zip([*factors, "metric"], row, strict=True)) for row in texts]
    return [
        Absence(entry["metric"], cell_label(entry[name] for name in factors), mean, 0, entry)
        for entry, mean in zip(keys, means, strict=True)
    ]
