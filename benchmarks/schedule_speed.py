"""How fast sweeps are planned and submitted, and what a task costs beside its training.

Planning is the real `schedule.py --dry-run`, start included, of sweeps with nine tenths of their
indices recorded (synthetic records, 100 runs a shard), with the cache of what is recorded and
without it. Submitting is the real command on a real Slurm of this machine, started for it, whose
nodes are drained; its peer is one `sbatch` a job. The overhead of a task is a job of one run of 128
steps on that Slurm, from submission to record, and the CPU time of the same task run here.

    python benchmarks/schedule_speed.py
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # and its tests' Slurm

from slurm.cluster import SlurmCluster
from slurm.configuration import Options
from slurm.installing import MissingSlurmError, ensure_installed

from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.planning.machine import cpu_model
from nthrun.planning.packs import plan_run
from nthrun.records.experiment import Manifest, create_experiment
from nthrun.records.inventory import CACHE_NAME
from nthrun.records.schema import Run
from nthrun.records.shard import ShardHeader, new_shard_id, write_shard
from nthrun.specs.fingerprint import fingerprint
from nthrun.training.provenance import provenance
from nthrun.training.recording import LaneRecorder

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / "config/environment/PendulumContinuous-v1.json"
AGENT = ROOT / "config/agent/SAC_classic_sweep.json"
CLUSTER = ROOT / "clusters/fir.json"
SHARD_RUNS = 100
NUM_TASKS = 500


def schedule(
    save_dir: Path, runs: int, *options: str, environment: Path = ENVIRONMENT, **variables: str
) -> float:
    """Wall seconds of one `schedule.py`."""
    positions = [str(CLUSTER), "main.py", str(ROOT), str(environment), str(save_dir), str(AGENT)]
    command = [sys.executable, str(ROOT / "schedule.py"), "--runs", str(runs), *options, *positions]
    started = time.perf_counter()
    subprocess.run(command, env=os.environ | variables, check=True, capture_output=True)
    return time.perf_counter() - started


def record(save_dir: Path, num_indices: int) -> None:
    """Record so many indices from 0, with next to nothing in the records."""
    spec = read_experiment_spec([str(ENVIRONMENT)], [str(AGENT)])
    agent, environment = spec.agent.as_document(), spec.environment.as_document()
    print_of = fingerprint(agent, environment)
    num_settings = spec.sweep.num_settings
    manifest = Manifest(print_of, num_settings, agent, environment, "cpu", "compile", 1)
    experiment = create_experiment(spec.directory(str(save_dir)), manifest)
    made = provenance("cpu", "eager", 1, 1) | {"attempts": []}
    extra = {"learned_params": {}, "train_time": 3.0, "eval_time": 0.1, "provenance": made}
    for first in range(0, num_indices, SHARD_RUNS):
        header = ShardHeader(new_shard_id(), print_of, 0, replaces={})
        runs: list[Run] = []
        for index in range(first, min(first + SHARD_RUNS, num_indices)):
            recorder = LaneRecorder()
            outcome = recorder.outcome("") | {"status": "completed"}
            runs.append(
                recorder.record(plan_run(spec, index, 0), spec.environment, outcome | extra)
            )
        write_shard(experiment.runs, header, experiment.specs, runs)


def planning_seconds(folder: Path, num_indices: int, rounds: int) -> tuple[float, float]:
    """(without the cache, with it), medians."""
    save_dir = folder / str(num_indices)
    record(save_dir, num_indices * 9 // 10)
    [runs] = save_dir.glob("*/runs")
    wanted = num_indices // 80
    cold = []
    for _ in range(rounds):
        (runs / CACHE_NAME).unlink(missing_ok=True)
        cold.append(schedule(save_dir, wanted, "--dry-run"))
    subprocess.run(  # --dry-run touches nothing, so another command makes the cache
        [sys.executable, str(ROOT / "schedule.py"), "--status", str(save_dir)],
        check=True,
        capture_output=True,
    )
    warm = [schedule(save_dir, wanted, "--dry-run") for _ in range(rounds)]
    return statistics.median(cold), statistics.median(warm)


def submitting_seconds(cluster: SlurmCluster, folder: Path, array_limit: int) -> float:
    """Of a sweep of `NUM_TASKS` tasks, arrays no larger than the limit."""
    each_alone = ("--pack", "1", "--packsPerTask", "1", "--cores", "1", "--submitLimit", "0")
    save_dir = Path(tempfile.mkdtemp(dir=folder))
    seconds = schedule(
        save_dir,
        -(-NUM_TASKS // 80),
        *("--yes", *each_alone, "--arrayLimit", str(array_limit)),
        **cluster.environment,
    )
    cluster.run("scancel", "--user", os.environ.get("USER", "root"))
    return seconds


def sbatch_seconds(cluster: SlurmCluster, folder: Path, num_jobs: int) -> float:
    """Of one sbatch a job."""
    script = folder / "job.sh"
    script.write_text("#!/bin/bash\ntrue\n")
    started = time.perf_counter()
    for _ in range(num_jobs):
        cluster.run("sbatch", "--output=/dev/null", str(script))
    seconds = time.perf_counter() - started
    cluster.run("scancel", "--user", os.environ.get("USER", "root"))
    return seconds


def task_seconds(cluster: SlurmCluster, folder: Path, environment: Path) -> float:
    """From the submission of a task of one short run to the end of its job."""
    save_dir = Path(tempfile.mkdtemp(dir=folder))
    options = ("--yes", "--packsPerTask", "1", "--pack", "1", "--cores", "1", "--backend", "eager")
    started = time.perf_counter()
    schedule(
        save_dir,
        1,
        *options,
        *("--submitLimit", "1"),
        environment=environment,
        **cluster.environment,
    )
    while cluster.run("squeue", "--noheader"):
        time.sleep(0.05)
    return time.perf_counter() - started


def task_cpu_seconds(folder: Path, environment: Path) -> float:
    """CPU time of a local plan of one short run, less what the run itself took."""
    save_dir = Path(tempfile.mkdtemp(dir=folder))
    agent = ROOT / "config/agent/SAC_classic_best_pendulum.json"
    positions = [str(ROOT / "clusters/local.json"), "main.py", str(ROOT), str(environment)]
    command = [sys.executable, str(ROOT / "schedule.py"), "--runs", "1", "--yes", "--backend"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [*command, "eager", "--cores", "1", *positions, str(save_dir), str(agent)],
        check=True,
        capture_output=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def brief(folder: Path) -> Path:
    """The shipped environment spec, of one block of steps without evaluation."""
    content = json.loads(ENVIRONMENT.read_text()) | {"total_timesteps": 128, "eval_episodes": 0}
    path = folder / "brief.json"
    path.write_text(json.dumps(content))
    return path


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Repetitions of each.")
@click.option("--indices", multiple=True, type=int, default=(10**4, 10**5, 10**6))
def main(rounds: int, indices: Sequence[int]) -> None:
    """Print medians over rounds."""
    click.echo(f"{cpu_model()}, {os.cpu_count()} cores, {rounds} rounds")
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as temporary:
        folder = Path(temporary)
        click.echo("\nplanning, 9/10 recorded           no cache      cache")
        for number in indices:
            cold, warm = planning_seconds(folder, number, rounds)
            click.echo(f"  {number:>9,} indices        {cold:12.2f} s {warm:8.2f} s")
        try:
            ensure_installed(may_remove=False)
        except MissingSlurmError as error:
            click.echo(f"submitting: not measured: {error}")
            return
        measure_slurm(folder, rounds)


def measure_slurm(folder: Path, rounds: int) -> None:
    """Print what is measured on a real Slurm."""
    options = Options(accounting=False, nodes=1, cpus_per_node=192, memory_mb=768_000)
    directory = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    cluster = SlurmCluster(directory, options)
    cluster.start()
    try:
        environment = brief(folder)
        overhead = [task_seconds(cluster, folder, environment) for _ in range(rounds)]
        cluster.run("scontrol", "update", "nodename=n1", "state=drain", "reason=benchmark")
        click.echo(f"\nsubmitting {NUM_TASKS} tasks                  seconds    tasks/s")
        for limit in (NUM_TASKS, 100):
            seconds = np.median([submitting_seconds(cluster, folder, limit) for _ in range(rounds)])
            said = f"  schedule.py, arrays of {limit}"
            click.echo(f"{said:<36}{seconds:10.2f} {NUM_TASKS / seconds:10.0f}")
        seconds = np.median([sbatch_seconds(cluster, folder, NUM_TASKS) for _ in range(rounds)])
        said = "  one sbatch a job"
        click.echo(f"{said:<36}{seconds:10.2f} {NUM_TASKS / seconds:10.0f}")
        cpu = statistics.median(task_cpu_seconds(folder, environment) for _ in range(rounds))
        click.echo(f"\na task of one run of 128 steps: {statistics.median(overhead):.1f} s from")
        click.echo(
            f"submission to the end of its job; {cpu:.1f} CPU-seconds for the same task here"
        )
    finally:
        cluster.stop()
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
