"""Chaos: random faults for ten minutes; nothing lost, nothing twice, every bit the same."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from slurm.cluster import SlurmCluster
from slurm.daemons import ClusterError
from slurm.sweeps import Sweep, require_recorded_once, require_same_bits, worker_processes

from nthrun.scheduling.lease import read_attempt

RUNS, STEPS = 300, 4_000
MINUTES = 10.0
PAUSE_SECONDS = (1.0, 8.0)
OUTAGE_SECONDS = (1.0, 25.0)
OPTIONS = ("--pack", "5", "--packsPerTask", "3", "--cores", "1", "--partition", "low")


class Chaos:
    """Disturbs a sweep.

    Args:
        sweep: which.
        seed: of all that is random.
    """

    def __init__(self, sweep: Sweep, seed: int) -> None:
        self.sweep = sweep
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()

    def disturb(self) -> None:
        """Do one thing that goes wrong on clusters."""
        faults: list[tuple[int, Callable[[], None]]] = [
            (4, self.requeue),
            (4, self.cancel),
            (4, self.kill_worker),
            (3, self.kill_task),
            (2, self.preempt),
            (2, self.lose_node),
            (1, self.lose_controller),
            (3, self.schedule),
        ]
        weights, choices = zip(*faults, strict=True)
        [fault] = self.random.choices(choices, weights)
        try:
            fault()
            self.done[fault.__name__] += 1
        except (ClusterError, ProcessLookupError, IndexError):
            pass  # what it was aimed at has just ended

    def requeue(self) -> None:
        """An administrator requeues a running task."""
        self.sweep.cluster.run("scontrol", "requeue", self._running())

    def cancel(self) -> None:
        """A user cancels a task, running or not."""
        self.sweep.cluster.run("scancel", self.random.choice(sorted(self.sweep.jobs())))

    def kill_worker(self) -> None:
        """The kernel kills a worker."""
        os.kill(self.random.choice(worker_processes(self._process())), signal.SIGKILL)

    def kill_task(self) -> None:
        """The kernel kills a whole task."""
        os.kill(self._process(), signal.SIGKILL)

    def preempt(self) -> None:
        """A more important job takes a node."""
        script = self.sweep.directory / "important.sh"
        script.write_text("#!/bin/bash\nsleep 4\n")
        self.sweep.cluster.run(
            *("sbatch", "--partition=high", "--exclusive", "--output=/dev/null", str(script))
        )

    def lose_node(self) -> None:
        """A node's daemon dies and comes back, before or after Slurm has noticed."""
        node = self.random.choice(self.sweep.cluster.options.node_names())
        self._outage(f"slurmd-{node}")

    def lose_controller(self) -> None:
        """The controller dies and comes back."""
        time.sleep(6)  # it has saved by then what was last submitted
        self._outage("slurmctld")

    def schedule(self) -> None:
        """The user types the same command again."""
        self.sweep.submit(RUNS // 2, *OPTIONS)

    def _outage(self, daemon: str) -> None:
        self.sweep.cluster.kill(daemon)
        time.sleep(self.random.uniform(*OUTAGE_SECONDS))
        self.sweep.cluster.start_daemon(daemon)

    def _running(self) -> str:
        jobs = self.sweep.jobs().items()
        return self.random.choice(sorted(job for job, state in jobs if state == "RUNNING"))

    def _process(self) -> int:
        """A task's process, by its lease."""
        leases = self.sweep.experiment.glob("plans/*/*.json")
        attempts = [attempt for path in leases if (attempt := read_attempt(path))]
        return self.random.choice([a for a in attempts if a.is_here_and_alive]).pid


@pytest.mark.slow
def test_chaos_loses_nothing(slurm: SlurmCluster, tmp_path: Path) -> None:
    """After ten minutes of faults and a last command, every index has one record, and each has
    the bits of an undisturbed run."""
    steps = {"total_timesteps": STEPS, "eval_interval_timesteps": STEPS // 2}
    sweep = Sweep(slurm, tmp_path, steps)
    seed = int(os.environ.get("NTHRUN_CHAOS_SEED", time.time()))
    print(f"seed {seed}")  # pytest shows it with a failure
    chaos = Chaos(sweep, seed)
    chaos.schedule()
    until = time.monotonic() + MINUTES * 60
    unfinished = 0
    while time.monotonic() < until:
        time.sleep(chaos.random.uniform(*PAUSE_SECONDS))
        chaos.disturb()
        unfinished += sweep.num_records() < RUNS
    for _ in range(5):
        sweep.wait_until_done()
        if "submitted" not in sweep.submit(RUNS // 2, *OPTIONS):
            break
    print(f"faults: {dict(chaos.done)}, {unfinished} of them while runs were missing")
    assert unfinished > len(list(chaos.done.elements())) / 2
    assert set(chaos.done) >= {"requeue", "cancel", "kill_worker", "kill_task", "preempt"}
    require_recorded_once(sweep, RUNS)
    require_same_bits(sweep, RUNS)
