"""Files that runs are read from, and the runs of several that have not been read yet.

An `Entry` is such a run. Several of one identity are one run recorded more than once, which
`without_repeats` settles.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nthrun.errors import DataFileError
from nthrun.records.columns import ColumnsReader
from nthrun.records.record_table import (
    GIT_DIFF,
    NUMBERS,
    Part,
    Ragged,
    from_arrays,
    joined,
    joined_part,
    part_of,
)
from nthrun.records.schema import (
    FLOATS,
    INTEGERS,
    JSON_TEXTS,
    TEXTS,
    Identity,
    Run,
    first_difference,
    flat_arrays,
)
from nthrun.records.shard import OpenShards

Conflict = tuple[Identity, str]
"""A run whose records differ, and the first key in which they do."""


@dataclass(frozen=True, slots=True, eq=False)
class Bulk:
    """What several runs hold, key by key; every list and array has one item a run.

    Attributes:
        numbers: rows of dtype `NUMBERS`.
        texts: name -> texts, of `TEXTS`.
        documents: name -> dicts, of those of `JSON_TEXTS` that were asked for (provenance without
            `git_diff`); equal ones may be one object.
        ragged: name -> array, of the others that were asked for.
    """

    numbers: np.ndarray
    texts: Mapping[str, Sequence[str]]
    documents: Mapping[str, Sequence[dict[str, Any]]]
    ragged: Mapping[str, Ragged]

    def scalars(self) -> dict[str, np.ndarray]:
        """Every integer, float and text, each (num_runs,)."""
        columns = {name: self.numbers[name].copy() for name in (*INTEGERS, *FLOATS)}
        return columns | {name: np.array(self.texts[name], dtype=np.str_) for name in TEXTS}

    def take(self, order: np.ndarray) -> Bulk:
        """The runs at some places, in that order."""
        places = order.tolist()
        return Bulk(
            self.numbers[order],
            {name: [texts[n] for n in places] for name, texts in self.texts.items()},
            {name: [found[n] for n in places] for name, found in self.documents.items()},
            {name: ragged.take(order) for name, ragged in self.ragged.items()},
        )


class Source(Protocol):
    """Where runs lie, each at a place of its own."""

    def run(self, place: int, omit: Collection[str]) -> Run:
        """One run; arrays under the top-level keys in `omit` are left out."""

    def bulk(self, places: Sequence[int], names: Collection[str]) -> Bulk:
        """Some runs, with those of `JSON_TEXTS` and those arrays that are named.

        Names of nested arrays are joined by `/`.
        """

    def part(self, places: Sequence[int]) -> Part:
        """Everything of some runs."""


@dataclass(frozen=True, slots=True, eq=False)
class ColumnsSource:
    """data.h5, or a single shard; a place is a row."""

    path: Path
    columns: ColumnsReader

    def run(self, place: int, omit: Collection[str]) -> Run:
        """See `Source`."""
        with naming_damage(self.path):
            return self.columns.run(place, omit)

    def bulk(self, places: Sequence[int], names: Collection[str]) -> Bulk:
        """See `Source`."""
        with naming_damage(self.path):
            return _read(self.columns, np.array(places, np.int64), names)

    def part(self, places: Sequence[int]) -> Part:
        """See `Source`."""
        with naming_damage(self.path):
            return self.columns.part(np.array(places, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class ShardSource:
    """One of the shards of an experiment directory; a place is an index."""

    path: Path
    shards: OpenShards

    def run(self, place: int, omit: Collection[str]) -> Run:
        """See `Source`."""
        with naming_damage(self.path):
            return self.shards.run(self.path, place, omit)

    def bulk(self, places: Sequence[int], names: Collection[str]) -> Bulk:
        """See `Source`."""
        with naming_damage(self.path):
            return _read(*self.shards.rows(self.path, places), names)

    def part(self, places: Sequence[int]) -> Part:
        """See `Source`."""
        with naming_damage(self.path):
            columns, rows = self.shards.rows(self.path, places)
            return columns.part(rows)


@dataclass(frozen=True, slots=True, eq=False)
class MemorySource:
    """The runs of data.json, which is read whole; a place is one in the file."""

    runs: Sequence[Run]

    def run(self, place: int, omit: Collection[str]) -> Run:
        """See `Source`."""
        run = self.runs[place]
        return Run({key: value for key, value in run.items() if key not in omit})

    def bulk(self, places: Sequence[int], names: Collection[str]) -> Bulk:
        """See `Source`."""
        runs = [self.runs[place] for place in places]
        rows = [tuple(run[name] for name in NUMBERS.names or ()) for run in runs]
        documents, arrays = split_names(names)
        found = [dict(flat_arrays(run)) for run in runs] if arrays else []
        return Bulk(
            np.array(rows, NUMBERS),
            {name: [run[name] for run in runs] for name in TEXTS},
            {name: [_without_diff(run[name]) for run in runs] for name in documents},
            {name: from_arrays([one.get(name) for one in found]) for name in arrays},
        )

    def part(self, places: Sequence[int]) -> Part:
        """See `Source`."""
        return part_of([self.runs[place] for place in places])


@dataclass(frozen=True, slots=True)
class Entry:
    """One run that has not been loaded.

    Attributes:
        identity: which run.
        shard: id of the shard that recorded it.
        status: how it ended.
        source, place: where it lies.
    """

    identity: Identity
    shard: str
    status: str
    source: Source
    place: int

    def load(self, omit: Collection[str]) -> Run:
        """The run without the arrays under the top-level keys in `omit`."""
        return self.source.run(self.place, omit)


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Entries as they are listed, whatever order they were found in."""
    return sorted(entries, key=lambda entry: (entry.identity, entry.shard))


def bulk_of(entries: Sequence[Entry], names: Collection[str] = ()) -> Bulk:
    """What some runs hold, of `names` too; each of their files is read once."""
    groups, order = _by_source(entries)
    found = joined_bulk([source.bulk(places, names) for source, places in groups], names)
    return found.take(order)


def part_of_entries(entries: Sequence[Entry], told: Callable[[int], None]) -> Part:
    """Everything of some runs, at least one; each of their files is read once.

    Args:
        entries: which.
        told: called with how many of them each file has given.
    """
    groups, order = _by_source(entries)
    parts = []
    for source, places in groups:
        parts.append(source.part(places))
        told(len(places))
    return joined_part(parts).take(order)


def without_repeats(entries: Iterable[Entry]) -> tuple[list[Entry], list[Conflict]]:
    """One entry of each identity, or all that differ; with the conflicts.

    Any other status beats failed. Of equal records the one with the most series is kept. Only
    identities with several entries are read.
    """
    kept: list[Entry] = []
    conflicts: list[Conflict] = []
    for identity, group in groupby(in_order(entries), key=lambda entry: entry.identity):
        found = list(group)
        good = [entry for entry in found if entry.status != "failed"] or found[:1]
        distinct, keys = _distinct(good) if len(good) > 1 else (good, [])
        kept += distinct
        conflicts += [(identity, key) for key in keys]
    return in_order(kept), conflicts


def joined_bulk(parts: Sequence[Bulk], names: Collection[str]) -> Bulk:
    """The runs of several parts, one after the other."""
    documents, arrays = split_names(names)
    return Bulk(
        np.concatenate([part.numbers for part in parts] or [np.empty(0, NUMBERS)]),
        {name: list(chain.from_iterable(part.texts[name] for part in parts)) for name in TEXTS},
        {n: list(chain.from_iterable(part.documents[n] for part in parts)) for n in documents},
        {name: joined([part.ragged[name] for part in parts]) for name in arrays},
    )


def split_names(names: Collection[str]) -> tuple[list[str], list[str]]:
    """Of the names of what is asked for, those of `JSON_TEXTS`, and the others."""
    return [n for n in names if n in JSON_TEXTS], [n for n in names if n not in JSON_TEXTS]


@contextlib.contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Whatever a damaged HDF5 file without a checksum of its own makes its reader raise.

    Raises:
        DataFileError: in place of it, naming the file.
    """
    try:
        yield
    except DataFileError:
        raise
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, EOFError, zlib.error) as e:
        raise DataFileError(f"{path}: damaged or cut short") from e


def _read(columns: ColumnsReader, rows: np.ndarray, names: Collection[str]) -> Bulk:
    documents, arrays = split_names(names)
    return Bulk(
        columns.numbers[rows],
        {name: columns.texts(name, rows) for name in TEXTS},
        {name: columns.documents(name, rows) for name in documents},
        {name: columns.ragged(name, rows) for name in arrays},
    )


def _without_diff(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != GIT_DIFF}


def _by_source(entries: Sequence[Entry]) -> tuple[list[tuple[Source, list[int]]], np.ndarray]:
    """Each source with its places; and where the entries are among them all, joined."""
    groups: dict[int, tuple[Source, list[int], list[int]]] = {}
    for number, entry in enumerate(entries):
        group = groups.setdefault(id(entry.source), (entry.source, [], []))
        group[1].append(entry.place)
        group[2].append(number)
    numbers = [number for _, _, found in groups.values() for number in found]
    order = np.argsort(np.array(numbers, np.int64))
    return [(source, places) for source, places, _ in groups.values()], order


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
