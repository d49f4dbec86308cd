"""One worker process as its parent sees it."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from nthrun.commands.worker import STOPPING, Message, Placement, serve

SPAWN = multiprocessing.get_context("spawn")
END_SECONDS = 20
"""What a worker that has said its last word may take to end."""


def visible_gpus(environment: Mapping[str, str], count: int) -> list[str]:
    """The GPUs that a process sees, as CUDA_VISIBLE_DEVICES names them.

    Args:
        environment: of the process.
        count: how many it sees; CUDA ignores the names from the first invalid one on.
    """
    names = environment.get("CUDA_VISIBLE_DEVICES")
    if names is None:
        return [str(number) for number in range(count)]
    return [name.strip() for name in names.split(",")][:count]


@dataclass(frozen=True, slots=True)
class Placements:
    """What there is to share out among workers; they go round.

    Attributes:
        gpus: as `visible_gpus` names them.
        cores: to pin workers to.
    """

    gpus: Sequence[str] = ()
    cores: Sequence[int] = ()

    def of(self, worker: int) -> Placement:
        """The placement of a worker."""
        gpu = self.gpus[worker % len(self.gpus)] if self.gpus else None
        core = self.cores[worker % len(self.cores)] if self.cores else None
        return Placement(gpu, core)


@dataclass(slots=True, eq=False)
class Worker:
    """A worker process as its parent sees it.

    Attributes:
        number: its place; the one that replaces it has the same.
        pending: indices it has been handed and has not recorded yet.
        retried: whether another has died of them.
        reason: the exception that ends it.
    """

    number: int
    process: SpawnProcess
    connection: Connection
    pending: list[int] = field(default_factory=list)
    retried: bool = False
    reason: str = ""

    def send(self, message: object) -> None:
        """Tell it something; that it is dead is found by hearing it."""
        with contextlib.suppress(OSError):
            self.connection.send(message)

    def hear(self) -> tuple[list[Message], bool]:
        """What it said since, and whether that was its last word."""
        ended = self.process.exitcode is not None  # before reading, so that nothing comes after
        said = []
        try:
            while self.connection.poll():
                said.append(self.connection.recv())
        except (EOFError, OSError):
            ended = True
        return said, ended

    def end(self, patience_seconds: float = END_SECONDS) -> None:
        """Wait until it has ended, and no longer than that."""
        self.process.join(patience_seconds)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        self.connection.close()

    def how_it_ended(self) -> str:
        """The end in words."""
        code = self.process.exitcode or 0
        if self.reason:
            return f"ended by {self.reason}"
        if code < 0:
            return f"was killed by signal {-code} ({signal.strsignal(-code)})"
        return f"ended with exit code {code}"


def start_worker(number: int, placement: Placement) -> Worker:
    """Start a worker process, which waits for its job.

    Raises:
        OSError: the system does not let it start.
    """
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=serve, args=(theirs, placement))
    with theirs, _signals_held_back():
        process.start()
    return Worker(number, process, ours)


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """A process started meanwhile hears SIGINT and SIGTERM only when it says so, and is not
    killed by them before it can answer; this one hears them afterwards.
    """
    resource_tracker.ensure_running()  # starting it would let the signals in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
