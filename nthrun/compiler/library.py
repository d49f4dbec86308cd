"""Libraries: C++ text built once for this machine, kept on disk, and loaded."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import subprocess
from functools import cache
from pathlib import Path

from nthrun.compiler.building import built, clear_away
from nthrun.errors import CompileError, MissingCompilerError, UnloadableError
from nthrun.files.cache_folder import (
    CACHE_VARIABLE,
    cache_folders,
    is_own_file,
    locked,
    note_passed_over,
)
from nthrun.planning.machine import compiler, compilers, cpu_flags, cpu_model
from nthrun.terminal import note

PURPOSE = "compiled code"
FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fPIC",
    "-shared",
    "-w",
)
GCC_FLAGS = ("-fno-tree-loop-distribution", "-fno-tree-loop-distribute-patterns")
"""gcc 12 may split a loop so that a value is cleared before it is read; clang has no such flags."""

DIGEST_BYTES = hashlib.sha256().digest_size
"""A library's file ends with the hash of what comes before."""


def load(source: str) -> ctypes.CDLL:
    """The library of a source, from the cache or built now.

    The file's name is a hash of the source, the compiler and its options, and the processor, so
    that machines which share a home directory do not share code. Of processes that need one library
    at the same time one builds it. A damaged file, one that others could have written, or one that
    does not load, is built anew. A folder that cannot be used is passed over.

    Raises:
        MissingCompilerError: there is none.
        CompileError: it failed, or what it builds does not load, or could be kept nowhere.
    """
    with cache_folders(PURPOSE) as folders:
        for folder in folders:
            try:
                require_executable(folder)
                with locked(folder):
                    clear_away(folder)
                    return _loaded(source, folder)
            except OSError as error:
                note_passed_over(folder, PURPOSE, error.strerror or str(error))
    raise CompileError(
        "compiled code could be kept nowhere", f"set {CACHE_VARIABLE} to a folder of your own"
    )


def library_key(source: str) -> str:
    """The name, without suffix, of the file that the library of a source is kept in."""
    return hashlib.sha256("\0".join((source, *machine_facts())).encode()).hexdigest()[:32]


def machine_facts() -> tuple[str, ...]:
    """What a library depends on beside its source: compiler and options, and the processor."""
    return " ".join(_flags()), compiler_version(), cpu_model(), cpu_flags()


def whole_library(path: Path) -> ctypes.CDLL | None:
    """The library in a file, if it is there, whole, this user's own, and loads.

    Raises:
        OSError: no code may be loaded from where it is.
    """
    if _is_whole(path):
        with contextlib.suppress(UnloadableError):  # as a shared home has for another system
            return _open(path)
    return None


def require_executable(folder: Path) -> None:
    """Check that code can be loaded from a folder.

    Raises:
        OSError: it cannot.
    """
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        raise OSError("its file system is mounted noexec, so that no code can be loaded from it")


def _loaded(source: str, folder: Path) -> ctypes.CDLL:
    """The library of a source, by the first compiler whose libraries load.

    Where that is not the first that is found, it is this process's from then on, as if $CXX had
    named it, so that it is the one that records name.
    """
    try:
        return _found_or_built(source, folder)
    except UnloadableError as error:
        others = compilers()[1:]
        for command in others:
            os.environ["CXX"] = command
            compiler_version.cache_clear()
            with contextlib.suppress(UnloadableError):
                made = _found_or_built(source, folder)
                note(f"{error.message}; {command} builds instead")
                return made
        if others:
            del os.environ["CXX"]
            compiler_version.cache_clear()
        raise


def _found_or_built(source: str, folder: Path) -> ctypes.CDLL:
    """The library that the present compiler makes of a source.

    Raises:
        UnloadableError: it does not load.
        OSError: the folder takes nothing, or no code may be loaded from it.
    """
    path = folder / f"{library_key(source)}.so"
    if kept := whole_library(path):
        return kept
    command = compiler()
    if command is None:
        raise MissingCompilerError(
            "no C++ compiler was found (looked for $CXX, g++, c++, clang++)",
            "load one, for example `module load gcc`, or use --backend eager",
        )
    with built(source, [command, *_flags()], folder) as library:
        try:
            made = _open(library)
        except UnloadableError as error:
            path.unlink(missing_ok=True)
            problem = f"{command}: what it builds cannot be loaded: {error.message}"
            raise UnloadableError(problem, error.hint) from error
        library.replace(path)
    return made


def _open(path: Path) -> ctypes.CDLL:
    """A library that is there.

    Raises:
        UnloadableError: it is none for this system.
        OSError: no code may be loaded from where it is.
    """
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        if "failed to map segment" in str(error):
            raise
        hint = "use --backend eager, or name another compiler in $CXX"
        raise UnloadableError(str(error).removeprefix(f"{path}: "), hint) from error


@cache
def compiler_version() -> str:
    """The first line the C++ compiler says of itself; "" without one."""
    command = compiler()
    if command is None:
        return ""
    try:
        done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.partition("\n")[0]


def _flags() -> tuple[str, ...]:
    return FLAGS if "clang" in compiler_version() else FLAGS + GCC_FLAGS


def _is_whole(path: Path) -> bool:
    """Whether a library is there as this user wrote it; a full disk or a crash may have cut it."""
    if not is_own_file(path):
        return False
    content = path.read_bytes()
    return hashlib.sha256(content[:-DIGEST_BYTES]).digest() == content[-DIGEST_BYTES:]
