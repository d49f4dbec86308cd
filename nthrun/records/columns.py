"""Runs as columns of an HDF5 group: what a shard and data.h5 hold.

numbers                one compound row a run: every integer and float
arrays/<name>/<dtype>  the runs' arrays of that name and dtype, flattened and joined
texts                  gzipped JSON:
    unique    every text once
    columns   {name: [position in unique]}, one a run: status, reason, and as JSON texts
              agent_params and provenance
    shapes    {array name: [position in unique]}, one a run: its dtype and shape, "<f4 2,3";
              "{}" for a dict without arrays; -1 for a run without it
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from nthrun.records.record_table import (
    EMPTY_DICT,
    GIT_DIFF,
    NO_ARRAY,
    NUMBERS,
    PART_TEXTS,
    Part,
    Ragged,
    ends,
    from_arrays,
    gather,
    part_of,
)
from nthrun.records.schema import FLOATS, INTEGERS, JSON_TEXTS, TEXTS, Run

COMPRESS_FROM_BYTES = 4096
CHUNK_BYTES = 2**18
ABSENT = -1


class ColumnsWriter:
    """Writes runs in batches; `close` completes the group.

    Args:
        group: an empty HDF5 group.
        growing: whether more than one batch will come (resizable, chunked storage).
    """

    def __init__(self, group: h5py.Group, growing: bool = False) -> None:
        self._group = group
        self._growing = growing
        self._num_runs = 0
        self._unique: dict[str, int] = {}
        self._columns: dict[str, list[int]] = {name: [] for name in PART_TEXTS}
        self._shapes: dict[str, list[int]] = {}

    def write(self, runs: Sequence[Run]) -> None:
        """Append a batch of runs."""
        self.append(part_of(runs))

    def append(self, part: Part) -> None:
        """Append a batch of runs, which may not be empty."""
        self._append("numbers", part.numbers)
        for name, texts in part.texts.items():
            self._columns[name] += map(self._position, texts)
        for name, shapes in part.shapes.items():
            column = self._shapes.setdefault(name, [])
            self._pad(column)
            column += (ABSENT if s == NO_ARRAY else self._position(s) for s in shapes)
        self._num_runs += len(part)
        for path, ragged in part.values.items():
            self._append(f"arrays/{path}", ragged.values)

    def close(self) -> None:
        """Write the texts."""
        if not self._num_runs:
            self._append("numbers", np.empty(0, NUMBERS))
        for column in self._shapes.values():
            self._pad(column)
        texts = {"unique": list(self._unique), "columns": self._columns, "shapes": self._shapes}
        write_json(self._group, "texts", texts)

    def _pad(self, column: list[int]) -> None:
        column.extend([ABSENT] * (self._num_runs - len(column)))

    def _position(self, text: str) -> int:
        return self._unique.setdefault(text, len(self._unique))

    def _append(self, path: str, data: np.ndarray) -> None:
        if path in self._group:
            dataset = self._group[path]
            start = len(dataset)
            dataset.resize(start + len(data), 0)
            dataset[start:] = data
            return
        options: dict[str, Any] = {}
        if self._growing:
            options |= {"chunks": (CHUNK_BYTES // data.itemsize,), "maxshape": (None,)}
        if data.nbytes >= COMPRESS_FROM_BYTES or self._growing:
            options |= {"compression": "gzip", "compression_opts": 4, "shuffle": True}
        self._group.create_dataset(path, data=data, **options)


class ColumnsReader:
    """Reads runs back from a group, one at a time or many at once."""

    def __init__(self, group: h5py.Group) -> None:
        self._group = group
        self._datasets: dict[str, h5py.h5d.DatasetID] = {}
        self.numbers = self._read("numbers", NUMBERS)
        texts = read_json(group, "texts")
        self._unique: list[str] = texts["unique"]
        self._columns: dict[str, list[int]] = texts["columns"]
        self._shapes: dict[str, list[int]] = texts["shapes"]
        self._names = sorted(self._shapes)
        self._layouts: dict[str, Layout] = {}

    def __len__(self) -> int:
        return len(self.numbers)

    def text(self, name: str, position: int) -> str:
        """One text of one run."""
        return self._unique[self._columns[name][position]]

    def texts(self, name: str, positions: np.ndarray) -> list[str]:
        """One text of some runs."""
        column = self._columns[name]
        return [self._unique[column[position]] for position in positions.tolist()]

    def documents(self, name: str, positions: np.ndarray) -> list[dict[str, Any]]:
        """One JSON text of some runs, read (of provenance, without `git_diff`).

        Equal ones are one object.
        """
        column = self._columns[name]
        places = [column[position] for position in positions.tolist()]
        known = {place: json.loads(self._unique[place]) for place in set(places)}
        return [known[place] for place in places]

    def ragged(self, name: str, positions: np.ndarray) -> Ragged:
        """The array of some runs that has this name, nested names joined by `/`."""
        if name not in self._shapes:
            return from_arrays([None] * len(positions))
        layout = self._layout(name)
        kinds, sizes = layout.kinds[positions], layout.sizes[positions]
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        for kind in np.unique(kinds[sizes > 0]).tolist():
            chosen = np.flatnonzero((kinds == kind) & (sizes > 0))
            parts.append((chosen, self._stretches(name, kind, positions[chosen])))
        return Ragged(_merged(parts, sizes), ends(sizes))

    def part(self, positions: np.ndarray) -> Part:
        """Everything of some runs."""
        shapes: dict[str, list[str]] = {}
        values: dict[str, Ragged] = {}
        for name, column in self._shapes.items():
            found = [column[position] for position in positions.tolist()]
            shapes[name] = [NO_ARRAY if n == ABSENT else self._unique[n] for n in found]
            layout = self._layout(name)
            for kind, dtype in enumerate(layout.dtypes):
                if dtype:
                    chosen = layout.kinds[positions] == kind
                    sizes = np.where(chosen, layout.sizes[positions], 0)
                    joined = self._stretches(name, kind, positions[chosen])
                    values[f"{name}/{dtype}"] = Ragged(joined, ends(sizes))
        texts = {name: self.texts(name, positions) for name in PART_TEXTS}
        return Part(self.numbers[positions], texts, shapes, values)

    def run(self, position: int, omit: Collection[str] = ()) -> Run:
        """One run; arrays under the top-level keys in `omit` are left out."""
        row = self.numbers[position].item()
        run = Run(zip((*INTEGERS, *FLOATS), row, strict=True))
        run.update({name: self.text(name, position) for name in TEXTS})
        run.update({name: json.loads(self.text(name, position)) for name in JSON_TEXTS})
        run["provenance"][GIT_DIFF] = self.text(GIT_DIFF, position)
        for name in self._names:
            key, _, rest = name.partition("/")
            shape = self._shapes[name][position]
            if key in omit or shape == ABSENT:
                continue
            if self._unique[shape] == EMPTY_DICT:
                run[name] = {}
            elif rest:
                run.setdefault(key, {})[rest] = self._array(name, position)
            else:
                run[key] = self._array(name, position)
        return run

    def _stretches(self, name: str, kind: int, positions: np.ndarray) -> np.ndarray:
        """The joined arrays of some runs, which are all of one dtype."""
        layout = self._layout(name)
        dtype = np.dtype(layout.dtypes[kind])
        starts, sizes = layout.starts[positions], layout.sizes[positions]
        if not sizes.any():
            return np.empty(0, dtype)
        first = int(starts.min())
        count = int((starts + sizes).max()) - first
        stored = self._read(f"arrays/{name}/{dtype.str}", dtype, first, count)
        return gather(stored, starts - first, sizes)

    def _array(self, name: str, position: int) -> np.ndarray:
        dtype, shape = parse_shape(self._unique[self._shapes[name][position]])
        start = int(self._layout(name).starts[position])
        values = self._read(f"arrays/{name}/{dtype}", np.dtype(dtype), start, math.prod(shape))
        return values.reshape(shape)

    def _read(
        self, path: str, dtype: np.dtype[Any], start: int = 0, count: int | None = None
    ) -> np.ndarray:
        """Part of a dataset, by HDF5's own calls: h5py's slices take three times as long."""
        if path not in self._datasets:  # kept open, for its cache of decompressed chunks
            self._datasets[path] = h5py.h5d.open(self._group.id, path.encode())
        dataset = self._datasets[path]
        (stored,) = dataset.shape
        values = np.empty(stored if count is None else count, dtype)
        if values.size == stored and start == 0:
            dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        elif values.size:
            place = dataset.get_space()
            place.select_hyperslab((start,), values.shape)
            dataset.read(h5py.h5s.create_simple(values.shape), place, values)
        return values

    def _layout(self, name: str) -> Layout:
        if name not in self._layouts:
            self._layouts[name] = lay_out(self._shapes[name], self._unique)
        return self._layouts[name]


def write_json(group: h5py.Group, name: str, content: object) -> None:
    """Store JSON data gzipped, so that damage shows."""
    text = json.dumps(content, separators=(",", ":")).encode()
    group[name] = np.frombuffer(gzip.compress(text, 6, mtime=0), np.uint8)


def read_json(group: h5py.Group, name: str) -> Any:
    """JSON data that `write_json` stored."""
    return json.loads(gzip.decompress(group[name][:].tobytes()))


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where the runs' arrays of one name lie.

    Attributes:
        dtypes: those that occur; "" stands for no array.
        kinds: (num_runs,), places in `dtypes`.
        starts: (num_runs,), where an array starts among those of its dtype.
        sizes: (num_runs,), how many values it has.
    """

    dtypes: list[str]
    kinds: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray


def lay_out(column: Sequence[int], unique: Sequence[str]) -> Layout:
    """The layout of arrays whose dtypes and shapes are texts such as "<f4 2,3".

    Args:
        column: one a run, a place in `unique`; `ABSENT` of a run without the array.
        unique: texts.
    """
    ranks = {text: rank for rank, text in enumerate(dict.fromkeys(column))}
    shapes = [parse_shape(EMPTY_DICT if n == ABSENT else unique[n]) for n in ranks]
    dtypes = list(dict.fromkeys(dtype for dtype, _ in shapes))
    places = np.array([ranks[text] for text in column], np.int64)
    kinds = np.array([dtypes.index(dtype) for dtype, _ in shapes], np.int64)[places]
    sizes = np.array([math.prod(shape) for _, shape in shapes], np.int64)[places]
    starts = np.zeros_like(sizes)
    for kind in range(len(dtypes)):
        chosen = kinds == kind
        starts[chosen] = ends(sizes[chosen])[:-1]
    return Layout(dtypes, kinds, starts, sizes)


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Dtype and shape that a text names."""
    if text == EMPTY_DICT:
        return "", (0,)
    dtype, _, sizes = text.partition(" ")
    return dtype, tuple(int(size) for size in sizes.split(",") if size)


def _merged(parts: Sequence[tuple[np.ndarray, np.ndarray]], sizes: np.ndarray) -> np.ndarray:
    """Values of several dtypes, each with the runs that have it, in the order of the runs."""
    if len(parts) < 2:
        return parts[0][1] if parts else np.empty(0)
    offsets = ends(sizes)
    values = np.empty(offsets[-1], np.result_type(*(part for _, part in parts)))
    for runs, part in parts:
        shifts = offsets[:-1][runs] - ends(sizes[runs])[:-1]
        values[np.repeat(shifts, sizes[runs]) + np.arange(len(part))] = part
    return values
