"""Saved state: what a function saves to go on from, as arrays and JSON in one checksummed file.

A state is a mapping of names to arrays, numbers, texts, bytes, None, and lists and mappings of
them. Arrays come back as numpy's, those of torch as tensors on the CPU. Nothing is pickled, so that
reading a state runs nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nthrun.errors import DataFileError
from nthrun.files.document import require_form
from nthrun.files.forms import Fields, Plain, Text, Whole
from nthrun.records.durable_file import block_size, read_checksummed, write_checksummed
from nthrun.training.array_archive import pack_arrays, unpack_arrays

KIND = "saved state"
HEADER = Fields(
    {"kind": Text((KIND,)), "step": Whole(), "about": Plain(), "state": Plain()},
)
DEEPEST = 12
"""Levels of nesting at most."""


class UnsavableError(TypeError):
    """A state that holds what cannot be saved; the message says where."""


def write_state(path: Path, step: int, state: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write a state, all or nothing.

    Args:
        path: where.
        step: training steps taken.
        state: of names.
        about: what else is to be known of it, plain data.

    Raises:
        UnsavableError: the state holds what cannot be saved.
        StorageError: the file could not be written.
    """
    arrays: dict[str, np.ndarray] = {}
    header = {"kind": KIND, "step": step, "about": about, "state": _encoded(state, "", arrays)}
    write_checksummed(path, header, lambda _: pack_arrays(arrays))


def read_state(path: Path, tensors: bool = True) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Step, state and what else is known of it, as they were written.

    Args:
        path: of the file.
        tensors: whether torch's tensors are to be such again, for which torch is imported.

    Raises:
        DataFileError: the file is damaged, or none of these.
    """
    header, content = read_checksummed(path)
    require_form(path, header, HEADER, "a saved state")
    try:
        arrays = unpack_arrays(content[block_size(content) :])
        state = _decoded(header["state"], arrays, tensors)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise DataFileError(f"{path}: damaged, or no saved state of nthrun") from error
    return header["step"], state, header["about"]


def _encoded(value: Any, key: str, arrays: dict[str, np.ndarray], depth: int = 0) -> Any:
    """A value as JSON; its arrays are put under the numbers that stand for them."""
    if depth > DEEPEST:
        raise UnsavableError(f"{key[:60]}: nested deeper than {DEEPEST} levels")
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, np.generic):
        # An integer may be of any size, as in states of generators, and a number not finite.
        return {"int": str(value)} if isinstance(value, int) else {"float": value.hex()}
    if isinstance(value, (bytes, bytearray)):
        return _array(np.frombuffer(bytes(value), np.uint8), "bytes", arrays)
    if isinstance(value, Mapping):
        pairs = [
            [
                _encoded_key(name, key),
                _encoded(item, f"{key}.{name}".lstrip("."), arrays, depth + 1),
            ]
            for name, item in value.items()
        ]
        return {"dict": pairs}
    if isinstance(value, (list, tuple)):
        items = [_encoded(item, f"{key}.{n}", arrays, depth + 1) for n, item in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    return _encoded_array(value, key, arrays)


def _encoded_key(name: object, key: str) -> Any:
    if isinstance(name, bool) or not isinstance(name, (str, int)):
        raise UnsavableError(f"{key or 'state'}: a key is {name!r}, allowed: texts and integers")
    return name


def _encoded_array(value: Any, key: str, arrays: dict[str, np.ndarray]) -> Any:
    """An array of numpy's, of torch's, or of whatever numpy can take."""
    kind = type(value)
    is_tensor = kind.__module__.partition(".")[0] == "torch" and hasattr(value, "detach")
    try:
        array = value.detach().cpu().numpy() if is_tensor else np.asarray(value)
    except Exception as error:  # whatever another package raises of what it cannot turn into one
        raise _unsavable(value, key) from error
    if array.dtype.kind not in "biufcSU":
        raise _unsavable(value, key)
    return _array(array, "tensor" if is_tensor else "array", arrays)


def _unsavable(value: Any, key: str) -> UnsavableError:
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    allowed = "arrays, numbers, texts, bytes, None, lists and mappings of them"
    return UnsavableError(f"{key or 'state'}: got {name}, allowed: {allowed}")


def _array(array: np.ndarray, kind: str, arrays: dict[str, np.ndarray]) -> dict[str, str]:
    name = str(len(arrays))
    arrays[name] = array
    return {kind: name}


def _decoded(  # noqa: PLR0911 - one a kind
    value: Any, arrays: Mapping[str, np.ndarray], tensors: bool
) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "int":
        return int(content)
    if kind == "float":
        return float.fromhex(content)
    if kind == "dict":
        return {name: _decoded(item, arrays, tensors) for name, item in content}
    if kind in ("list", "tuple"):
        items = [_decoded(item, arrays, tensors) for item in content]
        return tuple(items) if kind == "tuple" else items
    array = arrays[content]
    if kind == "bytes":
        return array.tobytes()
    if kind == "tensor" and tensors:
        return importlib.import_module("torch").from_numpy(array)
    return array
