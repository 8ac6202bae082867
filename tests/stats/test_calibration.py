"""The error rates of the procedures, by simulation, as the table of docs/statistics.md is made."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.stats.anova import fit_anova
from bench.stats.coding import term_columns, terms_up_to
from bench.stats.repeated import orthonormal_rows

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "calibrate.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("calibrate_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibrate_script"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["calibrate_script"]


@pytest.fixture(scope="module")
def rates(script):
    designs = {"2²": (2, 2), "3 × 2": (3, 2)}
    return script.calibrate(np.random.default_rng(7), repetitions=400, designs=designs, seeds=(8,))


def test_every_promise_is_kept(rates):
    """Wherever a procedure promises 5 %, its error is 5 % within Monte-Carlo error; both designs make promises."""
    promised = rates[rates["promised"]]
    assert set(promised["design"]) == {"2²", "3 × 2"}
    assert promised["kept"].all(), promised[~promised["kept"]]


def test_the_table_shows_where_others_fail(script, rates):
    """An effect that varies by seed breaks the block ANOVA, and the raw scale makes interactions of what multiplies."""
    varies = [noise for noise in script.NOISES if noise.name == "an effect varies by seed"]
    designs = {"2³": (2, 2, 2)}
    broken = script.calibrate(np.random.default_rng(1), repetitions=300, designs=designs, seeds=(10,), noises=varies)
    assert broken.set_index("procedure").loc[script.BLOCK, "low"] > 0.05
    multiplied = rates[rates["noise"].str.startswith("effects multiply")]
    assert not multiplied["kept"].any()
    assert not multiplied["promised"].any()


def test_rates_have_limits_and_counts(script, rates):
    """Each rate lies in its limits; 400 tables are judged, a fifth of them where runs are lost."""
    assert ((rates["low"] <= rates["rate"]) & (rates["rate"] <= rates["high"])).all()
    lost = rates["noise"] == "one run in twenty lost"
    np.testing.assert_array_equal(rates["repetitions"], np.where(lost, 80, 400))
    text = "\n\n".join(script.markdown(rates))
    assert text.startswith(f"Of {rates['promised'].sum()} promised rates {rates['promised'].sum()} are kept.")
    assert text.count("| noise |") == 5


def test_the_quick_anova_is_the_anova(script):
    """The p values of a complete table are those of the fitted model of seeds and cells."""
    codes = np.array([(a, b) for a in range(3) for b in range(2)])
    table = np.random.default_rng(3).normal(size=(5, 6)) + 0.5 * codes[:, 0]
    terms = terms_up_to(2, 2)
    bases = [orthonormal_rows(term_columns(codes, (3, 2), term).T) for term in terms]
    rows = fit_anova(table.reshape(-1), np.tile(codes, (5, 1)), [3, 2], terms, np.repeat(np.arange(5), 6)).tests()
    np.testing.assert_allclose(script.block_anova(table, bases), [row.p for row in rows[1:]], rtol=1e-9)
