"""Audits: what the post's figures say of each other, and what is said of a file that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.audit.paper import read_paper
from bench.audit.recompute import Audit, recompute
from bench.errors import BenchError
from bench.plan.source import SuiteError

POST = Path(__file__).parents[2] / "suites" / "audits" / "post.toml"
INLINE = """\
title = "A paper"
[[comparisons]]
id = "one"
from = { mean = 5.0, sd = 1.0, n = 10 }
to = { mean = 3.0, sd = 1.0, n = 10 }
"""


def audit(path: Path, ddof: int | None = None) -> Audit:
    paper = read_paper(path)
    return recompute(paper, paper.ddof if ddof is None else ddof)


def figures(path: Path, ddof: int | None = None) -> pd.DataFrame:
    return audit(path, ddof).figures.set_index(["comparison", "figure", "basis"]).sort_index()


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "paper.toml"
    path.write_text(INLINE)
    return path


def test_the_posts_tests_contradict_each_other() -> None:
    """A t of 2.1 is p 0.0501 and d 0.94, one of 2.8 is p 0.0118 and d 1.25: not the printed p and d."""
    found = figures(POST)
    basis = "t, n (independent)"
    for name, p, d in (("l2-macs", 0.0501, 0.94), ("l2-interference", 0.0118, 1.25)):
        assert round(found.loc[(name, "p", basis), "value"], 4) == p
        assert round(found.loc[(name, "d", basis), "value"], 2) == d
        assert (found.loc[[(name, "p", basis), (name, "d", basis)], "verdict"] == "inconsistent").all()


def test_configuration_8_from_its_own_means() -> None:
    """By its SDs, taken as populations', configuration 8 differs by t = 3.60 and d = 1.61; the printed t is 2.8."""
    rows = figures(POST).loc["configuration-8"].xs("means, SDs, n", level="basis")
    assert rows["value"].round(2)[["t", "d"]].to_dict() == {"t": 3.60, "d": 1.61}
    assert rows["verdict"].to_dict() == {"t": "inconsistent", "p": "consistent", "d": "consistent"}


def test_ddof_is_an_option() -> None:
    """Taken as SDs of samples, the same figures give t = 2.3333 / sqrt((1.448^2 + 1.2965^2) / 10) = 3.80."""
    rows = figures(POST, ddof=1).loc["configuration-8"].xs("means, SDs, n", level="basis")
    assert round(rows.loc["t", "value"], 2) == 3.80


def test_changes_are_checked_within_rounding() -> None:
    """-4.1 % fits 8.35 / 8.7022 - 1 = -4.05 % within rounding; 54.8 % (54.71 %) and +17.9 % (+21.8 %) do not fit."""
    changes = figures(POST).xs("change", level="figure")["verdict"].droplevel("basis")
    assert changes["configuration-7"] == "consistent"
    assert set(changes.index[changes == "inconsistent"]) == {"l2-sae-mse", "l1-increases-interference"}


def test_consistently_lower_is_false_for_configuration_7() -> None:
    """Of the L2 configurations, 7 lies above 2 and 6, and no other above any."""
    orders = audit(POST).orders
    assert list(zip(orders["lower"], orders["higher"], strict=True)) == [("7", "2"), ("7", "6")]


@pytest.mark.parametrize(("mean", "contradicted"), [("8.3", False), ("8.4", False), ("8.5", True)])
def test_an_order_is_contradicted_only_beyond_rounding(toml: Path, mean: str, contradicted: bool) -> None:
    """A printed 8.4 may be 8.35, which is not above an 8.3 that may be 8.35; an 8.5 is above it for certain."""
    (toml.parent / "table.csv").write_text(f"name,metric,mean,std,n\na,loss,{mean},,10\nb,loss,8.3,,10\n")
    order = '[[orders]]\nid = "o"\nmetric = "loss"\nlower = ["a"]\nhigher = ["b"]\n'
    toml.write_text(f'title = "A paper"\ntable = "table.csv"\n{order}')
    assert (len(audit(toml).orders) == 1) is contradicted


def test_confounded_comparisons_are_flagged() -> None:
    """From 1 to 4, reg and act change at once; in the post's table only 3 to 7 changes reg alone."""
    rows = audit(POST).confounded.set_index("comparison")
    assert rows.loc["l2-interference", ["changed", "alone"]].tolist() == ["reg, act", "3 → 7"]
    assert "configuration-2" not in rows.index


def test_a_missing_sd_is_bounded_by_t() -> None:
    """Configuration 4 has no SD: t = 2.8 and 1's own SD imply sqrt(9 (1.5598 / 2.8)^2 - 1.448^2) = 0.834."""
    row = figures(POST).loc[("l2-interference", "SD of 4", "means, one SD, t")]
    assert row["value"] == pytest.approx((9 * (1.5598 / 2.8) ** 2 - 1.448**2) ** 0.5)
    assert row["low"] < row["value"] < row["high"]


@pytest.mark.parametrize(
    ("lines", "figure", "verdict"),
    [
        ("t = 4.47", "t", "consistent"),
        ("t = -4.47", "t", "consistent"),
        ("t = 5.2", "t", "inconsistent"),
        ("t = 4.47\ndf = 18", "df", "consistent"),
        ("t = 4.47\ndf = 9", "df", "inconsistent"),
        ("p = 1.2", "p", "impossible"),
        ('change = "-40%"', "change", "consistent"),
        ('change = "-45%"', "change", "inconsistent"),
        ("d = [1.9, 2.1]", "d", "consistent"),
    ],
)
def test_verdicts_on_figures(toml: Path, lines: str, figure: str, verdict: str) -> None:
    """Means 5 and 3 with SDs of 1 and ten runs each are t = 2 / sqrt(0.2) = 4.47 on 18 df, d = 2 and -40 %."""
    toml.write_text(INLINE + lines)
    found = audit(toml).figures
    assert found.loc[found["figure"] == figure, "verdict"].iloc[0] == verdict


def test_an_impossible_t_is_bounded(toml: Path) -> None:
    """Whatever the SD that is missing, |t| cannot exceed 2.1 / sqrt(0.95^2 / 10) = 6.99."""
    toml.write_text(INLINE.replace("mean = 3.0, sd = 1.0", "mean = 3.0") + "t = 7.5\n")
    row = audit(toml).figures.set_index("figure").loc["t"]
    assert row["verdict"] == "impossible"
    assert row["high"] == pytest.approx(2.1 / (0.95**2 / 10) ** 0.5)


def test_paired_and_one_sided_tests(toml: Path) -> None:
    """A paired t has n - 1 degrees of freedom; a p of half the size is called one-sided."""
    toml.write_text(INLINE + 't = 2.10\np = 0.033\ntest = "paired"\n')
    rows = audit(toml).figures.set_index("figure")
    assert rows.loc["p", "value"] == pytest.approx(0.0651, abs=1e-4)
    assert (rows.loc["p", "verdict"], rows.loc["p", "note"]) == ("inconsistent", "it would fit a one-sided test")
    assert rows.loc["d", "value"] == pytest.approx(2.1 / 10**0.5)


def test_whole_numbers_have_possible_means(toml: Path) -> None:
    """28 whole numbers cannot have the mean 5.19."""
    toml.write_text(INLINE.replace("mean = 5.0, sd = 1.0, n = 10", "mean = 5.19, n = 28, integers = true"))
    rows = audit(toml).figures.set_index("figure")
    assert rows.loc["mean of from", "verdict"] == "impossible"


FIGURES = ("from_mean", "from_sd", "to_mean", "to_sd", "change", "t", "df", "p", "d")


def correct_comparison(rng: np.random.Generator, test: str) -> dict[str, float]:
    """What a correct paper has of two samples of unequal sizes and SDs, unrounded; d by any definition for its test."""
    n = rng.integers(3, 40, size=2) if test != "paired" else np.repeat(rng.integers(3, 40), 2)
    seeds, centre = rng.normal(size=40), 10 * rng.choice([-1, 1])
    x, y = (
        rng.normal(centre + shift, sd, size) + (seeds[:size] if test == "paired" else 0.0)
        for shift, sd, size in zip((0.0, rng.uniform(-2, 2)), rng.uniform(0.2, 4.0, size=2), n, strict=True)
    )
    found = stats.ttest_rel(y, x) if test == "paired" else stats.ttest_ind(y, x, equal_var=test == "student")
    pooled = np.sqrt(((n[0] - 1) * x.var(ddof=1) + (n[1] - 1) * y.var(ddof=1)) / (n.sum() - 2))
    average = [np.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2), (x.std(ddof=1) + y.std(ddof=1)) / 2]
    least = min(n)
    own = {
        "student": [pooled],
        "welch": [pooled, average[0]],
        "paired": [(y[:least] - x[:least]).std(ddof=1), *average],
    }[test]
    difference = y.mean() - x.mean()
    change = difference / abs(x.mean()) * (rng.choice([-1, 1]) if x.mean() < 0 else 1)
    sides = (x.mean(), x.std(ddof=1), y.mean(), y.std(ddof=1))
    figures = (*sides, change, found.statistic, found.df, found.pvalue, difference / rng.choice(own))
    return {"from_n": int(n[0]), "to_n": int(n[1]), **dict(zip(FIGURES, map(float, figures), strict=True))}


def audited(path: Path, test: str, rows: list[dict[str, float]], digits: Callable[[], int]) -> pd.DataFrame:
    """The audit of figures that are printed to so many decimals each, by row."""
    printed = [
        {"id": number, "test": test}
        | {name: f"{value:.{digits()}f}" if name in FIGURES else value for name, value in row.items()}
        for number, row in enumerate(rows)
    ]
    pd.DataFrame(printed).to_csv(path, index=False)
    return audit(path).figures


@pytest.mark.parametrize("test", ["student", "welch", "paired"])
def test_no_correct_paper_is_called_inconsistent(tmp_path: Path, test: str) -> None:
    """Unequal sizes and SDs, any rounding, figures left out: whatever fits its test is consistent."""
    rng = np.random.default_rng(1)
    rows = [correct_comparison(rng, test) for _ in range(200)]
    for row in rows:
        for name in FIGURES:
            if rng.random() < 0.25:
                del row[name]
    found = audited(tmp_path / "figures.csv", test, rows, lambda: int(rng.integers(0, 5)))
    wrong = found[found["verdict"].isin(["inconsistent", "impossible"])]
    assert wrong.empty, wrong.to_string()
    assert found["verdict"].eq("consistent").sum() > 400


@pytest.mark.parametrize("test", ["student", "welch", "paired"])
@pytest.mark.parametrize("figure", ["change", "t", "df", "p", "d"])
def test_a_figure_that_is_wrong_is_called_so(tmp_path: Path, test: str, figure: str) -> None:
    """One figure a quarter too large, printed to six decimals, contradicts the others in every comparison."""
    rng = np.random.default_rng(2)
    rows = [row for row in (correct_comparison(rng, test) for _ in range(40)) if row["p"] > 1e-4]
    for row in rows:
        row[figure] *= 1.25
    found = audited(tmp_path / "figures.csv", test, rows, lambda: 6)
    wrong = found[found["verdict"].isin(["inconsistent", "impossible"])]
    assert wrong["comparison"].nunique() == len(rows) > 20


def test_a_csv_of_comparisons(tmp_path: Path) -> None:
    """One row a comparison, with the digits as printed, says the same as TOML."""
    path = tmp_path / "figures.csv"
    header = "id,metric,from_mean,from_sd,from_n,to_mean,to_sd,to_n,t,p,d,change\n"
    path.write_text(f"{header}one,loss,5.0,1.0,10,3.0,1.0,10,4.47,<0.001,2.0,-40%\ntwo,loss,,,10,,,10,2.1,0.04,,\n")
    found = audit(path).figures
    assert (found.loc[found["comparison"] == "one", "verdict"] == "consistent").all()
    assert found.loc[(found["comparison"] == "two") & (found["figure"] == "p"), "verdict"].tolist() == ["inconsistent"]


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "words"),
    [
        ("title", "titel", 1, 1, ['unknown key "titel"', 'Did you mean "title"']),
        ('id = "one"', 'ident = "one"', 3, 1, ['unknown key "ident"']),
        ("sd = 1.0, n = 10 }\nto", "std = 1.0, n = 10 }\nto", 4, 22, ['unknown key "std"', 'Did you mean "sd"']),
        ("n = 10 }\nto", "n = 1 }\nto", 4, 36, ["cannot be 1", "at least 2"]),
        ("mean = 5.0", 'mean = "five"', 4, 17, ['mean cannot be "five"', "digits that were printed"]),
        ("from = { mean = 5.0, sd = 1.0, n = 10 }", 'from = "one"', 4, 8, ['no row "one"']),
        ("mean = 5.0", "mean = nan", 4, 17, ["mean cannot be nan"]),
    ],
)
def test_faults_of_a_file_are_placed(toml: Path, old: str, new: str, line: int, column: int, words: list[str]) -> None:
    """Every fault has its line and column, and what is allowed there."""
    toml.write_text(INLINE.replace(old, new, 1))
    with pytest.raises(SuiteError) as raised:
        read_paper(toml)
    assert f"paper.toml:{line}:{column}: " in str(raised.value)
    assert all(word in str(raised.value) for word in words), str(raised.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,t\none,2\n", "has no column from_n, to_n"),
        ("from_n,to_n,t\n10,10,two\n", 'figures.csv:2:1: t cannot be "two"'),
        ("from_n,to_n,t\n10,10,2\n10,1,2\n", "figures.csv:3:1: to_n cannot be 1"),
        ("from_n,to_n,t\n,10,2\n", 'figures.csv:2:1: from_n cannot be ""'),
        ("from_n,to_n,t,test\n10,10,2,anova\n", 'test cannot be "anova"'),
        ("from_n,to_n,t,test\n10,9,2,paired\n", "2:1: 10 values cannot be paired with 9"),
    ],
)
def test_faults_of_a_table_name_the_row(tmp_path: Path, content: str, words: str) -> None:
    """A CSV that cannot be read says which column or row, and what was found there."""
    path = tmp_path / "figures.csv"
    path.write_text(content)
    with pytest.raises(BenchError, match=words):
        read_paper(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    """A file of another kind, or none, is refused in words."""
    with pytest.raises(BenchError, match="neither"):
        read_paper(tmp_path / "paper.pdf")
    with pytest.raises(BenchError, match="cannot be read"):
        read_paper(tmp_path / "none.csv")
