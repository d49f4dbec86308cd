"""Many runs in memory, column by column, on the way from one file to another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nthrun.records.schema import FLOATS, INTEGERS, JSON_TEXTS, TEXTS, Run, flat_arrays

NUMBERS = np.dtype([(name, "<i8") for name in INTEGERS] + [(name, "<f8") for name in FLOATS])
GIT_DIFF = "git_diff"
PART_TEXTS = (*TEXTS, *JSON_TEXTS, GIT_DIFF)
NO_ARRAY = ""
EMPTY_DICT = "{}"


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


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some runs, column by column; every list and array has one item a run.

    Attributes:
        numbers: rows of dtype `NUMBERS`.
        texts: name -> texts, of `PART_TEXTS`.
        shapes: array name -> dtype and shape, as `parse_shape` reads them; `NO_ARRAY` of a run
            without it.
        values: "<array name>/<dtype>" -> values, none of a run whose array has another dtype.
    """

    numbers: np.ndarray
    texts: Mapping[str, Sequence[str]]
    shapes: Mapping[str, Sequence[str]]
    values: Mapping[str, Ragged]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def num_bytes(self) -> int:
        """Of the arrays' values."""
        return sum(int(ragged.values.nbytes) for ragged in self.values.values())

    def take(self, order: np.ndarray) -> Part:
        """The runs at some places, in that order."""
        places = order.tolist()
        return Part(
            self.numbers[order],
            {name: [texts[n] for n in places] for name, texts in self.texts.items()},
            {name: [shapes[n] for n in places] for name, shapes in self.shapes.items()},
            {path: ragged.take(order) for path, ragged in self.values.items()},
        )


def part_of(runs: Sequence[Run]) -> Part:
    """Runs as a part."""
    shapes: dict[str, list[str]] = {}
    arrays: dict[str, list[np.ndarray | None]] = {}
    for place, run in enumerate(runs):
        for name in _empty_dicts(run):
            shapes.setdefault(name, [NO_ARRAY] * len(runs))[place] = EMPTY_DICT
        for name, array in flat_arrays(run):
            dtype = array.dtype.str
            shape = f"{dtype} {','.join(map(str, array.shape))}"
            shapes.setdefault(name, [NO_ARRAY] * len(runs))[place] = shape
            arrays.setdefault(f"{name}/{dtype}", [None] * len(runs))[place] = array
    texts = [_texts(run) for run in runs]
    rows = [tuple(run[name] for name in (*INTEGERS, *FLOATS)) for run in runs]
    return Part(
        np.array(rows, NUMBERS),
        {name: [found[name] for found in texts] for name in PART_TEXTS},
        shapes,
        {path: _of_dtype(path, from_arrays(found)) for path, found in arrays.items()},
    )


def joined_part(parts: Sequence[Part]) -> Part:
    """The runs of several parts, one after the other; names come in order."""
    names = sorted({name for part in parts for name in part.shapes})
    paths = sorted({path for part in parts for path in part.values})
    nothing = [Ragged(np.empty(0), np.zeros(len(part) + 1, np.int64)) for part in parts]
    values = {
        path: joined(
            [part.values.get(path, none) for part, none in zip(parts, nothing, strict=True)]
        )
        for path in paths
    }
    return Part(
        np.concatenate([part.numbers for part in parts]),
        {name: [text for part in parts for text in part.texts[name]] for name in PART_TEXTS},
        {
            name: [text for p in parts for text in p.shapes.get(name, [NO_ARRAY] * len(p))]
            for name in names
        },
        {path: _of_dtype(path, ragged) for path, ragged in values.items()},
    )


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


def _of_dtype(path: str, ragged: Ragged) -> Ragged:
    """The values in the dtype that their path names, which is lost where there are none."""
    dtype = np.dtype(path.rpartition("/")[2])
    return Ragged(ragged.values.astype(dtype, copy=False), ragged.offsets)


def _texts(run: Run) -> dict[str, Any]:
    provenance = dict(run["provenance"])
    diff = provenance.pop(GIT_DIFF, "")
    documents = {"agent_params": run["agent_params"], "provenance": provenance}
    return (
        {name: run[name] for name in TEXTS}
        | {name: json.dumps(documents[name]) for name in JSON_TEXTS}
        | {GIT_DIFF: diff}
    )


def _empty_dicts(run: Mapping[str, Any]) -> Iterator[str]:
    for key, value in run.items():
        if isinstance(value, Mapping) and not value and key not in JSON_TEXTS:
            yield key
