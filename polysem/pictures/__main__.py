"""``python -m polysem.pictures RUN``: a stored run of one of the two systems becomes the pictures of its paper."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

import bench
from bench.errors import BenchError
from bench.present.files import files, save
from bench.present.report import Figure, Report, Section, Table
from polysem.commands import new_app
from polysem.commands import run as run_command
from polysem.features.stored import factors_of
from polysem.incidental import Params
from polysem.pictures import collisions, geometry


class Format(StrEnum):
    """Formats of the pictures."""

    MD = "md"
    HTML = "html"


app = new_app()

_EPILOG = """\b
Examples:
  bench run suites/superposition_phase.toml && python -m polysem.pictures superposition_phase
  python -m polysem.pictures incidental_collisions --format html
"""


@app.command(epilog=_EPILOG)
def show(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="A run's name or folder; by default the newest.")
    ] = None,
    *,
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.MD,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder that holds the folders of runs.")
    ] = bench.REPORTS,
) -> None:
    """Draw what readers of the papers on superposition and incidental polysemanticity look for.

    Writes pictures.md (with pictures-figures/) or pictures.html into the folder of the run.
    """
    folder = bench.find(run, out=out)
    target = folder / f"pictures.{form.value}"
    save(files(draw(folder), form.value, stem="pictures"), target)
    typer.echo(f"Written to {target}", err=True)


def draw(folder: Path) -> Report:
    """The pictures and tables of a stored run.

    Raises:
        bench.errors.BenchError: the run is of another experiment, has no factor or no run with results.
    """
    suite = bench.Suite.read(folder / "suite.toml")
    table = bench.load(folder, wide=True)
    factors = factors_of(table)
    table = table[table["status"].isin(["ok", "diverged"])]
    if not factors or table.empty:
        raise BenchError(f"{folder} has nothing to draw.", hint="Run a suite with a factor first.")
    module = str(suite.data["experiment"]).partition(":")[0]
    if module == "polysem.superposition":

        def weights(row: pd.Series) -> Any:
            levels: dict[str, Any] = {name: row[name] for name in factors}
            return bench.arrays(folder, seed=int(row["seed"]), **levels)["weights"]

        exhibits: list[Figure | Table] = [*geometry.figures(table[table["status"] == "ok"], factors, weights)]
    elif module == "polysem.incidental":
        exhibits = list(collisions.exhibits(_with_params(table, suite.data.get("params", {})), factors))
    else:
        hint = "Runs of polysem.superposition and polysem.incidental have pictures of their own."
        raise BenchError(f"{folder} is a run of {module}.", hint=hint)
    facts = {"Run": folder.name, "Seeds": str(table["seed"].nunique())}
    return Report(f"Pictures of {suite.data['name']}", facts, [Section("Pictures", exhibits=exhibits)])


def _with_params(table: pd.DataFrame, given: dict[str, Any]) -> pd.DataFrame:
    """The table with the parameters that its pictures need as columns, where they are no factor."""
    params = Params(**given).model_dump()
    needed = ("features", "neurons", "reg_lambda", "lr", "steps")
    return table.assign(**{name: params[name] for name in needed if name not in table})


if __name__ == "__main__":
    run_command(app, "polysem.pictures")
