"""What reports say of seeds within seeds and of proxies, from a run to its words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import bench

LAB = """
from dataclasses import dataclass
import numpy as np
import bench

@dataclass(frozen=True)
class Params:
    reg: str = "l1"
    width: int = 1

def run(jobs, progress):
    for job in jobs:
        data, sae = (np.random.default_rng([job.seed_of(name), place]).normal() for place, name in enumerate(STRATA))
        own = np.random.default_rng([job.seed_of("data"), job.seed_of("sae"), job.params.width]).normal()
        loss = 10 + data + 0.1 * sae + 0.1 * own + (job.params.reg == "l2") * (1 + 0.2 * data) + job.params.width
        yield {"loss": loss, "proxy": loss + 0.1 * own, "other": own}

STRATA = ["data", "sae"]
METRICS = [bench.Metric("loss", "Loss"), bench.Metric("proxy", "Proxy"), bench.Metric("other", "Other")]
EXPERIMENT = bench.Experiment(Params, METRICS, run, strata=STRATA)
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bench.Suite:
    """A suite of two crossed strata with a margin and proxies, run."""
    (tmp_path / "lab_of_strata.py").write_text(LAB)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "lab_of_strata", raising=False)
    made = bench.Suite(
        "crossed",
        "lab_of_strata:EXPERIMENT",
        seeds={"data": 8, "sae": 3, "crossed": True},
        factors={"reg": ["l1", "l2"], "width": [1, 2]},
        margins={"loss": 0.3},
        proxies={"target": "loss", "metrics": ["proxy", "other"]},
    )
    bench.run(made, executor="serial")
    return made


def test_a_report_names_the_unit_and_takes_the_variance_apart(suite: bench.Suite) -> None:
    """Its title and verdict say what replicates; components, needs and proxies are sections and frames."""
    report = bench.report(suite.name)
    assert report.title == "crossed: 4 cells × 8 data × 3 sae seeds"
    said = str(report.only(["Verdict", "Variance components", "Proxies"]))
    words = " ".join(said.split())
    assert "The unit of replication is data: a seed of the tables is one of its 8 seeds" in words
    assert "speak of other data seeds with these very ones" in words
    assert "A difference of the margin takes" in words
    assert "Ordered as Loss: Proxy" in words
    assert report.data["contrasts"]["n"].eq(8).all()
    components, needs = report.data["components"], report.data["needs"]
    assert components.query("metric == 'loss' and effect == 'mean'")["component"].tolist() == [
        "data",
        "sae",
        "data × sae",
    ]
    assert {*needs["inner"]} == {"sae"}
    assert report.data["proxies"]["proxy"].tolist() == ["proxy", "other"]


def test_a_design_takes_a_run_with_strata_as_its_pilot(suite: bench.Suite) -> None:
    """A suite with plain seeds gets the pilot's components, and the SD over the pilot's units."""
    plain = bench.Suite(**{**suite.data, "name": "plain", "seeds": 12, "proxies": None})
    frames = bench.design(plain, pilot=suite.name).data
    pilot = bench.report(suite.name).data
    for name in ("components", "needs"):
        assert frames[name]["metric"].tolist() == pilot[name]["metric"].tolist()
    assert frames["components"]["variance"].to_numpy() == pytest.approx(pilot["components"]["variance"].to_numpy())
    sd = frames["detectable"].query("metric == 'loss' and effect == 'reg'")["sd"].item()
    assert sd == pytest.approx(pilot["contrasts"].query("metric == 'loss' and effect == 'reg'")["se"].item() * 8**0.5)
    assert "Variance components" in [section.title for section in bench.design(plain, pilot=suite.name).sections]


def test_a_suite_without_strata_has_no_section_of_them(suite: bench.Suite) -> None:
    """A plain number of seeds gives the frames and sections that it gave."""
    plain = bench.Suite(**{**suite.data, "name": "plain", "seeds": 3, "proxies": None})
    bench.run(plain, executor="serial")
    report = bench.report("plain")
    assert not {"components", "needs", "proxies"} & {*report.data}
    assert not {"Variance components", "Proxies"} & {section.title for section in report.sections}
    assert [*bench.load("plain", wide=True).columns][:4] == ["run", "reg", "width", "seed"]
