"""What every file of a run's folder needs: whole replacement, the folder's lock, OS errors turned into advice."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bench.errors import BenchError, Exit

_HINTS = {
    errno.EACCES: "Choose a folder that you may write to, e.g. --out ~/reports.",
    errno.EPERM: "Choose a folder that you may write to, e.g. --out ~/reports.",
    errno.EROFS: "The file system is read-only; choose another folder with --out.",
    errno.ENOSPC: "Free some space, then run the same command again: what is stored stays, only the rest is run.",
    errno.EDQUOT: "Your quota is used up; free some space, then run the same command again: what is stored stays.",
    errno.ENOTDIR: "A file stands where a folder is needed; choose another folder with --out.",
    errno.EEXIST: "A file stands where a folder is needed; choose another folder with --out.",
}
_FULL = (errno.ENOSPC, errno.EDQUOT)


class NewerSchemaError(BenchError):
    """A file that a later version of bench wrote: it is neither read nor mended."""


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn an OSError while writing ``path`` into a BenchError that names the path and the next step."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        code = Exit.RUNS_FAILED if number in _FULL else Exit.USAGE
        message = f"{path} cannot be written: {error.strerror or error}."
        raise BenchError(message, hint=_HINTS.get(number, ""), exit_code=code) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an OSError while reading ``path`` into a BenchError that names the path."""
    try:
        yield
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror or error}.") from error


def replace(path: Path, content: str | bytes) -> None:
    """Write a whole file, so that a reader (or a crash) finds the old one or the new one and nothing between."""
    fresh = path.with_name(f".{path.name}.new")
    with storing(path):
        with open_own(fresh, os.O_TRUNC) as file:
            file.write(content if isinstance(content, bytes) else content.encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_folder(path.parent)


def open_own(path: Path, flags: int) -> BinaryIO:
    """Open a file of ours for writing, made if there is none; a link in its place is an error, not a way out."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o644)
    return os.fdopen(descriptor, "wb")


def own_folder(path: Path) -> None:
    """Make a folder of ours if there is none.

    Raises:
        BenchError: it cannot be made, or a link or a file stands in its place.
    """
    with storing(path):
        if path.is_symlink():
            raise OSError(errno.ELOOP, "it is a link, which could lead writing out of the folder of the run")
        path.mkdir(exist_ok=True)


def refuse_newer(path: Path, version: int, known: int) -> None:
    """Raise a NewerSchemaError if the schema ``version`` of ``path`` is newer than the one that is ``known``."""
    if version > known:
        message = f"{path} was written by a newer bench (schema version {version}; this one reads up to {known})."
        raise NewerSchemaError(message, hint="Update bench, or run the suite with another --out.")


def sync_folder(folder: Path) -> None:
    """Make a new or renamed entry of ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for one writer; the kernel lets go when the process ends, however it ends.

    Raises:
        BenchError: another process holds it (named by PID and host), or the folder cannot be written.
    """
    path = folder / "lock"
    with storing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        with storing(path):
            _take(descriptor, folder)
            if not os.path.samestat(os.fstat(descriptor), path.stat()):  # moved aside while we waited for the lock
                raise _held(folder, "another process, which has just moved it")
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)  # which a killed process cannot do
    finally:
        os.close(descriptor)


def lock_state(folder: Path) -> tuple[bool, str]:
    """Whether a process holds ``folder``, and which; if none does, which one was killed while it did ("" if none)."""
    path = folder / "lock"
    if not path.is_file() or path.is_symlink():
        return False, ""
    with reading(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True, _holder(descriptor)
    else:
        return False, _holder(descriptor)
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _held(folder, _holder(descriptor) or "another process") from error


def _holder(descriptor: int) -> str:
    """Who wrote itself into the lock, if that can be read."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {int(holder['pid'])} on {holder['host']!s:.80}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _held(folder: Path, who: str) -> BenchError:
    return BenchError(
        f"{folder} is being written by {who}.",
        hint="Wait until it has finished or stop it; or write elsewhere with --out.",
    )
