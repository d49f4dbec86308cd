"""The inventory of an experiment: which indices are recorded, in which files.

It is read from the headers of runs/, each file's checksum being verified once; a cache by
(name, size, time) spares the second reading and can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from nthrun.errors import DataFileError, StorageError
from nthrun.records.durable_file import read_checksummed, write_checksummed
from nthrun.records.shard import (
    FORGET_SUFFIX,
    SHARD_SUFFIX,
    RecordPlace,
    ShardHeader,
    header_indices,
    parse_header,
    parse_replaced,
)

CACHE_NAME = ".inventory"


class RecordLocation(NamedTuple):
    """One record: where it is and how its run ended."""

    shard: str
    path: Path
    status: str


@dataclass(frozen=True)
class Inventory:
    """What runs/ holds.

    Attributes:
        entries: (stage, index) -> its records; more than one where attempts overlapped.
        unreadable: (path, what is wrong) of every damaged or foreign file.
        gone: (shard id, index) of every record that was replaced or forgotten.
        empty: shards none of whose records count any more.
    """

    entries: dict[tuple[int, int], list[RecordLocation]]
    unreadable: tuple[tuple[Path, str], ...]
    gone: frozenset[RecordPlace]
    empty: tuple[Path, ...]

    def statuses(self, stage: int) -> dict[int, str]:
        """Index -> status, for every index of a stage with a record; any other beats failed."""
        return {
            index: next((e.status for e in entries if e.status != "failed"), "failed")
            for (found, index), entries in self.entries.items()
            if found == stage
        }

    def recorded(self, stage: int) -> set[int]:
        """Indices of a stage that are recorded, failed ones not counted."""
        return {index for index, status in self.statuses(stage).items() if status != "failed"}

    def missing(self, expected: Iterable[int], stage: int, retry_failed: bool = False) -> list[int]:
        """Expected indices minus recorded ones, ascending: what is still to be run.

        Args:
            expected: the indices asked for.
            stage: their stage.
            retry_failed: whether a failed run is still to be run.
        """
        statuses = self.statuses(stage)
        done = {i for i, status in statuses.items() if not (retry_failed and status == "failed")}
        return sorted(set(expected) - done)


class _Told(NamedTuple):
    """What a file's header tells, and the records that it names, read."""

    header: ShardHeader
    recorded: list[tuple[int, str]]
    replaced: frozenset[RecordPlace]


def take_inventory(
    runs: Path, fingerprint: str, trust_cache: bool = True, *, keep_cache: bool = True
) -> Inventory:
    """Read the headers of every file in a runs/ directory.

    Args:
        runs: the directory; it need not exist.
        fingerprint: of the experiment; files of another are named as foreign.
        trust_cache: whether a file is taken for whole that was so when it was last read.
        keep_cache: whether what is found is written down for the next time.
    """
    headers: dict[Path, _Told] = {}
    unreadable: list[tuple[Path, str]] = []
    cache = _Cache(runs / CACHE_NAME, trust_cache)
    for path in sorted(runs.glob("[!.]*"), key=lambda path: path.name):
        try:
            headers[path] = _own_header(path, cache.header(path), fingerprint)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            if os.path.lexists(path):  # else another process dropped it a moment ago
                unreadable.append((path, str(error).removeprefix(f"{path}: ")))
    if keep_cache:
        cache.save()
    return _count(headers, tuple(unreadable))


def _own_header(path: Path, content: dict[str, Any], fingerprint: str) -> _Told:
    header = parse_header(path, content)
    if header.fingerprint != fingerprint or path.suffix not in (SHARD_SUFFIX, FORGET_SUFFIX):
        raise DataFileError(f"{path}: belongs to another experiment")
    return _Told(header, header_indices(header), parse_replaced(header.replaces))


def _count(headers: dict[Path, _Told], unreadable: tuple[tuple[Path, str], ...]) -> Inventory:
    gone = frozenset[RecordPlace]().union(*(told.replaced for told in headers.values()))
    entries: dict[tuple[int, int], list[RecordLocation]] = {}
    empty: list[Path] = []
    for path, (header, recorded, _) in headers.items():
        live = [pair for pair in recorded if (header.shard, pair[0]) not in gone]
        if recorded and not live:
            empty.append(path)
        of_status = {
            status: RecordLocation(header.shard, path, status) for status in header.indices
        }
        for index, status in live:
            entries.setdefault((header.stage, index), []).append(of_status[status])
    return Inventory(entries, unreadable, gone, tuple(empty))


class _Cache:
    """Headers of files already verified, by (name, size, modification time).

    It is a checksummed file whose header is {file name: [[size, time], header]}.
    """

    def __init__(self, path: Path, trust: bool) -> None:
        self._path = path
        self._fresh: dict[str, Any] = {}
        self._stale: dict[str, Any] = {}
        if trust:
            with contextlib.suppress(DataFileError):
                self._stale = read_checksummed(path)[0]

    def header(self, path: Path) -> dict[str, Any]:
        """A file's header, its checksum verified now or when it was cached."""
        try:
            stat = path.stat()
        except OSError as error:
            raise DataFileError(f"{path}: cannot be read: {error.strerror}") from error
        stamp = [stat.st_size, stat.st_mtime_ns]
        known = self._stale.get(path.name)
        if known is None or known[0] != stamp:
            known = [stamp, read_checksummed(path)[0]]
        self._fresh[path.name] = known
        header: dict[str, Any] = known[1]
        return header

    def save(self) -> None:
        """Keep the headers; a directory that cannot be written merely stays uncached."""
        if self._fresh != self._stale and self._path.parent.is_dir():
            with contextlib.suppress(StorageError):
                write_checksummed(self._path, self._fresh, lambda _: b"")
