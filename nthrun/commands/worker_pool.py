"""Training by several processes: the parent's side.

A worker that dies costs only the pack it trained: a fresh one tries it once more, from its last
checkpoint, and if that dies too, the others go on without it.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Protocol

from nthrun.commands.worker import Broke, Crashed, Finished, Job, Message, NextPack, Stop
from nthrun.commands.worker_process import Placements, Worker, start_worker
from nthrun.errors import DeviceError, InterruptedRunError, NthrunError
from nthrun.index import format_indices
from nthrun.training.progress import Lost, News, Noted, Recorded
from nthrun.training.stopping import StopRequest

LOOK_SECONDS = 0.2
"""Time between looks whether a signal came."""


class ReportOfWorker(Protocol):
    """A function that is called with the news of a worker, named by its number."""

    def __call__(self, news: News, worker: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Oversight:
    """What watches a pool from outside.

    Attributes:
        stop: checked all the time.
        report: called with the news of each worker.
        look: called a few times a second; what it raises ends the pool at once.
        may_begin: whether a worker may begin another pack.
    """

    stop: StopRequest
    report: ReportOfWorker
    look: Callable[[], None] = lambda: None
    may_begin: Callable[[], bool] = lambda: True


class WorkerPool:
    """Workers that train the packs of a command, each one pack at a time.

    Args:
        job: what the packs belong to.
        placements: to share out among the workers.
        oversight: what watches.
    """

    def __init__(self, job: Job, placements: Placements, oversight: Oversight) -> None:
        self._job = job
        self._placements = placements
        self._stop = oversight.stop
        self._report = oversight.report
        self._oversight = oversight
        self._queue: deque[list[int]] = deque()
        self._workers: list[Worker] = []
        self._stopping = False
        self._error: NthrunError | None = None
        self._unfinished: list[int] = []
        self._lost: list[int] = []

    def train(self, packs: Iterable[list[int]], num_workers: int) -> list[int]:
        """Train and record packs.

        Returns:
            the indices that were lost with two workers each.

        Raises:
            InterruptedRunError: a signal came; the workers have written checkpoints.
            NthrunError: what ended a worker and concerns all, as a full disk does.
        """
        self._queue.extend(packs)
        try:
            for number in range(min(num_workers, len(self._queue))):
                self._start_next(number)
            while self._workers:
                speaking = self._speaking()
                self._oversight.look()
                if self._stop.signal_number:
                    self._stop_all(self._stop.signal_number)
                for worker in speaking:
                    self._attend(worker)
        finally:
            for worker in self._workers:
                worker.end(patience_seconds=0)
        self._require_undisturbed()
        return self._lost

    def _speaking(self) -> list[Worker]:
        """Workers that have something to say or have ended; waits a moment for one."""
        ends = [x for w in self._workers for x in (w.connection, w.process.sentinel)]
        ready = set(wait(ends, timeout=LOOK_SECONDS))
        return [w for w in self._workers if {w.connection, w.process.sentinel} & ready]

    def _attend(self, worker: Worker) -> None:
        said, ended = worker.hear()
        for message in said:
            self._heed(worker, message)
        if ended:
            worker.end()
            self._workers.remove(worker)
            self._replace(worker)

    def _heed(self, worker: Worker, message: Message) -> None:
        match message:
            case Finished():
                self._hand_next(worker)
            case Broke(error):
                self._error = self._error or error
                self._stop_all(signal.SIGTERM)
            case Crashed(reason):
                worker.reason = reason
            case _:
                if isinstance(message, Recorded):
                    worker.pending.remove(message.index)
                self._report(message, worker.number)

    def _hand_next(self, worker: Worker) -> None:
        worker.pending = []
        if self._may_begin():
            self._hand(worker, self._queue.popleft())
        else:
            worker.send(None)

    def _hand(self, worker: Worker, indices: list[int], retried: bool = False) -> None:
        worker.pending, worker.retried = list(indices), retried
        worker.send(NextPack(indices))

    def _replace(self, dead: Worker) -> None:
        """Let a fresh worker do what a dead one has left to do."""
        names = format_indices(dead.pending)
        if self._stopping:
            self._unfinished += dead.pending
        elif not dead.pending:
            self._start_next(dead.number)
        elif dead.retried:
            self._report(Lost(), dead.number)
            self._tell(dead, f"index {names}: its worker {dead.how_it_ended()} again; given up")
            self._lost += dead.pending
            self._start_next(dead.number)
        else:
            self._report(Lost(), dead.number)
            self._tell(dead, f"index {names}: its worker {dead.how_it_ended()}; trying once more")
            self._start(dead.number, dead.pending, retried=True)

    def _tell(self, worker: Worker, line: str) -> None:
        self._report(Noted(line), worker.number)

    def _may_begin(self) -> bool:
        return bool(self._queue) and not self._stopping and self._oversight.may_begin()

    def _start_next(self, number: int) -> None:
        if self._may_begin():
            self._start(number, self._queue.popleft())

    def _start(self, number: int, indices: list[int], retried: bool = False) -> None:
        try:
            worker = start_worker(number, self._placements.of(number))
        except OSError as error:
            self._error = self._error or DeviceError(
                f"cannot start worker {number + 1}: {error.strerror or error}",
                "nothing recorded is lost; the same command with fewer --workers continues",
            )
            self._stop_all(signal.SIGTERM)
            return
        self._workers.append(worker)
        worker.send(self._job)
        self._hand(worker, indices, retried)

    def _stop_all(self, signal_number: int) -> None:
        """Have every worker save its pack and end."""
        if not self._stopping:
            self._stopping = True
            for worker in self._workers:
                worker.send(Stop(signal_number))

    def _require_undisturbed(self) -> None:
        if self._error is not None:
            raise self._error
        if self._stopping and (self._unfinished or self._queue):
            number = self._stop.signal_number
            where = f" at index {format_indices(self._unfinished)}" if self._unfinished else ""
            raise InterruptedRunError(
                f"stopped by signal {number}{where}; the same command continues from there", number
            )
