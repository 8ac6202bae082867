"""Data sets with R's answers, by name."""

import json
from pathlib import Path

import pandas as pd
import pytest

FOLDER = Path(__file__).parents[1] / "reference" / "stats"


@pytest.fixture(scope="session")
def reference():
    """Function from a data set's name to its frame and R's results."""

    def load(name):
        answers = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        frame = pd.read_csv(FOLDER / f"{name}.csv")
        for factor, levels in answers.get("factor_levels", {}).items():
            frame[factor] = pd.Categorical(frame[factor].astype(str), categories=[str(level) for level in levels])
        return frame, answers["results"]

    return load


@pytest.fixture(scope="session")
def factorial(reference):
    """The balanced 2^4 with 10 seeds, and R's results."""
    return reference("a01_factorial_balanced")
