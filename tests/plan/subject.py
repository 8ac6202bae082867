"""A small experiment for the tests of suites: one field of each kind, and one rule across fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from bench.experiment import Experiment, Job, Metric, Progress


class Act(Enum):
    """Levels by their values."""

    RELU = "relu"
    GELU = "gelu"


class Params(BaseModel):
    """Fields with choices, bounds, words for numbers and a list."""

    reg: Literal["l1", "l2", "none"] = "none"
    act: Act = Act.RELU
    lr: float = Field(0.1, gt=0)
    steps: int = Field(10, ge=1, le=1000)
    tied: bool = False
    widths: tuple[int, ...] = (3,)
    clip: float = 1.0
    note: str = ""

    @field_validator("clip", mode="before")
    @classmethod
    def off_is_infinite(cls, value: object) -> object:
        """A word may stand for a number."""
        return float("inf") if value == "off" else value

    @field_validator("note")
    @classmethod
    def raises_what_it_likes(cls, value: str) -> str:
        """A validator with a fault of its own."""
        if value == "crash":
            raise KeyError(value)
        return value

    @model_validator(mode="after")
    def tied_needs_l1(self) -> Params:
        """Two levels that do not go together."""
        if self.tied and self.reg != "l1":
            raise ValueError("tied weights need reg = l1")
        return self


def run(jobs: Sequence[Job], progress: Progress) -> Iterator[Mapping[str, float]]:
    for job in jobs:
        yield {"loss": job.params.lr + job.seed}


EXPERIMENT = Experiment(params=Params, metrics=[Metric("loss", "Loss", scale="log"), Metric("l0", "L0")], run=run)
