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
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from nthrun.records.schema import FLOATS, INTEGERS, JSON_TEXTS, TEXTS, Run, flat_arrays

NUMBERS = np.dtype([(name, "<i8") for name in INTEGERS] + [(name, "<f8") for name in FLOATS])
GIT_DIFF = "git_diff"
EMPTY_DICT = "{}"
ABSENT = -1
COMPRESS_FROM_BYTES = 4096
CHUNK_BYTES = 2**18


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
        self._columns: dict[str, list[int]] = {n: [] for n in (*TEXTS, *JSON_TEXTS, GIT_DIFF)}
        self._shapes: dict[str, list[int]] = {}

    def write(self, runs: Sequence[Run]) -> None:
        """Append a batch of runs."""
        numbers = np.array([tuple(run[n] for n in (*INTEGERS, *FLOATS)) for run in runs], NUMBERS)
        self._append("numbers", numbers)
        values: dict[str, list[np.ndarray]] = {}
        for run in runs:
            self._add_texts(run)
            for name in _empty_dicts(run):
                self._add_shape(name, EMPTY_DICT)
            for name, array in flat_arrays(run):
                dtype = array.dtype.str
                self._add_shape(name, f"{dtype} {','.join(map(str, array.shape))}")
                values.setdefault(f"arrays/{name}/{dtype}", []).append(array.ravel())
            self._num_runs += 1
        for path, parts in values.items():
            self._append(path, np.concatenate(parts))

    def close(self) -> None:
        """Write the texts."""
        if not self._num_runs:
            self._append("numbers", np.empty(0, NUMBERS))
        for column in self._shapes.values():
            self._pad(column)
        texts = {"unique": list(self._unique), "columns": self._columns, "shapes": self._shapes}
        write_json(self._group, "texts", texts)

    def _add_texts(self, run: Run) -> None:
        provenance = dict(run["provenance"])
        texts = {name: run[name] for name in TEXTS}
        texts[GIT_DIFF] = provenance.pop(GIT_DIFF, "")
        texts["provenance"] = json.dumps(provenance)
        texts["agent_params"] = json.dumps(run["agent_params"])
        for name, text in texts.items():
            self._columns[name].append(self._position(text))

    def _add_shape(self, name: str, text: str) -> None:
        column = self._shapes.setdefault(name, [])
        self._pad(column)
        column.append(self._position(text))

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
    """Reads single runs back from a group."""

    def __init__(self, group: h5py.Group) -> None:
        self._group = group
        self._datasets: dict[str, h5py.h5d.DatasetID] = {}
        self.numbers = self._read("numbers", NUMBERS)
        texts = read_json(group, "texts")
        self._unique: list[str] = texts["unique"]
        self._columns: dict[str, list[int]] = texts["columns"]
        self._shapes: dict[str, list[int]] = texts["shapes"]
        self._names = sorted(self._shapes)
        self._starts: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.numbers)

    def text(self, name: str, position: int) -> str:
        """One text of one run."""
        return self._unique[self._columns[name][position]]

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

    def _array(self, name: str, position: int) -> np.ndarray:
        dtype, shape = _parse_shape(self._unique[self._shapes[name][position]])
        if name not in self._starts:
            self._starts[name] = list(self._find_starts(name))
        start = self._starts[name][position]
        values = self._read(f"arrays/{name}/{dtype}", np.dtype(dtype), start, math.prod(shape))
        return values.reshape(shape)

    def _read(
        self, path: str, dtype: np.dtype[Any], start: int = 0, count: int | None = None
    ) -> np.ndarray:
        """Part of a dataset, by HDF5's own calls: h5py's slices take three times as long."""
        if path not in self._datasets:  # kept open, for its cache of decompressed chunks
            self._datasets[path] = h5py.h5d.open(self._group.id, path.encode())
        dataset = self._datasets[path]
        values = np.empty(dataset.shape[0] if count is None else count, dtype)
        if values.size:
            place = dataset.get_space()
            place.select_hyperslab((start,), values.shape)
            dataset.read(h5py.h5s.create_simple(values.shape), place, values)
        return values

    def _find_starts(self, name: str) -> Iterator[int]:
        """Where each run's array starts among those of its dtype; 0 for a run without one."""
        parsed: dict[int, tuple[str, tuple[int, ...]]] = {ABSENT: ("", (0,))}
        ends: dict[str, int] = {}
        for position in self._shapes[name]:
            if position not in parsed:
                parsed[position] = _parse_shape(self._unique[position])
            dtype, shape = parsed[position]
            start = ends.get(dtype, 0)
            ends[dtype] = start + math.prod(shape)
            yield start


def write_json(group: h5py.Group, name: str, content: object) -> None:
    """Store JSON data gzipped, so that damage shows."""
    text = json.dumps(content, separators=(",", ":")).encode()
    group[name] = np.frombuffer(gzip.compress(text, 6, mtime=0), np.uint8)


def read_json(group: h5py.Group, name: str) -> Any:
    """JSON data that `write_json` stored."""
    return json.loads(gzip.decompress(group[name][:].tobytes()))


def _empty_dicts(run: Mapping[str, Any]) -> Iterator[str]:
    for key, value in run.items():
        if isinstance(value, Mapping) and not value and key not in JSON_TEXTS:
            yield key


def _parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    if text == EMPTY_DICT:
        return "", (0,)
    dtype, _, sizes = text.partition(" ")
    return dtype, tuple(int(size) for size in sizes.split(",") if size)
