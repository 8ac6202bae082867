"""The commands for a project of one's own: init writes what to start from, schema helps editors."""

from __future__ import annotations

from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import app, examples
from bench.cli.options import Output
from bench.cli.output import emit, say
from bench.errors import BenchError


class Forge(StrEnum):
    """Where continuous integration runs."""

    GITHUB = "github"


@app.command(
    epilog=examples(
        "bench init",
        "bench init benchmarks --ci github",
    )
)
def init(
    path: Annotated[Path, typer.Argument(metavar="[PATH]", help="The folder, by default this one.")] = Path(),
    *,
    ci: Annotated[
        Forge | None,
        typer.Option(metavar="FORGE", help="Also write a workflow that compares: github.", show_default=False),
    ] = None,
) -> None:
    """Write an experiment and a suite that run at once, to be changed into your own.

    Writes study.py, study.toml and suite.schema.json, by which editors complete and check suites; a workflow goes into
    the repository that PATH is in. Nothing that is there is overwritten.
    """
    contents = {path / "study.py": _starter("study.py.txt"), path / "study.toml": _starter("study.toml.txt")}
    contents[path / "suite.schema.json"] = _schema()
    if ci is Forge.GITHUB:
        root = _repository(path.absolute())
        inside = path.absolute().relative_to(root).as_posix()
        contents[root / ".github" / "workflows" / "bench.yml"] = _starter("bench.yml.txt").replace("FOLDER", inside)
    if taken := [str(target) for target in contents if target.exists() or target.is_symlink()]:
        hint = "Name another folder: bench init PATH."
        raise BenchError(f"Nothing was written: {', '.join(taken)} is there already.", hint=hint)
    try:
        for target, text in contents.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            say(f"Written: {target}")
    except OSError as error:
        raise BenchError(f"{error.filename} cannot be written: {error.strerror}.") from error
    into = "" if path == Path() else f"cd {path} && "
    say(f"Next: {into}bench run study.toml && bench report study")


@app.command(
    epilog=examples(
        "bench schema --output suite.schema.json",
    )
)
def schema(*, output: Output = None) -> None:
    """Print the JSON Schema of suites.

    With "#:schema ./suite.schema.json" as the first line of a suite, editors that know TOML complete and check it.
    """
    emit(_schema(), output)


def _schema() -> str:
    import json

    import bench

    return json.dumps(bench.schema(), indent=1, ensure_ascii=False) + "\n"


def _repository(path: Path) -> Path:
    """The folder of the repository that ``path`` is in, or ``path`` itself."""
    return next((folder for folder in (path, *path.parents) if (folder / ".git").exists()), path)


def _starter(name: str) -> str:
    return (files("bench.cli") / "starter" / name).read_text(encoding="utf-8")
