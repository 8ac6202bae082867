"""Small arrays of a job -> a file of the run's folder that is named by its content -> the same arrays."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.execute.storage import open_stored, own_folder, refuse_irregular, replace

MAX_BYTES = 4 << 20
"""All arrays of one job together; what is larger belongs into a file that the experiment writes itself."""


def pack(arrays: Mapping[str, Any]) -> bytes:
    """Arrays as an npz file, equal for equal arrays; nothing for none; a ValueError for others, or too large ones."""
    if not arrays:
        return b""
    file, size = io.BytesIO(), 0
    with zipfile.ZipFile(file, "w") as archive:
        for name in sorted(arrays):
            if not str(name).isidentifier():
                raise ValueError(f"{name!r:.80} cannot be the name of an array: letters, digits and _ only")
            array = _plain(name, arrays[name])
            size += array.nbytes
            if size > MAX_BYTES:
                raise ValueError(f"the arrays up to {name} take {size} bytes; all of a job may take {MAX_BYTES}")
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return file.getvalue()


def save(folder: Path, data: bytes) -> str:
    """Store packed arrays under ``folder``; returns the digest that names them."""
    digest = hashlib.sha256(data).hexdigest()
    path = _path(folder, digest)
    own_folder(folder)
    own_folder(path.parent)
    replace(path, data)
    return digest


def read(folder: Path, digest: str) -> dict[str, NDArray[Any]]:
    """The arrays that ``save`` stored under this digest; a ValueError if they cannot be had. Nothing is executed."""
    path = _path(folder, digest)
    try:
        for above in (folder, path.parent):
            refuse_irregular(above, folder=True)
        with open_stored(path) as file:
            data = file.read(2 * MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > 2 * MAX_BYTES:
        raise ValueError(f"{path} is larger than any that bench writes")
    if hashlib.sha256(data).hexdigest() != digest:
        raise ValueError(f"{path} does not hold what its name says")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > len(data):
                raise ValueError("it is larger inside than outside")  # noqa: TRY301  as whatever else is wrong with it
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:  # a file that bench did not write may do anything to its reader
        raise ValueError(f"{path} was not written by bench: {error}") from error


def exists(folder: Path, digest: str) -> bool:
    """Whether there is a file of that digest; ``read`` says whether it is what was stored."""
    path = _path(folder, digest)
    return path.is_file() and not path.is_symlink()


def _path(folder: Path, digest: str) -> Path:
    return folder / digest[:2] / f"{digest}.npz"


def _plain(name: str, value: object) -> NDArray[Any]:
    try:
        array = np.asarray(value, order="C")
    except Exception as error:  # a tensor that is elsewhere, a ragged list: its owner must hear why
        raise ValueError(f"{name} is no array: {error}") from error
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} is an array of {array.dtype}; only floats and integers are stored")
    return array.astype(array.dtype.newbyteorder("<"), copy=False)
