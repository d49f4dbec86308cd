"""Combining: every record of an experiment in one data.json or data.h5.

Streaming, order-independent and idempotent. Records that only an earlier combined file still
holds (its shards were deleted) are carried over; replaced and forgotten ones are not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

import h5py

from nthrun.errors import DataFileError
from nthrun.records.columns import ColumnsWriter
from nthrun.records.data import Data, Entry, open_data, open_directory
from nthrun.records.experiment import Experiment
from nthrun.records.json_file import json_writer
from nthrun.records.schema import OMITTED_FROM_JSON, SCHEMA_VERSION, Identity, first_difference
from nthrun.records.sealed import TEMPORARY_PREFIX, storage_error, sync_directory, write_durably

BATCH_RUNS = 256
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Combined:
    """What combining did.

    Attributes:
        output: the combined file.
        num_runs: records in it.
        carried: records taken over from an earlier combined file alone.
        unreadable: (path, what is wrong) of files that could not be read.
        conflicts: identities with several records that differ; all are in the file.
        written: False if the file already held exactly this.
    """

    output: Path
    num_runs: int
    carried: int
    unreadable: tuple[tuple[Path, str], ...]
    conflicts: tuple[tuple[Identity, str], ...]
    written: bool


def combine(
    experiment: Experiment, output: Path, full: bool = False, progress: Progress | None = None
) -> Combined:
    """Write the combined file of an experiment.

    Args:
        experiment: whose shards are read.
        output: a path ending in .json or .h5.
        full: whether data.json holds everything; .h5 always does.
        progress: called with (runs written, runs in all).

    Raises:
        DataFileError: the output's suffix is unknown.
        StorageError: the file could not be written; an earlier one stays as it was.
    """
    if output.suffix not in (".json", ".h5"):
        raise DataFileError(f"{output}: unknown file type, allowed: .json, .h5")
    full = full or output.suffix == ".h5"
    data = open_directory(experiment)
    unreadable = list(data.unreadable)
    earlier = _earlier(output, unreadable)
    carried = _only_in(earlier, data, experiment.manifest.num_settings)
    entries, conflicts = _without_repeats([*data.entries, *carried])
    if earlier is not None and earlier.full == full and _same(earlier, entries):
        written = False
    else:
        _write(Data(output, experiment.specs, entries), output, full, progress)
        written = True
    return Combined(
        output, len(entries), len(carried), tuple(unreadable), tuple(conflicts), written
    )


def _earlier(output: Path, unreadable: list[tuple[Path, str]]) -> Data | None:
    """The combined file of an earlier call; a damaged one is set aside, not overwritten."""
    if not output.exists():
        return None
    try:
        return open_data(output)
    except (DataFileError, OSError, KeyError) as error:
        aside = output.with_name(f"{output.name}.damaged")
        output.rename(aside)
        unreadable.append((output, f"{error}; kept as {aside.name}"))
        return None


def _only_in(earlier: Data | None, data: Data, num_settings: int) -> list[Entry]:
    """Entries of the earlier file whose identity no shard has and nobody removed."""
    if earlier is None:
        return []
    have = {entry.identity for entry in data.entries}

    def removed(entry: Entry) -> bool:
        index = entry.identity.run_number * num_settings + entry.identity.setting_number
        return (entry.shard, index) in data.gone

    return [e for e in earlier.entries if e.identity not in have and not removed(e)]


def _without_repeats(
    entries: list[Entry],
) -> tuple[list[Entry], list[tuple[Identity, str]]]:
    """One entry of each identity, or all that differ; with the conflicts and their key."""
    kept: list[Entry] = []
    conflicts: list[tuple[Identity, str]] = []
    entries = sorted(entries, key=lambda entry: (entry.identity, entry.shard))
    for identity, group in groupby(entries, key=lambda entry: entry.identity):
        first, *others = group
        kept.append(first)
        for other in others:
            key = first_difference(first.load(()), other.load(()))
            if key is not None:
                kept.append(other)
                conflicts.append((identity, key))
    return kept, conflicts


def _same(earlier: Data, entries: list[Entry]) -> bool:
    """Whether the earlier file holds exactly these records."""
    return [(e.identity, e.shard) for e in earlier.entries] == [
        (e.identity, e.shard) for e in entries
    ]


def _write(data: Data, output: Path, full: bool, progress: Progress | None) -> None:
    omit = () if full else OMITTED_FROM_JSON

    def runs() -> Iterator[dict[str, object]]:
        for done, entry in enumerate(data.entries, 1):
            yield entry.load(omit)
            if progress is not None:
                progress(done, len(data.entries))

    if output.suffix == ".json":
        write_durably(output, json_writer(data["experiment"], runs(), omit))  # type: ignore[arg-type]
        return
    temporary = output.with_name(f"{TEMPORARY_PREFIX}{output.name}")
    try:
        with h5py.File(temporary, "w", libver="latest") as file:
            file.attrs.update(kind="data", schema=SCHEMA_VERSION)
            file.attrs["experiment"] = json.dumps(data["experiment"])
            writer = ColumnsWriter(file, growing=True)
            stream = runs()
            while batch := list(islice(stream, BATCH_RUNS)):
                writer.write(batch)  # type: ignore[arg-type]
            writer.close()
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(output)
        sync_directory(output.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise storage_error(output, error) from error
