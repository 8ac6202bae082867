"""The analysis of variance, and on what it disagrees with the contrasts."""

from __future__ import annotations

from collections.abc import Iterator

from bench.judge.variance import primary
from bench.present import numbers
from bench.present.report import Column, Section, Table
from bench.present.study import ALPHA, NAME, P, Study, heading

_ROUTES = (
    "Other routes to the same terms (types I to III, HC3, within subjects, independent runs): anova in JSON and CSV."
)


def variance(study: Study) -> Iterator[Section]:
    """All terms of the primary analysis, one table a metric that is tabled."""
    analysis, tables = study.analysis, []
    columns = (
        NAME["term"], Column("df", ("df_num",), "degrees"), Column("df error", ("df_den",), "degrees", detail=True),
        Column("Sum of squares", ("sum_sq",), "value", detail=True), Column("F", ("F",), "statistic"), P,
        Column(f"partial η² [{study.level} CI]", _interval("partial_eta_sq"), "interval"),
        Column(f"partial ω² [{study.level} CI]", _interval("omega_sq"), "interval"),
    )  # fmt: skip
    for metric, rows in study.by_metric(primary(analysis.anova)):
        if metric in study.tabled:
            tables.append(Table(heading(metric), study.worded(rows), columns))
    blocks = f", {study.block} as block" if study.block else ""
    how = f"Type II sums of squares{blocks}, all interactions that the cells identify."
    text = [*([how] if tables else []), *analysis.anova_models]
    text += [*_disagreements(study), _ROUTES] if tables else []
    if text and (tables or analysis.anova_models):
        yield Section("Analysis of variance", text, exhibits=tables, appendix=True, paper=True)


def _interval(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"


def _disagreements(study: Study) -> Iterator[str]:
    """On which effects the contrasts and the analysis of variance fall on different sides of 5%, unadjusted."""
    both = study.analysis.terms.merge(primary(study.analysis.anova), on=["metric", "term"])
    both = both[both["metric"].isin(study.labels)]
    contrast, anova = both["p_x"] < ALPHA, both["p_y"] < ALPHA
    for only, lead in (
        (anova & ~contrast, "The analysis of variance alone"),
        (contrast & ~anova, "The contrasts, not the analysis of variance,"),
    ):
        rows = zip(both.loc[only, "term"], both.loc[only, "metric"], strict=True)
        if named := [f"{study.term(term)} in {study.labels[metric]}" for term, metric in rows]:
            yield f"{lead} would call these significant, unadjusted: {numbers.listed(named)}."
    if (anova != contrast).any():
        yield (
            f"Where they disagree, trust the contrasts: they let an effect vary between {study.block}s, which the "
            "analysis of variance pools with the residual."
        )
