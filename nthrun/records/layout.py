"""Where arrays of differing shapes and dtypes lie, of which a group holds one series a dtype."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nthrun.records.ragged import ends

EMPTY_DICT = "{}"
ABSENT = -1


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
