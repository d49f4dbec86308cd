"""The journal of a study, and the trials it tells of: what was suggested, and what came of it.

    <experiment>/search/journal       a line an event: its CRC-32 in hexadecimal, a space, JSON

Lines are only ever added, under a lock, and are on disk before anybody acts on them. A line that a
killed process left unfinished is cut off by the next writer; one that is damaged is passed over.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from nthrun.errors import DataFileError, StorageError
from nthrun.files.forms import Fields, Form, Maybe, Number, Plain, Table, Text, Unchecked, Whole
from nthrun.files.json_text import JsonError, parse_json
from nthrun.files.regular_file import cannot_read, open_regular
from nthrun.index import split_index
from nthrun.records.durable_file import (
    ensure_directory,
    open_in_place,
    storage_error,
    sync_directory,
)
from nthrun.terminal import note

JOURNAL = "search/journal"
TAIL_BYTES = 65_536
PATIENCE_SECONDS, ASK_AGAIN_SECONDS = 10.0, 0.02
"""How long another process may hold a journal before that is told; between two tries to hold it."""
Event = Mapping[str, Any]


class Journal:
    """The journal of an experiment.

    Args:
        root: the experiment's directory.

    Attributes:
        path: its file.
        num_damaged: lines that were read and passed over.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / JOURNAL
        self.num_damaged = 0

    def events(self) -> list[dict[str, Any]]:
        """Every event, in order; none where nothing was suggested yet.

        Raises:
            DataFileError: it is no regular file, or too large.
            StorageError: it cannot be read.
        """
        return self.events_from(0)[0]

    def events_from(self, offset: int) -> tuple[list[dict[str, Any]], int]:
        """The events from an offset on, and the offset to go on from.

        Args:
            offset: in bytes, at which a line begins; where the file is shorter, as after it was
                lost, all of it is read.

        Raises:
            DataFileError: it is no regular file, or too large.
            StorageError: it cannot be read.
        """
        try:
            with open_regular(self.path) as file:
                offset = offset if offset <= file.seek(0, os.SEEK_END) else 0
                file.seek(offset)
                content = file.read()
        except FileNotFoundError:
            return [], offset
        except OSError as error:
            raise cannot_read(self.path, error) from error
        except MemoryError:
            raise DataFileError(f"{self.path}: too large for this machine's memory") from None
        whole = _whole_lines(content)
        parsed = list(map(_parsed, whole.split(b"\n")[:-1]))
        events = [event for event in parsed if event is not None]
        self.num_damaged += len(parsed) - len(events)
        return events, offset + len(whole)

    def num_damaged_lines(self) -> int:
        """Lines that count for nothing, an unfinished end not among them.

        Raises:
            DataFileError: it is no regular file, or too large.
            StorageError: it cannot be read.
        """
        damaged = self.num_damaged
        events = self.events()
        found = self.num_damaged - damaged
        return found + sum(not is_event(event) for event in events)

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
            file = FileIO(open_in_place(self.path), "a+")  # closed below
            sync_directory(self.path.parent)
        except OSError as error:
            raise storage_error(self.path, error) from error
        with file:  # leaving it lets the lock go
            try:
                _hold(self.path, file)
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


def _hold(path: Path, file: FileIO) -> None:
    """Wait until no other process holds a journal; whoever may read it can do so for ever, so that
    a long wait is told.

    Raises:
        OSError: it cannot be held.
    """
    told = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < told:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(ASK_AGAIN_SECONDS)
        else:
            return
    note(f"{path}: another process holds it, and is waited for; hint: `fuser {path}` names it")
    fcntl.flock(file, fcntl.LOCK_EX)


def _whole_lines(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]


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
    try:
        event: dict[str, Any] = parse_json(content, infinite=True)
    except JsonError:
        return None
    return event if isinstance(event, dict) else None


FORGOTTEN = "forgotten"
ASK, TELL, REPORT = "ask", "tell", "report"
"""Events of a journal, each under its key:

    ask: setting number; setting; attributes that the sampler wants back
    tell: index; shard of its record; status, `FORGOTTEN` once it was removed; value, null where
        there is none
    report: index; step, value: how a run stood at an evaluation, higher being better
"""

EVENTS: Mapping[str, Form] = {
    ASK: Fields({ASK: Whole(), "setting": Table(Plain()), "attributes": Table(Unchecked())}),
    TELL: Fields({TELL: Whole(), "shard": Text(), "status": Text(), "value": Maybe(Number())}),
    REPORT: Fields({REPORT: Whole(), "step": Whole(), "value": Number(finite=False)}),
}
"""Key of an event -> its form."""


def is_event(event: Mapping[str, Any]) -> bool:
    """Whether a line says what an event of a study says; others are passed over."""
    forms = [form for kind, form in EVENTS.items() if kind in event]
    return len(forms) == 1 and forms[0].misfit(dict(event), "") is None


@dataclass
class Trial:
    """One setting.

    Attributes:
        setting_number: which.
        setting: its hyperparameters, as JSON has them.
        attributes: that the sampler wants back.
        results: index -> (shard, status, value) of its runs' records.
        reports: step -> value, of its first run.
    """

    setting_number: int
    setting: Mapping[str, Any]
    attributes: Mapping[str, Any]
    results: dict[int, tuple[str, str, float | None]] = field(default_factory=dict)
    reports: dict[int, float] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """How it ended: "completed", "pruned", "diverged" or "failed"; "" while nothing has.

        A run that diverged says that of its setting. One that failed says nothing of it, where
        others did not.
        """
        statuses = {status for _, status, _ in self.results.values()}
        order = ("diverged", "completed", "pruned", "failed")
        return next((status for status in order if status in statuses), "")

    @property
    def value(self) -> float | None:
        """Mean over its completed runs; None without any."""
        values = [v for _, status, v in self.results.values() if status == "completed"]
        known = [value for value in values if value is not None and math.isfinite(value)]
        return math.fsum(known) / len(known) if known else None


def trials_of(events: Iterable[Mapping[str, Any]], num_settings: int) -> dict[int, Trial]:
    """Setting number -> trial, in the order they were suggested.

    Args:
        events: of a journal; lines that are no events are passed over. Of two suggestions for one
            setting the first counts, and of two results of one run the last.
        num_settings: of the search.
    """
    trials: dict[int, Trial] = {}
    for event in filter(is_event, events):
        if ASK in event:
            number = event[ASK]
            trials.setdefault(number, Trial(number, event["setting"], event["attributes"]))
            continue
        index = event[TELL] if TELL in event else event[REPORT]
        number, run_number = split_index(index, num_settings)
        trial = trials.get(number)
        if trial is not None and event.get("status") == FORGOTTEN:
            trial.results.pop(index, None)
            if run_number == 0:
                trial.reports.clear()
        elif trial is not None and TELL in event:
            trial.results[index] = event["shard"], event["status"], event["value"]
        elif trial is not None and run_number == 0:
            trial.reports[event["step"]] = event["value"]
    return trials
