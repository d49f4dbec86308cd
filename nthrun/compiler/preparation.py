"""Prepared programs: what tracing functions gave, kept on disk beside the library built of it.

Tracing and lowering a step take seconds, most of which imports torch's own compiler. What they
give is small: a library, and what the memory looks like that its calls are given. So it is kept in
`program-<key>.kept`, in the folder of the library, under a key of everything that decides it: an
identity that the caller gives (the code that is traced and everything the traced objects hold), the
functions' inputs, and the versions of torch and Python beside all that a library depends on. A
program without an identity is never kept.

A file is trusted that this user wrote, that nobody else may write and whose checksum is right;
otherwise the functions are traced anew. Of processes that need the same program one traces, and the
others wait.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nthrun.compiler.library import (
    library_key,
    load,
    machine_facts,
    require_executable,
    whole_library,
)
from nthrun.compiler.program_text import ProgramText
from nthrun.compiler.statements import Buffer
from nthrun.files.cache_folder import cache_folders, locked
from nthrun.records.cached_document import SUFFIX, read_cached, write_cached

PURPOSE = "prepared programs"


@dataclass(frozen=True)
class Prepared:
    """A library, and what its calls are given.

    Attributes:
        library: with the function `run`.
        buffers, owners, arena_bytes: see `ProgramText`.
    """

    library: ctypes.CDLL
    buffers: Mapping[str, Buffer]
    owners: Mapping[str, int | None]
    arena_bytes: int


_prepared: dict[str, Prepared] = {}
"""What this process has prepared, by key."""


def prepared(
    write: Callable[[], ProgramText], identity: str, examples: Mapping[str, Tensor]
) -> Prepared:
    """Functions as a library: of this process, from disk, or written and built now.

    Args:
        write: traces the functions and writes their text.
        identity: of everything that decides the text beside the inputs; "" keeps nothing.
        examples: the functions' inputs.

    Raises:
        UnsupportedOperationError: a function uses an operation that cannot be compiled.
        CompileError: there is no compiler, or it failed.
    """
    if not identity:
        return _built(write())
    key = _key(identity, examples)
    if key not in _prepared:
        _prepared[key] = _from_disk(write, key)
    return _prepared[key]


def _from_disk(write: Callable[[], ProgramText], key: str) -> Prepared:
    """A program that is kept, or that is written, built and kept."""
    with cache_folders(PURPOSE) as folders, contextlib.ExitStack() as held:
        folder = next((each for each in folders if _takes_libraries(each)), None)
        if folder is None:
            return _built(write())
        path = folder / f"program-{key}{SUFFIX}"
        lock = path.with_suffix(".lock")
        if kept := _kept(path):
            return kept
        with contextlib.suppress(OSError):
            held.enter_context(locked(lock))
        if kept := _kept(path):
            return kept
        facts, text = machine_facts(), write()
        made = _built(text)
        if machine_facts() == facts:  # another compiler may have had to build it
            write_cached(path, _document(text))
        with contextlib.suppress(OSError):  # a folder that only can be read has none
            lock.unlink()
        return made


def _takes_libraries(folder: Path) -> bool:
    """Whether libraries can be loaded from a folder; its programs lie beside them."""
    with contextlib.suppress(OSError):
        require_executable(folder)
        return True
    return False


def _built(text: ProgramText) -> Prepared:
    return Prepared(load(text.source), text.buffers, text.owners, text.arena_bytes)


def _key(identity: str, examples: Mapping[str, Tensor]) -> str:
    inputs = [(name, str(t.dtype), tuple(t.shape)) for name, t in examples.items()]
    versions = (torch.__version__, platform.python_version())
    facts = repr((identity, inputs, versions, machine_facts()))
    return hashlib.sha256(facts.encode()).hexdigest()[:32]


def _kept(path: Path) -> Prepared | None:
    """What a file says, if it is to be trusted, and the library that it names is there."""
    document = read_cached(path)
    try:
        library = whole_library(path.parent / f"{document['library']}.so")
        if library is None:
            return None
        buffers = {name: _buffer(name, *facts) for name, *facts in document["buffers"]}
        owners = dict(zip(buffers, document["owners"], strict=True))
        return Prepared(library, buffers, owners, document["arena_bytes"])
    except (OSError, KeyError):
        return None


def _document(text: ProgramText) -> dict[str, Any]:
    buffers = [
        [name, str(b.dtype).removeprefix("torch."), list(b.shape), b.place]
        for name, b in text.buffers.items()
    ]
    return {
        "library": library_key(text.source),
        "buffers": buffers,
        "owners": list(text.owners.values()),
        "arena_bytes": text.arena_bytes,
    }


def _buffer(name: str, dtype: str, shape: list[int], place: Any) -> Buffer:
    return Buffer(name, getattr(torch, dtype), tuple(shape), place)
