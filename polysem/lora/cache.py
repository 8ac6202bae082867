"""Arrays that cost much to compute are kept by what they are made of, for all processes of this user.

A file is written under another name and then renamed, and its name holds a digest of its content: what a killed process
leaves behind, or a disk damages, is computed anew. The folder may be removed at any time.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout


def folder() -> Path:
    """``$XDG_CACHE_HOME/polysem/lora`` or ``~/.cache/polysem/lora``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    at = (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "polysem" / "lora"
    at.mkdir(parents=True, exist_ok=True, mode=0o700)
    return at


def key_of(*parts: str | bytes) -> str:
    """What an array is made of, as the name that it is kept by."""
    texts = (part.encode() if isinstance(part, str) else part for part in parts)
    return hashlib.sha256(b"".join(hashlib.sha256(text).digest() for text in texts)).hexdigest()[:32]


def shared(keys: Sequence[str], make: Callable[[int], np.ndarray]) -> list[np.ndarray]:
    """The array of every key, ``make(index)`` where it is not kept yet; to be read only.

    Processes that need the same arrays at the same time share the work: each first makes what no other is making.
    """
    arrays: dict[int, np.ndarray] = {}
    for patience in (0, -1):
        for index in (index for index in range(len(keys)) if index not in arrays):
            try:
                with FileLock(folder() / f"{keys[index]}.lock", timeout=patience):
                    kept = _intact(keys[index])
                    arrays[index] = _keep(keys[index], make(index)) if kept is None else kept
            except Timeout:
                continue
    return [arrays[index] for index in range(len(keys))]


def _intact(key: str) -> np.ndarray | None:
    for path in folder().glob(f"{key}-*.npy"):
        if path.stem.endswith(_digest(path)):
            return _read(path)
        path.unlink(missing_ok=True)
    return None


def _keep(key: str, array: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory(dir=folder()) as scratch:
        written = Path(scratch) / "array.npy"
        np.save(written, array, allow_pickle=False)
        return _read(written.replace(folder() / f"{key}-{_digest(written)}.npy"))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _read(path: Path) -> np.ndarray:
    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
