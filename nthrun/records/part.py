"""Parts: everything of some runs as columns in memory, on the way from one file to another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nthrun.records.layout import EMPTY_DICT
from nthrun.records.ragged import Ragged, from_arrays, joined
from nthrun.records.schema import FLOATS, INTEGERS, JSON_TEXTS, TEXTS, Run, flat_arrays

NUMBERS = np.dtype([(name, "<i8") for name in INTEGERS] + [(name, "<f8") for name in FLOATS])
GIT_DIFF = "git_diff"
PART_TEXTS = (*TEXTS, *JSON_TEXTS, GIT_DIFF)
NO_ARRAY = ""


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
