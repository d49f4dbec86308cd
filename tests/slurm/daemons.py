"""The processes of a test cluster: started, recorded by pid, killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE_SECONDS = 180
POLL_SECONDS = 0.05
TAIL_LINES = 12


class ClusterError(RuntimeError):
    """A daemon that did not start, or a command of Slurm that failed."""


def wait_until(ready: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Poll until something holds.

    Raises:
        ClusterError: it did not within the seconds
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not within {seconds:g} s")
        time.sleep(POLL_SECONDS)


@dataclass
class Daemons:
    """The daemons of one cluster, by name.

    A recorded pid counts while the process's environment names the cluster's SLURM_CONF: so one
    that another program has got since is let be, and a zombie, whose environment is gone, has
    ended. A daemon of this process's own is its child, and needs no such guess.

    Attributes:
        directory: keeps a pid of each daemon in pids/ and its output in log/
        environment: of every daemon; with SLURM_CONF
        outlive_starter: they go on when this process ends; else even its SIGKILL ends them
    """

    directory: Path
    environment: Mapping[str, str]
    outlive_starter: bool
    _children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def launch(self, name: str, command: Sequence[str]) -> None:
        """Start a daemon's program in the foreground of a session of its own."""
        if self.is_running(name):
            raise ClusterError(f"{name} is running already")
        binding = [] if self.outlive_starter else ["setpriv", "--pdeathsig", "KILL"]
        with (self.directory / "log" / f"{name}.out").open("ab") as output:
            child = subprocess.Popen(
                [*binding, *command],
                env=self.environment,
                cwd=self.directory / "log",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[name] = child
        self._pid_file(name).write_text(str(child.pid))

    def wait_ready(self, name: str, ready: Callable[[], bool]) -> None:
        """Wait until a launched daemon answers.

        Raises:
            ClusterError: with the end of its output, when it ends or takes too long
        """

        def answered() -> bool:
            if not self.is_running(name):
                raise ClusterError(f"{name} ended")
            return ready()

        try:
            wait_until(answered, f"{name} to answer")
        except ClusterError as error:
            raise ClusterError(f"{error}; its last lines:\n{self.tail(name)}") from None

    def is_running(self, name: str) -> bool:
        """Whether the daemon lives; it may not answer yet."""
        child = self._children.get(name)
        return child.poll() is None if child else self._recorded_pid(name) is not None

    def kill(self, name: str) -> None:
        """End a daemon by SIGKILL, and return when it is gone; nothing where it is not there."""
        child = self._children.pop(name, None)
        if child:
            child.kill()
            child.wait()
        elif pid := self._recorded_pid(name):
            _kill(pid)
            wait_until(lambda: self._recorded_pid(name) is None, f"{name} to end")
        self._pid_file(name).unlink(missing_ok=True)

    def kill_all(self) -> None:
        """Kill every daemon, of whichever process, then the jobs that outlive them."""
        names = [path.name for path in (self.directory / "pids").iterdir()]
        for name in sorted(names, key=_kill_order):
            self.kill(name)
        # Repeated, for a job may fork meanwhile.
        wait_until(lambda: not self._kill_jobs(), "the jobs to end")

    def tail(self, name: str) -> str:
        """The end of a daemon's output."""
        path = self.directory / "log" / f"{name}.out"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join(lines[-TAIL_LINES:])

    def _pid_file(self, name: str) -> Path:
        return self.directory / "pids" / name

    def _recorded_pid(self, name: str) -> int | None:
        try:
            pid = int(self._pid_file(name).read_text())
        except FileNotFoundError:
            return None
        return pid if self._marker() in _environ(pid) else None

    def _marker(self) -> bytes:
        return f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()

    def _kill_jobs(self) -> bool:
        """Kill the job steps and the jobs' processes; whether there were any."""
        found = False
        for pid in _pids():
            variables = _environ(pid)
            in_job = any(variable.startswith(b"SLURM_JOB_ID=") for variable in variables)
            if self._marker() in variables and (in_job or _program(pid) == "slurmstepd"):
                found = True
                _kill(pid)
        return found


def _kill_order(name: str) -> tuple[bool, str]:
    """The controller first: it would requeue the jobs of nodes that go."""
    return name != "slurmctld", name


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _environ(pid: int) -> list[bytes]:
    """The variables a process began with; none for a zombie or another user's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
