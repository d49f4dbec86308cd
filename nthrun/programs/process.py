"""The process of a run: started, watched, stopped, and what it prints is kept to the last 64 KB."""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nthrun.programs import launcher
from nthrun.programs.descendants import Adoption, end_processes

KEPT_BYTES = 65_536
ROTATED_BYTES = 16 * KEPT_BYTES
READ_BYTES = 2**18
LOOK_SECONDS, LONGEST_LOOK_SECONDS, LOOK_SHARE = 0.05, 0.25, 0.02
"""Time between looks at a process: a share of what it has run, between the two."""
DRAIN_SECONDS = 1.0
"""What is still read of an ended process whose output others hold open."""


class Output:
    """The end of what a process prints, in memory and in a file for whoever follows it.

    Args:
        path: of the file; what it held stays in front.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with contextlib.suppress(OSError):
            path.touch()
        try:
            self._kept = path.read_bytes()[-KEPT_BYTES:]
            self._file_bytes = path.stat().st_size
        except OSError:
            self._kept, self._file_bytes = b"", 0

    @property
    def kept(self) -> bytes:
        """The last `KEPT_BYTES`."""
        return self._kept

    def add(self, content: bytes) -> None:
        """Take in what was printed; a file that cannot be written is left as it is."""
        self._kept = (self._kept + content)[-KEPT_BYTES:]
        with contextlib.suppress(OSError):
            if self._file_bytes + len(content) > ROTATED_BYTES:
                self._path.write_bytes(self._kept)
                self._file_bytes = len(self._kept)
            else:
                with open(self._path, "ab") as file:
                    file.write(content)
                self._file_bytes += len(content)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended.

    Attributes:
        code: its exit code; negative is the signal that killed it.
        peak_memory_bytes: of it and those it waited for, the largest one's.
        cpu_seconds: of all of them.
        was_killed: whether it had to be, as it did not end within the grace that it had.
    """

    code: int
    peak_memory_bytes: int
    cpu_seconds: float
    was_killed: bool

    def text(self) -> str:
        """The end in words."""
        if self.code >= 0:
            return f"exit code {self.code}"
        name = signal.strsignal(-self.code) or "unknown"
        memory = ", as where memory runs out" if self.code == -signal.SIGKILL else ""
        return f"killed by signal {-self.code} ({name}{memory})"


class Process:
    """A process of a run, with a session of its own.

    Args:
        command: executable and arguments.
        variables: all of its environment.
        scratch: directory by which all its processes are found.
        output: takes what it prints.
        talks: whether it is connected to this process; its last argument is then the descriptor,
            else -1. Commands are given none.

    Raises:
        OSError: the system does not let it start.
    """

    def __init__(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        scratch: Path,
        output: Output,
        talks: bool | None = None,
    ) -> None:
        self._scratch, self._output = scratch, output
        ours, theirs = socket.socketpair()
        self._adoption = Adoption()
        words = list(command)
        if talks is not None:
            words.append(str(theirs.fileno() if talks else -1))
        start = [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), *words]
        try:
            with theirs:
                self._process = subprocess.Popen(
                    start,
                    env=dict(variables),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[theirs.fileno()] if talks else [],
                )
        except BaseException:
            ours.close()
            self._adoption.close()
            raise
        self._connection = ours if talks else None
        if not talks:
            ours.close()
        assert self._process.stdout is not None
        self._pipe = self._process.stdout
        os.set_blocking(self._pipe.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe, selectors.EVENT_READ)
        if self._connection is not None:
            self._selector.register(self._connection, selectors.EVENT_READ)

    def watch(self, look: Callable[[], float | None]) -> Ending:
        """Wait for the end, and take in what is printed.

        Args:
            look: called often, up to the end; gives the grace in seconds once the process is to
                end, which is told to by SIGTERM then.
        """
        killed, ends_by, begun = False, None, time.monotonic()
        while (ended := self._poll()) is None:
            seconds = (time.monotonic() - begun) * LOOK_SHARE
            self._read(min(max(seconds, LOOK_SECONDS), LONGEST_LOOK_SECONDS))
            self._adoption.reap(self._process.pid)
            grace = look()
            if ends_by is None and grace is not None:
                self._signal(signal.SIGTERM)
                ends_by = time.monotonic() + grace
            elif ends_by is not None and time.monotonic() > ends_by and not killed:
                killed = True
                self._signal(signal.SIGKILL)
        self._end_others()
        usage = ended[1]
        return Ending(
            os.waitstatus_to_exitcode(ended[0]),
            usage.ru_maxrss * 1024,
            usage.ru_utime + usage.ru_stime,
            killed,
        )

    def heard(self) -> bytes:
        """What the process has said since by its connection."""
        if self._connection is None:
            return b""
        try:
            said = self._connection.recv(READ_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""
        except OSError:
            said = b""
        if not said:  # it has closed its end
            self._selector.unregister(self._connection)
            self._connection.close()
            self._connection = None
        return said

    def tell(self, said: bytes) -> None:
        """Answer the process by its connection, if it still listens."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.send(said, socket.MSG_DONTWAIT)

    def close(self) -> None:
        """End what is left of it, however this process came to leave it."""
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            end_processes(self._scratch)
        self._adoption.close()
        self._selector.close()
        self._pipe.close()
        if self._connection is not None:
            self._connection.close()

    def _poll(self) -> tuple[int, resource.struct_rusage] | None:
        """Status and usage of the ended process; None while it runs."""
        found, status, usage = os.wait4(self._process.pid, os.WNOHANG)
        if not found:
            return None
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return status, usage

    def _end_others(self) -> None:
        """End the processes that the ended one left behind, and read what it printed last."""
        until = time.monotonic() + DRAIN_SECONDS
        while self._read(0) and time.monotonic() < until:
            pass
        self._signal(signal.SIGKILL)
        end_processes(self._scratch)
        self._adoption.end()

    def _read(self, seconds: float) -> int:
        """Take in what there is to read, waiting for some; returns how many bytes that was."""
        total = 0
        for key, _ in self._selector.select(seconds):
            if key.fileobj is not self._pipe:
                continue  # the connection: `heard` reads it
            try:
                content = self._pipe.read(READ_BYTES) or b""
            except OSError:
                content = b""
            if not content:
                self._selector.unregister(self._pipe)
                time.sleep(0)
            else:
                self._output.add(content)
            total += len(content)
        return total

    def _signal(self, number: int) -> None:
        """Send a signal to every process of the session's first group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
