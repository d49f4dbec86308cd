"""The lease of a task: which attempt may write, what it is doing, and how long it may still run.

Slurm may run a task twice at once: after it has lost sight of a node it starts the task anew while
the old process runs on. Both would train the same indices. The last attempt to take the lease owns
the task; the other finds that out before it writes anything, and ends. The lease is a file beside
the plan, removed when every run of the task is recorded.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import signal
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nthrun.errors import DataFileError, StorageError, SupersededError
from nthrun.files.document import parse_document, read_document
from nthrun.files.forms import Fields, Number, Text, Whole
from nthrun.files.regular_file import read_regular
from nthrun.records.durable_file import write_durably
from nthrun.records.writer import process_birth
from nthrun.scheduling.run_time import START_SECONDS

BEAT_SECONDS = 10.0
"""Time between two signs of life."""
MAX_PID = 2**22
"""Above every process id that Linux gives."""
SILENT_SECONDS = 90.0
"""An attempt outside Slurm without a sign of life for so long counts as dead."""
RUNNING, REQUEUED, STOPPED, FAILED = "running", "requeued", "stopped", "failed"
ASK_SECONDS = 20.0
"""Time between two questions to Slurm, which asks not to be polled."""
NOUN = "a lease"
FORM = Fields(
    {
        "token": Text(),
        "state": Text((RUNNING, REQUEUED, STOPPED, FAILED)),
        "job": Text(),
        "restart": Whole(),
        "host": Text(),
        "pid": Whole(1, 2**31 - 1),
        "started": Number(0),
        "seen": Number(0),
        "total_run_steps": Whole(),
    },
    {
        "birth": Text(),
        "log": Text(),
        "reason": Text(),
        "done_run_steps": Whole(),
        "new_run_steps": Whole(),
    },
)
"""Of the file."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an attempt at a task says of itself.

    Attributes:
        token: its identity.
        state: "running"; or how it ended, with work left: "requeued", "stopped" or "failed".
        reason: why it ended.
        job: Slurm's id of it, as `123_4`; "" without Slurm.
        restart: how often Slurm has restarted the task.
        host, pid, birth: the process; see `process_birth`.
        started, seen: when it began and its last sign of life, seconds since 1970.
        log: what it prints; "" is a terminal.
        done_run_steps: run-steps done in all attempts.
        new_run_steps: of them, in this attempt.
        total_run_steps: run-steps of the whole task.
    """

    token: str
    state: str
    job: str
    restart: int
    host: str
    pid: int
    started: float
    seen: float
    total_run_steps: int
    birth: str = ""
    log: str = ""
    reason: str = ""
    done_run_steps: int = 0
    new_run_steps: int = 0

    @property
    def is_here_and_alive(self) -> bool:
        """Whether its process runs on this host, as far as that can be known."""
        is_here = self.state == RUNNING and self.host == platform.node()
        return is_here and is_process(self.pid, self.birth)

    def is_alive(self, now: float) -> bool:
        """Whether it runs: its process here, elsewhere a recent sign of life.

        One that has yet to come, by a clock that is wrong or by a file of somebody else's, is none.
        """
        if self.host == platform.node():
            return self.is_here_and_alive
        return self.state == RUNNING and abs(now - self.seen) < SILENT_SECONDS


@dataclass(frozen=True, slots=True)
class Fence:
    """What a process that writes for an attempt must look at first.

    Of the attempts at a task that Slurm has restarted the latest restart owns it, even where an
    earlier one that hung in the file system has written its lease over the later one's.
    """

    path: Path
    token: str
    restart: int

    def require(self) -> None:
        """Check that the attempt still owns its task.

        Raises:
            SupersededError: it does not.
        """
        try:
            lease = parse_document(self.path, read_regular(self.path), FORM, NOUN)
            owner = self.token if lease["restart"] < self.restart else lease["token"]
        except FileNotFoundError:
            owner = ""  # all of the task is recorded
        except OSError:
            return  # a file system that does not answer says nothing about the owner
        except DataFileError:
            owner = ""  # not a lease of ours
        if owner != self.token:
            raise SupersededError(
                f"{self.path}: another attempt has taken this task over; this one ends"
            )


@dataclass
class Lease:
    """An attempt's hold on its task.

    Args:
        path: of the file.
        attempt: as it was last written.
    """

    path: Path
    attempt: Attempt
    _due: float = field(default=0.0, init=False)

    @property
    def fence(self) -> Fence:
        """The fence for the processes that write."""
        return Fence(self.path, self.attempt.token, self.attempt.restart)

    def beat(self, **changes: Any) -> None:
        """Give a sign of life if one is due; a full disk only delays it.

        Raises:
            SupersededError: another attempt owns the task now.
        """
        self.attempt = replace(self.attempt, **changes)
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + BEAT_SECONDS
            self.fence.require()
            with contextlib.suppress(StorageError):
                self._write()

    def end(self, state: str, reason: str, **changes: Any) -> None:
        """Say how the attempt ended; the next one will take over.

        Raises:
            SupersededError: another attempt owns the task now.
        """
        self.attempt = replace(self.attempt, state=state, reason=reason, **changes)
        self.fence.require()
        with contextlib.suppress(StorageError):
            self._write()

    def release(self) -> None:
        """Remove the file: nothing is left to be done."""
        self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.parent.rmdir()  # succeeds for the last lease of the plan

    def _write(self) -> None:
        self.attempt = replace(self.attempt, seen=time.time())
        text = json.dumps(asdict(self.attempt)).encode()
        write_durably(self.path, lambda file: file.write(text))


def is_process(pid: int, birth: str) -> bool:
    """Whether a process runs that has an id and was born when it is said to have been.

    An id that is no process's, such as that of a group, which is negative, is none; nor is one of
    unknown birth, as any process could have it by now.
    """
    is_id = type(pid) is int and 0 < pid < MAX_PID
    return is_id and birth != "" and process_birth(pid) == birth


def end_process(pid: int, birth: str, held: Path) -> bool:
    """Send SIGTERM to a process of this user's that has a file open, and to no other.

    What names a process may be anybody's file, so that the process itself has to show that it is
    the one: it holds what only those hold that work on the experiment.

    Args:
        pid, birth: of the process.
        held: the file.

    Returns:
        whether it was sent.
    """
    if pid in (1, os.getpid()) or not is_process(pid, birth):
        return False
    try:
        is_own = os.stat(f"/proc/{pid}").st_uid == os.geteuid()
        if not is_own or not _has_open(pid, held):
            return False
        os.kill(pid, signal.SIGTERM)
    except OSError:  # it has ended by now
        return False
    return True


def _has_open(pid: int, path: Path) -> bool:
    """Whether a process has a file open."""
    wanted = path.lstat()
    if not stat.S_ISREG(wanted.st_mode) or wanted.st_nlink != 1:
        return False  # a link may lead to what any process has open
    for descriptor in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):  # it may have been closed by now
            if os.path.samestat(os.stat(descriptor.path), wanted):
                return True
    return False


def take_lease(path: Path, total_run_steps: int, facts: Mapping[str, Any]) -> Lease:
    """Own a task from now on.

    Args:
        path: of its lease.
        total_run_steps: of the task.
        facts: `job`, `restart`, `log` and `done_run_steps` of the attempt.

    Raises:
        StorageError: the lease cannot be written.
    """
    now = time.time()
    attempt = Attempt(
        token=secrets.token_hex(8),
        state=RUNNING,
        host=platform.node(),
        pid=os.getpid(),
        birth=process_birth(os.getpid()),
        started=now,
        seen=now,
        total_run_steps=total_run_steps,
        **facts,
    )
    lease = Lease(path, attempt)
    lease._write()
    return lease


def read_attempt(path: Path) -> Attempt | None:
    """What the last attempt at a task says of itself; None where there is no such file, or none
    that can be read: it is replaced whole, so that only a foreign one is damaged."""
    try:
        return read_lease(path)
    except DataFileError:
        return None


def read_lease(path: Path) -> Attempt:
    """What the last attempt at a task says of itself.

    Raises:
        DataFileError: there is none, it is damaged, or a field is not what it has to be.
    """
    return Attempt(**read_document(path, FORM, NOUN))


class Clock:
    """Decides when a task must save and make room.

    Slurm sends its warning up to a minute early, and not at all where a site or a wrapper gets in
    the way; a time limit can also be changed while the task runs. So the warning only means: ask.

    Args:
        ask: gives the seconds left; None where they are not known.
        limit_seconds: the limit from now on, until `ask` gives another; None is no limit.
        lead_seconds: how long before the end the task must begin to save.
    """

    def __init__(
        self, ask: Callable[[], float | None], limit_seconds: float | None, lead_seconds: float
    ) -> None:
        self._ask = ask
        self._lead = lead_seconds
        self._end = float("inf") if limit_seconds is None else time.monotonic() + limit_seconds
        self._asked = 0.0
        self._warned = False
        self._update()

    @property
    def seconds_left(self) -> float:
        """Until the task is ended; infinite without a limit."""
        return self._end - time.monotonic()

    def warn(self) -> None:
        """Take note of Slurm's warning."""
        self._warned = True

    def is_up(self) -> bool:
        """Whether the task must save now."""
        if self._warned:
            self._warned = False
            answered = self._update()
            return not answered or self.seconds_left <= self._lead
        if self.seconds_left > self._lead:
            return False
        if time.monotonic() - self._asked > ASK_SECONDS:
            self._update()
        return self.seconds_left <= self._lead

    def has_time_for_pack(self) -> bool:
        """Whether a pack begun now could do something before it must be saved."""
        needed = self._lead + START_SECONDS
        if self.seconds_left <= needed and time.monotonic() - self._asked > ASK_SECONDS:
            self._update()  # a time limit may have been raised
        return self.seconds_left > needed

    def _update(self) -> bool:
        """Ask Slurm; returns whether it answered."""
        self._asked = time.monotonic()
        left = self._ask()
        if left is not None:
            self._end = time.monotonic() + left
        return left is not None
