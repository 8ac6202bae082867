"""When the claims of a run were made becomes words: which came after results, and by whose record others did not."""

from __future__ import annotations

from collections.abc import Iterator

from bench.execute import manifest
from bench.execute.precedence import seals
from bench.execute.run import Run
from bench.plan.find import from_project
from bench.present import numbers


def post_hoc(run: Run) -> list[str]:
    """The claims that were made, or changed, when results of their jobs were stored somewhere; sealed ones never."""
    return [] if run.seal else _late(run)


def sentences(run: Run) -> Iterator[str]:
    """Which claims are post hoc and why, and what shows that the others are not."""
    stored = manifest.read(run.folder)
    if stored.seal and not run.seal:
        yield f"The seal {stored.seal} does not fit what was claimed and run, and proves nothing."
    if run.seal:
        yield from _sealed(run)
        return
    late = post_hoc(run)
    if late:
        yield f"Post hoc: {numbers.listed([_why(run, name) for name in late], most=20)}."
    if len(late) < len(run.suite.claims):
        which, home = "the other claims" if late else "the claims", from_project(run.folder.parent)
        yield (
            f"That {which} came before the results is on the record of this folder alone: its run.json, written on "
            f"{stored.host} by the clock of that machine. It knows of the results below {home}; what was "
            "deleted, changed by hand, run elsewhere, or run with other parameters or another version leaves no trace. "
            f"Sealed seeds need no record: seeds = {{ sealed = {len(run.suite.seeds)} }}."
        )


def _sealed(run: Run) -> Iterator[str]:
    others = len(seals(run.folder.parent, run.suite.reference) - {run.seal})
    variants = f"{numbers.counted(others, 'other sealed variant')} of this experiment" if others else "no other variant"
    yield (
        f"Sealed: the seeds are drawn from {run.seal}, a hash of what is claimed, the cells, the experiment and its "
        "version, so that no result of them can be known before the claims were fixed. To show when that was, and that "
        f"no variants were tried, publish the seal before the run (a commit, a registration): "
        f"{from_project(run.folder.parent)} holds {variants}."
    )
    if late := _late(run):
        yield f"Reworded after results, which a seal does not prevent: {numbers.listed(late, most=20)}."


def _late(run: Run) -> list[str]:
    return [
        claim.id for claim in run.suite.claims if claim.id not in run.declared or run.declared[claim.id].results > 0
    ]


def _why(run: Run, name: str) -> str:
    if name not in run.declared:
        return f"{name} (run.json does not say when it was made)"
    entry = run.declared[name]
    found = numbers.counted(entry.results, "result")
    return f"{name} ({found} of its runs stored before, in {numbers.listed(entry.where) or run.folder.name})"
