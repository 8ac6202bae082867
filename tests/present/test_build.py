"""What the report of a run says, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import bench
from bench.experiment import Metric
from bench.judge.analysis import MetricOptions, analyze
from bench.present import state
from bench.present.build import analyzed
from bench.present.files import printed
from bench.present.render import terminal
from bench.present.report import Report, Section
from bench.present.sections import analysis_sections
from bench.present.sections.cells import means
from bench.present.study import Study

if TYPE_CHECKING:
    from tests.conftest import Lab


def report_of(lab: Lab, **settings: object) -> Report:
    bench.run(lab.suite(**settings), out=lab.out, executor="serial")  # type: ignore[arg-type]
    return bench.report(out=lab.out)


def section(report: Report, title: str) -> Section:
    return next(part for part in report.sections if part.title == title)


@cache
def simulated(effect: float, *, cells: tuple[tuple[str, str], ...] = (), log: bool = False) -> Study:
    """Two factors with two levels, 12 seeds, and an effect of ``reg`` in units of the noise."""
    rng = np.random.default_rng(5)
    rows = [
        {"reg": reg, "act": act, "seed": seed, "loss": np.exp(effect * (reg == "l2") + rng.normal())}
        for seed in range(12)
        for reg, act in cells or [("l1", "relu"), ("l1", "gelu"), ("l2", "relu"), ("l2", "gelu")]
    ]
    frame = pd.DataFrame(rows)
    if not log:
        frame["loss"] = np.log(frame["loss"])
    options = [MetricOptions("loss", log=log, margin=0.6, better="lower")]
    analysis = analyze(frame, ["reg", "act"], "seed", options)
    factors, metrics = {"reg": ["l1", "l2"], "act": ["relu", "gelu"]}, [Metric("loss", "Loss", better="lower")]
    return Study(factors, metrics, analysis=analysis)


def told(study: Study, title: str) -> Section:
    return next(part for part in analysis_sections(study) if part.title == title)


def found(study: Study) -> tuple[Sequence[str], Sequence[str]]:
    section = told(study, "What was found")
    return section.text, section.points


def test_the_verdict_comes_first_and_provenance_last(lab: Lab) -> None:
    """A reader meets the state of the run and what it came to, then what was found and cannot be told."""
    titles = [part.title for part in report_of(lab).sections]
    assert titles[:3] == ["Verdict", "What was found", "What this design cannot tell"]
    assert titles[-1] == "Provenance"


def test_notes_of_metrics_stand_under_their_first_table(lab: Lab) -> None:
    """A metric's note is shown with its effects."""
    effects = section(report_of(lab), "Effects").tables
    assert [list(table.notes) for table in effects] == [["Only an exhibit."], []]


def test_an_unfinished_run_says_how_to_finish_it(lab: Lab) -> None:
    """The report of a run that lacks jobs counts them by name and gives the command with its options."""
    report = report_of(lab, name="ill", trouble="fails", seeds=3)
    bench.run(lab.folder / "ill.toml", seeds=4, out=lab.out, executor="serial")
    state = section(bench.report("ill", out=lab.out), "Verdict").text
    assert state[0] == "Unfinished: of 16 runs, 12 are ok, 4 failed."
    assert state[1].endswith(f"bench run {lab.folder}/ill.toml --seeds 0-3 --out {lab.out}")
    assert section(report, "Verdict").text[1].endswith(f"bench run {lab.folder}/ill.toml --out {lab.out}")


def test_values_that_are_no_numbers_are_counted_in_the_state() -> None:
    """NaN and infinity in runs that are ok are said at once, with the metrics that have them."""
    jobs = pd.DataFrame(
        {"status": ["ok", "ok", "failed"], "seed": [0, 1, 2], "a": [np.nan, 1, np.nan], "b": [2, np.inf, 3.0]}
    )
    assert "2 of the runs that are ok have a value that is no finite number (a and b)" in " ".join(
        state.overview(jobs, ["a", "b"], "")
    )
    assert "no finite number" not in " ".join(state.overview(jobs.assign(a=1.0, b=1.0), ["a", "b"], ""))


def test_stored_results_that_are_not_shown_are_counted(lab: Lab) -> None:
    """With fewer seeds than were stored, the report says how many results it leaves out."""
    bench.run(lab.suite("lab"), seeds=4, out=lab.out, executor="serial")
    bench.run(lab.suite("lab"), seeds=3, out=lab.out, executor="serial")
    text = " ".join(section(bench.report("lab", out=lab.out), "Verdict").text)
    assert "4 stored results are of other seeds or levels" in text


def test_effects_of_missing_combinations_are_not_called_averages() -> None:
    """Where cells are missing, the table says that interactions are left out of the model instead."""
    rows = [
        {"a": a, "b": b, "seed": s, "y": s + level}
        for a, b, level in ((0, 0, 0.1), (0, 1, 0.5), (1, 0, 0.2))
        for s in range(4)
    ]
    frame = pd.DataFrame(rows)

    def study(frame: pd.DataFrame, metrics: list[str]) -> Study:
        analysis = analyze(frame, ["a", "b"], "seed", metrics)
        return Study({"a": [0, 1], "b": [0, 1]}, [Metric("y", "Y"), Metric("z", "Z")], analysis=analysis)

    assert "leaves out all interactions" in told(study(frame, ["y"]), "Effects").text[0]
    whole = pd.concat([frame, frame[frame["a"] == 0].assign(a=1)])
    assert "averaged over all other factors. " in told(study(whole, ["y"]), "Effects").text[0]
    partly = whole.assign(z=whole["y"].where(~(whole["a"].eq(1) & whole["b"].eq(1))))
    text = told(study(partly, ["y", "z"]), "Effects").text[0]
    assert "averaged over all other factors; of Z, in a model that leaves out all interactions" in text
    nothing = study(whole.assign(z=np.nan), ["y", "z"])
    assert "averaged over all other factors. " in told(nothing, "Effects").text[0]
    assert nothing.mixed == []


def test_a_relative_margin_without_a_mean_is_none(lab: Lab) -> None:
    """A metric that is NaN everywhere, with a margin in percent, costs nothing but its own tables."""
    suite = lab.suite("nowhere", trouble="nan", seeds=1)
    suite.write_text(suite.read_text() + '\n[metrics.loss]\nmargin = "5%"\n')
    bench.run(suite, out=lab.out, executor="serial")
    assert section(bench.report("nowhere", out=lab.out), "Verdict").text


def test_reasons_are_grouped(lab: Lab) -> None:
    """Runs that failed for one reason are one row, with its cells and seeds."""
    table = section(report_of(lab, trouble="fails"), "Runs and values that are missing").tables[0]
    assert len(table.rows) == 1
    status, count, reason, where = table.rows[0]
    assert (status, count) == ("failed", "4")
    assert "no luck with seed 1" in reason
    assert "0.0/plain (1)" in where


def test_a_strong_effect_is_said_with_its_direction() -> None:
    """A survivor is called worse or better by the metric's direction, with interval, adjusted p and the margin."""
    lead, points = found(simulated(2.0))
    assert lead[0].startswith("Of 3 effects tested (one metric), 1 survives")
    assert points[0].startswith("Loss: worse with reg: l1 → l2 (")
    assert "beyond the margin, adj. p <0.001" in points[0]
    assert found(simulated(-2.0))[1][0].startswith("Loss: better with reg")


def test_what_is_mixed_is_said_where_it_is_found() -> None:
    """An effect that the cells mix with an interaction is found under that condition, in the same sentence."""
    assert "provided" not in found(simulated(2.0))[1][0]
    part = simulated(2.0, cells=(("l1", "relu"), ("l1", "gelu"), ("l2", "gelu")))
    assert found(part)[1][0].endswith(", provided that no interaction is mixed in.")


def test_ratios_are_called_ratios() -> None:
    """On a log scale effects are multiplied, in the summary and in the heading."""
    study = simulated(2.0, log=True)
    assert "(× " in found(study)[1][0]
    assert told(study, "Effects").tables[0].header[1] == "Ratio [95% CI]"


def test_no_effect_is_not_called_one() -> None:
    """Where nothing survives the summary says so, and names what is shown to be smaller than the margin."""
    study = simulated(0.0)
    lead, points = found(study)
    assert "none survives" in lead[0]
    small = study.analysis.equivalence.query("equivalent and effect in ['reg', 'act']")["effect"]
    assert len(small) == sum(point.count("→") for point in points)


def test_aliases_are_named() -> None:
    """An interaction that the cells do not identify is said to be unknowable, and listed with what it is mixed with."""
    study = simulated(1.0, cells=(("l1", "relu"), ("l2", "relu"), ("l1", "gelu")))
    assert told(study, "What this design cannot tell").points[0].startswith("reg × act cannot be estimated")
    shown = told(study, "What the cells identify")
    assert shown.appendix
    assert [row[:2] for row in shown.tables[0].rows if row[1] == "no"] == [["reg × act", "no"]]


def test_collapses_and_odd_seeds_are_doubted() -> None:
    """A cell whose runs fall into two groups is named, and so is a seed far from the others."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "act": act,
            "seed": seed,
            "split": rng.normal() + 100 * (act == "gelu" and seed % 2),
            "odd": rng.normal() + 100 * (seed == 3),
        }
        for act in ("relu", "gelu")
        for seed in range(20)
    )
    analysis = analyze(frame, ["act"], "seed", ["split", "odd"])
    metrics = [Metric("split", "Split"), Metric("odd", "Odd")]
    split, _, odd = told(Study({"act": ["relu", "gelu"]}, metrics, analysis=analysis), "Variation").points
    assert split.startswith("Split: the runs of a cell may be two groups")
    assert ": gelu (two groups: " in split
    assert odd.startswith("Odd: far from the other seeds, in robust SDs: seed 3 (")


def test_means_of_many_metrics_are_one_table() -> None:
    """A column each, in their order, and no warning that a hundred columns were inserted one by one."""
    study = simulated(1.0)
    names = [f"loss {position}" for position in range(120)]
    cells = pd.concat([study.analysis.cells.assign(metric=name) for name in names])
    metrics = [Metric(name, name) for name in names]
    many = replace(study, metrics=metrics, analysis=replace(study.analysis, cells=cells))
    (section,) = means(many)
    (table,) = section.tables
    assert list(table.header) == ["reg", "act", *names]
    assert len({row[2:] for row in map(tuple, table.rows)}) == 4


@pytest.mark.parametrize("name", ["n", "mean", "cell", "headline", "effect", "estimate", "a:b", "C", "level 0", "λ x"])
def test_factors_may_be_called_anything(name: str) -> None:
    """A factor called like a column of a result frame is shown with its levels, wherever factors are."""
    rng = np.random.default_rng(2)
    rows = [{name: level, "seed": seed, "loss": rng.normal()} for level in ("low", "high") for seed in range(4)]
    analysis = analyze(pd.DataFrame(rows), [name], "seed", ["loss"])
    study = Study({name: ["low", "high"]}, [Metric("loss", "Loss")], analysis=analysis)
    shown = {part.title: part for part in analysis_sections(study)}
    assert shown["Effects"].tables[0].rows[0][0] == f"{name}: low → high"
    assert [row[0] for row in shown["Means"].tables[0].rows] == ["low", "high"]
    assert shown["Means"].tables[0].header[0] == name


def test_short_tables_show_main_effects_and_survivors() -> None:
    """A short rendering keeps main effects and whatever survives, and counts the rest."""
    table = told(simulated(2.0), "Effects").tables[0]
    assert [row[0] for row in table.brief().rows] == ["reg: l1 → l2", "act: relu → gelu"]
    assert table.brief().notes == ["(1 more row in the full report, without a star.)"]


def test_published_means_beyond_3_standard_errors_are_marked(lab: Lab) -> None:
    """A published mean far from ours is marked with !, one near is not, and the count is said."""
    suite = lab.suite("compared", seeds=5)
    bench.run(suite, out=lab.out, executor="serial")
    mean = bench.report("compared", out=lab.out).data["cells"].query("metric == 'score'")["mean"]
    rows = [f"0.0,plain,score,{mean.iloc[0]},1.0,10", f"0.0,rich,score,{mean.iloc[1] + 10},1.0,10"]
    (lab.folder / "post.csv").write_text("\n".join(["dose,diet,metric,mean,std,n", *rows]))
    suite.write_text(suite.read_text().replace("[params]", 'published = "post.csv"\n[params]'))
    bench.run(suite, out=lab.out, executor="serial")
    compared = section(bench.report("compared", out=lab.out), "Beside the published table")
    assert compared.text[0].startswith("1 of 2 published means")
    assert [row[-1].endswith("!") for row in compared.tables[0].rows] == [False, True]


def test_a_published_table_that_does_not_fit_costs_only_itself(lab: Lab) -> None:
    """A table of other factors is refused in words, and the rest of the report stands."""
    suite = lab.suite("misfit", seeds=2)
    (lab.folder / "post.csv").write_text("colour,metric,mean\nred,score,1")
    suite.write_text(suite.read_text().replace("[params]", 'published = "post.csv"\n[params]'))
    bench.run(suite, out=lab.out, executor="serial")
    report = bench.report("misfit", out=lab.out)
    assert "cannot be compared" in section(report, "Beside the published table").text[0]
    assert "Effects" in terminal.render(report)


def test_a_single_cell_is_described(lab: Lab) -> None:
    """A suite with nothing to compare still reports its means, with the caveats of its metrics."""
    suite = lab.suite("alone", seeds=3)
    suite.write_text(suite.read_text().replace("[0.0, 1.0]", "[1.0]").replace('["plain", "rich"]', '["plain"]'))
    bench.run(suite, out=lab.out, executor="serial")
    report = bench.report("alone", out=lab.out)
    assert section(report, "Means").tables[0].notes == ["Score: Only an exhibit."]
    assert "Nothing can be tested" in section(report, "What was found").text[0]


def test_a_run_without_results_is_reported(lab: Lab) -> None:
    """Where every run failed the report still says so and why."""
    report = report_of(lab, name="dead", trouble="fails", seeds="[1]")
    assert section(report, "Verdict").text[-1] == "Nothing was found yet: no run has a result."
    assert section(report, "Runs and values that are missing").tables[0].rows


def test_a_level_without_values_is_said_once() -> None:
    """The verdict names a level whose runs are all lost, once for all metrics, and gives the other effects."""
    rows = [(lr, seed, float(seed + (lr == 0.01)) + 0.1 * seed * lr) for seed in range(5) for lr in (0.001, 0.01, 0.1)]
    frame = pd.DataFrame(rows, columns=["lr", "seed", "y"]).assign(z=lambda rows: -rows["y"])
    lost = frame.assign(**{name: frame[name].where(frame["lr"] != 0.1) for name in "yz"})
    report = analyzed(analyze(lost, ["lr"], "seed", ["y", "z"]), "runs.csv")
    assert " ".join(str(report).split()).count("lr = 0.1 has no values") == 1
    assert report.sections[0].facts["Without values"].startswith("lr = 0.1 has no values")


@pytest.fixture(scope="module")
def parts() -> list[Report]:
    """Of half of the cells of 2^3, and of two of 2^2."""
    rng = np.random.default_rng(0)
    half = [(a, b, (a + b) % 2, seed, rng.normal()) for seed in range(4) for a in (0, 1) for b in (0, 1)]
    frame = pd.DataFrame(half, columns=["a", "b", "c", "seed", "y"])
    tables = ((frame, ["a", "b", "c"]), (frame[frame["a"] == frame["b"]], ["a", "b"]))
    return [analyzed(analyze(rows, factors, "seed", ["y"]), "table") for rows, factors in tables]


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize("form", ["md", "html", "json", "terminal"])
def test_every_format_says_which_model_the_analysis_of_variance_fits(parts: list[Report], form: str) -> None:
    """Half of 2^3 names the terms that it leaves out; two of 2^2 say that there is no analysis of variance."""
    texts = []
    for report in parts:
        text = terminal.render(report, width=100, full=True) if form == "terminal" else printed(report, form).decode()
        texts.append(" ".join(text.split()))
    assert "The analysis of variance fits a, b, c; it leaves out a:b, a:c, b:c, a:b:c" in texts[0].replace("\\", "")
    assert "There is no analysis of variance: no term can be told from the others" in texts[1]
