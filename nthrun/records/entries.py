"""Entries: runs that have not been read yet, and what becomes of several with one identity."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from nthrun.records.schema import Identity, Run, first_difference, flat_arrays

Conflict = tuple[Identity, str]
"""A run whose records differ, and the first key in which they do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One run that has not been loaded.

    Attributes:
        identity: which run.
        shard: id of the shard that recorded it.
        status: how it ended.
        load: gives the run without the arrays under the top-level keys passed to it.
    """

    identity: Identity
    shard: str
    status: str
    load: Callable[[Collection[str]], Run]


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Entries as they are listed, whatever order they were found in."""
    return sorted(entries, key=lambda entry: (entry.identity, entry.shard))


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
