"""What all files of a run's folder need: no link followed, whole replacement, the lock, a reader of versioned JSON."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, ClassVar, Self

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from bench.errors import BenchError, Exit, printable

_ELSEWHERE = "Choose a folder that you may write to, e.g. --out ~/reports."
_IN_THE_WAY = "A file stands where a folder is needed; choose another folder with --out."
_STRANGE = "Remove it: only files of the folder itself are used."
_HINTS = {
    errno.EROFS: "The file system is read-only; choose another folder with --out.",
    errno.ENOSPC: "Free some space, then run the same command again: what is stored stays, only the rest is run.",
    errno.EDQUOT: "Your quota is used up; free some space, then run the same command again: what is stored stays.",
    **dict.fromkeys((errno.EACCES, errno.EPERM), _ELSEWHERE),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), _IN_THE_WAY),
    **dict.fromkeys((errno.ELOOP, errno.EMLINK, errno.EINVAL), _STRANGE),
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
        message = f"{path} cannot be read: {error.strerror or error}."
        hint = _STRANGE if error.errno in (errno.ELOOP, errno.EINVAL) else ""
        raise BenchError(message, hint=hint) from error


def open_stored(path: Path) -> BinaryIO:
    """Open a file of a run's folder for reading; an OSError, and no waiting, for a link, a FIFO, a device, a folder."""
    refuse_irregular(path)
    return os.fdopen(os.open(path, os.O_RDONLY | _NEITHER_LINKS_NOR_WAITING), "rb")


def read_stored(path: Path) -> bytes:
    """The content of a file of a run's folder."""
    with reading(path), open_stored(path) as file:
        return file.read()


def replace(path: Path, content: str | bytes) -> None:
    """Write a whole file, so that a reader (or a crash) finds the old one or the new one and nothing between."""
    replace_all({path: content if isinstance(content, bytes) else content.encode()})


def replace_all(contents: Mapping[Path, bytes]) -> None:
    """Write whole files: all of them are written before the first takes the place of what was there."""
    with ExitStack() as files:
        for path, content in contents.items():
            file = files.enter_context(replacing(path))
            file.write(content)
            file.flush()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of ``path`` as a whole when the block ends, and is removed if that raises."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        with storing(path):
            refuse_irregular(path)
            fresh.unlink(missing_ok=True)  # whatever a killed process or anyone left there
            with open_own(fresh, os.O_EXCL) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            sync_folder(path.parent)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def open_own(path: Path, flags: int) -> BinaryIO:
    """Open a file of ours for writing, made if there is none; an OSError for a link of any kind, a FIFO, a device."""
    refuse_irregular(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | flags | _NEITHER_LINKS_NOR_WAITING, 0o644)
    if os.fstat(descriptor).st_nlink > 1:
        os.close(descriptor)
        raise OSError(errno.EMLINK, "it is a second name of another file")
    return os.fdopen(descriptor, "wb")


def refuse_irregular(path: Path, *, folder: bool = False) -> None:
    """Raise an OSError if what stands at ``path``, if anything does, is not a file (or a ``folder``) of its own."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, "it is a link, which could lead out of the folder of the run")
    if folder and not stat.S_ISDIR(mode):
        raise NotADirectoryError(errno.ENOTDIR, "it is not a folder")
    if not folder and stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not folder and not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a FIFO, a device or a socket, not a file")


def own_folder(path: Path) -> None:
    """Make a folder of ours if there is none."""
    with storing(path):
        refuse_irregular(path, folder=True)
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
    """Hold ``folder`` for one writer; the kernel lets go when the process ends, however it ends, whatever it forked."""
    path = folder / "lock"
    lock = FileLock(path, blocking=False)
    with ExitStack() as files:
        with storing(path):
            holder = files.enter_context(open_own(path, 0))
            try:
                lock.acquire()
            except Timeout as error:
                raise _held(folder) from error
        try:
            with storing(path):
                if not path.exists() or not os.path.samestat(os.fstat(holder.fileno()), path.stat()):
                    raise _held(folder, "another process, which has just moved it")
                holder.truncate(0)
                holder.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
                holder.flush()
            yield  # an error of the block is not one of the lock
        finally:
            holder.truncate(0)  # which a killed process cannot do
            lock.release()


def _held(folder: Path, holder: str = "another process") -> BenchError:
    """That it is being written, and by whom, as far as the lock says and can be told here."""
    with suppress(OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):  # of a lock of other origin
        stored = json.loads((folder / "lock").read_bytes()[:4096])
        pid, host = int(stored["pid"]), printable(str(stored["host"]))[:80]
        holder = f"process {pid} on {host}"
        try:
            if host == socket.gethostname():
                os.kill(pid, 0)
        except ProcessLookupError:
            message = f"{folder} is held by what {holder} has left running; that process has itself ended."
            return BenchError(message, hint="End what it started (fuser names it), or write elsewhere with --out.")
    hint = "Wait until it has finished or stop it; or write elsewhere with --out."
    return BenchError(f"{folder} is being written by {holder}.", hint=hint)


_NEITHER_LINKS_NOR_WAITING = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


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
        except ValueError as error:
            raise damaged(path, first_fault(error), cls.HINT) from error

    def write(self, path: Path) -> None:
        """Replace the file as a whole."""
        replace(path, self.model_dump_json(indent=1) + "\n")


def first_fault(error: ValueError) -> str:
    """What is wrong, and where if pydantic says it of several places."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def damaged(path: Path, why: str, hint: str) -> DamagedError:
    """``path`` is not what bench wrote, because of ``why``."""
    return DamagedError(f"{path} is damaged: {why.partition(chr(10))[0]}.", hint=hint)
