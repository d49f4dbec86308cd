"""A worker process: trains the packs that its parent hands it, one at a time.

    parent → worker    Job, then NextPack one at a time, None when there is no more; Stop any time
    worker → parent    News while a pack is trained, then Finished; or what ended it

A worker whose parent is gone saves its pack's state at the end of the block and ends.
This module imports no torch, so that a worker is given its GPU before it does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from nthrun.errors import InterruptedRunError, NthrunError, described
from nthrun.training.progress import Advanced, News
from nthrun.training.stopping import GRACE_SECONDS, StopRequest

if TYPE_CHECKING:
    from nthrun.commands.request import Request
    from nthrun.planning.experiment_spec import ExperimentSpec
    from nthrun.records.experiment import Experiment
    from nthrun.scheduling.lease import Fence

STOPPING = frozenset({signal.SIGINT, signal.SIGTERM})
NEWS_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Job:
    """What every pack of a command belongs to.

    Attributes:
        fence: checked before anything is recorded; None where no other attempt can take over.
        grace_seconds: what a program has between SIGTERM and its end by force.
    """

    spec: ExperimentSpec
    experiment: Experiment
    request: Request
    fence: Fence | None = None
    grace_seconds: float = GRACE_SECONDS


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a worker runs.

    Attributes:
        gpu: the one it sees, as CUDA_VISIBLE_DEVICES names it; None leaves that variable.
        core: the one it is pinned to; None leaves it to the system.
    """

    gpu: str | None = None
    core: int | None = None


@dataclass(frozen=True, slots=True)
class NextPack:
    """Indices to train together next."""

    indices: list[int]


@dataclass(frozen=True, slots=True)
class Stop:
    """Save and end, as after this signal."""

    signal_number: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Every index of the pack is recorded."""


@dataclass(frozen=True, slots=True)
class Broke:
    """The worker ends by an error that concerns the whole command."""

    error: NthrunError


@dataclass(frozen=True, slots=True)
class Crashed:
    """The worker ends by an exception that nobody foresaw."""

    reason: str


Message = News | Finished | Broke | Crashed


def serve(connection: Connection, placement: Placement) -> None:
    """Train what comes through a pipe until there is no more.

    Args:
        connection: to the parent.
        placement: the GPU and the core to use.
    """
    for number in (signal.SIGINT, signal.SIGUSR2):  # they reach the parent, which passes them on
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    if placement.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = placement.gpu
    if placement.core is not None:
        os.sched_setaffinity(0, {placement.core})
    try:
        _work(connection)
    except InterruptedRunError as error:
        sys.exit(error.exit_code)
    except NthrunError as error:
        _send(connection, Broke(error))
    except BaseException as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        _send(connection, Crashed(described(error)))


def _work(connection: Connection) -> None:
    job = _receive(connection)
    if job is None:
        return
    from nthrun.commands.train import train_here  # noqa: PLC0415 - agents import torch

    stop = StopRequest()
    stop.install_for_good([signal.SIGTERM])
    parent = Parent(connection, stop)
    train_here(job, parent.packs(), stop, parent.report)


class Parent:
    """The worker's view of its parent.

    Args:
        connection: to it.
        stop: set when the parent wants that, or is gone.
    """

    def __init__(self, connection: Connection, stop: StopRequest) -> None:
        self._connection = connection
        self._stop = stop
        self._untold = Advanced(0, 0.0)
        self._due = 0.0

    def packs(self) -> Iterator[list[int]]:
        """The packs to train, each once the one before is done.

        Raises:
            InterruptedRunError: the worker is to stop instead.
        """
        while indices := self._next_pack():
            yield indices
            _send(self._connection, Finished())

    def _next_pack(self) -> list[int]:
        """Wait for the next pack; empty where there is no more, or no parent.

        Raises:
            InterruptedRunError: the worker is to stop instead.
        """
        message = _receive(self._connection)
        self._obey(message)
        if message is not None:
            self._listen()
        if number := self._stop.signal_number:
            raise InterruptedRunError(f"stopped by signal {number}", number)
        return message.indices if isinstance(message, NextPack) else []

    def report(self, news: News) -> None:
        """Tell news, steps a few times a second at most, and hear whether to stop."""
        if isinstance(news, Advanced):
            run_steps = self._untold.run_steps + news.run_steps
            self._untold = Advanced(run_steps, news.last_return)
            if time.monotonic() >= self._due:
                self._tell_steps()
        else:
            self._tell_steps()
            _send(self._connection, news)
        self._listen()

    def _tell_steps(self) -> None:
        if self._untold.run_steps:
            _send(self._connection, self._untold)
        self._untold = Advanced(0, self._untold.last_return)
        self._due = time.monotonic() + NEWS_SECONDS

    def _listen(self) -> None:
        try:
            while self._connection.poll():
                self._obey(self._connection.recv())
        except (EOFError, OSError):
            self._stop.signal_number = signal.SIGHUP

    def _obey(self, message: object) -> None:
        if isinstance(message, Stop):
            self._stop.signal_number = message.signal_number


def _receive(connection: Connection) -> Any:
    """The next message; None where there is no more, or no parent."""
    try:
        return connection.recv()
    except (EOFError, OSError):
        return None


def _send(connection: Connection, message: Message) -> None:
    """Tell the parent; that it is gone is found by listening."""
    with contextlib.suppress(OSError):
        connection.send(message)
