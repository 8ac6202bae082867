"""Our cells beside a published table."""

import numpy as np
import pandas as pd
import pytest

from bench.errors import BenchError
from bench.judge.analysis import analyze
from bench.judge.published_table import compare_published


@pytest.fixture
def cells():
    frame = pd.DataFrame({"reg": np.repeat(["l1", "l2"], 4), "seed": [*range(4)] * 2})
    frame["loss"] = [1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 9.0, 11.0]
    return analyze(frame, ["reg"], "seed", ["loss"]).cells


@pytest.fixture
def table():
    return pd.DataFrame({"reg": ["l1", "l2"], "metric": "loss", "mean": [2.0, 20.0], "std": [1.2, np.nan], "n": 10})


def test_standard_error_is_the_published_means(cells, table):
    """A printed population SD is brought to n - 1; where none was printed ours stands in, and a column says which."""
    joined = compare_published(cells, table, ["reg"], ddof=0)
    first, second = joined.itertuples()
    assert first.standard_error == pytest.approx(1.2 / np.sqrt(9))
    assert first.z == pytest.approx((2.5 - 2.0) / 0.4)
    assert second.standard_error == pytest.approx(np.std([5, 7, 9, 11], ddof=1) / np.sqrt(10))
    assert list(joined["se_source"]) == ["published", "ours"]
    assert list(joined["within_3_se"]) == [True, False]
    sample = compare_published(cells, table, ["reg"], ddof=1)
    assert sample["standard_error"].iloc[0] == pytest.approx(1.2 / np.sqrt(10))


def test_names_of_the_publication_are_kept(cells, table):
    """A column ``config`` stands first, as text, and there is none where the table has none."""
    joined = compare_published(cells, table.assign(config=[1, 4]), ["reg"])
    assert joined.columns[0] == "config"
    assert list(joined["config"]) == ["1", "4"]
    assert "config" not in compare_published(cells, table, ["reg"])


def test_a_metric_that_was_not_measured_is_nan(cells, table):
    """A published number without ours beside it keeps its row, with NaN."""
    joined = compare_published(cells, table.assign(metric=["loss", "other"]), ["reg"])
    assert np.isnan(joined["our_mean"].iloc[1])
    assert np.isnan(joined["z"].iloc[1])
    assert not joined["within_3_se"].iloc[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(columns="n"), "no column n"),
        (lambda t: t.assign(reg=["l1", "l3"]), "'l3'"),
        (lambda t: t.assign(mean=["2.0", "about 20"]), "about 20"),
        (lambda t: t.assign(n=[10, 0]), "row 2"),
        (lambda t: t.assign(std=[-1.0, 1.0]), "std"),
        (lambda t: t.assign(reg="l1"), "twice"),
    ],
)
def test_bad_table_is_an_error_that_says_where(cells, table, change, said):
    """A table that cannot be read is refused with the column, level or row at fault."""
    with pytest.raises(BenchError, match=said):
        compare_published(cells, change(table), ["reg"])
