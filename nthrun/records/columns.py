"""Runs as columns of an HDF5 group: what a shard and data.h5 hold.

numbers                one compound row a run: every integer and float; a file made before those of
                       `NOT_RECORDED` has no column of them
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
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nthrun.errors import DataFileError
from nthrun.files.document import parse_document
from nthrun.files.forms import Fields, Form, Table, Unchecked
from nthrun.records.hdf5_file import open_dataset, read_json
from nthrun.records.record_table import (
    ALL_TEXTS,
    EMPTY_DICT,
    GIT_DIFF,
    NO_ARRAY,
    NUMBER_NAMES,
    NUMBERS,
    Ragged,
    RecordTable,
    ends,
    gather,
    table_of,
    text_names,
)
from nthrun.records.schema import (
    COUNTS,
    JSON_TEXTS,
    NOT_RECORDED,
    PARAMETERS,
    PROVENANCE,
    STATUSES,
    TEXTS,
    Run,
)

COMPRESS_FROM_BYTES = 4096
CHUNK_BYTES = 2**18
ABSENT = -1
COLUMNS = Table(Unchecked())
TEXTS_FORM = Fields({"unique": Unchecked(), "columns": COLUMNS, "shapes": COLUMNS})
"""Of `texts`; its lists, which may be long, are looked at one by one when they are needed."""
DTYPE = re.compile(r"[<>|](b1|[iu][1248]|f(2|4|8|16))")
MAX_VALUES = 2**36
MAX_DIMENSIONS = 16
JSON_FORMS: dict[str, tuple[Form, str]] = {
    "agent_params": (PARAMETERS, "hyperparameters"),
    "provenance": (PROVENANCE, "a provenance"),
}


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
        self._columns: dict[str, list[int]] = {name: [] for name in ALL_TEXTS}
        self._shapes: dict[str, list[int]] = {}

    def write(self, runs: Sequence[Run]) -> None:
        """Append a batch of runs."""
        self.append(table_of(runs))

    def append(self, table: RecordTable) -> None:
        """Append a batch of runs, which may not be empty."""
        self._append("numbers", table.numbers)
        for name, texts in table.texts.items():
            self._columns[name] += map(self._position, texts)
        for name, shapes in table.shapes.items():
            column = self._shapes.setdefault(name, [])
            self._pad(column)
            column += (ABSENT if s == NO_ARRAY else self._position(s) for s in shapes)
        self._num_runs += len(table)
        for path, ragged in table.values.items():
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
    """Reads runs back from a group, one at a time or many at once.

    Args:
        file: that `open_hdf5` opened; its groups are the columns.

    Raises:
        DataFileError: they are not those of runs.
    """

    def __init__(self, file: h5py.File) -> None:
        self._path = Path(file.filename)
        self._group = file
        self._datasets: dict[str, h5py.h5d.DatasetID] = {}
        self._sound: set[int] = set()
        self.numbers = self._read_numbers()
        texts = read_json(file, "texts", TEXTS_FORM)
        self._unique: list[str] = texts["unique"]
        self._columns: dict[str, list[int]] = texts["columns"]
        self._shapes: dict[str, list[int]] = texts["shapes"]
        self._names = sorted(self._shapes)
        self._extents: dict[str, Extents] = {}
        self._require_sound()

    def __len__(self) -> int:
        return len(self.numbers)

    def text(self, name: str, position: int) -> str:
        """One text of one run."""
        place = self._columns[name][position]
        if name in JSON_FORMS and place not in self._sound:
            self._require_json(name, place)
        return self._unique[place]

    def texts(self, name: str, positions: np.ndarray) -> list[str]:
        """One text of some runs."""
        column = self._columns[name]
        places = [column[position] for position in positions.tolist()]
        if name in JSON_FORMS:
            for place in set(places).difference(self._sound):
                self._require_json(name, place)
        return [self._unique[place] for place in places]

    def table(self, positions: np.ndarray, names: Collection[str] | None = None) -> RecordTable:
        """Some runs, with those of `JSON_TEXTS` and those arrays that are named, or with all."""
        shapes: dict[str, list[str]] = {}
        values: dict[str, Ragged] = {}
        for name in self._shapes if names is None else [n for n in names if n in self._shapes]:
            column = self._shapes[name]
            texts = (column[position] for position in positions.tolist())
            shapes[name] = [NO_ARRAY if text == ABSENT else self._unique[text] for text in texts]
            extents = self._extents_of(name)
            for kind, dtype in enumerate(extents.dtypes):
                if dtype:
                    chosen = extents.kinds[positions] == kind
                    sizes = np.where(chosen, extents.sizes[positions], 0)
                    stretches = self._stretches(name, kind, positions[chosen])
                    values[f"{name}/{dtype}"] = Ragged(stretches, ends(sizes))
        read = {name: self.texts(name, positions) for name in text_names(names)}
        return RecordTable(self.numbers[positions], read, shapes, values)

    def run(self, position: int, omit: Collection[str] = ()) -> Run:
        """One run; arrays under the top-level keys in `omit` are left out."""
        row = self.numbers[position].item()
        run = Run(zip(NUMBER_NAMES, row, strict=True))
        if run["unfinished_episode_steps"] == NOT_RECORDED["unfinished_episode_steps"]:
            for name in NOT_RECORDED:
                del run[name]
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

    def _read_numbers(self) -> np.ndarray:
        """The rows of numbers.

        Raises:
            DataFileError: a column is missing, or has a number that no run has.
        """
        of_type = open_dataset(self._path, self._group, "numbers").get_type()
        num_held = of_type.get_nmembers() if of_type.get_class() == h5py.h5t.COMPOUND else 0
        held = {of_type.get_member_name(n).decode(errors="replace") for n in range(num_held)}
        if absent := {*NUMBER_NAMES} - held - NOT_RECORDED.keys():
            raise DataFileError(f"{self._path}: numbers: {min(absent)} is missing")
        columns = [(name, NUMBERS[name]) for name in NUMBER_NAMES if name in held]
        stored = self._read("numbers", np.dtype(columns))
        numbers = np.empty(len(stored), NUMBERS)
        for name in NUMBER_NAMES:
            numbers[name] = stored[name] if name in held else NOT_RECORDED[name]
        for name in COUNTS:
            if len(numbers) and numbers[name].min() < NOT_RECORDED.get(name, 0):
                raise DataFileError(f"{self._path}: numbers: {name} is negative")
        return numbers

    def _require_sound(self) -> None:
        """Check that the columns are as long as there are runs, and name what there is.

        Raises:
            DataFileError: they do not.
        """
        count, known = len(self.numbers), len(self._unique)
        if not (isinstance(self._unique, list) and set(map(type, self._unique)) <= {str}):
            raise DataFileError(f"{self._path}: texts.unique: allowed: a list of texts")
        for name in {*ALL_TEXTS, *self._columns}:
            _require_places(self._path, name, self._columns.get(name), (count, 0, known))
        for name, column in self._shapes.items():
            _require_places(self._path, name, column, (count, ABSENT, known))
        statuses = {self._unique[place] for place in set(self._columns["status"])}
        if not statuses <= set(STATUSES):
            other = min(statuses.difference(STATUSES))[:40]
            raise DataFileError(f"{self._path}: status: got {other!r}")

    def _require_json(self, name: str, place: int) -> None:
        """Check a text that is JSON, once.

        Raises:
            DataFileError: it is not, or a field is not what it has to be.
        """
        form, noun = JSON_FORMS[name]
        parse_document(self._path, self._unique[place], form, noun)
        self._sound.add(place)

    def _stretches(self, name: str, kind: int, positions: np.ndarray) -> np.ndarray:
        """The joined arrays of some runs, which are all of one dtype."""
        extents = self._extents_of(name)
        dtype = np.dtype(extents.dtypes[kind])
        starts, sizes = extents.starts[positions], extents.sizes[positions]
        if not sizes.any():
            return np.empty(0, dtype)
        first = int(starts.min())
        count = int((starts + sizes).max()) - first
        stored = self._read(f"arrays/{name}/{dtype.str}", dtype, first, count)
        return gather(stored, starts - first, sizes)

    def _array(self, name: str, position: int) -> np.ndarray:
        dtype, shape = parse_shape(self._unique[self._shapes[name][position]])
        start = int(self._extents_of(name).starts[position])
        values = self._read(f"arrays/{name}/{dtype}", np.dtype(dtype), start, math.prod(shape))
        return values.reshape(shape)

    def _read(
        self, path: str, dtype: np.dtype[Any], start: int = 0, count: int | None = None
    ) -> np.ndarray:
        """Part of a dataset, by HDF5's own calls: h5py's slices take three times as long."""
        if path not in self._datasets:  # kept open, for its cache of decompressed chunks
            self._datasets[path] = open_dataset(self._path, self._group, path)
        dataset = self._datasets[path]
        (stored,) = dataset.shape
        if start + (count or 0) > stored:
            raise DataFileError(f"{self._path}: {path}: shorter than its runs say")
        values = np.empty(stored if count is None else count, dtype)
        if values.size == stored and start == 0:
            dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        elif values.size:
            stretch = dataset.get_space()
            stretch.select_hyperslab((start,), values.shape)
            dataset.read(h5py.h5s.create_simple(values.shape), stretch, values)
        return values

    def _extents_of(self, name: str) -> Extents:
        if name not in self._extents:
            self._extents[name] = extents_of(self._shapes[name], self._unique)
        return self._extents[name]


def write_json(group: h5py.Group, name: str, content: object) -> None:
    """Store JSON data gzipped, so that damage shows."""
    text = json.dumps(content, separators=(",", ":")).encode()
    group[name] = np.frombuffer(gzip.compress(text, 6, mtime=0), np.uint8)


def _require_places(path: Path, name: str, column: object, bounds: tuple[int, int, int]) -> None:
    """Check a list of one place a run.

    Args:
        path: of the file.
        name: of the column.
        column: the list, if it is one.
        bounds: its length, the least place and the first that is too large.

    Raises:
        DataFileError: it is something else.
    """
    length, least, end = bounds
    known: list[Any] = column if isinstance(column, list) and len(column) == length else [""]
    if set(map(type, known)) - {int} or (known and not least <= min(known) <= max(known) < end):
        raise DataFileError(f"{path}: texts: {name[:60]!r} is no list of a place for each run")


@dataclass(frozen=True, slots=True, eq=False)
class Extents:
    """Where the runs' arrays of one name lie, of which a group holds one series a dtype.

    Attributes:
        dtypes: those that occur; "" stands for no array.
        kinds: (num_runs,), positions in `dtypes`.
        starts: (num_runs,), where an array starts among those of its dtype.
        sizes: (num_runs,), how many values it has.
    """

    dtypes: list[str]
    kinds: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray


def extents_of(column: Sequence[int], unique: Sequence[str]) -> Extents:
    """Where arrays lie whose dtypes and shapes are texts such as "<f4 2,3".

    Args:
        column: one a run, a position in `unique`; `ABSENT` of a run without the array.
        unique: texts.
    """
    ranks = {text: rank for rank, text in enumerate(dict.fromkeys(column))}
    shapes = [parse_shape(EMPTY_DICT if n == ABSENT else unique[n]) for n in ranks]
    dtypes = list(dict.fromkeys(dtype for dtype, _ in shapes))
    positions = np.array([ranks[text] for text in column], np.int64)
    kinds = np.array([dtypes.index(dtype) for dtype, _ in shapes], np.int64)[positions]
    sizes = np.array([math.prod(shape) for _, shape in shapes], np.int64)[positions]
    starts = np.zeros_like(sizes)
    for kind in range(len(dtypes)):
        chosen = kinds == kind
        starts[chosen] = ends(sizes[chosen])[:-1]
    return Extents(dtypes, kinds, starts, sizes)


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Dtype and shape that a text names.

    Raises:
        ValueError: it names none that a record may have.
    """
    if text == EMPTY_DICT:
        return "", (0,)
    dtype, _, sizes = text.partition(" ")
    shape = tuple(int(size) for size in sizes.split(",") if size)
    if not is_dtype(dtype) or len(shape) > MAX_DIMENSIONS:
        raise ValueError(text[:60])
    if min(shape, default=0) < 0 or math.prod(shape) > MAX_VALUES:
        raise ValueError(text[:60])
    return dtype, shape


def is_dtype(text: str) -> bool:
    """Whether a text is a dtype that an array of a record may have: of numbers or booleans."""
    return DTYPE.fullmatch(text) is not None
