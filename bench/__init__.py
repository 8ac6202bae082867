"""A statistically rigorous benchmark harness for experiments with factors, seeds and metrics.

The functions here are what the commands are made of. Importing this module imports nothing else of weight.

Examples use what ``bench init`` writes, the experiment study.py and the suite study.toml:

    >>> import bench
    >>> frame = bench.run("study.toml")  # finishes what is missing; one row a run and metric
    >>> frame.groupby(["estimator", "noise"], observed=True)["value"].mean().round(2).to_dict()
    {('mean', 'normal'): 0.1, ('mean', 'heavy'): 0.17, ('median', 'normal'): 0.13, ('median', 'heavy'): 0.13}
    >>> print(bench.report("study"))  # shows itself in a notebook
    study: 4 cells × 10 seeds
    ...

A suite may be made here as well:

    >>> suite = bench.Suite("sizes", "study:estimate", seeds=3, factors={"samples": [50, 200]})
    >>> len(bench.run(suite, executor="serial"))
    6
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bench.execute import REPORTS

if TYPE_CHECKING:
    from bench.api.stored import accept, analyze, arrays, beside, calibrate_gate, compare, find, load, report, runs
    from bench.api.suites import check, design, forecast, run, schema, undecidable
    from bench.experiment import Experiment, Job, Metric, Outcome, function
    from bench.plan.metrics import Margin
    from bench.plan.suite import Suite

__all__ = [
    "REPORTS",
    "Experiment",
    "Job",
    "Margin",
    "Metric",
    "Outcome",
    "Suite",
    "accept",
    "analyze",
    "arrays",
    "beside",
    "calibrate_gate",
    "check",
    "compare",
    "design",
    "find",
    "forecast",
    "function",
    "load",
    "report",
    "run",
    "runs",
    "schema",
    "undecidable",
]

_MODULES = {
    **dict.fromkeys(("check", "design", "forecast", "run", "schema", "undecidable"), "bench.api.suites"),
    **dict.fromkeys(("Experiment", "Job", "Metric", "Outcome", "function"), "bench.experiment"),
    "Margin": "bench.plan.metrics",
    "Suite": "bench.plan.suite",
}
"""Public name -> the module that is imported when it is first used; all others are in ``bench.api.stored``."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(_MODULES.get(name, "bench.api.stored")), name)
    raise AttributeError(f"module 'bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
