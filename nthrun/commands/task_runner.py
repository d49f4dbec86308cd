"""A task of a plan: its packs are trained by workers, saved in time, and its ending is recorded."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field

from nthrun.commands.experiment_opening import open_for
from nthrun.commands.request import Request
from nthrun.commands.worker import Job
from nthrun.commands.worker_pool import Oversight, ReportOfWorker, WorkerPool
from nthrun.commands.worker_process import Placements, visible_gpus
from nthrun.errors import InterruptedRunError, NthrunError, StorageError, SupersededError
from nthrun.index import format_indices
from nthrun.planning.experiment_spec import experiment_spec_of
from nthrun.records.experiment import Experiment
from nthrun.scheduling.lease import (
    FAILED,
    REQUEUED,
    STOPPED,
    Clock,
    Lease,
    read_attempt,
    take_lease,
)
from nthrun.scheduling.plan import Plan
from nthrun.scheduling.submission import WARNING, own_job, own_log
from nthrun.specs.cluster_spec import usable_cores
from nthrun.terminal import note
from nthrun.training.progress import Advanced, Began, Lost, News, TrainingProgress
from nthrun.training.stopping import GRACE_SECONDS, StopRequest

TIME_IS_UP = signal.Signals[f"SIG{WARNING}"]
RESERVED_SECONDS = 30.0
"""What of the time between Slurm's warning and the end is left for ending a task."""
STORAGE_SECONDS = 20.0
"""Time between attempts to go on where the disk is full."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended.

    Attributes:
        state: as a lease has it; "" where all is recorded.
        reason: in words.
        exit_code: of the process.
    """

    state: str
    reason: str
    exit_code: int


@dataclass(slots=True)
class _Pack:
    before: int
    now: int = 0


@dataclass
class TaskProgress:
    """Counts what the workers of a task have done.

    Args:
        run_timesteps: steps of one run.
    """

    run_timesteps: int
    _recorded: int = 0
    _earlier_run_steps: int = 0
    _ended: list[_Pack] = field(default_factory=list)
    _packs: dict[int, _Pack] = field(default_factory=dict)

    def begin(self, recorded: int) -> None:
        """Begin to train what is left, or begin again after a failure.

        Args:
            recorded: runs of the task that are recorded by now.
        """
        self._earlier_run_steps = self.new_run_steps
        self._recorded = recorded
        self._ended.clear()
        self._packs.clear()

    def count(self, news: News, worker: int) -> None:
        """Count what a worker reports."""
        match news:
            case Began(done_run_steps=before):
                if worker in self._packs:
                    self._ended.append(self._packs[worker])
                self._packs[worker] = _Pack(before)
            case Advanced(run_steps=steps):
                self._packs[worker].now += steps
            case Lost():
                self._packs.pop(worker, None)

    @property
    def new_run_steps(self) -> int:
        """Done by this attempt."""
        return self._earlier_run_steps + sum(pack.now for pack in self._all())

    @property
    def done_run_steps(self) -> int:
        """Done by this and earlier attempts."""
        in_packs = sum(pack.before + pack.now for pack in self._all())
        return self._recorded * self.run_timesteps + in_packs

    def _all(self) -> list[_Pack]:
        return [*self._ended, *self._packs.values()]


class TaskAttempt:
    """One attempt at a task.

    Args:
        plan: the plan.
        number: of the task.
        stop: set by a signal that ends it for good.
        clock: says when to save and make room.
    """

    def __init__(self, plan: Plan, number: int, stop: StopRequest, clock: Clock) -> None:
        self.plan = plan
        self.number = number
        self.task = plan.tasks[number]
        self.spec = experiment_spec_of(plan.environment, plan.agent, str(plan.path))
        self.total_run_steps = self.task.num_runs * self.spec.environment.total_timesteps
        self.lease: Lease | None = None
        self._stop = stop
        self._clock = clock
        self._pool_stop = StopRequest()
        self._task_progress = TaskProgress(self.spec.environment.total_timesteps)
        self._done_before = 0

    def run(self, progress: TrainingProgress) -> Ending:
        """Train what is missing of the task.

        Where the file system takes nothing, it is tried again as long as there is time.

        Raises:
            SupersededError: another attempt has taken the task over.
        """
        while True:
            try:
                return self._end(*self._train(progress))
            except StorageError as error:
                if not (error.may_pass and self._may_wait()):
                    return self._end(STOPPED, error.message, error.exit_code)
                note(f"{error.message}; trying again in {STORAGE_SECONDS:.0f} s")
                self._stop.wait(STORAGE_SECONDS)
            except InterruptedRunError as error:
                return self._end(*self._interrupted(error))
            except SupersededError:
                raise
            except NthrunError as error:
                return self._end(FAILED, error.lines()[0], error.exit_code)

    def _train(self, progress: TrainingProgress) -> tuple[str, str, int]:
        """(state, reason, exit code) of training until nothing is left or nothing may begin."""
        lease = self._own()
        request = self._request()
        experiment = open_for(self.spec, request, self.plan.root)
        missing = self._missing(experiment)
        self._task_progress.begin(self.task.num_runs - len(missing))
        packs = [rest for pack in self.task.packs if (rest := sorted(missing & set(pack)))]
        pool = WorkerPool(
            Job(self.spec, experiment, request, lease.fence, self._grace_seconds),
            Placements(visible_gpus(os.environ, self.plan.cluster.integer("gpus")), self._cores()),
            Oversight(
                self._pool_stop, self._reporter(progress), self._look, self._clock.has_time_for_pack
            ),
        )
        self._look()
        lost = pool.train(packs, self.task.workers) if packs else []
        return self._judge(experiment, lost)

    def _own(self) -> Lease:
        """The lease on the task, taken once for all tries of this attempt."""
        if self.lease is None:
            restart = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
            # a plan run here is no job of Slurm's, even where an interactive job holds this shell
            job = "" if self.plan.cluster.is_local else own_job()
            path = self.plan.lease_path(self.number)
            before = read_attempt(path)
            self._done_before = before.done_run_steps if before else 0
            facts = {
                "job": job,
                "restart": restart,
                "log": own_log(),
                "done_run_steps": self._done_before,
            }
            self.lease = take_lease(path, self.total_run_steps, facts)
            os.environ["NTHRUN_PLAN"] = self.plan.name
            os.environ["NTHRUN_TASK"] = str(self.number)
            os.environ["NTHRUN_ATTEMPT"] = self.lease.attempt.token
        return self.lease

    def _request(self) -> Request:
        plan = self.plan
        return Request(
            indices=tuple(self.task.indices),
            save_dir=str(plan.root.parent),
            stage=plan.stage,
            device=plan.device,
            backend=plan.backend,
            workers=self.task.workers,
            pack=max(map(len, self.task.packs)),
            overwrite=False,
            retry_failed=plan.retry_failed,
            monitor_after=None,
        )

    def _missing(self, experiment: Experiment) -> set[int]:
        plan = self.plan
        inventory = experiment.inventory()
        return set(inventory.missing(self.task.indices, plan.stage, plan.retry_failed))

    @property
    def _grace_seconds(self) -> float:
        """What a program has to save: where Slurm warns of the end, most of what that leaves."""
        warned = self.plan.cluster.integer("signalSeconds") - RESERVED_SECONDS
        return GRACE_SECONDS if self.plan.cluster.is_local else max(warned, GRACE_SECONDS)

    def _cores(self) -> tuple[int, ...]:
        """The cores to pin workers to: where Slurm confines this task to its own, and no other's
        workers could be pinned to the same ones."""
        if "SLURM_JOB_ID" not in os.environ or usable_cores() != self.task.workers:
            return ()
        return tuple(sorted(os.sched_getaffinity(0)))

    def _reporter(self, progress: TrainingProgress) -> ReportOfWorker:
        def report(news: News, worker: int) -> None:
            self._task_progress.count(news, worker)
            progress.show(news, worker)

        return report

    def _look(self) -> None:
        """Give a sign of life; end the pool when a signal came or time is up."""
        if self.lease is not None:
            self.lease.beat(
                done_run_steps=max(self._task_progress.done_run_steps, self._done_before),
                new_run_steps=self._task_progress.new_run_steps,
            )
        if self._stop.signal_number:
            self._pool_stop.signal_number = self._stop.signal_number
        elif self._clock.is_up():
            self._pool_stop.signal_number = TIME_IS_UP

    def _judge(self, experiment: Experiment, lost: list[int]) -> tuple[str, str, int]:
        """How an attempt ends whose workers have ended by themselves."""
        inventory = experiment.inventory()
        left = inventory.missing(self.task.indices, self.plan.stage)
        statuses = inventory.statuses(self.plan.stage)
        failed = [index for index in self.task.indices if statuses.get(index) == "failed"]
        if lost:
            return FAILED, f"index {format_indices(lost)}: the worker died twice", 1
        if left:
            return self._out_of_time()
        if failed:
            return FAILED, f"index {format_indices(failed)}: the run failed", 1
        return "", "every run is recorded", 0

    def _interrupted(self, error: InterruptedRunError) -> tuple[str, str, int]:
        if self._stop.signal_number:
            number = self._stop.signal_number
            name = signal.Signals(number).name
            return STOPPED, f"ended by {name}; its checkpoints continue", error.exit_code
        return self._out_of_time()

    def _out_of_time(self) -> tuple[str, str, int]:
        """Time is up: whether going on later would help is seen from what this attempt did."""
        if self._task_progress.done_run_steps > self._done_before:
            return REQUEUED, "time is up and work is left; queued again", 0
        return STOPPED, "time was up, and this attempt got no further; more --time is needed", 1

    def _end(self, state: str, reason: str, exit_code: int) -> Ending:
        if self.lease is not None and state:
            done, new = self._task_progress.done_run_steps, self._task_progress.new_run_steps
            self.lease.end(state, reason, done_run_steps=done, new_run_steps=new)
        elif self.lease is not None:
            self.lease.release()
        return Ending(state, reason, exit_code)

    def _may_wait(self) -> bool:
        return not self._stop.signal_number and self._clock.has_time_for_pack()
