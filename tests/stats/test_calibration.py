"""The error rates of the procedures, by simulation, as the table of docs/statistics.md is made."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.stats.anova import fit_anova
from bench.stats.resample import sign_flip

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
    tests = [script.ALONE, script.FAMILY, script.FLIPS, script.BLOCK]
    assert not multiplied.loc[multiplied["procedure"].isin(tests), "kept"].any()
    assert not multiplied["promised"].any()


def test_rates_have_limits_and_counts(script, rates):
    """Each rate lies in its limits; 400 tables are judged, a tenth of them where runs are lost and by Hotelling."""
    assert ((rates["low"] <= rates["rate"]) & (rates["rate"] <= rates["high"])).all()
    few = (rates["noise"] == "one run in twenty lost") | (rates["procedure"] == script.HOTELLING)
    np.testing.assert_array_equal(rates["repetitions"], np.where(few, 40, 400))
    text = "\n\n".join(script.markdown(rates))
    assert text.startswith(f"Of {rates['promised'].sum()} promised rates {rates['promised'].sum()} are kept.")
    assert text.count("| noise |") == 13


def test_the_quick_anovas_are_the_anova(script):
    """The p values of complete tables, also with HC3, are those of the fitted model of seeds and cells."""
    design = script.Design((3, 2))
    tables = np.random.default_rng(3).normal(size=(2, 5, 6)) + 0.5 * design.codes[:, 0]
    block = np.repeat(np.arange(5), 6)
    quick = script.block_anova(tables, design.bases), script.hc3_anova(tables, design)
    for number, table in enumerate(tables):
        fitted = fit_anova(table.reshape(-1), np.tile(design.codes, (5, 1)), [3, 2], design.terms, block)
        np.testing.assert_allclose(quick[0][number], [row.p for row in fitted.tests()[1:]], rtol=1e-9)
        np.testing.assert_allclose(quick[1][number], [row.p for row in fitted.robust_tests()], rtol=1e-9)


def test_tables_flipped_together_are_flipped_alone(script):
    """The p of the largest contrast of a table is the smallest that is adjusted for all of them."""
    contrasts = np.random.default_rng(4).normal(size=(130, 7, 3))
    together = script._p_flipped(contrasts, np.random.default_rng(0))
    alone = [sign_flip(each, np.random.default_rng(0)).p_max.min() for each in contrasts]
    np.testing.assert_allclose(together, alone)
