"""The inventory of an experiment: which indices are recorded, in which files.

It is read from the headers of runs/, each file's checksum being verified once; a cache by
(name, size, time) spares the second reading and can be deleted at any time. Within a process an
earlier inventory spares it, so that a further one costs little more than listing the directory.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from nthrun.errors import DataFileError, StorageError
from nthrun.files.regular_file import cannot_read
from nthrun.records.durable_file import verified_header, write_checksummed
from nthrun.records.listing import is_own_folder, names_in
from nthrun.records.places import Places, union
from nthrun.records.shard import (
    FORGET_SUFFIX,
    SHARD_SUFFIX,
    ShardHeader,
    header_indices,
    parse_header,
    replaced_places,
)

Refused = list[tuple[Path, StorageError]]
"""(path, error) of files that the system refuses to open."""
CACHE_NAME = ".inventory"
FOREIGN = "belongs to another experiment"
MIN_UNCACHED, MAX_UNCACHED = 20, 0.1
"""The cache is written anew when a process has read so many files more than it has, and so many
times as many as it has."""


class RecordLocation(NamedTuple):
    """One record: where it is and how its run ended."""

    shard: str
    path: Path
    status: str


class _File(NamedTuple):
    """A whole file of runs/.

    Attributes:
        stamp: [size in bytes, modification time in ns].
        content: its header as it was read.
        header: the same, checked.
        recorded: index and status of each of its records.
        replaced: the records that it ends.
    """

    stamp: list[int]
    content: dict[str, Any]
    header: ShardHeader
    recorded: list[tuple[int, str]]
    replaced: Places


@dataclass(frozen=True)
class Inventory:
    """What runs/ holds.

    Attributes:
        entries: (stage, index) -> its records; more than one where attempts overlapped.
        unreadable: (path, what is wrong) of every damaged or foreign file.
        gone: (shard id, index) of every record that was replaced or forgotten.
        empty: shards none of whose records count any more.
        files: name -> each whole file.
        num_cached: how many of these the cache has.
    """

    entries: Mapping[tuple[int, int], Sequence[RecordLocation]]
    unreadable: tuple[tuple[Path, str], ...]
    gone: Places
    empty: tuple[Path, ...]
    files: Mapping[str, _File] = field(default_factory=dict)
    num_cached: int = 0

    def status(self, stage: int, index: int) -> str:
        """How a run ended, any other status beating failed; "" where it is not recorded."""
        statuses = [entry.status for entry in self.entries.get((stage, index), ())]
        return next((status for status in statuses if status != "failed"), "".join(statuses[:1]))

    def statuses(self, stage: int) -> dict[int, str]:
        """Index -> status, for every index of a stage with a record."""
        return {index: self.status(stage, index) for at, index in self.entries if at == stage}

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
        to_run = ("", "failed") if retry_failed else ("",)
        return sorted(index for index in set(expected) if self.status(stage, index) in to_run)


def take_inventory(
    runs: Path,
    fingerprint: str,
    trust_cache: bool = True,
    *,
    keep_cache: bool = True,
    earlier: Inventory | None = None,
    refused: Refused | None = None,
) -> Inventory:
    """Read the headers of every file in a runs/ directory.

    Args:
        runs: the directory; it need not exist.
        fingerprint: of the experiment; files of another are named as foreign.
        trust_cache: whether a file is taken for whole that was so when it was last read.
        keep_cache: whether what is found is written down for the next process.
        earlier: of the same directory, taken by this process; what it has read is not read again,
            as a file never changes.
        refused: where to put (path, error) of files that the system refuses to open, for who only
            looks at what there is; None raises the first.

    Raises:
        StorageError: the directory is there and cannot be listed, or a file cannot be opened.
    """
    known = {} if earlier is None else earlier.files
    cached = _cached_headers(runs) if trust_cache and earlier is None else {}
    names = names_in(runs)
    unknown = (name for name in names.difference(known) if not name.startswith("."))
    new, unreadable = _read_files(runs, unknown, fingerprint, cached, refused)
    ends_records = any(file.replaced for file in new.values())
    if earlier is not None and not ends_records and names.issuperset(known):
        inventory = _added(earlier, runs, new, unreadable)
    else:
        files = {name: file for name, file in known.items() if name in names} | new
        inventory = _counted(runs, dict(sorted(files.items())), unreadable)
    num_cached = len(cached) if earlier is None else earlier.num_cached
    inventory = replace(inventory, num_cached=num_cached)
    if earlier is None:
        outdated = cached != _headers(inventory)
    else:
        outdated = len(inventory.files) - num_cached > MIN_UNCACHED + MAX_UNCACHED * num_cached
    return _with_cache(inventory, runs) if keep_cache and outdated else inventory


def _read_files(
    runs: Path,
    names: Iterable[str],
    fingerprint: str,
    cached: Mapping[str, Any],
    refused: Refused | None,
) -> tuple[dict[str, _File], tuple[tuple[Path, str], ...]]:
    """Whole files by name, and (path, what is wrong) of the others."""
    files: dict[str, _File] = {}
    unreadable: list[tuple[Path, str]] = []
    for name in sorted(names):
        path = runs / name
        try:
            files[name] = _read_file(path, fingerprint, cached.get(name))
        except DataFileError as error:
            if os.path.lexists(path):  # else another process dropped it a moment ago
                unreadable.append((path, str(error).removeprefix(f"{path}: ")))
        except StorageError as error:
            if refused is None:
                raise
            refused.append((path, error))
    return files, tuple(unreadable)


def _read_file(path: Path, fingerprint: str, cached: Any) -> _File:
    """A file, its checksum verified now or when its header was cached.

    Raises:
        DataFileError: it is damaged, or of another experiment.
        StorageError: the system refuses it, which does not mean that nothing is recorded there.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise cannot_read(path, error) from error
    stamp = [stat.st_size, stat.st_mtime_ns]
    known = isinstance(cached, list) and len(cached) == 2 and cached[0] == stamp
    content = cached[1] if known and isinstance(cached[1], dict) else verified_header(path)
    header = parse_header(path, content)
    if header.fingerprint != fingerprint or path.suffix not in (SHARD_SUFFIX, FORGET_SUFFIX):
        raise DataFileError(f"{path}: {FOREIGN}")
    recorded = header_indices(path, header, stat.st_size)
    return _File(stamp, content, header, recorded, replaced_places(path, header))


def _counted(
    runs: Path, files: Mapping[str, _File], unreadable: tuple[tuple[Path, str], ...]
) -> Inventory:
    """The inventory of all files, in order of their names."""
    gone = union(file.replaced for file in files.values())
    entries: dict[tuple[int, int], list[RecordLocation]] = {}
    empty: list[Path] = []
    for name, file in files.items():
        live = _live(runs / name, file, gone)
        if file.recorded and not live:
            empty.append(runs / name)
        for index, entry in live:
            entries.setdefault((file.header.stage, index), []).append(entry)
    return Inventory(entries, unreadable, gone, tuple(empty), files)


def _added(
    earlier: Inventory,
    runs: Path,
    new: Mapping[str, _File],
    unreadable: tuple[tuple[Path, str], ...],
) -> Inventory:
    """An inventory with more files, none of which ends records."""
    entries = dict(earlier.entries)
    empty: list[Path] = []
    for name, file in new.items():
        live = _live(runs / name, file, earlier.gone)
        if file.recorded and not live:
            empty.append(runs / name)
        for index, entry in live:
            others = entries.get((file.header.stage, index), ())
            in_order = sorted((*others, entry), key=lambda entry: entry.path.name)
            entries[file.header.stage, index] = in_order
    return replace(
        earlier,
        entries=entries,
        unreadable=unreadable,
        empty=(*earlier.empty, *empty),
        files={**earlier.files, **new},
    )


def _live(path: Path, file: _File, gone: Places) -> list[tuple[int, RecordLocation]]:
    """Index and place of each record of a file that counts."""
    shard = file.header.shard
    of_status = {status: RecordLocation(shard, path, status) for status in file.header.indices}
    return [(i, of_status[status]) for i, status in file.recorded if (shard, i) not in gone]


def _cached_headers(runs: Path) -> dict[str, Any]:
    """File name -> [[size, time], header], of files that an earlier process found whole; the cache
    is a checksummed file of which this is the header."""
    try:
        return verified_header(runs / CACHE_NAME)
    except (DataFileError, StorageError):
        return {}


def _headers(inventory: Inventory) -> dict[str, Any]:
    """What the cache has to hold; see `_cached_headers`."""
    return {name: [file.stamp, file.content] for name, file in inventory.files.items()}


def _with_cache(inventory: Inventory, runs: Path) -> Inventory:
    """The inventory, its headers kept; a directory that cannot be written stays uncached, and so
    does a link, which may lead out of the experiment."""
    headers = _headers(inventory)
    if is_own_folder(runs):
        with contextlib.suppress(StorageError):
            write_checksummed(runs / CACHE_NAME, headers, lambda _: b"")
    return replace(inventory, num_cached=len(headers))
