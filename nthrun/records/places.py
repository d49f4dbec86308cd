"""Places of records: sets of (shard id, index), kept as ranges of indices a shard.

A file may say that ten million records are gone in a few bytes; to know that takes no more.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nthrun.index import Ranges, format_ranges, merged, parse_ranges

RecordPlace = tuple[str, int]
"""(shard id, index) of one record."""

Replaced = tuple[tuple[str, str], ...]
"""((shard id, indices text), ...): records that stop counting once the file that says so exists."""


@dataclass(frozen=True, slots=True)
class Places:
    """A set of places of records.

    Attributes:
        ranges: shard id -> its indices, of shards that have some.
    """

    ranges: Mapping[str, Ranges] = field(default_factory=dict)

    def __contains__(self, place: RecordPlace) -> bool:
        ranges = self.ranges.get(place[0])
        if ranges is None:
            return False
        position = bisect_right(ranges, place[1], key=_first)
        return position > 0 and ranges[position - 1][1] >= place[1]

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __or__(self, other: Places) -> Places:
        return union((self, other))

    def of(self, indices: Iterable[int]) -> set[RecordPlace]:
        """Those with one of some indices."""
        ordered = sorted(set(indices))
        return (
            set()
            if not ordered
            else {
                (shard, index)
                for shard, ranges in self.ranges.items()
                for first, last in ranges
                for index in ordered[bisect_left(ordered, first) : bisect_right(ordered, last)]
            }
        )

    def texts(self) -> Replaced:
        """As a header lists them."""
        return tuple((shard, format_ranges(self.ranges[shard])) for shard in sorted(self.ranges))


NO_PLACES = Places()


def union(sets: Iterable[Places]) -> Places:
    """The places that any of some sets has."""
    ranges: dict[str, list[tuple[int, int]]] = {}
    for places in sets:
        for shard, of_shard in places.ranges.items():
            ranges.setdefault(shard, []).extend(of_shard)
    return Places({shard: merged(of_shard) for shard, of_shard in ranges.items()})


def places_of(pairs: Iterable[RecordPlace]) -> Places:
    """The set of some places."""
    ranges: dict[str, list[tuple[int, int]]] = {}
    for shard, index in pairs:
        ranges.setdefault(shard, []).append((index, index))
    return Places({shard: merged(of_shard) for shard, of_shard in ranges.items()})


def parse_places(replaced: Iterable[Sequence[str]]) -> Places:
    """The places that `Places.texts` listed.

    Raises:
        IndexSpecError: a text names no indices.
    """
    return union(Places({shard: parse_ranges(text, shard)}) for shard, text in replaced)


def _first(bounds: tuple[int, int]) -> int:
    return bounds[0]
