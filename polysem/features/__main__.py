"""``python -m polysem.features RUN``: the arrays of a stored run become a page that lays two levels side by side."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import bench
from bench.present.files import destination, files, printed, save
from polysem.commands import new_app
from polysem.commands import run as run_command
from polysem.features.report import compare


class Format(StrEnum):
    """Formats of the report."""

    HTML = "html"
    MD = "md"
    JSON = "json"


app = new_app()


_EPILOG = """\b
Examples:
  bench run suites/features.toml && python -m polysem.features features
  python -m polysem.features features --factor reg --level l2 --seed 3
  python -m polysem.features features --format md --output features.md
  python -m polysem.features features --format json | jq .seeds
"""


@app.command(epilog=_EPILOG)
def show(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="A run's name or folder; by default the newest.")
    ] = None,
    *,
    factor: Annotated[str | None, typer.Option(help="Compare levels of this factor; by default the first.")] = None,
    level: Annotated[
        str | None, typer.Option(help="Compare the reference with this level; by default the next.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Draw this seed; by default the first.")] = None,
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.HTML,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="PATH", help="Write here; - is stdout. By default RUN.features/."),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder that holds the folders of runs.")
    ] = bench.REPORTS,
) -> None:
    """Show what the latents of two levels of a factor encode, matched one to one, and how it varies over seeds."""
    report = compare(run, factor=factor, level=level, seed=seed, out=out)
    found = bench.find(run, out=out)
    target = destination(form.value, found.with_name(f"{found.name}.features"), output)
    if target is None:
        typer.echo(printed(report, form.value), nl=False)
        return
    save(files(report, form.value, stem=target.stem), target)
    typer.echo(f"Written to {target}", err=True)


if __name__ == "__main__":
    run_command(app, "polysem.features")
