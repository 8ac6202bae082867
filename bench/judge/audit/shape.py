"""The keys of a TOML file of published figures, and what each may hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from bench.plan.shape import Tables

Test = Literal["student", "welch", "paired"]
"""Whose t it is; Student's pools the variances."""

_Printed = float | int | str


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


FIGURE_HELP = 'A number with the digits that were printed, or text such as "<0.01".'


class _GroupTable(_Strict):
    name: str = Field("", description="What the sample is called.")
    mean: _Printed | None = Field(None, description=f"Its mean. {FIGURE_HELP}")
    sd: _Printed | None = Field(None, description=f"Its standard deviation. {FIGURE_HELP}")
    n: Annotated[int, Field(ge=2)] = Field(description="Its size, at least 2.")
    integers: bool = Field(default=False, description="Whether its values are whole numbers: true or false.")


_Side = Annotated[
    Annotated[str, Tag("row")] | Annotated[_GroupTable, Tag("sample")],
    Discriminator(lambda given: "sample" if isinstance(given, dict) else "row"),
]


class _ComparisonTable(_Strict):
    id: str = Field(min_length=1, description="What the comparison is called.")
    metric: str = Field("", description="What was measured; of a table, one of its metrics.")
    from_: _Side = Field(alias="from", description="A row of the table, or { mean, sd, n }: the earlier side.")
    to: _Side = Field(description="A row of the table, or { mean, sd, n }: the later side.")
    test: Test = Field("student", description='"student", "welch" or "paired".')
    change: _Printed | None = Field(None, description='The change of the mean: "-17.9%".')
    t: _Printed | None = Field(None, description=f"The t statistic. {FIGURE_HELP}")
    df: _Printed | None = Field(None, description=f"The degrees of freedom. {FIGURE_HELP}")
    p: _Printed | None = Field(None, description=f"The two-sided p value. {FIGURE_HELP}")
    d: _Printed | Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        None, description="Cohen's d: a number, or [lowest, highest]."
    )
    credited_to: str = Field("", description="The factor to which the difference was credited.")


class _OrderTable(_Strict):
    id: str = Field(min_length=1, description="What the order is called.")
    metric: str = Field(description="One of the metrics of the table.")
    lower: list[str] = Field(min_length=1, description="Rows of the table that are said to lie below …")
    higher: list[str] = Field(min_length=1, description="… every one of these.")


class AuditFile(_Strict):
    """The whole file."""

    title: str = Field(min_length=1, description="What was published.")
    ddof: Literal[0, 1] = Field(
        1, description="1 if SDs are of samples (divided by n - 1), 0 if of populations (by n)."
    )
    table: str | None = Field(
        None, description="Path of a CSV table, relative to this file: columns metric, mean, std, n and a name."
    )
    name: str = Field("name", description="The column of the table that names its rows.")
    factors: list[str] = Field([], description="The columns of the table that hold the levels of factors.")
    comparisons: list[_ComparisonTable] = Field([], description="One table [[comparisons]] for each pair of samples.")
    orders: list[_OrderTable] = Field([], description="One table [[orders]] for each statement that means are ordered.")


TABLES: Tables = {
    ("comparisons", "*"): _ComparisonTable,
    ("comparisons", "*", "from", "sample"): _GroupTable,
    ("comparisons", "*", "to", "sample"): _GroupTable,
    ("orders", "*"): _OrderTable,
}
