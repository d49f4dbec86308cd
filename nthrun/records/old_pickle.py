"""Reading a result pickle without running anything of it.

A pickle is a program that may name any function and call it. Here every name stands for something
of ours: numbers, texts, lists, dicts and arrays are put together by this module, no code of numpy
sees what the file says, objects of torch become an `Unread`, and any other name is refused.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from nthrun.errors import DataFileError
from nthrun.records.old_names import NAMES, OldArray, RefusedError, Unread

_MAX_DEPTH = 100
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")


def read_pickle(path: Path) -> Any:
    """What a result pickle holds, of any protocol, of Python 2 or 3 and any numpy.

    Returns:
        None, booleans, numbers, texts, bytes, lists, tuples, dicts, arrays of booleans, numbers or
        texts, lists in place of arrays of objects, and `Unread`.

    Raises:
        DataFileError: it is damaged, cannot be read, or names what is refused.
    """
    try:
        content = path.read_bytes()
        if not content:
            raise DataFileError(f"{path}: empty")
        _check_memo(content)
        found = _Unpickler(io.BytesIO(content), encoding="latin1").load()
        # Parts may be shared, so that a short file stands for a huge value.
        return _Thawing(10 * len(content) + 1000).thaw(found, 0)
    except DataFileError:
        raise
    except RefusedError as refused:
        raise DataFileError(f"{path}: refused: {refused}") from refused
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read: {error.strerror}") from error
    except Exception as error:  # a damaged pickle may raise anything
        raise DataFileError(f"{path}: damaged, cut short, or no pickle") from error


def _check_memo(content: bytes) -> None:
    """Refuse a pickle that makes its reader allocate by a number it merely states.

    Raises:
        ValueError: its memo has a place beyond the number of its instructions, or it is damaged.
    """
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if opcode.name in _PUTS and (not isinstance(argument, int) or argument > count):
            raise ValueError(f"memo place {argument}")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = NAMES.get(f"{module}.{name}".replace("numpy._core.", "numpy.core.", 1))
        if found is not None:
            return found
        if module == "torch" or module.startswith("torch."):
            return Unread(f"{module}.{name}")
        raise RefusedError(" ".join(f"{module}.{name}".split()))


class _Thawing:
    """Makes plain values and arrays of what the unpickler put together.

    Args:
        budget: values and bytes of arrays that may come of it.
    """

    def __init__(self, budget: int) -> None:
        self._left = budget

    def thaw(self, value: Any, depth: int) -> Any:
        """The value itself; anything that is not allowed is refused by its name."""
        self._spend(1, depth)
        if value is None or isinstance(value, (bool, int, float, str, bytes, Unread)):
            return value
        if isinstance(value, (list, tuple)):
            return type(value)(self.thaw(item, depth + 1) for item in value)
        if isinstance(value, dict):
            pairs = ((self.thaw(k, depth + 1), self.thaw(v, depth + 1)) for k, v in value.items())
            return dict(pairs)
        if isinstance(value, OldArray):
            return self._array(value, depth)
        raise RefusedError(type(value).__name__.strip("_").lower())

    def _array(self, array: OldArray, depth: int) -> Any:
        found = array.flat()
        self._spend(math.prod(max(size, 1) for size in array.shape), depth)
        if isinstance(found, list):
            if array.shape == ():
                return self.thaw(found[0], depth + 1)
            # numpy lists objects in rows, whatever the array's own order
            places = np.arange(len(found)).reshape(array.shape)
            return _nested(places.tolist(), [self.thaw(item, depth + 1) for item in found])
        self._spend(found.nbytes, depth)
        return found.reshape(array.shape, order="F" if array.fortran else "C")

    def _spend(self, amount: int, depth: int) -> None:
        self._left -= amount
        if self._left < 0 or depth > _MAX_DEPTH:
            raise ValueError("more values than the file has room for")


def _nested(places: Any, items: list[Any]) -> Any:
    if isinstance(places, list):
        return [_nested(place, items) for place in places]
    return items[places]
