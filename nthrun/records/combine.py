"""Combining: every record of an experiment in one data.json or data.h5.

Streaming, order-independent and idempotent. Records that only an earlier data.json or data.h5 still
holds (their shards were deleted) are carried over; replaced and forgotten ones are not. Where both
a shard and an earlier file hold a record, the shard is believed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py

from nthrun.errors import DamagedFileError, DataFileError
from nthrun.index import join_index
from nthrun.records.columns import ColumnsWriter, write_json
from nthrun.records.data import Data, open_combined, open_directory
from nthrun.records.durable_file import is_checksummed, written_aside
from nthrun.records.experiment import Experiment
from nthrun.records.hdf5_file import append_digest, has_true_digest
from nthrun.records.json_file import json_writer
from nthrun.records.listing import is_there
from nthrun.records.manifest import MANIFEST
from nthrun.records.places import RecordPlace, union
from nthrun.records.record_table import GIT_DIFF, RecordTable
from nthrun.records.schema import OMITTED_FROM_JSON, OUTPUT, SCHEMA_VERSION, Run, differing_key
from nthrun.records.sources import Conflict, Entry, MemorySource, read_table, without_repeats
from nthrun.specs.fingerprint import fingerprint

DATA_JSON = "data.json"
DATA_H5 = "data.h5"
TABLE_BYTES = 2**27
TABLE_GROWTH = 8
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Combined:
    """What combining did.

    Attributes:
        output: the combined file.
        num_runs: records in it.
        carried: records taken over from earlier combined files alone.
        unreadable: (path, what is wrong) of files that could not be read.
        conflicts: identities with several records that differ; all are in the file.
        repaired: identities whose record in an earlier file differed from its shard's, and the
            first key in which it did; the file has the shard's.
        written: False if the file already held exactly this, or there is nothing to hold.
        data: what the file holds, where that is at hand; None where it is to be opened.
    """

    output: Path
    num_runs: int
    carried: int
    unreadable: tuple[tuple[Path, str], ...]
    conflicts: tuple[Conflict, ...]
    written: bool
    repaired: tuple[Conflict, ...] = ()
    data: Data | None = None


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
        DataFileError: the output's suffix is unknown, or it is a file that must not be replaced.
        StorageError: the file could not be written; an earlier one stays as it was.
    """
    if output.suffix not in (".json", ".h5"):
        raise DataFileError(f"{output}: unknown file type, allowed: .json, .h5, .csv, .parquet")
    if output.name == MANIFEST or is_checksummed(output):
        raise DataFileError(f"{output}: no combined file, so not replaced", "choose another OUT")
    try:
        return _combine(experiment, output, full, progress)
    except DamagedFileError:  # since it was last verified, or behind its checksum: read everything
        return _combine(experiment, output, full, progress, trust=False)


def _combine(
    experiment: Experiment,
    output: Path,
    full: bool,
    progress: Progress | None,
    trust: bool = True,
) -> Combined:
    unreadable: list[tuple[Path, str]] = []
    earlier = _earlier(experiment, output, unreadable, trust)
    forgotten = union(data_before.gone for data_before in earlier)
    data = open_directory(experiment, forgotten, trust)
    data = data if trust else data.without_damaged()
    unreadable += data.unreadable
    gone = data.gone | forgotten
    carried = [e for e in carried_entries(earlier, data) if _place(experiment, e) not in gone]
    entries, conflicts = without_repeats([*data.entries, *carried])
    num_carried = len(set(map(id, entries)).intersection(map(id, carried)))
    same = next((data_before for data_before in earlier if data_before.source == output), None)
    if output.suffix == ".h5" or (same is not None and same.full and num_carried):
        full = True  # leaving something out would lose it
    result = Data(output, experiment.specs, entries, full, gone=gone)
    repaired = [] if same is None or _is_vouched_for(same) else _differing(same, data)
    written = bool(entries) if same is None else bool(repaired) or not same_records(same, result)
    held = same
    if written:
        held = write_combined(result, progress, keep=same is None)
        aside = f"; kept as {output.name}.damaged-<number>"
        unreadable = [(path, why + aside * (path == output)) for path, why in unreadable]
    return Combined(
        output,
        len(entries),
        num_carried,
        tuple(unreadable),
        tuple(conflicts),
        written,
        tuple(repaired),
        held,
    )


def _is_vouched_for(before: Data) -> bool:
    """Whether a digest says that a combined file is as it was written."""
    return before.has_digest or (before.source.suffix == ".h5" and has_true_digest(before.source))


def _differing(before: Data, shards: Data) -> list[Conflict]:
    """The records of a combined file that differ from their shards'."""
    omit = () if before.full else OMITTED_FROM_JSON
    recorded = {(entry.identity, entry.shard): entry for entry in shards.entries}
    pairs = ((entry, recorded.get((entry.identity, entry.shard))) for entry in before.entries)
    keys = (
        (entry.identity, differing_key(entry.load(omit), original.load(omit)))
        for entry, original in pairs
        if original is not None
    )
    return [(identity, key) for identity, key in keys if key]


def forget(experiment: Experiment, stage: int, indices: Collection[int]) -> list[int]:
    """Remove the records of some indices, those that only a combined file still holds too.

    Returns:
        the indices that had any.
    """
    wanted = set(indices)
    combined: set[RecordPlace] = set()
    for data in _earlier(experiment, experiment.root / DATA_JSON, [], True):
        keyed = ((e, _place(experiment, e)) for e in data.entries if e.identity.stage == stage)
        combined |= {p for _, p in keyed if p[1] in wanted and p not in data.gone}
    return experiment.forget(stage, indices, combined)


def _earlier(
    experiment: Experiment, output: Path, unreadable: list[tuple[Path, str]], trust: bool
) -> list[Data]:
    """The combined files of earlier calls, those that leave nothing out first."""
    readable: list[Data] = []
    paths = dict.fromkeys((output, *(experiment.root / name for name in (DATA_H5, DATA_JSON))))
    for path in filter(is_there, paths):
        try:
            data = open_combined(path)
            foreign = _fingerprint(data) != experiment.manifest.fingerprint
            for entry in () if trust else data.entries:
                entry.load(())
        except DataFileError as error:
            unreadable.append((path, str(error).removeprefix(f"{path}: ")))
            continue
        if not foreign:
            readable.append(data)
        elif path == output:
            raise DataFileError(
                f"{output}: holds the records of another experiment", "choose another OUT"
            )
    return sorted(readable, key=lambda data: not data.full)


def _fingerprint(data: Data) -> str:
    try:
        return fingerprint(data["experiment"]["agent"], data["experiment"]["environment"])
    except (LookupError, TypeError, AttributeError) as error:
        raise DataFileError(f"{data.source}: damaged in its specs") from error


def carried_entries(earlier: Sequence[Data], data: Data) -> list[Entry]:
    """Entries of earlier files that neither a shard nor the file before has."""
    seen = {(entry.identity, entry.shard) for entry in data.entries}
    carried: list[Entry] = []
    for source in earlier:
        new = [entry for entry in source.entries if (entry.identity, entry.shard) not in seen]
        carried += new
        seen.update((entry.identity, entry.shard) for entry in new)
    return carried


def _place(experiment: Experiment, entry: Entry) -> RecordPlace:
    setting_number, _, run_number = entry.identity
    index = join_index(setting_number, run_number, experiment.manifest.num_settings)
    return entry.shard, index


def same_records(one: Data, other: Data) -> bool:
    """Whether two combined files hold the same records, by their names."""
    listed = ([(e.identity, e.shard, e.status) for e in data.entries] for data in (one, other))
    return one.full == other.full and one.gone == other.gone and next(listed) == next(listed)


def write_combined(data: Data, progress: Progress | None, keep: bool) -> Data | None:
    """Write the combined file; with `keep`, what lies in its place is unreadable and kept.

    Returns:
        what a data.json without the large arrays holds, which is little beside what reading it
        takes; None of any other file.
    """
    is_json = data.source.suffix == ".json"
    omit = () if data.full else OMITTED_FROM_JSON
    written: list[Run] | None = [] if is_json and omit else None
    done = 0

    def tell(num_runs: int) -> None:
        nonlocal done
        done += num_runs
        if progress is not None:
            progress(done, len(data.entries))

    with written_aside(data.source, put=_replace_keeping if keep else os.replace) as temporary:
        if is_json:
            runs = _loaded(data.entries, omit, tell, written)
            with open(temporary, "wb") as file:
                results = [name for name in omit if name != OUTPUT]
                json_writer(data["experiment"], runs, results, data.gone)(file)
        else:
            write_h5(temporary, data, tell)
            append_digest(temporary)
    if written is None:
        return None
    source = MemorySource(written)
    entries = [replace(e, source=source, position=n) for n, e in enumerate(data.entries)]
    return Data(data.source, data["experiment"], entries, data.full, gone=data.gone)


def _loaded(
    entries: Sequence[Entry],
    omit: Collection[str],
    tell: Callable[[int], None],
    written: list[Run] | None,
) -> Iterator[Run]:
    """The runs of entries, one after the other; put into `written` too, where it is given."""
    diffs: dict[str, str] = {}
    for entry in entries:
        run = entry.load(omit)
        if written is not None:
            diff = run["provenance"][GIT_DIFF]  # which may be long, and is that of many runs
            run["provenance"][GIT_DIFF] = diffs.setdefault(diff, diff)
            written.append(run)
        yield run
        tell(1)


def _replace_keeping(temporary: Path, path: Path) -> None:
    """Put a file in the place of a damaged one, which is set aside under a free name."""
    if path.exists():
        number = 1
        while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
            number += 1
        path.rename(aside)
    os.replace(temporary, path)


def write_h5(path: Path, data: Data, tell: Callable[[int], None]) -> None:
    """Write all runs, in the order of `data.entries`.

    Args:
        path: where; what lies there is overwritten.
        data: what.
        tell: called with how many more runs have been read.

    Raises:
        OSError: the file cannot be written.
        DataFileError: a run cannot be read.
    """
    with _LenientFile(path, "w+") as disk:
        with h5py.File(disk, "w", libver="latest") as file:
            file.attrs.update(kind="data", schema=SCHEMA_VERSION)
            write_json(file, "experiment", data["experiment"])
            write_json(file, "gone", data.gone.texts())
            writer = ColumnsWriter(file, growing=True)
            for table in _tables(data.entries, tell):
                writer.append(table)
                if disk.error is not None:
                    break
            writer.close()
        if disk.error is not None:
            raise disk.error


def _tables(entries: Sequence[Entry], tell: Callable[[int], None]) -> Iterator[RecordTable]:
    """All runs, as many at once as hold about `TABLE_BYTES` if they are as large as the last."""
    done, size = 0, 1
    while done < len(entries):
        table = read_table(entries[done : done + size], None, tell)
        yield table
        done += len(table)
        fitting = TABLE_BYTES * len(table) // max(table.num_bytes, 1)
        size = max(1, min(fitting, TABLE_GROWTH * len(table)))


class _LenientFile(io.FileIO):
    """A file that keeps the first error of writing instead of raising it.

    HDF5 cannot be closed any more once a write has failed: it would complain on stderr for every
    object it had open, and hold the file until the process ends.
    """

    error: OSError | None = None

    def write(self, content: Any) -> int:
        unwritten = memoryview(content)
        try:
            while self.error is None and unwritten:
                unwritten = unwritten[super().write(unwritten) :]
        except OSError as error:
            self.error = error
        return len(content)
