"""The one reader of JSON files that bench writes: what a newer bench wrote is refused, what is damaged says so."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from bench.errors import BenchError
from bench.execute.storage import read_stored, refuse_newer, replace


class DamagedError(BenchError):
    """A file that bench wrote and that is not what it was."""


class Versioned(BaseModel):
    """What a JSON file holds, and the version of its form."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    SCHEMA: ClassVar[int]
    """The newest version that is known."""
    HINT: ClassVar[str]
    """What to do about a damaged file."""

    schema_version: int

    @classmethod
    def read(cls, path: Path) -> Self:
        """What a file of the folder of a run holds."""
        return cls.parse(path, read_stored(path))

    @classmethod
    def parse(cls, path: Path, content: bytes) -> Self:
        """The same of the ``content`` of ``path``. Raises as ``read``."""
        try:
            stored = from_json(content)
            if isinstance(stored, dict) and type(stored.get("schema_version")) is int:
                refuse_newer(path, stored["schema_version"], cls.SCHEMA)
            return cls.model_validate(stored)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise damaged(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", cls.HINT) from error
        except ValueError as error:
            raise damaged(path, str(error), cls.HINT) from error

    def write(self, path: Path) -> None:
        """Replace the file as a whole."""
        replace(path, self.model_dump_json(indent=1) + "\n")


def damaged(path: Path, why: str, hint: str) -> DamagedError:
    """``path`` is not what bench wrote, because of ``why``."""
    return DamagedError(f"{path} is damaged: {why.partition(chr(10))[0]}.", hint=hint)
