"""Ragged arrays: one array of every run, joined end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """One array of the record, of many runs.

    Attributes:
        values: all runs' values, flattened and joined; of the dtype that holds all of them, float64
            where there are none.
        offsets: (num_runs + 1,) int64; run j has values[offsets[j] : offsets[j + 1]].
    """

    values: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> np.ndarray:
        """How many values each run has, (num_runs,) int64."""
        return np.diff(self.offsets)

    def part(self, place: int) -> np.ndarray:
        """The values of one run, flattened."""
        start, end = self.offsets[place : place + 2].tolist()
        return self.values[start:end]

    def take(self, places: np.ndarray) -> Ragged:
        """The runs at some places, in that order."""
        sizes = self.sizes[places]
        values = gather(self.values, self.offsets[:-1][places], sizes)
        return Ragged(values, ends(sizes))


def from_arrays(arrays: Sequence[np.ndarray | None]) -> Ragged:
    """The ragged array of one array a run, None where a run has none."""
    sizes = [0 if array is None else array.size for array in arrays]
    filled = [array.ravel() for array in arrays if array is not None and array.size]
    return Ragged(_joined(filled), ends(np.array(sizes, np.int64)))


def joined(parts: Sequence[Ragged]) -> Ragged:
    """The runs of several ragged arrays, one after the other."""
    values = _joined([part.values for part in parts if part.values.size])
    sizes = np.concatenate([part.sizes for part in parts] or [np.empty(0, np.int64)])
    return Ragged(values, ends(sizes))


def gather(values: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The stretches of `values` that start at `starts` and have `sizes`, joined."""
    offsets = ends(sizes)
    filled = sizes > 0
    shifts = (starts - offsets[:-1])[filled]
    if not len(shifts):
        return values[:0]
    if (shifts == shifts[0]).all():  # they lie there as they are wanted
        return values[shifts[0] : shifts[0] + offsets[-1]]
    found: np.ndarray = values[np.repeat(shifts, sizes[filled]) + np.arange(offsets[-1])]
    return found


def ends(sizes: np.ndarray) -> np.ndarray:
    """Where stretches of some sizes, joined, begin, and the last one ends: (len(sizes) + 1,)."""
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def _joined(filled: Sequence[np.ndarray]) -> np.ndarray:
    if len(filled) < 2:
        return filled[0] if filled else np.empty(0)
    return np.concatenate(filled)
