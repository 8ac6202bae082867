"""Claims of a suite: what a good one compares, and what is said of a bad one, where."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toml_documents import toml, values

from bench.errors import BenchError
from bench.plan.claims import Claim, Comparison
from bench.plan.kinds import kind_of
from bench.plan.shape import schema
from bench.plan.source import SuiteError
from bench.plan.suite import load

Write = Callable[[str | bytes], Path]

HEAD = """
[[claims]]
id = "lower"
statement = "L2 lowers the loss"
metric = "loss"
"""
DIFFERENCE = 'contrast = { factor = "reg", from = "l1", to = "l2" }\nexpect = "decrease"\n'


@pytest.fixture
def claim(good: str, write: Write) -> Callable[[str], Claim]:
    """The one claim of a good suite, from the lines below its metric."""

    def claim(lines: str) -> Claim:
        (found,) = load(write(good + HEAD + lines)).claims
        return found

    return claim


def test_a_difference_is_the_later_side_less_the_earlier(claim: Callable[[str], Claim]) -> None:
    """A level of a factor and a table of levels say the same, and the margin and scale are the metric's."""
    found = claim(DIFFERENCE)
    assert found.comparisons == (Comparison(({"reg": "l1"}, {"reg": "l2"}), (-1.0, 1.0)),)
    assert (found.margin, found.relative, found.scale, found.gate) == (0.05, True, "log", False)
    tables = 'contrast = { from = { reg = "l1" }, to = { reg = "l2" } }\nexpect = "decrease"\n'
    assert claim(tables) == found


def test_a_simple_effect_holds_other_factors_fixed(claim: Callable[[str], Claim]) -> None:
    """``at`` is part of every region, whatever way a number is written."""
    found = claim(DIFFERENCE.replace('to = "l2"', 'to = "l2", at = { lr = 1.0 }'))
    assert found.comparisons[0].regions == ({"lr": 1.0, "reg": "l1"}, {"lr": 1.0, "reg": "l2"})


def test_an_interaction_is_half_the_difference_of_differences(claim: Callable[[str], Claim]) -> None:
    """Weights of an interaction multiply the signs of its levels and are halved for each factor beyond the first."""
    lines = 'contrast = { interaction = { reg = ["l1", "l2"], lr = [0.1, 1] } }\nexpect = "increase"\n'
    (found,) = claim(lines).comparisons
    weights = {tuple(region.values()): weight for region, weight in zip(found.regions, found.weights, strict=True)}
    assert weights == {("l1", 0.1): 0.5, ("l1", 1.0): -0.5, ("l2", 0.1): -0.5, ("l2", 1.0): 0.5}


def test_an_interaction_of_sets_weighs_their_levels_alike(good: str, write: Write) -> None:
    """A list of levels is a side: its levels share the weight, and the name says which they are."""
    suite = good.replace("[0.1, 1]", "[0.1, 1, 10]") + HEAD
    lines = 'contrast = { interaction = { lr = [[0.1, 1], 10], reg = ["l1", "l2"] } }\nexpect = "increase"\n'
    (found,) = load(write(suite + lines)).claims
    (comparison,) = found.comparisons
    weights = {tuple(r.values()): w for r, w in zip(comparison.regions, comparison.weights, strict=True)}
    l1 = {(0.1, "l1"): 0.25, (1.0, "l1"): 0.25, (10.0, "l1"): -0.5}
    assert weights == l1 | {(lr, "l2"): -weight for (lr, _), weight in l1.items()}
    assert kind_of(found).contrast(found) == "lr: 0.1, 1.0 → 10.0 × reg: l1 → l2"
    with pytest.raises(SuiteError, match="needs two different levels"):
        load(write(suite + lines.replace("], 10]", "], 1]")))


def test_two_lines_meet_at_every_level_between_the_ends(good: str, write: Write) -> None:
    """Each break has a fall up to it and a rise from it, of levels in the order of their numbers."""
    suite = good.replace("[0.1, 1]", "[1, 10, 0.1, 100]") + HEAD
    lines = 'contrast = { two_lines = "lr", spacing = "log", at = { reg = "l1" } }\nexpect = "u_shape"\n'
    (found,) = load(write(suite + lines)).claims
    at = [[region["lr"] for region in comparison.regions] for comparison in found.comparisons]
    assert at == [[0.1, 1.0], [1.0, 10.0, 100.0], [0.1, 1.0, 10.0], [10.0, 100.0]]
    assert [c.weights for c in found.comparisons] == [
        pytest.approx(weights) for weights in [(1, -1), (-1, 0, 1), (1, 0, -1), (-1, 1)]
    ]
    assert kind_of(found).name() == found.kind == "two_lines"
    assert kind_of(found).contrast(found) == "two lines along lr, 0.1 to 100.0, at reg = l1"
    (found,) = load(write(suite + lines.replace("at =", "up_to = 99, at ="))).claims
    assert kind_of(found).contrast(found) == "two lines along lr, 0.1 to 10.0, at reg = l1"


@pytest.mark.parametrize(("spacing", "positions"), [("linear", [1, 2, 10]), ("log", [math.log(x) for x in (1, 2, 10)])])
def test_a_trend_is_the_fitted_change_over_the_range(
    good: str, write: Write, spacing: str, positions: list[float]
) -> None:
    """Of values on a line, a trend is the last less the first; of a constant it is nothing."""
    suite = good.replace("[0.1, 1]", "[1, 2, 10]") + HEAD
    lines = f'contrast = {{ trend = "lr", spacing = "{spacing}" }}\nexpect = "increase"\n'
    weights = load(write(suite + lines)).claims[0].comparisons[0].weights
    assert sum(weights) == pytest.approx(0, abs=1e-12)
    on_a_line = [7 + 3 * x for x in positions]
    fitted = sum(weight * y for weight, y in zip(weights, on_a_line, strict=True))
    assert fitted == pytest.approx(on_a_line[-1] - on_a_line[0])


def test_an_order_compares_each_of_a_place_with_each_of_the_next(claim: Callable[[str], Claim]) -> None:
    """Two cells below two others are four comparisons, each later minus earlier."""
    lines = (
        'contrast = { order = [[{ reg = "l1", lr = 1 }, { reg = "l2", lr = 1 }], [{ reg = "l1", lr = 0.1 }, '
        '{ reg = "l2", lr = 0.1 }]] }\nexpect = "increase"\n'
    )
    found = claim(lines)
    assert len(found.comparisons) == 4
    assert all(comparison.weights == (-1.0, 1.0) for comparison in found.comparisons)
    assert all(low["lr"] == 1.0 and high["lr"] == 0.1 for low, high in (c.regions for c in found.comparisons))


def test_the_digest_covers_what_the_verdict_rests_on(claim: Callable[[str], Claim]) -> None:
    """Any word of the claim, its margin or its metric's scale changes the digest; figures printed elsewhere do not."""
    found = claim(DIFFERENCE)
    assert replace(found, published={"t": 2.8}, gate=True).digest == found.digest
    assert replace(found, statement="L2 raises the loss").digest != found.digest
    assert replace(found, margin=0.06).digest != found.digest
    assert replace(found, scale="identity").digest != found.digest


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "words"),
    [
        ('id = "lower"\n', "", 12, 3, ['"id" is missing']),
        ('id = "lower"', 'id = "a b"', 13, 6, ['id cannot be "a b"', "letters, digits"]),
        ("statement", "statment", 14, 1, ['unknown key "statment"', 'Did you mean "statement"']),
        ('metric = "loss"', 'metric = "los"', 15, 10, ['no metric "los"', 'Did you mean "loss"']),
        ('"decrease"', '"decreases"', 17, 10, ['expect cannot be "decreases"', '"increase"']),
        ('"decrease"', '"bimodal"', 17, 10, ['"bimodal" cannot be expected of this contrast', "cell"]),
        ('factor = "reg"', "factor = [1]", 16, 23, ["contrast.factor cannot be [1]"]),
        ('factor = "reg", from = "l1", to = "l2"', "order = 7", 16, 22, ["contrast.order cannot be 7"]),
        ('factor = "reg", from = "l1", to = "l2"', "interaction = { reg = 7, lr = [1, 2] }", 16, 36, ["cannot be 7"]),
        ('factor = "reg", from = "l1", to = "l2"', "cell = [1]", 16, 21, ["contrast.cell cannot be [1]"]),
        ('factor = "reg", from = "l1", to = "l2"', "order = [7, 8]", 16, 23, ["7 is no table of levels"]),
        ("contrast", "contrasts", 16, 1, ['unknown key "contrasts"', 'Did you mean "contrast"']),
        ("factor =", "facter =", 16, 14, ['unknown key "facter"', 'Did you mean "factor"']),
        ('"reg"', '"rge"', 16, 23, ['no factor "rge"', "Its factors", 'Did you mean "reg"']),
        ('"l2"', '"L2"', 16, 48, ['reg has no level "L2"', '"l1", "l2"', 'Did you mean "l2"']),
        ('"l2"', '"l1"', 16, 48, ["must differ"]),
        (', to = "l2"', "", 16, 1, ['"to" is missing', "later side"]),
        ('to = "l2"', 'to = "l2", order = []', 16, 54, ['unknown key "order"', "factor, from, to"]),
        ('to = "l2"', 'to = "l2", at = { reg = "l1" }', 16, 61, ["reg is what is compared"]),
        ('to = "l2"', 'to = "l2", at = { act = "relu" }', 16, 61, ['no factor "act"']),
        ('factor = "reg", ', "", 16, 21, ['"l1" is no table of levels']),
        ('{ factor = "reg", from = "l1", to = "l2" }', "{}", 16, 12, ["contrast cannot be {}", "interaction, trend"]),
        ('{ factor = "reg", from = "l1", to = "l2" }', "7", 16, 12, ["contrast cannot be 7"]),
        ('factor = "reg", from = "l1", to = "l2"', 'trend = "reg"', 16, 22, ["not numbers of a trend"]),
        ('factor = "reg", from = "l1", to = "l2"', 'factor = "reg", order = ["l1"]', 16, 38, ["at least two places"]),
        ('factor = "reg", from = "l1", to = "l2"', 'interaction = { reg = ["l1", "l2"] }', 16, 28, ["two factors"]),
        (
            'factor = "reg", from = "l1", to = "l2"',
            'interaction = { reg = ["l1", "l1"], lr = [0.1, 1] }',
            16,
            36,
            ["two different levels"],
        ),
        ('factor = "reg", from = "l1", to = "l2"', 'cell = { reg = "l1" }', 16, 21, ["not one cell", "reg, lr"]),
        ('factor = "reg", from = "l1", to = "l2"', 'two_lines = "lr"', 16, 26, ["three levels"]),
        ('"decrease"', '"u_shape"', 17, 10, ["cannot be expected", "cell"]),
        ('"decrease"', '"decrease"\ncredited_to = "lr"', 18, 15, ['cannot be credited to "lr"', "reg"]),
        ('"decrease"', '"decrease"\nmargin = 0', 18, 10, ["margin cannot be 0"]),
        ('"decrease"', '"decrease"\ngate = 1', 18, 8, ["gate cannot be 1"]),
        ('"decrease"', '"decrease"\npublished = { change = "5" }', 18, 24, ['cannot be "5"', "-17.9%"]),
        ('"decrease"', '"decrease"\npublished = { T = 2 }', 18, 15, ['unknown key "T"', 'Did you mean "t"']),
    ],
)
def test_a_fault_is_placed_and_explained(
    good: str, write: Write, old: str, new: str, line: int, column: int, words: list[str]
) -> None:
    """Every fault of a claim is reported at its line and column, with what is allowed there."""
    text = HEAD + DIFFERENCE
    assert text.count(old) >= 1
    with pytest.raises(SuiteError) as raised:
        load(write(good + text.replace(old, new, 1)))
    message = str(raised.value)
    assert f"suite.toml:{line}:{column}: " in message
    assert all(word in message for word in words), message


def test_equivalence_needs_a_margin(good: str, write: Write) -> None:
    """Without a margin of its own or of its metric, equivalence is refused."""
    with pytest.raises(SuiteError, match=r"17:10: equivalence needs a margin(.|\n)*metrics\.l0"):
        load(write(good + HEAD.replace('"loss"', '"l0"') + DIFFERENCE.replace("decrease", "equivalent")))


def test_an_id_is_given_once(good: str, write: Write) -> None:
    """Two claims of one id are a fault of the second."""
    with pytest.raises(SuiteError, match='20:6: claim 2 has the id of claim 1: "lower"'):
        load(write(good + 2 * (HEAD + DIFFERENCE)))


def test_the_schema_describes_claims() -> None:
    """The JSON Schema knows the tables of claims and names ``from`` as the file does."""
    tables = schema()["$defs"]
    assert "from" in tables["Difference"]["properties"]
    assert all("description" in entry for entry in tables["ClaimTable"]["properties"].values())


KEYS = ["factor", "from", "to", "at", "interaction", "trend", "two_lines", "spacing", "order", "cell"]
WORDS = st.sampled_from(["reg", "lr", "l1", "l2", "act", "log", 0.1, 1, True])
PARTS = st.recursive(
    WORDS | values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS.map(str), inner, max_size=3)
)
CONTRASTS = st.dictionaries(st.sampled_from(KEYS), PARTS, max_size=3) | st.fixed_dictionaries(
    {"factor": WORDS, "from": WORDS, "to": WORDS}, optional={"at": PARTS, "order": PARTS}
)
CLAIMS = st.fixed_dictionaries(
    {
        "id": st.just("x"),
        "statement": st.just("x"),
        "metric": st.sampled_from(["loss", "l0", "no"]),
        "expect": st.sampled_from(["increase", "decrease", "difference", "equivalent", "bimodal", "u_shape"]),
        "contrast": CONTRASTS,
    },
    optional={"credited_to": WORDS.map(str), "margin": st.floats(0, 2), "published": PARTS},
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=toml(st.fixed_dictionaries({"claims": st.lists(CLAIMS, min_size=1, max_size=1)})))
def test_whatever_a_claim_says_it_is_read_or_refused(
    good: str, write: Write, written: tuple[dict[str, Any], str]
) -> None:
    """Any table of claims makes a suite or a SuiteError, and nothing else."""
    document, text = written
    below = "claims" in tomllib.loads(good + text)  # unless it is written in one line, below a table's heading
    try:
        suite = load(write(good + text if below else text + good))
    except SuiteError:
        return
    assert len(suite.claims) == len(document["claims"])


ROOT = Path(__file__).parents[2]
LAB = """
from dataclasses import dataclass
import bench

@dataclass(frozen=True)
class Params:
    act: str = "relu"

@bench.function(metrics=["loss"])
def train(params: Params, seed: int) -> dict[str, float]:
    return {"loss": seed % 3 + {"relu": 1.0, "gelu": 9.0, "silu": 2.0}[params.act] + seed % 2 * (params.act == "silu")}
"""
USE = """
import bench, bench.plan.kinds
print(bench.__file__)
claim = {"id": "out", "statement": "GELU stands out", "metric": "loss", "expect": "increase"}
claim["contrast"] = {"peak": {"act": "gelu"}}
suite = bench.Suite("peaks", "lab:train", seeds=8, factors={"act": ["relu", "gelu", "silu"]}, claims=[claim])
print(bench.undecidable(suite, seeds=1))
print(bench.design(suite).data["claims"][["id", "estimable", "se"]].to_string())
bench.run(suite, executor="serial")
print(bench.report("peaks").data["claims"][["kind", "estimate", "verdict", "sentence"]].to_csv())
print(bench.schema()["$defs"]["Peak"]["properties"]["peak"]["description"])
bench.check(bench.Suite(**{**suite.data, "claims": [{**claim, "contrast": {"peak": {"act": "glu"}}}]}))
"""


def test_a_kind_of_claim_touches_one_file(tmp_path: Path) -> None:
    """The class that CONTRIBUTING shows, put into ``kinds.py``, is read, designed, run, judged and told."""
    added = re.search(r"```python\n(class Peak.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert added is not None
    shutil.copytree(ROOT / "bench", tmp_path / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    kinds = tmp_path / "bench" / "plan" / "kinds.py"
    text = (
        kinds.read_text().replace("\nKINDS: ", f"\n{added[1]}\n\nKINDS: ").replace("Order, Cell)", "Order, Cell, Peak)")
    )
    kinds.write_text(text)
    (tmp_path / "lab.py").write_text(LAB)
    done = subprocess.run([sys.executable, "-c", USE], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert str(tmp_path) in done.stdout, done.stderr
    assert "at least 2 seeds" in done.stdout
    assert re.search(r"out +True +1\.2247", done.stdout)  # the norm of (1, -1/2, -1/2)
    assert re.search(
        r"peak,7\.25,supported,.* changed by 7\.25 .*, the level above the mean of the others", done.stdout
    )
    assert "The level of a factor that stands out" in done.stdout
    assert 'claims[0].contrast.peak.act: act has no level "glu"' in done.stderr


def test_a_stored_claim_of_an_unknown_kind_is_refused(claim: Callable[[str], Claim]) -> None:
    """What a newer bench may have stored is no traceback."""
    with pytest.raises(BenchError, match="cannot judge"):
        kind_of(replace(claim(DIFFERENCE), kind="novel"))
