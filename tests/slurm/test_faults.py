"""Faults on a real Slurm: each ends with every index recorded once, with undisturbed bits."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import small_disk
from processes import ROOT, recorded
from slurm.cluster import SlurmCluster
from slurm.sweeps import (
    LONG,
    VERY_LONG,
    Sweep,
    require_recorded_once,
    require_same_bits,
    worker_processes,
)

from nthrun.scheduling.lease import Attempt, read_attempt

ONE_TASK = ("--pack", "1", "--cores", "2")


@pytest.fixture
def sweep(slurm: SlurmCluster, tmp_path: Path) -> Iterator[Sweep]:
    """A sweep of two long runs, which is over when the test is."""
    yield Sweep(slurm, tmp_path, {"total_timesteps": LONG, "eval_interval_timesteps": LONG})
    slurm.cancel_all()


@pytest.fixture
def long_sweep(slurm: SlurmCluster, tmp_path: Path) -> Iterator[Sweep]:
    """The same, of runs so long that Slurm's slower reactions find them going."""
    steps = {"total_timesteps": VERY_LONG, "eval_interval_timesteps": VERY_LONG}
    yield Sweep(slurm, tmp_path, steps)
    slurm.cancel_all()


def attempt_of(sweep: Sweep, task: int = 0) -> Attempt:
    """What the present attempt at a task says."""
    attempt = read_attempt(sweep.newest_plan().lease_path(task))
    assert attempt is not None
    return attempt


def begin(sweep: Sweep, *options: str) -> str:
    """Submit both runs as one task and let both advance; returns its job."""
    sweep.submit(1, *ONE_TASK, *options)
    sweep.wait_until_advanced(num_packs=2)
    [job] = sweep.jobs()
    return job


def finish(sweep: Sweep) -> None:
    """Wait for the end; every run is recorded once, with the bits of an undisturbed one."""
    sweep.wait_until_done()
    require_recorded_once(sweep, 2)
    require_same_bits(sweep, 2)


def require_continued(sweep: Sweep, at_least: int = 2) -> None:
    """Every run had several attempts, and the later ones did not begin at step 0."""
    for run in recorded(sweep.save_dir).values():
        steps = [attempt["step"] for attempt in run["provenance"]["attempts"]]
        assert len(steps) >= at_least
        assert steps[0] == 0
        assert all(steps[1:])


def test_a_requeued_task_continues(sweep: Sweep) -> None:
    """`scontrol requeue` from outside: the task saves, starts anew and goes on from there."""
    job = begin(sweep)
    sweep.cluster.run("scontrol", "requeue", job)
    finish(sweep)
    require_continued(sweep)


def test_a_cancelled_part_is_submitted_again(sweep: Sweep) -> None:
    """`scancel` of one element ends it for good; the same command then submits just that."""
    sweep.submit(1, "--pack", "1", "--cores", "1", "--packsPerTask", "1")
    sweep.wait_until_advanced()
    [first, *_] = sorted(sweep.jobs())
    sweep.cluster.run("scancel", first)
    sweep.wait(lambda: first not in sweep.jobs(), "the job to end")
    sweep.submit(1, *ONE_TASK)
    assert [task.indices for task in sweep.newest_plan().tasks] == [[0]]
    finish(sweep)


def test_a_job_can_submit(slurm: SlurmCluster, tmp_path: Path) -> None:
    """Submitted from an element of an array with little memory, a job without an array is what it
    is when it is submitted from a login node: it finds its own files, and records its runs."""
    sweep = Sweep(slurm, tmp_path)
    words = [sys.executable, str(ROOT / "schedule.py"), *sweep.arguments(1, *ONE_TASK)]
    script = tmp_path / "submit.sh"
    script.write_text(f"#!/bin/bash\nexec {shlex.join(words)}\n")
    log = tmp_path / "outer.log"
    log.touch()
    options = ("--array=3", "--mem=700", "--time=5", f"--output={log}")
    slurm.run("sbatch", *options, str(script), cwd=tmp_path)
    sweep.wait(lambda: "submitted job" in log.read_text() or "error:" in log.read_text(), "a job")
    sweep.wait_until_done()
    assert "error:" not in log.read_text()
    require_recorded_once(sweep, 2)
    for run in recorded(sweep.save_dir).values():
        [attempt] = run["provenance"]["attempts"]
        assert "SLURM_ARRAY_JOB_ID" not in json.dumps(attempt)


@pytest.mark.slow
def test_cancel_ends_what_runs_and_keeps_what_it_did(sweep: Sweep) -> None:
    """`schedule.py --cancel` ends every task; the next command continues from their state."""
    begin(sweep)
    assert "cancelled 1 task" in sweep.look("--cancel", "--yes")
    sweep.wait_until_done()
    assert "ended by SIGTERM" in sweep.look("--status")
    sweep.submit(1, *ONE_TASK)
    finish(sweep)
    require_continued(sweep)


def test_a_killed_worker_costs_only_its_pack(sweep: Sweep) -> None:
    """kill -9 of a worker: a fresh one continues within the same job."""
    job = begin(sweep)
    os.kill(worker_processes(attempt_of(sweep).pid)[0], signal.SIGKILL)
    finish(sweep)
    states = ("sacct", "--noheader", "--allocations", f"--jobs={job}", "--format=State")
    sweep.wait(lambda: sweep.cluster.run(*states).split() == ["COMPLETED"], "Slurm's accounts")
    runs = recorded(sweep.save_dir).values()
    assert sum(len(run["provenance"]["attempts"]) > 1 for run in runs) == 1


def test_a_killed_task_is_explained_and_submitted_again(sweep: Sweep) -> None:
    """kill -9 of the whole task: the status says what happened and shows its log's end."""
    begin(sweep)
    os.kill(attempt_of(sweep).pid, signal.SIGKILL)
    sweep.wait_until_done()
    sweep.wait(lambda: "FAILED" in sweep.look("--status"), "Slurm's accounts")
    assert "the process is gone" in sweep.look("--status")
    sweep.submit(1, *ONE_TASK)
    finish(sweep)
    require_continued(sweep)


def test_code_edited_while_tasks_wait_does_not_change_them(sweep: Sweep, tmp_path: Path) -> None:
    """Queued tasks run from the snapshot taken when they were submitted."""
    sweep.root = tmp_path / "checkout"
    shutil.copytree(ROOT / "nthrun", sweep.root / "nthrun")
    shutil.copy(ROOT / "main.py", sweep.root)
    sweep.submit(1, *ONE_TASK, "--sbatch", "--hold")
    (sweep.root / "nthrun" / "training" / "loop.py").write_text("raise SystemExit('edited')\n")
    [job] = sweep.jobs()
    sweep.cluster.run("scontrol", "release", job)
    finish(sweep)


@pytest.mark.slow
def test_a_full_disk_is_waited_for(sweep: Sweep) -> None:
    """While the disk takes nothing, the task tries again; it loses nothing."""
    with small_disk("4m") as disk:
        sweep.directory = disk
        sweep.__post_init__()
        begin(sweep)
        filler = disk / "filler"
        with open(filler, "wb") as file:
            _fill(file.fileno())
        sweep.wait(lambda: "trying again" in _log(sweep), "the task to notice")
        filler.unlink()
        finish(sweep)


@pytest.mark.slow
def test_a_task_that_reaches_its_time_limit_is_queued_again(long_sweep: Sweep) -> None:
    """The warning comes up to a minute early; the task saves in time and is requeued by itself,
    and the record has the bits of an undisturbed run."""
    job = begin(long_sweep)
    in_a_minute = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 50))
    long_sweep.cluster.run("scontrol", "update", f"jobid={job}", f"EndTime={in_a_minute}")
    long_sweep.wait(lambda: "queued again" in _log(long_sweep), "the task to be queued again")
    finish(long_sweep)
    require_continued(long_sweep)


@pytest.mark.slow
def test_a_preempted_task_saves_and_is_queued_again(long_sweep: Sweep) -> None:
    """A higher partition takes the nodes; with SIGTERM only, the task saves and later continues."""
    begin(long_sweep, "--partition", "low")
    nodes = len(long_sweep.cluster.options.node_names())
    script = long_sweep.directory / "high.sh"
    script.write_text("#!/bin/bash\nsleep 5\n")
    long_sweep.cluster.run(
        *("sbatch", "--partition=high", f"--nodes={nodes}", "--exclusive", "--output=/dev/null"),
        str(script),
    )
    long_sweep.wait(lambda: "PENDING" in long_sweep.jobs().values(), "the preemption")
    finish(long_sweep)
    require_continued(long_sweep)


@pytest.mark.slow
def test_a_task_that_runs_twice_at_once_is_recorded_once(long_sweep: Sweep) -> None:
    """After kill -9 of slurmd, Slurm starts the task on another node while the old process runs
    on; the old one finds that out and ends without writing."""
    begin(long_sweep)
    old = attempt_of(long_sweep)
    [node] = long_sweep.cluster.run("squeue", "--noheader", "--format", "%N").split()
    long_sweep.cluster.kill(f"slurmd-{node}")
    try:
        long_sweep.wait(lambda: attempt_of(long_sweep).token != old.token, "the second attempt")
        long_sweep.wait(lambda: not _alive(old.pid), "the first attempt to end")
    finally:
        long_sweep.cluster.start_daemon(f"slurmd-{node}")
    finish(long_sweep)


@pytest.mark.slow
def test_tasks_outlive_the_controller(long_sweep: Sweep) -> None:
    """kill -9 of slurmctld: tasks run on; schedule.py says that Slurm does not answer."""
    long_sweep.submit(1, *ONE_TASK)
    long_sweep.wait_until_advanced()
    time.sleep(6)  # the controller has saved its state by then
    long_sweep.cluster.kill("slurmctld")
    try:
        done = long_sweep.schedule(1)
        assert done.returncode == 2
        assert "Slurm does not answer" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    finally:
        long_sweep.cluster.start_daemon("slurmctld")
    finish(long_sweep)


def _alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def _log(sweep: Sweep) -> str:
    """What the tasks have printed."""
    return "".join(path.read_text() for path in sweep.experiment.glob("logs/*/*.log"))


def _fill(descriptor: int) -> None:
    """Write until the disk is full."""
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError:
        return
