"""Compacting: shards of one record each are written as one, so that a sweep is few files.

A program's run is recorded by itself. Records stay what they are, but for the name of their shard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nthrun.index import join_index
from nthrun.records.data import open_directory
from nthrun.records.experiment import Experiment
from nthrun.records.schema import Run, flat_arrays
from nthrun.records.sources import Entry

SHARD_BYTES = 2**26
"""Bytes of the records' arrays from which a shard is full."""
RUN_BYTES = 8_192
"""What a record is counted to take beside its arrays."""


def compact(experiment: Experiment) -> tuple[int, int]:
    """Write the records of shards of one record as few shards, and delete those.

    Nothing else may write to the experiment meanwhile. A run that is recorded more than once is
    left as it is.

    Returns:
        how many records were written anew, and in how many shards.

    Raises:
        DataFileError: a record cannot be read; those written before stay compacted.
        StorageError: a shard could not be written.
    """
    num_records = num_shards = 0
    for stage, entries in _single(experiment).items():
        for runs in _batches(entries):
            experiment.write(stage, runs, replace=True)
            num_records, num_shards = num_records + len(runs), num_shards + 1
    return num_records, num_shards


def _single(experiment: Experiment) -> dict[int, list[Entry]]:
    """Stage -> the records that lie in a shard by themselves, of runs that are recorded once."""
    inventory = experiment.inventory()
    alone = {
        file.header.shard for file in inventory.files.values() if len(list(file.recorded)) == 1
    }
    once = {run for run, locations in inventory.entries.items() if len(locations) == 1}
    num_settings = experiment.manifest.num_settings
    single: dict[int, list[Entry]] = {}
    for entry in open_directory(experiment).entries:
        setting_number, stage, run_number = entry.identity
        index = join_index(setting_number, run_number, num_settings)
        if entry.shard in alone and (stage, index) in once:
            single.setdefault(stage, []).append(entry)
    return {stage: entries for stage, entries in single.items() if len(entries) > 1}


def _batches(entries: Sequence[Entry]) -> Iterator[list[Run]]:
    """Records, as many at a time as a shard is to hold, and at least two."""
    runs: list[Run] = []
    size = 0
    for number, entry in enumerate(entries, 1):
        runs.append(entry.load(()))
        size += RUN_BYTES + sum(array.nbytes for _, array in flat_arrays(runs[-1]))
        if size >= SHARD_BYTES and len(runs) > 1 and number < len(entries) - 1:
            yield runs
            runs, size = [], 0
    if runs:
        yield runs
