"""Reading a result pickle without running anything of it.

A pickle is a program that may name any function and call it. Here every name stands for something
of ours: numbers, texts, lists, dicts and arrays are put together by this module, no code of numpy
sees what the file says, objects of torch become an `Unread`, and any other name is refused.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nthrun.errors import DataFileError
from nthrun.records.old_names import (
    Budget,
    OldArray,
    RefusedError,
    Unread,
    checked_key,
    stands,
)

_MAX_DEPTH = 100
_MAX_BITS = 1024
"""Of an integer; Python refuses to write one of very many digits as a text."""
_LETTERS_A_VALUE = 16


def read_pickle(path: Path) -> Any:
    """What a result pickle holds, of any protocol, of Python 2 or 3 and any numpy.

    Returns:
        None, booleans, numbers, texts, bytes, lists, tuples, dicts, arrays of booleans, numbers or
        texts, lists in place of arrays of objects, and `Unread`. Integers have at most 1024 bits;
        keys of dicts are None, booleans, numbers of 64 bits, texts or bytes.

    Raises:
        DataFileError: it is damaged, cannot be read, is too large, or names what is refused.
    """
    try:
        content = path.read_bytes()
        if not content:
            raise DataFileError(f"{path}: empty")
        # Parts may be shared, so that a short file stands for a huge value.
        budget = Budget(10 * len(content) + 1000)
        return _Thawing(budget).thaw(_Unpickler(content, budget).load(), 0)
    except DataFileError:
        raise
    except RefusedError as refused:
        raise DataFileError(f"{path}: refused: {refused}") from refused
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read: {error.strerror}") from error
    except MemoryError as error:
        raise DataFileError(f"{path}: too large for this machine's memory") from error
    except Exception as error:  # a damaged pickle may raise anything
        raise DataFileError(f"{path}: damaged, cut short, or no pickle") from error


class _Unpickler(pickle._Unpickler):
    """Python's own unpickler, with a check before what takes more than its share of the file.

    The one written in C hashes whatever is to be a key, and lays out its memo by numbers that the
    file merely states.
    """

    dispatch: ClassVar[dict[int, Callable[..., None]]]

    def __init__(self, content: bytes, budget: Budget) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")
        self.budget = budget
        self._stands = stands(budget)

    def find_class(self, module: str, name: str) -> Any:
        self.budget.spend(len(module) + len(name))
        found = self._stands.get(f"{module}.{name}".replace("numpy._core.", "numpy.core.", 1))
        if found is not None:
            return found
        if module == "torch" or module.startswith("torch."):
            return Unread(f"{module}.{name}")
        raise RefusedError(" ".join(f"{module}.{name}".split()))


def _check_key(unpickler: Any) -> None:
    checked_key(unpickler.stack[-2])


def _check_keys(unpickler: Any) -> None:
    for key in unpickler.stack[::2]:
        checked_key(key)


def _check_call(unpickler: Any) -> None:
    arguments = unpickler.stack[-1]
    if not isinstance(arguments, tuple):
        raise pickle.UnpicklingError("arguments")
    unpickler.budget.spend(len(arguments))


def _refuse_set(_unpickler: Any) -> None:
    raise RefusedError("set")


def _checked(check: Callable[[Any], None], instruction: bytes) -> dict[int, Callable[..., None]]:
    """What an instruction does, after a check."""
    usual = pickle._Unpickler.dispatch[instruction[0]]

    def checked(unpickler: Any) -> None:
        check(unpickler)
        usual(unpickler)

    return {instruction[0]: checked}


def _read_bytes(unpickler: Any) -> None:
    """Bytes that may be changed, which the usual way would allocate before it has read them."""
    (size,) = struct.unpack("<Q", unpickler.read(8))
    found = unpickler.read(size)
    if len(found) < size:
        raise EOFError
    unpickler.append(found)


_Unpickler.dispatch = {
    **pickle._Unpickler.dispatch,
    **_checked(_check_key, pickle.SETITEM),
    **_checked(_check_keys, pickle.SETITEMS),
    **_checked(_check_keys, pickle.DICT),
    **_checked(_check_call, pickle.REDUCE),
    **_checked(_refuse_set, pickle.EMPTY_SET),
    **_checked(_refuse_set, pickle.FROZENSET),
    pickle.BYTEARRAY8[0]: _read_bytes,
}


class _Thawing:
    """Makes plain values and arrays of what the unpickler put together.

    Args:
        budget: values and bytes of arrays that may come of it.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def thaw(self, value: Any, depth: int) -> Any:
        """The value itself; anything that is not allowed is refused by its name."""
        self._budget.spend(1)
        if depth > _MAX_DEPTH:
            raise ValueError("deeply nested")
        if isinstance(value, (str, bytes)):
            self._budget.spend(len(value) // _LETTERS_A_VALUE)
            return value
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            raise RefusedError(f"an integer of {value.bit_length()} bits")
        if value is None or isinstance(value, (bool, int, float, Unread)):
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
        self._budget.spend(math.prod(max(size, 1) for size in array.shape))
        if isinstance(found, list):
            if array.shape == ():
                return self.thaw(found[0], depth + 1)
            # numpy lists objects in rows, whatever the array's own order
            places = np.arange(len(found)).reshape(array.shape)
            return _nested(places.tolist(), [self.thaw(item, depth + 1) for item in found])
        self._budget.spend(found.nbytes)
        return found.reshape(array.shape, order="F" if array.fortran else "C")


def _nested(places: Any, items: list[Any]) -> Any:
    if isinstance(places, list):
        return [_nested(place, items) for place in places]
    return items[places]
