"""Libraries: C++ text built once for this machine, kept on disk, and loaded."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from nthrun.compiler.library_folder import (
    CACHE_VARIABLE,
    is_own_file,
    library_folders,
    note_passed_over,
)
from nthrun.errors import CompileError, MissingCompilerError
from nthrun.planning.machine import compiler, cpu_flags, cpu_model

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
    at the same time one builds it. A damaged file, or one that others could have written, is built
    anew. A folder that cannot be used is passed over.

    Raises:
        MissingCompilerError: there is none.
        CompileError: it failed, or the library could be kept nowhere.
    """
    with library_folders() as folders:
        for folder in folders:
            path = folder / f"{_key(source)}.so"
            try:
                with _locked(folder):
                    if not _is_whole(path):
                        _build(source, path)
                return ctypes.CDLL(str(path))
            except OSError as error:
                note_passed_over(folder, str(error))
    raise CompileError(
        "compiled code could be kept nowhere", f"set {CACHE_VARIABLE} to a folder of your own"
    )


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


def _key(source: str) -> str:
    facts = (source, " ".join(_flags()), compiler_version(), cpu_model(), cpu_flags())
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:32]


def _build(source: str, path: Path) -> None:
    command = compiler()
    if command is None:
        raise MissingCompilerError(
            "no C++ compiler was found (looked for $CXX, g++, c++, clang++)",
            "load one, for example `module load gcc`, or use --backend eager",
        )
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".building-") as folder:
        text, library = Path(folder) / "step.cpp", Path(folder) / "step.so"
        text.write_text(source)
        text.chmod(0o600)  # whatever the umask
        _compile(command, text, library)
        digest = hashlib.sha256(library.read_bytes()).digest()
        with library.open("ab") as file:
            file.write(digest)
        library.replace(path)


def _compile(command: str, text: Path, library: Path) -> None:
    words = [command, *_flags(), "-o", str(library), str(text)]
    try:
        process = subprocess.Popen(
            words,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the training to notice
            umask=0o077,  # what others may write is not loaded
        )
    except OSError as error:
        raise CompileError(f"{command} failed: {error}", "use --backend eager") from error
    with process:
        try:
            _, said = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        lines = [line for line in said.splitlines() if "error" in line]
        problem = lines[0] if lines else " ".join(said.split())[:200]
        raise CompileError(
            f"{command} failed: {problem or f'exit status {process.returncode}'}",
            "use --backend eager",
        )


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Have other processes wait here; on a file system without locks nobody waits."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_whole(path: Path) -> bool:
    """Whether a library is there as this user wrote it; a full disk or a crash may have cut it."""
    if not is_own_file(path):
        return False
    content = path.read_bytes()
    return hashlib.sha256(content[:-DIGEST_BYTES]).digest() == content[-DIGEST_BYTES:]
