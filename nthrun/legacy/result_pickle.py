"""Reading a result pickle without running anything of it.

A pickle is a program that may name any function and call it. Here every name stands for something
of ours: numbers, texts, lists, dicts and arrays are put together by this module, no code of numpy
sees what the file says of an array but its bytes, of a data type that is allowed, objects of torch
become an `Unread`, and any other name is refused. Parts of a pickle may be shared, so that few
bytes ask for much: what takes more memory than the instruction that asks for it is spent from a
`Budget`. No value of a pickle is shown in an error unless it is a text, for the text of a shared
value may be endless.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nthrun.errors import DataFileError
from nthrun.files.regular_file import read_regular

LARGEST_BYTES = 2**36
_MAX_DEPTH = 100
_MAX_BITS = 1024
"""Most bits of an integer; Python refuses to write one of very many digits as a text."""
_LETTERS_A_VALUE = 16
_MAX_SIZE = 2**63
_MAX_DIMENSIONS = 64
_DTYPE = re.compile(r"(b1|[iu][1248]|f[248]|[US][0-9]{1,9}|O8?)")


class RefusedError(pickle.UnpicklingError):
    """A pickle names what is not allowed."""


class Budget:
    """What may still come of a pickle, in values and bytes."""

    __slots__ = ("_left",)

    def __init__(self, amount: int) -> None:
        self._left = amount

    def spend(self, amount: int) -> None:
        """Take some of it.

        Raises:
            ValueError: there is not as much left.
        """
        self._left -= amount
        if self._left < 0:
            raise ValueError("more values than the file has room for")


@dataclass(frozen=True, slots=True)
class Unread:
    """An object of torch, of which only the name is known."""

    name: str

    def __call__(self, *_arguments: object) -> Unread:
        return self

    def __setstate__(self, state: object) -> None:
        """Whatever the object was made of is passed over."""

    def append(self, item: object) -> None:
        """The item is passed over, as the state is by `__setstate__`."""

    def extend(self, items: object) -> None:
        """The item is passed over, as the state is by `__setstate__`."""

    def __setitem__(self, key: object, value: object) -> None:
        """The item is passed over, as the state is by `__setstate__`."""


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
        content = read_regular(path, LARGEST_BYTES)
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
        stand = self._stands.get(f"{module}.{name}".replace("numpy._core.", "numpy.core.", 1))
        if stand is not None:
            return stand
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
    content = unpickler.read(size)
    if len(content) < size:
        raise EOFError
    unpickler.append(content)


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
        values = array.flat()
        self._budget.spend(math.prod(max(size, 1) for size in array.shape))
        if isinstance(values, list):
            if array.shape == ():
                return self.thaw(values[0], depth + 1)
            # numpy lists objects in rows, whatever the array's own order
            order = np.arange(len(values)).reshape(array.shape)
            return _nested(order.tolist(), [self.thaw(item, depth + 1) for item in values])
        self._budget.spend(values.nbytes)
        return values.reshape(array.shape, order="F" if array.fortran else "C")


def _nested(positions: Any, items: list[Any]) -> Any:
    if isinstance(positions, list):
        return [_nested(position, items) for position in positions]
    return items[positions]


@dataclass(frozen=True, slots=True)
class _Stand:
    """What an allowed name stands for; it can be called, and cannot be changed."""

    call: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        return self.call(*arguments)

    def __setstate__(self, state: object) -> None:
        raise RefusedError("a function's state")


class Dtype:
    """A data type; its byte order comes with `__setstate__`."""

    __slots__ = ("byteorder", "text")

    def __init__(self, text: str) -> None:
        if not (isinstance(text, str) and _DTYPE.fullmatch(text)):
            raise RefusedError(f"dtype {_shown(text)}")
        self.text = text
        self.byteorder = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "="):
            raise ValueError("byte order")
        self.byteorder = state[1]

    @property
    def holds_objects(self) -> bool:
        """Whether an array of it is a list of objects."""
        return self.text.startswith("O")

    def parse(self, data: Any) -> np.ndarray:
        """Bytes as a one-dimensional array in this machine's byte order."""
        dtype = np.dtype(self.text).newbyteorder(self.byteorder)  # type: ignore[arg-type]
        values = np.frombuffer(_as_bytes(data), dtype)
        return values.astype(dtype.newbyteorder("="))


class OldArray:
    """An array as the file describes it; nothing is allocated for its shape."""

    __slots__ = ("data", "dtype", "fortran", "shape")

    def __init__(self) -> None:
        self.shape: Any = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, self.shape, self.dtype, self.fortran, self.data = state

    def flat(self) -> Any:
        """Its values in one dimension: an array, or a list of objects.

        Raises:
            ValueError: they are not as many as its shape says.
        """
        if not (isinstance(self.shape, tuple) and isinstance(self.dtype, Dtype)):
            raise ValueError("array")
        values = self.data if self.dtype.holds_objects else self.dtype.parse(self.data)
        if len(self.shape) > _MAX_DIMENSIONS:
            raise ValueError("dimensions")
        sizes = [size for size in self.shape if type(size) is int and 0 <= size < _MAX_SIZE]
        listed = isinstance(values, list) == self.dtype.holds_objects
        if len(sizes) < len(self.shape) or math.prod(sizes) != len(values) or not listed:
            raise ValueError("array")
        return values


def _as_bytes(data: Any) -> bytes:
    """The bytes of an array; Python 2 wrote them as a text."""
    return data.encode("latin1") if isinstance(data, str) else bytes(memoryview(data))


def _reconstruct(kind: object, shape: object, code: object) -> OldArray:
    """numpy's empty array, to which `__setstate__` gives its content."""
    return OldArray()


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any) -> OldArray:
    array = OldArray()
    array.__setstate__((1, shape, dtype, order == "F", data))
    return array


def _scalar(budget: Budget, dtype: Any, data: Any = None) -> Any:
    """A numpy scalar, as Python's own."""
    if not isinstance(dtype, Dtype) or dtype.holds_objects:
        raise RefusedError("numpy scalar of objects")
    budget.spend(len(data))
    return dtype.parse(data)[0].item()


def _dtype(text: Any, *_align_and_copy: Any) -> Dtype:
    return Dtype(text)


def _encode(budget: Budget, text: Any, encoding: Any = "latin1") -> bytes:
    """How protocols before 3 write bytes."""
    if encoding != "latin1" or not isinstance(text, str):
        raise RefusedError(f"_codecs.encode to {_shown(encoding)}")
    budget.spend(len(text))
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """How protocols before 3 write empty bytes; a number would ask for as many."""
    return b""


def _mapping(budget: Budget, pairs: Any = ()) -> dict[Any, Any]:
    if not isinstance(pairs, (list, tuple)):
        raise ValueError("mapping")
    budget.spend(len(pairs))
    return {checked_key(key): value for key, value in pairs}


def checked_key(key: Any) -> Any:
    """A key of a dict: None, a boolean, a number of 64 bits, a text or bytes.

    A tuple's hash takes as long as all that lies in it, however often a part is shared, and huge
    integers can be made that all have one hash.

    Raises:
        RefusedError: it is something else.
    """
    if key is not None and not isinstance(key, (bool, int, float, str, bytes)):
        raise RefusedError(f"{type(key).__name__.lstrip('_').lower()} as the key of a dict")
    if isinstance(key, int) and key.bit_length() > 63:
        raise RefusedError(f"an integer of {key.bit_length()} bits as the key of a dict")
    return key


def _shown(value: Any) -> str:
    return repr(value[:40]) if isinstance(value, str) else type(value).__name__


def stands(budget: Budget) -> Mapping[str, _Stand]:
    """What each name that is allowed stands for.

    Args:
        budget: what is made by calling them is taken from it.
    """
    return {
        "numpy.core.multiarray._reconstruct": _Stand(_reconstruct),
        "numpy.core.multiarray.scalar": _Stand(partial(_scalar, budget)),
        "numpy.core.numeric._frombuffer": _Stand(_frombuffer),
        "numpy.dtype": _Stand(_dtype),
        "numpy.ndarray": _Stand(OldArray),
        "_codecs.encode": _Stand(partial(_encode, budget)),
        "builtins.bytes": _Stand(_no_bytes),
        "__builtin__.bytes": _Stand(_no_bytes),
        "collections.OrderedDict": _Stand(partial(_mapping, budget)),
    }
