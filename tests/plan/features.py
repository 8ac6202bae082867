"""Experiments whose parameters use what pydantic and dataclasses offer, one feature each, and levels of a factor."""

from __future__ import annotations

import datetime as dt
import random
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    computed_field,
    field_serializer,
    field_validator,
    model_validator,
)

from bench.experiment import Experiment, Job, Metric, Progress

MACHINE = {"home": ""}
"""What a validator makes of a parameter here; on another machine it may be something else."""
SEEN: list[Any] = []
"""The parameters that jobs came with."""
WORKS: dict[str, tuple[Experiment, Sequence[str]]] = {}
"""Name -> an experiment, and two levels of its factor ``x`` as TOML."""
REFUSED: dict[str, tuple[Experiment, Sequence[str], Sequence[str]]] = {}
"""Name -> an experiment, two levels, and words of the refusal."""


def run(jobs: Sequence[Job], progress: Progress) -> Iterator[Mapping[str, float]]:
    for job in jobs:
        SEEN.append(job.params)
        yield {"m": 1.0}


def works(*levels: str) -> Any:
    def note(params: type) -> type:
        WORKS[params.__name__] = (Experiment(params=params, metrics=[Metric("m", "M")], run=run), levels)
        return params

    return note


def refused(*levels: str, words: Sequence[str]) -> Any:
    def note(params: type) -> type:
        REFUSED[params.__name__] = (Experiment(params=params, metrics=[Metric("m", "M")], run=run), levels, words)
        return params

    return note


class Act(Enum):
    RELU = "relu"
    GELU = "gelu"


class Adam(BaseModel):
    kind: Literal["adam"] = "adam"
    lr: float = 0


class Sgd(BaseModel):
    kind: Literal["sgd"] = "sgd"
    momentum: float = 0.9


@dataclass
class Inner:
    width: int = 1
    rate: float = 0


@works("2", "3")
class ComputedFieldAndForbid(BaseModel):
    model_config = ConfigDict(extra="forbid")
    x: int = 2

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def area(self) -> int:
        return self.x**2


@works("2", "3")
class ExtraAllowed(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)
    x: int = 2


@works("2", "3")
class PrivateThatFollows(BaseModel):
    x: int = 2
    _twice: int = PrivateAttr(default=0)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    def model_post_init(self, context: object) -> None:
        self._twice = 2 * self.x


@works('["b", "a", "c"]', '["d"]')
class SetOfText(BaseModel):
    x: set[str] = {"z", "y"}


@works("[[3, 1], [2]]", "[]")
class SetOfSets(BaseModel):
    x: frozenset[frozenset[int]] = frozenset()


@works('"relu"', '"gelu"')
class Enumeration(BaseModel):
    x: Act = Act.RELU


@works('"relu"', '"gelu"')
class EnumerationWithALooseDefault(BaseModel):
    x: Act = "relu"  # type: ignore[assignment]


@works("2020-01-01", '"2021-02-03"')
class Date(BaseModel):
    x: dt.date = dt.date(2020, 1, 1)


@works("2020-01-01T01:02:03.000004Z", "2020-01-01T01:02:03.000004+02:00")
class Moment(BaseModel):
    x: dt.datetime = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@works("90", '"PT1H"')
class Span(BaseModel):
    x: dt.timedelta = dt.timedelta(seconds=1)


@works('"a/b"', '"c"')
class Place(BaseModel):
    x: Path = Path("results")


@works("{ width = 3 }", "{ width = 3, rate = 0.5 }")
class NestedDataclass(BaseModel):
    x: Inner = Inner()


@works('{ kind = "sgd" }', '{ kind = "adam", lr = 1 }')
class DiscriminatedUnion(BaseModel):
    x: Annotated[Adam | Sgd, Field(discriminator="kind")] = Adam()


@works("1", "0.5")
class IntOrFloat(BaseModel):
    x: int | float | str = 1.0


@works("[1, 2]", "[1]")
class LooseDefaults(BaseModel):
    x: tuple[int, ...] = [3]  # type: ignore[assignment]
    rate: float = 0
    tied: bool = 0  # type: ignore[assignment]


@works("inf", "1.0")
class Infinity(BaseModel):
    x: float = 1.0
    nothing: float = float("nan")


@works("{ a = 1 }", "{ a = [1, { b = true }] }")
class Anything(BaseModel):
    x: dict[str, Any] = {}


@works("1", '"b"')
class Untyped(BaseModel):
    x: Any = None
    other: int = 0


@works("{ a = 1 }", "{ b = 2 }")
class ValidatorThatTakesItsInputApart(BaseModel):
    x: dict[str, int] = {}
    note: str = ""

    @model_validator(mode="before")
    @classmethod
    def pop(cls, data: Any) -> Any:
        data.get("x", {}).pop("a", None)
        return data


@works("2", "3")
@dataclass
class PostInitThatDerives:
    x: int = 2
    hidden: int | None = None
    total: int = field(init=False)

    def __post_init__(self) -> None:
        self.hidden = self.hidden or 4 * self.x
        self.total = self.hidden + self.x
        self.note = str(self.x)


@works("2", "3")
@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    x: int = 2
    inner: Inner = field(default_factory=Inner)


@works("1", "0.5")
class SerializerThatKeepsAll(BaseModel):
    x: float = 0.25

    @field_serializer("x")
    def hexadecimal(self, value: float) -> str:
        return value.hex()

    @field_validator("x", mode="before")
    @classmethod
    def read(cls, value: Any) -> Any:
        return float.fromhex(value) if isinstance(value, str) else value


@works("1", "2")
class DecidedByTheMachine(BaseModel):
    x: int = 1
    home: str = ""

    @field_validator("home")
    @classmethod
    def of_this_machine(cls, value: str) -> str:
        return MACHINE["home"] or value


@refused("1", "5", words=["steps is 11, and 12 when it is read back", "__post_init__"])
@dataclass
class PostInitThatAdds:
    x: int = 0
    steps: int = 10

    def __post_init__(self) -> None:
        self.steps += self.x


@refused("10", "40", words=["x is 20.0, and 10.0 when"])
class ValidatorThatDivides(BaseModel):
    x: float = 0

    @field_validator("x")
    @classmethod
    def half(cls, value: float) -> float:
        return value / 2


@refused("1", "2", words=["rate is 10, and 0.1 when"])
class ValidatorThatDividesItsDefault(BaseModel):
    x: int = 1
    rate: float = 10

    @field_validator("rate")
    @classmethod
    def percent(cls, value: float) -> float:
        return value / 100


@refused("0.121", "0.5", words=["x is 0.121, and 0.12 when"])
class SerializerThatRounds(BaseModel):
    x: float = 0.5

    @field_serializer("x")
    def short(self, value: float) -> float:
        return round(value, 2)


@refused("1", "2", words=["x is 1, and 1.0 when"])
class SerializerThatMakesFloats(BaseModel):
    x: int | float = 0.5

    @field_serializer("x")
    def as_float(self, value: float) -> float:
        return float(value)


@refused("1", "2", words=["token is SecretStr", "mask"])
class Secret(BaseModel):
    x: int = 1
    token: SecretStr = SecretStr("abc")


@refused("1", "2", words=["hidden", "missing from their own JSON"])
class Excluded(BaseModel):
    x: int = 1
    hidden: int = Field(2, exclude=True)


@refused("1", "2", words=["scale", "missing from their own JSON"])
@dataclass
class InitOnly:
    x: int = 1
    scale: InitVar[int] = 2


@refused("1", "2", words=["place is PosixPath('a'), and 'a' when"])
class UntypedDefault(BaseModel):
    x: int = 1
    place: Any = Path("a")


@refused("2020-01-01", '"2020-01-02"', words=["x is datetime.date(2020, 1, 1), and '2020-01-01' when"])
class UntypedDate(BaseModel):
    x: Any = 0


@refused("1", "2", words=["optimizer"])
class SubclassDefault(BaseModel):
    class Base(BaseModel):
        pass

    class Special(Base):
        lr: float = 0.1

    x: int = 1
    optimizer: Base = Special()


@refused("1", "2", words=["started changes from one call to the next"])
class DefaultFromAFineClock(BaseModel):
    x: int = 1
    started: float = Field(default_factory=time.time)


@refused("1", "2", words=["day by date.today"])
@dataclass
class DefaultOfTheDay:
    x: int = 1
    day: dt.date = field(default_factory=dt.date.today)


@refused("1", "2", words=["from the clock: datetime.now in", "features.py:"])
@dataclass
class DefaultOfTheDayAsText:
    x: int = 1
    day: str = field(default_factory=lambda: dt.datetime.now(tz=dt.UTC).strftime("%Y-%m-%d"))


@refused("1", "2", words=["from the clock: time in", "features.py:"])
class PostInitOfTheHour(BaseModel):
    x: int = 1
    hour: int = 0

    def model_post_init(self, context: object) -> None:
        self.hour = int(time.time() // 3600)


@refused("1", "2", words=["name changes from one call to the next"])
class DefaultByUuid(BaseModel):
    x: int = 1
    name: str = Field(default_factory=lambda: uuid.uuid4().hex)


@refused("1", "2", words=["side changes from one call to the next"])
class DefaultByChance(BaseModel):
    x: int = 1
    side: str = Field(default_factory=lambda: random.choice("ab"))


@refused("1", "2", words=["_draw changes from one call to the next"])
class PrivateByChance(BaseModel):
    x: int = 1
    _draw: float = PrivateAttr(default_factory=random.random)


def __getattr__(name: str) -> Experiment:
    """Each experiment under the name of its parameters, with EXPERIMENT_ before it."""
    both = {**WORKS, **REFUSED}
    if name.startswith("EXPERIMENT_"):
        return both[name.removeprefix("EXPERIMENT_")][0]
    raise AttributeError(name)
