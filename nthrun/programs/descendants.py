"""Descendants: the processes that a run has started, wherever they went, and their end.

Those that left their session, and whose parents have ended, are found by a variable that all of a
run have, and, as long as the process that runs it lives, by becoming that one's children.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

SCRATCH_VARIABLE = "NTHRUN_SCRATCH"
"""Variable that every process of a run has, and by which they are found."""
PROCESSES = Path("/proc")
SET_SUBREAPER, GET_SUBREAPER = 36, 37
"""Linux's PR_SET_CHILD_SUBREAPER and PR_GET_CHILD_SUBREAPER."""
END_SECONDS, PAUSE_SECONDS = 5.0, 0.01
"""How long adopted processes are ended for at most, and the time between looks at them."""


class Adoption:
    """Takes in the processes of a run whose parents end, from here on up to `close`.

    Only one run at a time may be that of a process. Other systems than Linux have no adoption.
    """

    def __init__(self) -> None:
        self._others = frozenset(_children())
        self._before = _subreaper()
        _set_subreaper(1)

    def reap(self, program: int) -> None:
        """Let go of adopted processes that have ended.

        Args:
            program: id of the process that is waited for elsewhere.
        """
        while (ended := _ended_child()) and ended not in (program, *self._others):
            _forget(ended)

    def end(self) -> None:
        """End what was adopted, with all that it has started."""
        until = time.monotonic() + END_SECONDS
        while children := _children() - self._others:
            for each in _with_descendants(children, _parents()):
                _kill(each)
            for each in children:
                _forget(each)
            if time.monotonic() > until:
                return
            time.sleep(PAUSE_SECONDS)

    def close(self) -> None:
        """Adopt no more."""
        self.end()
        _set_subreaper(self._before)


def end_processes(scratch: Path) -> int:
    """End every process that was started for a run and still is there; returns how many.

    Those of an attempt whose parent was killed are found, and those that left their group.

    Args:
        scratch: directory of the run.
    """
    wanted = f"{SCRATCH_VARIABLE}={scratch}".encode()
    ended = 0
    for process in _processes():
        with contextlib.suppress(OSError):  # another user's, or gone by now
            if wanted in (PROCESSES / str(process) / "environ").read_bytes().split(b"\0"):
                ended += _kill(process)
    return ended


def _processes() -> list[int]:
    """The ids of all processes but this one; none where the system does not tell."""
    names = os.listdir(PROCESSES) if PROCESSES.is_dir() else ()
    return [int(name) for name in names if name.isdecimal() and int(name) != os.getpid()]


def _parents() -> dict[int, int]:
    """Process -> its parent, of all of them."""
    parents = {}
    for process in _processes():
        with contextlib.suppress(OSError, ValueError, IndexError):  # gone by now
            status = (PROCESSES / str(process) / "stat").read_text(errors="replace")
            parents[process] = int(status.rpartition(")")[2].split()[1])
    return parents


def _children() -> set[int]:
    """This process's children.

    A list that changes while Linux gives it may be short of some, so that it is asked for twice.
    """
    try:
        lists = [
            (task / "children").read_text()
            for _ in range(2)
            for task in (PROCESSES / "self" / "task").iterdir()
        ]
    except OSError:  # a kernel that keeps no lists, or a thread that ends
        own = os.getpid()
        return {process for process, parent in _parents().items() if parent == own}
    return {int(child) for text in lists for child in text.split()}


def _with_descendants(roots: Iterable[int], parents: Mapping[int, int]) -> list[int]:
    """Some processes and all that they have started, in this order."""
    found = list(roots)
    for each in found:
        found += [process for process, parent in parents.items() if parent == each]
    return found


def _ended_child() -> int:
    """A child of this process that has ended and was not waited for; 0 for none."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return 0
    return 0 if found is None else found.si_pid


def _forget(child: int) -> None:
    """Take the status of a child that has ended, if it has."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, os.WNOHANG)


def _kill(process: int) -> bool:
    """End a process; returns whether that could be done."""
    try:
        os.kill(process, signal.SIGKILL)
    except OSError:
        return False
    return True


def _subreaper() -> int:
    """Whether this process adopts, 1 or 0."""
    value = ctypes.c_int(0)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(GET_SUBREAPER, ctypes.byref(value), 0, 0, 0)
    return value.value


def _set_subreaper(value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(SET_SUBREAPER, value, 0, 0, 0)
