"""The identity of a program: a hash of everything that decides what its steps are made of.

A step is traced once and kept on disk under this hash (`nthrun.compiler.preparation`). It covers
the code, by `code_hash`, and all that the program's objects hold, down to every number of every
tensor: the statics of the agent, the sizes and equations of the environment, the spec's rewards.

Only programs of nthrun's own classes have one. A user's class may read what it likes, so its steps
are traced by every process. Nor has one a process in whose time a source file of nthrun's was
edited, or a function replaced by one of another's: what runs is not what the files say.
"""

from __future__ import annotations

import enum
import hashlib
import os
import sys
import types
from collections.abc import Iterator, Mapping
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nthrun.specs.environment_spec import PROTOCOL_KEYS, EnvironmentSpec
from nthrun.training.hosted_program import HostedProgram
from nthrun.training.program import Program
from nthrun.training.source import code_hash, holds_installed
from nthrun.training.syntax_tree import PACKAGE

PLAIN = (
    *(bool, int, float, complex, str, bytes, type(None), type(...), Path),
    *(np.generic, np.dtype, torch.dtype, torch.device),
)
SOURCES = (".py", ".hpp")
CLOCK_SECONDS = 2.0
"""How far a file system's clock may be behind."""
NOT_TRACED = ("parents",)
"""Attributes of a program that its steps do not look at."""
STANDS_FOR = {
    type(cache(id)): "__wrapped__",
    classmethod: "__func__",
    staticmethod: "__func__",
    property: "fget",
    partial: "func",
    types.MethodType: "__func__",
}
"""Kinds of what stands for a function -> where it holds it."""
OWN = PACKAGE.name
LIBRARIES = (OWN, "torch", "numpy", "builtins", "functools", "collections", "math", "operator")
"""Packages whose functions and classes are known by their names: the versions of torch, numpy and
Python are looked at elsewhere."""

Seen = dict[int, tuple[int, Any]]
"""Objects that a walk has met: id -> number, and the object, so that no other gets its id."""


class _UnknownError(Exception):
    """Something is held whose content cannot be told."""


def program_identity(program: Program) -> str:
    """The identity of a program; "" for one that has none.

    Args:
        program: whose environment is made, if it is not yet.
    """
    if not isinstance(program, HostedProgram):
        _ = program.environment
    held = {name: value for name, value in vars(program).items() if name not in NOT_TRACED}
    names = (program.agent_program, program.spec.declaration.program)
    is_own = all(name.startswith(f"{OWN}.") for name in names)
    if not is_own or _may_have_changed() or _has_others_functions():
        return ""
    digest = hashlib.sha256(code_hash(names, native=True).encode())
    digest.update(f"{np.__version__} {torch.get_default_dtype()} {type(program)}\0".encode())
    try:
        for part in _parts(held, {}):
            digest.update(part + b"\0")
    except _UnknownError:
        return ""
    return digest.hexdigest()


def _may_have_changed() -> bool:
    """Whether a file of nthrun's may be newer than what this process has imported of it. Then its
    hash may be of other code than that which is traced."""
    newest = max(
        os.stat(os.path.join(folder, name)).st_mtime
        for folder, _, names in os.walk(PACKAGE)
        for name in names
        if name.endswith(SOURCES)
    )
    imported: float = import_module(OWN)._IMPORTED_AT
    return newest > imported - CLOCK_SECONDS


def _has_others_functions() -> bool:
    """Whether somebody put something of another place into a module or a class of nthrun's."""
    modules = [m for name, m in list(sys.modules.items()) if name.startswith(f"{OWN}.")]
    held = [value for module in modules for value in list(vars(module).values())]
    classes = {each for each in held if isinstance(each, type) and _package(each) == OWN}
    held += [value for each in classes for value in vars(each).values()]
    return any(map(_is_of_another_place, set(map(_written_in, held))))


def _written_in(value: Any) -> str:
    """The module that what a module or a class holds was written in; of an object, its class's."""
    while within := STANDS_FOR.get(type(value)):
        value = getattr(value, within)
    if type(value) is types.FunctionType:  # a mock says that it is an instance, too
        return str(value.__globals__.get("__name__", ""))
    return str(type(value).__module__)


@cache
def _is_of_another_place(module: str) -> bool:
    """Whether a module is neither nthrun's nor installed beside it."""
    package = module.partition(".")[0]
    if package == "unittest":
        return True
    if package == OWN or package in sys.stdlib_module_names or module not in sys.modules:
        return False  # what is in no module is written by a class, as by a named tuple
    top = sys.modules.get(package, sys.modules[module])
    places = [*getattr(top, "__path__", ()), getattr(top, "__file__", None) or ""]
    return not holds_installed(Path(places[0]).resolve().parent)


def named_identity(program: Program, part: str) -> str:
    """The identity of one of a program's functions; "" where the program has none."""
    identity = program_identity(program)
    return f"{part} {identity}" if identity else ""


def _parts(value: Any, seen: Seen) -> Iterator[bytes]:
    """A value as bytes that tell it from any other.

    Args:
        seen: of the walk so far.
    """
    if isinstance(value, (enum.Enum, *PLAIN)):
        yield f"{type(value).__qualname__} {value!r}".encode()
    elif id(value) in seen:
        yield f"again {seen[id(value)][0]}".encode()
    else:
        seen[id(value)] = (len(seen), value)
        yield from _parts_of_object(value, seen)


def _parts_of_object(value: Any, seen: Seen) -> Iterator[bytes]:
    yield type(value).__qualname__.encode()
    if isinstance(value, torch.Tensor):
        array = value.detach().cpu().contiguous()
        yield f"{value.dtype} {tuple(value.shape)} {value.device}".encode()
        row = array.new_empty(array.numel()).copy_(
            array.view(-1)
        )  # of stride 1, were it one number
        yield row.view(torch.uint8).numpy().tobytes() if value.numel() else b""
    elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
        yield f"{value.dtype} {value.shape}".encode() + value.tobytes()
    elif isinstance(value, EnvironmentSpec):
        kept = {k: v for k, v in value.values.items() if k not in PROTOCOL_KEYS}
        yield from _parts((value.env_name, kept, value.interface), seen)
    elif isinstance(value, Mapping):
        for key, held in value.items():
            yield from _parts(key, seen)
            yield from _parts(held, seen)
    elif isinstance(value, list | tuple):
        for held in value:
            yield from _parts(held, seen)
    elif isinstance(value, set | frozenset):
        yield from sorted(b"\0".join(_parts(held, {})) for held in value)
    else:
        yield from _parts_of_code(value, seen)
    yield b"end"


def _parts_of_code(value: Any, seen: Seen) -> Iterator[bytes]:
    """Functions and objects of known packages, with what they hold.

    Raises:
        _UnknownError: it is of another package, or of a kind that is not known.
    """
    if isinstance(value, partial):
        yield from _parts((value.func, value.args, value.keywords), seen)
    elif isinstance(value, types.MethodType):
        yield from _parts((value.__func__, value.__self__), seen)
    elif isinstance(value, types.FunctionType):
        yield _name(value)
        yield from _parts(_text(value.__code__), seen)
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        yield from _parts((cells, value.__defaults__, value.__kwdefaults__), seen)
    elif isinstance(value, type | types.BuiltinFunctionType):
        yield _name(value)
    elif isinstance(value, types.ModuleType):
        yield value.__name__.encode()
    else:
        if _package(type(value)) != OWN:
            raise _UnknownError(type(value))
        yield _name(type(value))
        yield from _parts(_attributes(value), seen)


def _text(code: types.CodeType) -> list[Any]:
    """What tells a function from any other of its module and name, as two lambdas are."""
    constants = [_text(c) if isinstance(c, types.CodeType) else c for c in code.co_consts]
    return [code.co_firstlineno, code.co_code, code.co_names, constants]


def _attributes(value: Any) -> dict[str, Any]:
    """All that an object holds, in slots or not."""
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return held | getattr(value, "__dict__", {})


def _name(value: Any) -> bytes:
    if _package(value) not in LIBRARIES:
        raise _UnknownError(value)
    return f"{value.__module__}.{value.__qualname__}".encode()


def _package(value: Any) -> str:
    return str(value.__module__).partition(".")[0]
