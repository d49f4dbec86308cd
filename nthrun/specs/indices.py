"""Sets of indices as a user writes them: `5`, `0-255`, `3,7,10-12`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from nthrun.errors import IndexSpecError

MAX_INDICES = 10_000_000
_RANGE = re.compile(r"(\d{1,30})(?: *- *(\d{1,30}))?", re.ASCII)


def parse_indices(text: str, option: str = "--index") -> tuple[int, ...]:
    """The indices, or other numbers, that a text names, ascending, each once.

    Args:
        text: integers, ranges and lists of them.
        option: where it was given, for errors.

    Raises:
        IndexSpecError: not a list of integers and ranges, negative, reversed or too many.
    """
    ranges = sorted(_ranges(text, option))
    if sum(last - first + 1 for first, last in ranges) > MAX_INDICES:
        raise IndexSpecError(
            f"{option} {_short(text)}: names more than {MAX_INDICES:,}",
            "split it into several commands",
        )
    indices: list[int] = []
    for first, last in ranges:
        start = max(first, indices[-1] + 1) if indices else first
        indices.extend(range(start, last + 1))
    return tuple(indices)


def format_indices(indices: Iterable[int]) -> str:
    """Indices as `parse_indices` reads them, consecutive ones as ranges; "" for none."""
    return ",".join(
        str(first) if first == last else f"{first}-{last}" for first, last in _runs(indices)
    )


def _ranges(text: str, option: str) -> Iterator[tuple[int, int]]:
    for part in map(str.strip, text.split(",")):
        match = _RANGE.fullmatch(part)
        if match is None:
            negative = re.match(r"-\d", part)
            raise IndexSpecError(
                f"{option} {_short(text)}: {'negative' if negative else 'not readable'} at "
                f"{_short(part) or 'an empty place'!r}, allowed: integers from 0, ranges, lists",
                "for example 7, 0-255 or 3,7,10-12",
            )
        first = int(match[1])
        last = int(match[2] or first)
        if last < first:
            raise IndexSpecError(f"{option} {_short(text)}: the range {part} runs backwards")
        yield first, last


def _runs(indices: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for index in sorted(set(indices)):
        if first is None or last is None:
            first = last = index
        elif index == last + 1:
            last = index
        else:
            yield first, last
            first = last = index
    if first is not None and last is not None:
        yield first, last


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
