"""Many runs in memory, column by column: what is read of files, and goes from one to another."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from nthrun.records.schema import (
    FLOATS,
    INTEGERS,
    JSON_TEXTS,
    NOT_RECORDED,
    TEXTS,
    Run,
    flat_arrays,
)

NUMBER_NAMES = (*INTEGERS, *FLOATS)
NUMBERS = np.dtype([(name, "<i8") for name in INTEGERS] + [(name, "<f8") for name in FLOATS])
GIT_DIFF = "git_diff"
ALL_TEXTS = (*TEXTS, *JSON_TEXTS, GIT_DIFF)
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

    def row(self, number: int) -> np.ndarray:
        """The values of one run, flattened."""
        start, end = self.offsets[number : number + 2].tolist()
        return self.values[start:end]

    def take(self, rows: np.ndarray) -> Ragged:
        """The runs of some rows, in that order."""
        sizes = self.sizes[rows]
        values = gather(self.values, self.offsets[:-1][rows], sizes)
        return Ragged(values, ends(sizes))


@dataclass(frozen=True, slots=True, eq=False)
class RecordTable:
    """Some runs, one a row; every list and array has one item a run.

    A table holds all of its runs, or what was asked for of them: the numbers and `TEXTS`, and some
    of the other texts and arrays.

    Attributes:
        numbers: rows of dtype `NUMBERS`, with those of `NOT_RECORDED` where a record has none.
        texts: name -> texts, of `ALL_TEXTS`; those of `JSON_TEXTS` are JSON, provenance without
            `git_diff`.
        shapes: array name -> dtype and shape, such as "<f4 2,3"; `NO_ARRAY` of a run without it.
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
        """Bytes of the arrays' values."""
        return sum(int(ragged.values.nbytes) for ragged in self.values.values())

    def scalars(self) -> dict[str, np.ndarray]:
        """Every integer, float and text, each (num_runs,)."""
        columns = {name: self.numbers[name].copy() for name in NUMBER_NAMES}
        return columns | {name: np.array(self.texts[name], dtype=np.str_) for name in TEXTS}

    def documents(self, name: str) -> list[dict[str, Any]]:
        """One of `JSON_TEXTS`, read; equal ones are one object."""
        texts = self.texts.get(name, ())
        known = {text: json.loads(text) for text in set(texts)}
        return [known[text] for text in texts]

    def ragged(self, name: str) -> Ragged:
        """One array of all runs, nested names joined by `/`; a run without it has no values."""
        dtypes = [
            ragged
            for path, ragged in self.values.items()
            if path.rpartition("/")[0] == name and len(ragged.values)
        ]
        if len(dtypes) < 2:
            return dtypes[0] if dtypes else _no_values(len(self))
        sizes = sum(ragged.sizes for ragged in dtypes)
        offsets = ends(np.asarray(sizes))
        values = np.empty(offsets[-1], np.result_type(*(ragged.values for ragged in dtypes)))
        for ragged in dtypes:
            shifts = offsets[:-1] - ragged.offsets[:-1]
            values[np.repeat(shifts, ragged.sizes) + np.arange(len(ragged.values))] = ragged.values
        return Ragged(values, offsets)

    def take(self, rows: np.ndarray) -> RecordTable:
        """The runs of some rows, in that order."""
        numbers = rows.tolist()
        return RecordTable(
            self.numbers[rows],
            {name: [texts[n] for n in numbers] for name, texts in self.texts.items()},
            {name: [shapes[n] for n in numbers] for name, shapes in self.shapes.items()},
            {path: ragged.take(rows) for path, ragged in self.values.items()},
        )


def table_of(runs: Sequence[Run], names: Collection[str] | None = None) -> RecordTable:
    """Runs as a table.

    Args:
        runs: which.
        names: which texts of `JSON_TEXTS` and which arrays; None is everything.
    """
    shapes: dict[str, list[str]] = defaultdict(lambda: [NO_ARRAY] * len(runs))
    arrays: dict[str, list[np.ndarray | None]] = defaultdict(lambda: [None] * len(runs))
    has_arrays = names is None or not frozenset(JSON_TEXTS).issuperset(names)
    for row, run in enumerate(runs):
        for name in _empty_dicts(run) if names is None else ():
            shapes[name][row] = EMPTY_DICT
        for name, array in flat_arrays(run) if has_arrays else ():
            if names is None or name in names:
                dtype = array.dtype.str
                shapes[name][row] = f"{dtype} {','.join(map(str, array.shape))}"
                arrays[f"{name}/{dtype}"][row] = array
    return RecordTable(
        np.array([tuple(map(partial(_number, run), NUMBER_NAMES)) for run in runs], NUMBERS),
        {name: [_text(run, name) for run in runs] for name in text_names(names)},
        dict(shapes),
        {path: _of_dtype(path, from_arrays(column)) for path, column in arrays.items()},
    )


def joined_tables(tables: Sequence[RecordTable]) -> RecordTable:
    """The runs of several tables of the same names, one after the other; arrays come in order."""
    names = sorted({name for table in tables for name in table.shapes})
    paths = sorted({path for table in tables for path in table.values})
    absent = [_no_values(len(table)) for table in tables]
    values = {
        path: joined([t.values.get(path, none) for t, none in zip(tables, absent, strict=True)])
        for path in paths
    }
    texts = tables[0].texts if tables else TEXTS
    return RecordTable(
        np.concatenate([table.numbers for table in tables] or [np.empty(0, NUMBERS)]),
        {name: [text for table in tables for text in table.texts[name]] for name in texts},
        {
            name: [text for t in tables for text in t.shapes.get(name, [NO_ARRAY] * len(t))]
            for name in names
        },
        {path: _of_dtype(path, ragged) for path, ragged in values.items()},
    )


def text_names(names: Collection[str] | None) -> tuple[str, ...]:
    """The texts that a table of some names has: `TEXTS` and those named, or all of them."""
    return ALL_TEXTS if names is None else (*TEXTS, *(n for n in JSON_TEXTS if n in names))


def from_arrays(arrays: Sequence[np.ndarray | None]) -> Ragged:
    """The ragged array of one array a run, None where a run has none."""
    sizes = [0 if array is None else array.size for array in arrays]
    filled = [array.ravel() for array in arrays if array is not None and array.size]
    return Ragged(_joined(filled), ends(np.array(sizes, np.int64)))


def joined(columns: Sequence[Ragged]) -> Ragged:
    """The runs of several ragged arrays, one after the other."""
    values = _joined([column.values for column in columns if column.values.size])
    sizes = np.concatenate([column.sizes for column in columns] or [np.empty(0, np.int64)])
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
    gathered: np.ndarray = values[np.repeat(shifts, sizes[filled]) + np.arange(offsets[-1])]
    return gathered


def ends(sizes: np.ndarray) -> np.ndarray:
    """Where stretches of some sizes, joined, begin, and the last one ends: (len(sizes) + 1,)."""
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def _no_values(num_runs: int) -> Ragged:
    return Ragged(np.empty(0), np.zeros(num_runs + 1, np.int64))


def _joined(filled: Sequence[np.ndarray]) -> np.ndarray:
    if len(filled) < 2:
        return filled[0] if filled else np.empty(0)
    return np.concatenate(filled)


def _of_dtype(path: str, ragged: Ragged) -> Ragged:
    """The values in the dtype that their path names, which is lost where there are none."""
    dtype = np.dtype(path.rpartition("/")[2])
    return Ragged(ragged.values.astype(dtype, copy=False), ragged.offsets)


def _number(run: Run, name: str) -> float:
    """One of `NUMBERS` of a run."""
    value: float = run.get(name, NOT_RECORDED[name]) if name in NOT_RECORDED else run[name]
    return value


def _text(run: Run, name: str) -> str:
    """One of `ALL_TEXTS` of a run."""
    if name == GIT_DIFF:
        return str(run["provenance"].get(GIT_DIFF, ""))
    if name not in JSON_TEXTS:
        return str(run[name])
    return json.dumps({key: value for key, value in run[name].items() if key != GIT_DIFF})


def _empty_dicts(run: Mapping[str, Any]) -> Iterator[str]:
    for key, value in run.items():
        if isinstance(value, Mapping) and not value and key not in JSON_TEXTS:
            yield key
