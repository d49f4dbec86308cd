"""Append-only logs of arrays: a checkpoint refers to a prefix of one, so its cost does not grow.

A log is a sequence of frames, 8 bytes of length (big-endian) and an .npz archive each. A prefix
is trusted by its length and running SHA-256; whatever an interruption left behind it is ignored.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nthrun.errors import DataFileError, StorageError
from nthrun.files.regular_file import cannot_read, open_regular
from nthrun.records.durable_file import ensure_directory, storage_error
from nthrun.training.array_archive import pack_arrays, unpack_arrays


@dataclass(frozen=True, slots=True)
class LogPosition:
    """A prefix of a log: file name, length in bytes, SHA-256."""

    name: str
    end: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """The position as JSON data."""
        return asdict(self)


class AppendLog:
    """A log being written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = hashlib.sha256()
        self._end = 0

    @property
    def name(self) -> str:
        """Its file's name."""
        return self._path.name

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Add one frame; it counts once a checkpoint refers to a position behind it.

        Raises:
            StorageError: the disk is full or the place not writable.
        """
        packed = pack_arrays(arrays)
        frame = len(packed).to_bytes(8, "big") + packed
        try:
            if not self._end:
                ensure_directory(self._path.parent)
            with open(self._path, "r+b" if self._end else "wb") as file:
                file.truncate(self._end)
                file.seek(self._end)
                file.write(frame)
        except FileNotFoundError as error:
            raise StorageError(
                f"{self._path}: removed while in use",
                "another process has recorded or taken over these runs; "
                "the same command trains what is still missing",
            ) from error
        except OSError as error:
            raise storage_error(self._path, error) from error
        self._digest.update(frame)
        self._end += len(frame)

    def position(self) -> LogPosition:
        """Where the log stands now, made durable."""
        if self._end:
            try:
                with open(self._path, "ab") as file:
                    os.fsync(file.fileno())
            except OSError as error:
                raise storage_error(self._path, error) from error
        return LogPosition(self._path.name, self._end, self._digest.hexdigest())


def read_log(directory: Path, position: LogPosition) -> Iterator[dict[str, np.ndarray]]:
    """The frames of a prefix, verified before the first is given.

    Raises:
        DataFileError: the log is shorter than the prefix, or damaged.
    """
    path = directory / position.name
    try:
        content = _start(path, position.end) if position.end else b""
    except OSError as error:
        raise cannot_read(path, error) from error
    if len(content) != position.end or hashlib.sha256(content).hexdigest() != position.sha256:
        raise DataFileError(f"{path}: damaged or cut short")
    return _frames(path, content)


def _start(path: Path, size: int) -> bytes:
    """The first bytes of a file; fewer where it is shorter."""
    with open_regular(path) as file:
        return file.read(min(size, os.fstat(file.fileno()).st_size))


def _frames(path: Path, content: bytes) -> Iterator[dict[str, np.ndarray]]:
    """The frames of a prefix.

    Raises:
        DataFileError: one is no archive of arrays.
    """
    start = 0
    while start < len(content):
        length = int.from_bytes(content[start : start + 8], "big")
        try:
            yield unpack_arrays(content[start + 8 : start + 8 + length])
        except ValueError as error:
            raise DataFileError(f"{path}: damaged at byte {start}: {error}") from error
        start += 8 + length
