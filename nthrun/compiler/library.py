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

CACHE_VARIABLE = "NTHRUN_CACHE"
DIGEST_BYTES = hashlib.sha256().digest_size
"""A library's file ends with the hash of what comes before."""


def load(source: str) -> ctypes.CDLL:
    """The library of a source, from the cache or built now.

    The file's name is a hash of the source, the compiler and its options, and the processor, so
    that machines which share a home directory do not share code. Of processes that need one library
    at the same time one builds it. A damaged file is built anew.

    Raises:
        MissingCompilerError: there is none.
        CompileError: it failed, or the library could not be kept.
    """
    for folder in _folders():
        path = folder / f"{_key(source)}.so"
        try:
            _make_own(folder)
            with _locked(folder):
                if not _is_whole(path):
                    _build(source, path)
            return ctypes.CDLL(str(path))
        except OSError as error:
            problem = error
    raise CompileError(
        f"compiled code could not be kept: {problem}", f"set {CACHE_VARIABLE} to a writable folder"
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


def _folders() -> list[Path]:
    """Where libraries may lie, best first: the user's choice, the cache, the temporary folder."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return [Path(os.path.expanduser(chosen)).absolute()]
    home = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    private = Path(tempfile.gettempdir()) / f"nthrun-{os.getuid()}"
    known = not home.startswith("~")  # a container's user may have no home
    return [*([Path(home).absolute() / "nthrun"] if known else []), private.absolute()]


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


def _make_own(folder: Path) -> None:
    """Make a folder; what another user put into it unasked is not to be run."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.environ.get(CACHE_VARIABLE) and folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")


def _is_whole(path: Path) -> bool:
    """Whether a library is there as it was written; a full disk or a crash may have cut it."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    return hashlib.sha256(content[:-DIGEST_BYTES]).digest() == content[-DIGEST_BYTES:]
