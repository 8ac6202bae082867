"""Several pictures are made at once, each figure drawn once for all the formats that are wanted of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from importlib import import_module

from bench.present.report import Figure, PictureForm


def draw(pictures: Sequence[tuple[Figure, PictureForm]]) -> None:
    """Make several pictures at once, by as many processes as there are cores, where they can be forked."""
    todo: dict[Figure, list[PictureForm]] = {}
    for figure, form in dict.fromkeys(pictures):
        if form not in figure.made:
            todo.setdefault(figure, []).append(form)
    workers = min(len(todo), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
    if workers < 2 or threading.active_count() > 1:  # a fork copies locks that other threads hold
        return
    for form in {form for forms in todo.values() for form in forms}:
        import_module(f"matplotlib.backends.backend_{form.replace('png', 'agg')}")  # for all of them
    _TODO[:] = todo.items()
    with multiprocessing.get_context("fork").Pool(workers, initializer=_ignore_handlers) as pool:
        for (figure, _), made in zip(_TODO, pool.map(_encoded, range(len(_TODO)), chunksize=1), strict=True):
            figure.made.update(made)
    _TODO.clear()


_TODO: list[tuple[Figure, list[PictureForm]]] = []
"""What the processes that are forked draw: neither figures nor frames are sent."""


def _ignore_handlers() -> None:
    """End at the signal of the pool, without what the command does at it; Ctrl-C is the command's own to answer."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _encoded(index: int) -> dict[PictureForm, bytes]:
    figure, forms = _TODO[index]
    return {form: figure.encode(form) for form in forms}
