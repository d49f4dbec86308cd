"""Runs as columns of an HDF5 group: what a shard and data.h5 hold.

numbers               one compound row a run: every integer and float
texts                 gzipped JSON {"unique": [...], "columns": {name: [position in unique]}}
arrays/<name>/values  the runs' arrays, flattened and joined
arrays/<name>/shapes  (runs, ndim); a row of -1 is a run without this array
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Sequence
from typing import Any

import h5py
import numpy as np

from nthrun.records.schema import FLOATS, INTEGERS, JSON_TEXTS, TEXTS, Run, flat_arrays

NUMBERS = np.dtype([(name, "<i8") for name in INTEGERS] + [(name, "<f8") for name in FLOATS])
GIT_DIFF = "git_diff"
COMPRESS_FROM_BYTES = 4096
CHUNK_ITEMS = 65_536


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
        self._texts: dict[str, list[int]] = {n: [] for n in (*TEXTS, *JSON_TEXTS, GIT_DIFF)}

    def write(self, runs: Sequence[Run]) -> None:
        """Append a batch of runs."""
        numbers = np.array([tuple(run[n] for n in (*INTEGERS, *FLOATS)) for run in runs], NUMBERS)
        self._append("numbers", numbers)
        for run in runs:
            self._add_texts(run)
        flats = [dict(flat_arrays(run)) for run in runs]
        for name in dict.fromkeys(name for flat in flats for name in flat):
            self._append_arrays(name, [flat.get(name) for flat in flats])
        self._num_runs += len(runs)

    def close(self) -> None:
        """Write the texts, and mark the runs a column does not reach."""
        content = json.dumps({"unique": list(self._unique), "columns": self._texts}).encode()
        self._group["texts"] = np.frombuffer(gzip.compress(content, 6, mtime=0), np.uint8)
        if not self._growing:
            return
        for name in list(_array_names(self._group)):
            self._pad(f"arrays/{name}/shapes", self._num_runs)

    def _add_texts(self, run: Run) -> None:
        provenance = dict(run["provenance"])
        texts = {name: run[name] for name in TEXTS}
        texts[GIT_DIFF] = provenance.pop(GIT_DIFF, "")
        texts["provenance"] = json.dumps(provenance)
        texts["agent_params"] = json.dumps(run["agent_params"])
        for name, text in texts.items():
            self._texts[name].append(self._unique.setdefault(text, len(self._unique)))

    def _append_arrays(self, name: str, arrays: Sequence[np.ndarray | None]) -> None:
        present = [array for array in arrays if array is not None]
        absent = (-1,) * present[0].ndim
        shapes = np.array([absent if a is None else a.shape for a in arrays], np.int64)
        shapes = shapes.reshape(len(arrays), present[0].ndim)
        path = f"arrays/{name}"
        if self._growing and self._num_runs:
            self._pad(f"{path}/shapes", self._num_runs, present[0].ndim)
        self._append(f"{path}/shapes", shapes)
        self._append(f"{path}/values", np.concatenate([array.ravel() for array in present]))

    def _pad(self, path: str, num_rows: int, ndim: int = 0) -> None:
        """Extend a shapes dataset with absent rows to a number of rows."""
        if path in self._group:
            have, ndim = self._group[path].shape
        else:
            have = 0
        if have < num_rows:
            self._append(path, np.full((num_rows - have, ndim), -1, np.int64))

    def _append(self, path: str, data: np.ndarray) -> None:
        if path in self._group:
            dataset = self._group[path]
            start = dataset.shape[0]
            dataset.resize(start + len(data), 0)
            dataset[start:] = data
            return
        options: dict[str, Any] = {}
        if self._growing:
            tail = data.shape[1:]
            options["chunks"] = (max(1, CHUNK_ITEMS // max(1, int(np.prod(tail)))), *tail)
            options["maxshape"] = (None, *tail)
        if data.nbytes >= COMPRESS_FROM_BYTES or self._growing:
            options |= {"compression": "gzip", "compression_opts": 4, "shuffle": True}
        self._group.create_dataset(path, data=data, **options)


class ColumnsReader:
    """Reads single runs, or a batch, back from a group."""

    def __init__(self, group: h5py.Group) -> None:
        self._group = group
        self.numbers: np.ndarray = group["numbers"][:]
        texts = json.loads(gzip.decompress(group["texts"][:].tobytes()))
        self._unique: list[str] = texts["unique"]
        self._columns: dict[str, list[int]] = texts["columns"]
        self._shapes: dict[str, np.ndarray] = {}
        self._ends: dict[str, np.ndarray] = {}
        self._names = tuple(_array_names(group))

    def __len__(self) -> int:
        return len(self.numbers)

    def text(self, name: str, position: int) -> str:
        """One text of one run."""
        return self._unique[self._columns[name][position]]

    def agent_params(self, position: int) -> dict[str, Any]:
        """The hyperparameters of one run."""
        params: dict[str, Any] = json.loads(self.text("agent_params", position))
        return params

    def run(self, position: int, omit: Collection[str] = ()) -> Run:
        """One run; arrays under the top-level keys in `omit` are left out."""
        row = self.numbers[position]
        run = Run({name: int(row[name]) for name in INTEGERS})
        run.update({name: float(row[name]) for name in FLOATS})
        run.update({name: self.text(name, position) for name in TEXTS})
        run.update({name: json.loads(self.text(name, position)) for name in JSON_TEXTS})
        run["provenance"][GIT_DIFF] = self.text(GIT_DIFF, position)
        for name in self._names:
            key, _, rest = name.partition("/")
            if key in omit:
                continue
            array = self._array(name, position)
            if array is not None and rest:
                run.setdefault(key, {})[rest] = array
            elif array is not None:
                run[key] = array
        return run

    def _array(self, name: str, position: int) -> np.ndarray | None:
        if name not in self._shapes:
            shapes = self._group[f"arrays/{name}/shapes"][:]
            self._shapes[name] = shapes
            sizes = np.where(shapes.min(1, initial=0) < 0, 0, shapes.prod(1, dtype=np.int64))
            self._ends[name] = np.cumsum(sizes)
        shape = self._shapes[name][position]
        if shape.size and shape[0] < 0:
            return None
        end = int(self._ends[name][position])
        start = end - int(shape.prod(dtype=np.int64))
        values: np.ndarray = self._group[f"arrays/{name}/values"][start:end]
        return values.reshape(shape)


def _array_names(group: h5py.Group) -> list[str]:
    """Names of the array columns, nested groups joined by `/`, in the order written."""
    if "arrays" not in group:
        return []
    names: list[str] = []
    group["arrays"].visit(lambda name: names.append(name) if name.endswith("/values") else None)
    return [name.removesuffix("/values") for name in names]
