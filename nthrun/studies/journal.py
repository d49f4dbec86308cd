"""The journal of a study: what was suggested, what came of it, and how runs stood on the way.

    <experiment>/search/journal       a line an event: its CRC-32 in hexadecimal, a space, JSON

Lines are only ever added, under a lock, and are on disk before anybody acts on them. A line that a
killed process left unfinished is cut off by the next writer; one that is damaged is passed over.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from nthrun.errors import StorageError
from nthrun.records.sealed import ensure_directory, storage_error, sync_directory

FOLDER = "search"
NAME = "journal"
TAIL_BYTES = 65_536
Event = Mapping[str, Any]


class Journal:
    """The journal of an experiment.

    Args:
        root: the experiment's directory.

    Attributes:
        path: its file.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / FOLDER / NAME

    def events(self) -> list[dict[str, Any]]:
        """Every event, in order; none where nothing was suggested yet.

        Raises:
            StorageError: it cannot be read.
        """
        return self.events_from(0)[0]

    def events_from(self, place: int) -> tuple[list[dict[str, Any]], int]:
        """The events from a place on, and the place to go on from.

        Args:
            place: bytes from the start of the file, at which a line begins.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            with open(self.path, "rb") as file:
                file.seek(place)
                content = file.read()
        except FileNotFoundError:
            return [], place
        except OSError as error:
            raise storage_error(self.path, error) from error
        whole = content[: content.rfind(b"\n") + 1]
        events = [event for line in whole.split(b"\n") if (event := _parsed(line)) is not None]
        return events, place + len(whole)

    @contextlib.contextmanager
    def writing(self) -> Iterator[JournalWriter]:
        """Hold the journal, so that what is read is all there is until something is added.

        It is let go of with the process, whatever happens to it.

        Raises:
            StorageError: it cannot be written, or the file system has no locks.
        """
        try:
            ensure_directory(self.path.parent)
            # What could not be written must not be tried again by closing, hence no buffer.
            file = open(self.path, "a+b", buffering=0)  # noqa: SIM115 - closed below
            sync_directory(self.path.parent)
        except OSError as error:
            raise storage_error(self.path, error) from error
        with file:  # leaving it lets the lock go
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                    raise storage_error(self.path, error) from error
                raise StorageError(
                    f"{self.path}: this file system has no locks, without which workers would "
                    "suggest one setting twice",
                    "give a save dir on another one, or a search that draws: random, sobol, halton",
                ) from error
            try:
                _cut_unfinished(file)
            except OSError as error:
                raise storage_error(self.path, error) from error
            yield JournalWriter(self.path, file)


class JournalWriter:
    """Adds to a journal that is held."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self._path = path
        self._file = file

    def add(self, events: Iterable[Event]) -> None:
        """Add events; after return they are on disk.

        Raises:
            StorageError: the disk is full, or cannot be written.
        """
        content = b"".join(map(_line, events))
        try:
            while content:
                content = content[self._file.write(content) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise storage_error(self._path, error) from error


def _cut_unfinished(file: FileIO) -> None:
    """Drop what a writer that was killed left without its end: nobody has acted on it, and the next
    line must not make it whole."""
    size = end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - TAIL_BYTES)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        end = start if newline < 0 else start + newline + 1
        if newline >= 0:
            break
    if end < size:
        file.truncate(end)


def _line(event: Event) -> bytes:
    content = json.dumps(event, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(content), content)


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The event of a line; None if it is no whole one."""
    checksum, _, content = line.partition(b" ")
    if len(checksum) != 8 or checksum != b"%08x" % zlib.crc32(content):
        return None
    event: dict[str, Any] = json.loads(content)
    return event
