"""The claim: which attempt at a task may write, what it is doing, and its last sign of life.

Slurm may run a task twice at once: after it has lost sight of a node it starts the task anew while
the old process runs on. Both would train the same indices. The last attempt to take the claim owns
the task; the other finds that out before it writes anything, and ends. The claim is a file beside
the plan, removed when every run of the task is recorded.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nthrun.errors import StorageError, SupersededError
from nthrun.records.durable_file import write_durably

BEAT_SECONDS = 10.0
"""Between signs of life."""
SILENT_SECONDS = 90.0
"""Without one for so long an attempt outside Slurm counts as dead."""
RUNNING, REQUEUED, STOPPED, FAILED = "running", "requeued", "stopped", "failed"


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
        """Whether its process runs on this host, as far as that can be told."""
        if self.state != RUNNING or self.host != platform.node():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return process_birth(self.pid) == self.birth

    def is_alive(self, now: float) -> bool:
        """Whether it runs: its process here, elsewhere a recent sign of life."""
        if self.host == platform.node():
            return self.is_here_and_alive
        return self.state == RUNNING and now - self.seen < SILENT_SECONDS


@dataclass(frozen=True, slots=True)
class Fence:
    """What a process that writes for an attempt must look at first.

    Of the attempts at a task that Slurm has restarted the latest restart owns it, even where an
    earlier one that hung in the file system has written its claim over the later one's.
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
            found = json.loads(self.path.read_bytes())
            owner = self.token if found["restart"] < self.restart else found["token"]
        except FileNotFoundError:
            owner = ""  # all of the task is recorded
        except OSError:
            return  # a file system that does not answer says nothing about the owner
        except (ValueError, LookupError, TypeError):
            owner = ""  # not a claim of ours
        if owner != self.token:
            raise SupersededError(
                f"{self.path}: another attempt has taken this task over; this one ends"
            )


@dataclass
class Claim:
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
        """For the processes that write."""
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
            self.path.parent.rmdir()  # the last one out

    def _write(self) -> None:
        self.attempt = replace(self.attempt, seen=time.time())
        text = json.dumps(asdict(self.attempt)).encode()
        write_durably(self.path, lambda file: file.write(text))


def process_birth(pid: int) -> str:
    """What tells a process from others that had or will have its id: the boot of the machine and
    the clock tick it started at; "" where the system does not tell.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return ""
    return f"{boot}:{int(state[19])}"


def take_claim(path: Path, total_run_steps: int, facts: Mapping[str, Any]) -> Claim:
    """Own a task from now on.

    Args:
        path: of its claim.
        total_run_steps: of the task.
        facts: `job`, `restart`, `log` and `done_run_steps` of the attempt.

    Raises:
        StorageError: the claim cannot be written.
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
    claim = Claim(path, attempt)
    claim._write()
    return claim


def read_attempt(path: Path) -> Attempt | None:
    """What the last attempt at a task says of itself; None where there is no such file.

    A file that cannot be read is none: it is replaced whole, so that only a foreign one is damaged.
    """
    try:
        return Attempt(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
