"""The keys of a suite file and the type of each; and a JSON Schema of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from bench.plan.claims import Expect
from bench.plan.faults import Tables
from bench.plan.kinds import KINDS, STRICT, AnyKind, OneOrMore, tag
from bench.plan.positions import KeyPath

MAX_SEEDS = 100_000
MAX_LEVELS = 1_000
_PERCENT = r"^([0-9]{0,5}[1-9][0-9]{0,5}([.][0-9]{1,12})?|[0-9]{1,6}[.][0-9]{0,11}[1-9][0-9]{0,11})%$"


def schema() -> dict[str, Any]:
    """JSON Schema of suites, for editors that complete and check TOML."""
    keys = SuiteKeys.model_json_schema()
    required = keys.pop("required")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **keys,
        "if": {"required": ["extends"]},
        "then": {"required": ["name"]},
        "else": {"required": required, "oneOf": [{"required": ["factors"]}, {"required": ["cells"]}]},
    }


class _Strict(BaseModel):
    model_config = STRICT


_Margin = Annotated[float, Field(gt=0, allow_inf_nan=False)] | Annotated[str, Field(pattern=_PERCENT)] | None
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Bounds = Annotated[list[_Number], Field(min_length=2, max_length=2)]


class SealedTable(_Strict):
    """Seeds given as a table: drawn from a hash of claims, cells, experiment and version."""

    sealed: int = Field(ge=1, le=MAX_SEEDS, description=f"How many seeds are drawn from the seal, 1 to {MAX_SEEDS}.")


_StratumSeeds = (
    Annotated[int, Field(ge=1, le=MAX_SEEDS)]
    | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=MAX_SEEDS)]
)


class StrataTable(BaseModel):
    """Seeds within seeds, the outermost stratum first: how many each has, or a list of different integers >= 0."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")
    __pydantic_extra__: dict[str, _StratumSeeds]

    crossed: bool = Field(
        default=False, description="Whether each seed meets all those of other strata: true; else they are nested."
    )
    sealed: bool = Field(default=False, description="Whether they are drawn from what is claimed and run: true.")

    @property
    def seeds(self) -> Mapping[str, tuple[int, ...]]:
        """Stratum -> its seeds; sealed ones are yet to be drawn."""
        given = self.__pydantic_extra__
        return {name: tuple(range(seeds) if isinstance(seeds, int) else seeds) for name, seeds in given.items()}


class ProxiesTable(_Strict):
    """The table ``[proxies]``: which metrics are asked whether they order cells as another does."""

    target: str = Field(min_length=1, description="The metric that stands for the truth.")
    metrics: list[str] = Field(min_length=1, description='The metrics that may stand in for it: ["loss", …].')


def _check_order(ends: list[float]) -> list[float]:
    if not ends[0] < ends[1]:
        raise ValueError("the lower end comes first")
    return ends


class MetricTable(_Strict):
    """A table ``[metrics.NAME]``."""

    margin: _Margin = Field(
        None, description='The smallest difference that matters: a number above 0 in the metric\'s unit, or "5%".'
    )
    scale: Literal["identity", "log"] | None = Field(
        None, description='The scale on which the metric is analysed: "identity" or "log".'
    )
    range: Annotated[_Bounds, AfterValidator(_check_order)] | None = Field(
        None, description="Between which two numbers the metric always lies, the lower first: [0, 1]."
    )


class SweepTable(_Strict):
    """A factor given as a table ``[factors.NAME]``."""

    place: ClassVar[KeyPath] = ("levels",)
    """The path from the factor to its levels."""

    levels: Annotated[list[Any], Field(min_length=1, max_length=MAX_LEVELS)] | None = Field(
        None, description=f"A list of 1 to {MAX_LEVELS} levels: [0.01, 0.1, 1.0]."
    )
    log: _Bounds | None = Field(None, description="First and last of points evenly spaced logarithms: [1e-4, 1e-1].")
    linear: _Bounds | None = Field(None, description="First and last of points evenly spaced levels: [10, 50].")
    points: Annotated[int, Field(ge=2, le=MAX_LEVELS)] | None = Field(
        None, description=f"How many levels log or linear make, 2 to {MAX_LEVELS}."
    )
    under: Annotated[dict[str, OneOrMore], Field(min_length=1)] | None = Field(
        None, description='The levels of earlier factors under which it is swept: { reg = "l1" } or { reg = ["l1"] }.'
    )
    otherwise: Any = Field(None, description="Its level where it is not swept; by default the experiment's default.")


class ListedLevels(SweepTable):
    """A factor given as a list."""

    place: ClassVar[KeyPath] = ()


class DesignTable(_Strict):
    """A table ``design``: which combinations of the factors are run."""

    fraction: str | Annotated[list[str], Field(min_length=1)] = Field(
        description='Generators of a regular fraction: ["D=ABC"] or ["act = init*noise*reg"].'
    )

    @property
    def generators(self) -> list[str]:
        """``fraction`` as a list."""
        return [self.fraction] if isinstance(self.fraction, str) else self.fraction


class ExcludeTable(_Strict):
    """A table ``[[exclude]]``: combinations that are not run."""

    where: Annotated[dict[str, OneOrMore], Field(min_length=1)] = Field(
        description='A level, or a list of levels, of one or more factors: { init = "orthogonal", act = ["gelu"] }.'
    )
    reason: str = Field(min_length=1, max_length=400, description="Why these combinations are not run.")


class SetTable(_Strict):
    """A table ``[[set]]``: parameters that follow the levels of factors, and are no factors."""

    where: Annotated[dict[str, OneOrMore], Field(min_length=1)] = Field(
        description='A level, or a list of levels, of one or more factors: { reg = "l2", act = ["gelu"] }.'
    )
    params: Annotated[dict[str, Any], Field(min_length=1)] = Field(
        description="The parameters of the cells there, in place of [params]: { reg_lambda = 0.0021 }."
    )


class BaselineTable(_Strict):
    """The table ``[baseline]``."""

    file: str | None = Field(
        None, min_length=1, description="Path of the baseline, a CSV, relative to the suite's folder."
    )
    compare: Literal["cells", "effects"] = Field(
        "cells", description='What is compared of each metric: "cells", or "effects" and the mean of all cells.'
    )
    metrics: list[str] | None = Field(
        None, min_length=1, description='The metrics that are compared, by default all: ["loss", …].'
    )
    sd: Literal["sample", "population"] = Field(
        "sample", description='Which SD a published table prints: "sample" (n - 1) or "population" (n).'
    )
    more_seeds: int | None = Field(
        None, ge=1, le=MAX_SEEDS, description="How many further seeds `bench compare` runs if the first are undecided."
    )
    removed: list[str | Annotated[dict[str, Any], Field(min_length=1)]] = Field(
        [],
        description="What the baseline has and is not run any more: names of cells or metrics, or tables of levels, "
        'of "metric" or of "seed": ["l1/gelu", { act = ["gelu", "selu"] }, { metric = "loss", seed = [8, 9] }].',
    )


Spending = Literal["obrien_fleming", "pocock"]
"""How the error is spread over the looks: nearly all at the last one, or nearly evenly ("pocock")."""


class SequentialTable(_Strict):
    """The table ``[sequential]``: when `bench run --sequential` judges the claims."""

    looks: list[Annotated[int, Field(ge=2, le=MAX_SEEDS)]] = Field(
        min_length=2, description="Numbers of seeds, rising, each at least 2: [10, 20, 40]."
    )
    spending: Spending = Field(
        "obrien_fleming",
        description='How the error is spread over the looks: "obrien_fleming" (late) or "pocock" (evenly).',
    )


class ContrastFile(_Strict):
    """A contrast by itself."""

    contrast: AnyKind = Field(description='A table: { factor = "reg", from = "l1", to = "l2" }, or as in claims.')


class PublishedTable(_Strict):
    """Figures that a claim was published with, as they were printed."""

    change: str | None = Field(
        None, pattern=r"^[+\-−]?[0-9]+([.][0-9]+)?%$", description='The change of the mean in percent: "-17.9%".'
    )
    t: _Number | None = Field(None, description="The t statistic.")
    p: _Number | Annotated[str, Field(max_length=40)] | None = Field(
        None, description='The p value: a number, or "<0.01".'
    )
    d: _Number | _Bounds | None = Field(None, description="Cohen's d: a number, or [lowest, highest].")
    text: str | None = Field(None, max_length=400, description="Any other figures, in words.")


class ClaimTable(_Strict):
    """A table ``[[claims]]``: what is stated before the runs are seen."""

    id: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        max_length=60,
        description="What the claim is called: letters, digits, _, . and -, at most 60.",
    )
    statement: str = Field(min_length=1, max_length=400, description="The claim as a sentence.")
    label: str = Field("", max_length=40, description="The claim in at most 40 characters, for tables and figures.")
    headline: bool = Field(default=False, description="Whether a report opens with it, which one claim may: true.")
    metric: str = Field(description="The metric that it is about.")
    contrast: AnyKind = Field(
        description='What it compares: { factor = "reg", from = "l1", to = "l2" }, or interaction, trend, two_lines, '
        "order, cell."
    )
    expect: Expect = Field(
        description='"increase", "decrease", "difference" (either way), "equivalent" (within the margin), "bimodal" '
        '(of a cell), "u_shape" or "inverted_u" (of two lines).'
    )
    measure: Literal["mean", "spread"] = Field(
        "mean", description='What is compared: "mean", or "spread" (distances of runs from the median of their cell).'
    )
    margin: _Margin = Field(None, description='In place of the metric\'s: a number above 0 in its unit, or "5%".')
    credited_to: str = Field("", description="The factor to which a difference was credited, to be taken apart.")
    gate: bool = Field(
        default=False, description="Whether bench report exits with 1 if it is refuted or immaterial: true or false."
    )
    published: PublishedTable | None = Field(
        None, description="Figures it was published with: change, t, p, d or text."
    )


def _kind_of_seeds(value: Any) -> str:
    if isinstance(value, dict):
        return "table" if not value or type(value.get("sealed", False)) is not bool else "strata"
    kinds: dict[type[Any], str] = {list: "list", SealedTable: "table", StrataTable: "strata"}
    return kinds.get(type(value), "count")


class SuiteKeys(_Strict):
    """What is run and what matters in it."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$",
        max_length=100,
        description="The folder of its results: letters, digits, _ and - and single dots between them, at most 100.",
    )
    experiment: str = Field(description='What is run, as "package.module:NAME"; the module may lie beside the suite.')
    seeds: Annotated[
        Annotated[int, Field(ge=1, le=MAX_SEEDS), Tag("count")]
        | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=MAX_SEEDS), Tag("list")]
        | Annotated[SealedTable, Tag("table")]
        | Annotated[StrataTable, Tag("strata")],
        Discriminator(_kind_of_seeds),
    ] = Field(
        description=f"How many, 1 to {MAX_SEEDS} (10 means 0 to 9), a list of different integers >= 0, "
        "{ sealed = 30 }: so many, drawn from what is claimed and run, or strata: { data = 6, sae = 3 }."
    )
    params: dict[str, Any] = Field({}, description="Parameters that every run shares: name = value.")
    extends: str | None = Field(
        None, description="Path of a suite whose values hold where this one gives none, relative to this one's folder."
    )
    factors: (
        dict[
            str,
            Annotated[
                Annotated[list[Any], Field(min_length=1, max_length=MAX_LEVELS), Tag("list")]
                | Annotated[SweepTable, Tag("sweep")],
                Discriminator(lambda value: "sweep" if isinstance(value, dict | SweepTable) else "list"),
            ],
        ]
        | None
    ) = Field(
        None,
        min_length=1,
        description=f'The full grid: name = [level, …] for each factor, 1 to {MAX_LEVELS} levels: reg = ["l1", "l2"].',
    )
    design: (
        Annotated[
            Annotated[Literal["one_at_a_time"], Tag("name")] | Annotated[DesignTable, Tag("table")],
            Discriminator(lambda value: "table" if isinstance(value, dict | DesignTable) else "name"),
        ]
        | None
    ) = Field(
        None,
        description='Which part of the grid: { fraction = ["D=ABC"] } or "one_at_a_time".',
    )
    exclude: list[ExcludeTable] = Field([], description="Combinations that are not run: one table [[exclude]] each.")
    sets: list[SetTable] = Field(
        [],
        alias="set",
        description="Parameters that follow levels: one table [[set]] each, later ones over earlier ones.",
    )
    cells: list[dict[str, Any]] | None = Field(
        None,
        min_length=1,
        description="Chosen combinations: one table [[cells]] each, with a level for each factor.",
    )
    metrics: dict[str, MetricTable] = Field({}, description="What matters in a metric: one table [metrics.NAME] each.")
    claims: list[ClaimTable] = Field([], description="What is stated before the runs: one table [[claims]] each.")
    sequential: SequentialTable | None = Field(
        None, description="When `bench run --sequential` judges the claims: a table [sequential] with looks."
    )
    proxies: ProxiesTable | None = Field(
        None, description="Which metrics may order cells as another does: a table [proxies] with target and metrics."
    )
    baseline: BaselineTable | None = Field(
        None, description="What `bench compare` compares a run with: a table [baseline]."
    )
    published: str | None = Field(
        None, description="Path of a CSV table of published means shown beside ours, relative to the suite's folder."
    )

    @property
    def is_sealed(self) -> bool:
        """Whether seeds are drawn from what is claimed and run."""
        return isinstance(self.seeds, SealedTable) or (isinstance(self.seeds, StrataTable) and self.seeds.sealed)

    @property
    def strata(self) -> StrataTable | None:
        """The strata of the seeds; None without."""
        return self.seeds if isinstance(self.seeds, StrataTable) else None

    @property
    def n_seeds(self) -> int:
        """The number of seeds that the suite asks for, of strata the runs of a cell."""
        if isinstance(self.seeds, StrataTable):
            return math.prod(map(len, self.seeds.seeds.values()))
        if isinstance(self.seeds, SealedTable):
            return self.seeds.sealed
        return len(self.seeds) if isinstance(self.seeds, list) else self.seeds

    @property
    def listed_seeds(self) -> list[int]:
        """The seeds of a suite that lists them; empty for a count or sealed seeds."""
        return self.seeds if isinstance(self.seeds, list) else []

    @property
    def sweeps(self) -> Mapping[str, SweepTable]:
        """The factors as tables, whether they are given as tables or as lists."""
        factors = (self.factors or {}).items()
        return {name: ListedLevels(levels=sweep) if isinstance(sweep, list) else sweep for name, sweep in factors}


TABLES: Tables = {
    ("seeds", "table"): SealedTable,
    ("seeds", "strata"): StrataTable,
    ("factors", "*", "sweep"): SweepTable,
    ("design", "table"): DesignTable,
    ("exclude", "*"): ExcludeTable,
    ("set", "*"): SetTable,
    ("metrics", "*"): MetricTable,
    ("baseline",): BaselineTable,
    ("sequential",): SequentialTable,
    ("proxies",): ProxiesTable,
    ("claims", "*"): ClaimTable,
    **{("claims", "*", "contrast", tag(kind)): kind for kind in KINDS.values()},
    **{("contrast", tag(kind)): kind for kind in KINDS.values()},
    ("claims", "*", "published"): PublishedTable,
}
