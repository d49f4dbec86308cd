"""Arithmetic of the index, the integer that names a run.

    setting number = index mod num_settings        run number = index div num_settings
    random_seed    = stage * 2**32 + run number
    program_seed   = stage * 2**24 + run number, what a program is given as its seed

Counting starts at 0. A run's generators grow from its stage and run number and from nothing else:
seeds of different stages are disjoint, and settings of the same run number share their seed (common
random numbers). Each purpose has its own stream, numpy's
`SeedSequence(random_seed, spawn_key=(purpose,))`; evaluation number k uses `(EVALUATION, k)`,
and the first reset `(ENVIRONMENT, 0)`. Sets of indices are written as `5`, `0-255`, `3,7,10-12`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import IntEnum

from nthrun.errors import IndexSpecError

MAX_INDICES = 10_000_000
RUNS_PER_STAGE = 2**32
MAX_RUN_NUMBER = RUNS_PER_STAGE - 1
MAX_STAGE = 2**20
PROGRAM_RUNS = 2**24
PROGRAM_STAGES = 2**7
"""Run numbers and stages whose seeds programs take."""
MAX_INDEX = 2**63 - 1
"""The largest that a record holds."""
Ranges = tuple[tuple[int, int], ...]
"""(first, last) of each, ascending, none touching the next."""

_RANGE = re.compile(r"(\d{1,30})(?: *- *(\d{1,30}))?", re.ASCII)


def split_index(index: int, num_settings: int) -> tuple[int, int]:
    """(setting number, run number) of an index."""
    run_number, setting_number = divmod(index, num_settings)
    return setting_number, run_number


def join_index(setting_number: int, run_number: int, num_settings: int) -> int:
    """The index of a setting and a run number: the inverse of `split_index`."""
    return run_number * num_settings + setting_number


def random_seed(stage: int, run_number: int) -> int:
    """The seed of a run.

    Args:
        stage: 0 for the sweep; 1, 2, ... for confirmations on fresh seeds.
        run_number: the replicate, `0 <= run_number < 2**32`.
    """
    if not (0 <= run_number < RUNS_PER_STAGE and 0 <= stage <= MAX_STAGE):
        raise ValueError(f"stage {stage}, run number {run_number}: out of range")
    return stage * RUNS_PER_STAGE + run_number


def program_seed(stage: int, run_number: int) -> int:
    """The seed that a program is given, below 2**31, which every library's seeding takes.

    Args:
        stage, run_number: of the run.

    Raises:
        IndexSpecError: there is no such seed, or it would be that of another run.
    """
    if not (0 <= run_number < PROGRAM_RUNS and 0 <= stage < PROGRAM_STAGES):
        raise IndexSpecError(
            f"stage {stage}, run number {run_number}: the seed of a program is stage x "
            f"{PROGRAM_RUNS} + run number and less than 2**31, allowed: stages to "
            f"{PROGRAM_STAGES - 1} and run numbers to {PROGRAM_RUNS - 1}"
        )
    return stage * PROGRAM_RUNS + run_number


class Purpose(IntEnum):
    """What a stream's numbers are for; the numbers are part of every record's meaning."""

    INITIALISATION = 0
    ENVIRONMENT = 1
    AGENT = 2
    REPLAY = 3
    EVALUATION = 4
    PROGRAM = 5


def parse_indices(text: str, option: str = "--index") -> tuple[int, ...]:
    """The indices, or other numbers, that a text names, ascending, each once.

    Args:
        text: integers, ranges and lists of them.
        option: where it was given, for errors.

    Raises:
        IndexSpecError: not a list of integers and ranges, negative, reversed or too many.
    """
    ranges = parse_ranges(text, option)
    if count_of(ranges) > MAX_INDICES:
        raise IndexSpecError(
            f"{option} {_short(text)}: names more than {MAX_INDICES:,}",
            "split it into several commands",
        )
    return tuple(index for first, last in ranges for index in range(first, last + 1))


def parse_ranges(text: str, option: str = "--index") -> Ranges:
    """The indices that a text names, as ranges: however many they are, that takes no longer.

    Raises:
        IndexSpecError: not a list of integers and ranges, negative or reversed.
    """
    return merged(_ranges(text, option))


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Ranges in ascending order, those that touch joined into one."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return tuple(joined)


def count_of(ranges: Ranges) -> int:
    """How many integers merged ranges hold."""
    return sum(last - first + 1 for first, last in ranges)


def format_ranges(ranges: Iterable[tuple[int, int]]) -> str:
    """Ranges as `parse_ranges` reads them; "" for none."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def format_indices(indices: Iterable[int]) -> str:
    """Indices as `parse_indices` reads them, consecutive ones as ranges; "" for none."""
    return format_ranges(_runs(indices))


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
