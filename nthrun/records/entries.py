"""Entries: runs that have not been read yet, and what becomes of several with one identity."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from nthrun.records.part import Part, joined_part
from nthrun.records.schema import Identity, Run, first_difference, flat_arrays
from nthrun.records.sources import Bulk, Source, joined_bulk

Conflict = tuple[Identity, str]
"""A run whose records differ, and the first key in which they do."""


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
