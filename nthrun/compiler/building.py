"""Building a library: the compiler is run, and nothing of it stays behind, however that ends."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nthrun.errors import CompileError

BEGUN = ".building-"
LEFT_BEHIND_SECONDS = 86_400
"""Age from which a folder that is built in is left behind, whatever host built in it."""
LOOK_SECONDS = 0.2
NO_ROOM = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
"""What a compiler says where it cannot write."""
ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end a process at once, unless it has them do something else."""


class _EndingError(BaseException):
    """A signal came that is to end this process."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def built(source: str, words: Sequence[str], folder: Path) -> Iterator[Path]:
    """A library of a source, sealed by its hash, in a folder of its own that goes in the end.

    Args:
        source: C++.
        words: the compiler and its options.
        folder: in which that folder is made.

    Raises:
        CompileError: the compiler failed.
        OSError: the folder takes nothing.
    """
    with _ended_tidily() as arm, _own_folder(folder) as own:
        text, library = own / "step.cpp", own / "step.so"
        text.write_text(source)
        text.chmod(0o600)  # whatever the umask
        _compile([*words, "-o", str(library), str(text)], own, arm)
        digest = hashlib.sha256(library.read_bytes()).digest()
        with library.open("ab") as file:
            file.write(digest)
        yield library


def clear_away(folder: Path) -> None:
    """Delete what killed processes were building in a folder.

    The name of what is built in says which process of which host does so.
    """
    with os.scandir(folder) as entries:
        begun = [Path(entry.path) for entry in entries if entry.name.startswith(BEGUN)]
    for own in begun:
        with contextlib.suppress(OSError):
            if _is_left_behind(own):
                shutil.rmtree(own)


@contextlib.contextmanager
def _own_folder(folder: Path) -> Iterator[Path]:
    own = folder / f"{BEGUN}{os.getpid()}-{_host()}-{secrets.token_hex(4)}"
    own.mkdir()
    own.chmod(0o700)  # whatever the umask
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _host() -> str:
    """Something that tells this host, as its processes number themselves, from others."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        space = os.readlink("/proc/self/ns/pid")
        return hashlib.sha256(f"{boot} {space}".encode()).hexdigest()[:12]
    return hashlib.sha256(os.uname().nodename.encode()).hexdigest()[:12]


def _is_left_behind(own: Path) -> bool:
    number, _, rest = own.name.removeprefix(BEGUN).partition("-")
    if number.isdecimal() and rest.partition("-")[0] == _host():
        return not Path(f"/proc/{number}").exists()
    return own.stat().st_mtime < time.time() - LEFT_BEHIND_SECONDS


@contextlib.contextmanager
def _ended_tidily() -> Iterator[Callable[[], None]]:
    """Within, a signal that would end this process at once lets it clear away first; then it
    ends by that signal.

    Yields:
        a function to call now and then: a signal that was only noted the first time it came may
        end the process the next time.
    """
    caught: set[int] = set()

    def end(number: int, frame: object) -> None:
        raise _EndingError(number)

    def arm() -> None:
        if threading.current_thread() is threading.main_thread():
            for number in ENDING:
                if signal.getsignal(number) is signal.SIG_DFL:
                    signal.signal(number, end)
                    caught.add(number)

    try:
        arm()
        yield arm
    except _EndingError as ending:
        signal.signal(ending.number, signal.SIG_DFL)
        os.kill(os.getpid(), ending.number)
        raise
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def _compile(words: Sequence[str], own: Path, arm: Callable[[], None]) -> None:
    """Run a compiler, whose temporary files go where what it builds does.

    Raises:
        CompileError: it failed.
        OSError: it had no room.
    """
    try:
        process = subprocess.Popen(
            words,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the training to notice
            umask=0o077,  # what others may write is not loaded
            env=os.environ | {"TMPDIR": str(own), "LC_ALL": "C"},
        )
    except OSError as error:
        raise CompileError(f"{words[0]} failed: {error}", "use --backend eager") from error
    with process:
        try:
            said = _said(process, arm)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        lines = [line for line in said.splitlines() if "error" in line]
        if any(words in said for words in NO_ROOM):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        problem = lines[0] if lines else " ".join(said.split())[:200]
        raise CompileError(
            f"{words[0]} failed: {problem or f'exit status {process.returncode}'}",
            "use --backend eager",
        )


def _said(process: subprocess.Popen[str], arm: Callable[[], None]) -> str:
    """What a compiler says on stderr until it ends."""
    while True:
        arm()
        try:
            return process.communicate(timeout=LOOK_SECONDS)[1]
        except subprocess.TimeoutExpired:
            continue
