"""Files that runs are read from, and the runs of several that have not been read yet.

An `Entry` is such a run. Several of one identity are one run recorded more than once, which
`without_repeats` settles.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

import numpy as np

from nthrun.errors import DamagedFileError
from nthrun.records.columns import ColumnsReader, parse_shape
from nthrun.records.hdf5_file import naming_damage
from nthrun.records.record_table import EMPTY_DICT, NO_ARRAY, RecordTable, joined_tables, table_of
from nthrun.records.schema import (
    EPISODE_ENDS,
    Identity,
    Run,
    arrays_problem,
    ends_problem,
    first_difference,
    flat_arrays,
    is_measured,
    measures,
    shapes_of,
    values_problem,
    worlds_problem,
)
from nthrun.records.shard import OpenShards

Conflict = tuple[Identity, str]
"""A run whose records differ, and the first key in which they do."""


class Source(Protocol):
    """Where runs lie, each at a position of its own."""

    def run(self, position: int, omit: Collection[str]) -> Run:
        """One run; arrays under the top-level keys in `omit` are left out."""

    def table(self, positions: Sequence[int], names: Collection[str] | None) -> RecordTable:
        """Some runs, with those of `JSON_TEXTS` and those arrays that are named, or with all.

        Names of nested arrays are joined by `/`.
        """


@dataclass(frozen=True, slots=True, eq=False)
class ColumnsSource:
    """data.h5, or a single shard; a position is a row."""

    path: Path
    columns: ColumnsReader

    def run(self, position: int, omit: Collection[str]) -> Run:
        with naming_damage(self.path):
            return _sound_run(self.columns.run(position, omit))

    def table(self, positions: Sequence[int], names: Collection[str] | None) -> RecordTable:
        with naming_damage(self.path):
            return _sound_table(self.columns, np.array(positions, np.int64), names)


@dataclass(frozen=True, slots=True, eq=False)
class ShardSource:
    """One of the shards of an experiment directory; a position is an index."""

    path: Path
    shards: OpenShards

    def run(self, position: int, omit: Collection[str]) -> Run:
        with naming_damage(self.path):
            return _sound_run(self.shards.run(self.path, position, omit))

    def table(self, positions: Sequence[int], names: Collection[str] | None) -> RecordTable:
        with naming_damage(self.path):
            columns, rows = self.shards.rows(self.path, positions)
            return _sound_table(columns, rows, names)


@dataclass(frozen=True, slots=True, eq=False)
class MemorySource:
    """The runs of data.json, which is read whole; a position is one in the file."""

    runs: Sequence[Run]

    def run(self, position: int, omit: Collection[str]) -> Run:
        run = self.runs[position]
        return Run({key: value for key, value in run.items() if key not in omit})

    def table(self, positions: Sequence[int], names: Collection[str] | None) -> RecordTable:
        return table_of([self.runs[position] for position in positions], names)


@dataclass(frozen=True, slots=True)
class Entry:
    """One run that has not been loaded.

    Attributes:
        identity: which run.
        shard: id of the shard that recorded it.
        status: how it ended.
        source, position: where it lies.
    """

    identity: Identity
    shard: str
    status: str
    source: Source
    position: int

    def load(self, omit: Collection[str]) -> Run:
        """The run without the arrays under the top-level keys in `omit`."""
        return self.source.run(self.position, omit)


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Entries as they are listed, whatever order they were found in."""
    return sorted(entries, key=lambda entry: (entry.identity, entry.shard))


def read_table(
    entries: Sequence[Entry],
    names: Collection[str] | None = (),
    report: Callable[[int], object] = bool,
) -> RecordTable:
    """What some runs hold; each of their files is read once.

    Args:
        entries: which.
        names: the texts and arrays to read besides numbers; None is everything.
        report: called with how many of the runs each file has given.
    """
    groups, order = _by_source(entries)
    tables = []
    for source, positions in groups:
        tables.append(source.table(positions, names))
        report(len(positions))
    return joined_tables(tables).take(order)


def without_repeats(entries: Iterable[Entry]) -> tuple[list[Entry], list[Conflict]]:
    """One entry of each identity, or all that differ; with the conflicts.

    Any other status beats failed. Of equal records the one with the most series is kept. Only
    identities with several entries are read.
    """
    kept: list[Entry] = []
    conflicts: list[Conflict] = []
    for identity, group in groupby(in_order(entries), key=lambda entry: entry.identity):
        recorded = list(group)
        good = [entry for entry in recorded if entry.status != "failed"] or recorded[:1]
        distinct, keys = _distinct(good) if len(good) > 1 else (good, [])
        kept += distinct
        conflicts += [(identity, key) for key in keys]
    return in_order(kept), conflicts


def sound_entries(entries: Iterable[Entry]) -> tuple[list[Entry], tuple[tuple[Path, str], ...]]:
    """The entries that can be read, each being read whole, and (path, what is wrong) of the files
    of which one cannot be; nothing else of such a file counts either."""
    readable: list[Entry] = []
    damaged: dict[Path, str] = {}
    for entry in entries:
        path = getattr(entry.source, "path", None)
        if path in damaged:
            continue
        try:
            entry.load(())
        except DamagedFileError as error:
            if path is None:
                raise
            damaged[path] = str(error).removeprefix(f"{path}: ")
        else:
            readable.append(entry)
    kept = [e for e in readable if getattr(e.source, "path", None) not in damaged]
    return kept, tuple(damaged.items())


def _sound_run(run: Run) -> Run:
    """A run whose arrays fit each other and the number of its worlds.

    Raises:
        ValueError: they do not.
    """
    if problem := arrays_problem(measures(None) | shapes_of(run)) or values_problem(run):
        raise ValueError(problem)
    return run


def _sound_table(
    columns: ColumnsReader, rows: np.ndarray, names: Collection[str] | None
) -> RecordTable:
    """Runs whose arrays fit each other and the number of their worlds.

    Shapes that many share are looked at once.

    Args:
        columns: of the file.
        rows: of the runs in it.
        names: as `Source.table`.

    Raises:
        ValueError: they do not.
    """
    table = columns.table(rows, names)
    _require_shapes(table, names)
    if any(shape != NO_ARRAY for shape in table.shapes.get(EPISODE_ENDS, ())):
        _require_worlds(table, columns.table(rows, ("agent_params",)))
    return table


def _require_worlds(table: RecordTable, settings: RecordTable) -> None:
    """Check records by the number of their worlds.

    Args:
        table: of the records, with `EPISODE_ENDS`.
        settings: of the same ones, with their hyperparameters.

    Raises:
        ValueError: they do not fit.
    """
    totals = table.numbers["total_timesteps"]
    texts, shapes = settings.texts["agent_params"], table.shapes[EPISODE_ENDS]
    for text, total, shape in set(zip(texts, totals.tolist(), shapes, strict=True)):
        problem = "" if shape == NO_ARRAY else worlds_problem(json.loads(text), total)
        if problem:
            raise ValueError(problem)
    ends = table.ragged(EPISODE_ENDS)
    if problem := ends_problem(ends.values, np.repeat(totals, ends.sizes)):
        raise ValueError(problem)


def _require_shapes(table: RecordTable, names: Collection[str] | None) -> None:
    """Check that the arrays of records fit each other.

    Raises:
        ValueError: they do not.
    """
    columns = {name: texts for name, texts in table.shapes.items() if is_measured(name)}
    known = {
        text: parse_shape(text)[1] for texts in columns.values() for text in set(texts) if text
    }
    for row in set(zip(*columns.values(), strict=True)):
        named = zip(columns, row, strict=True)
        shapes = {name: known[text] for name, text in named if text not in (NO_ARRAY, EMPTY_DICT)}
        if problem := arrays_problem(measures(names) | shapes):
            raise ValueError(problem)


def _by_source(entries: Sequence[Entry]) -> tuple[list[tuple[Source, list[int]]], np.ndarray]:
    """Each source with its positions; and where the entries are among them all, joined."""
    groups: dict[int, tuple[Source, list[int], list[int]]] = {}
    for number, entry in enumerate(entries):
        _, positions, numbers = groups.setdefault(id(entry.source), (entry.source, [], []))
        positions.append(entry.position)
        numbers.append(number)
    joined_numbers = [number for _, _, numbers in groups.values() for number in numbers]
    order = np.argsort(np.array(joined_numbers, np.int64))
    return [(source, positions) for source, positions, _ in groups.values()], order


def _distinct(entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
    """Entries of one identity that differ, and for each but the first a key that does."""
    runs = [(entry, entry.load(())) for entry in entries]
    runs.sort(key=lambda pair: -len(list(flat_arrays(pair[1]))))
    kept: list[tuple[Entry, Run]] = []
    keys: list[str] = []
    for entry, run in runs:
        differences = [first_difference(run, other) or _not_in(run, other) for _, other in kept]
        if None not in differences:
            kept.append((entry, run))
            keys += [key for key in differences[:1] if key is not None]
    return [entry for entry, _ in kept], keys


def _not_in(run: Run, other: Run) -> str | None:
    """The first series of a run that another record of it lacks."""
    names = {name for name, _ in flat_arrays(other)}
    return next((name for name, _ in flat_arrays(run) if name not in names), None)
