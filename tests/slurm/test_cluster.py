"""The test cluster itself: what the tests on it rely on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from slurm.cluster import SlurmCluster
from slurm.daemons import ClusterError, wait_until


def submit(cluster: SlurmCluster, script: str, *options: str) -> str:
    """Submit a line of bash; returns the job's id."""
    return cluster.run("sbatch", "--parsable", *options, "--wrap", script)


def state(cluster: SlurmCluster, job: str) -> str:
    """A job's state by squeue, which knows ended jobs too."""
    return cluster.run("squeue", "--noheader", "--states=all", "--format=%T", "--jobs", job)


def wait_for_end(cluster: SlurmCluster, job: str) -> None:
    """Wait until a job has ended well."""
    wait_until(lambda: state(cluster, job) == "COMPLETED", f"job {job} to complete")


def test_sacct_sees_a_job_complete(slurm: SlurmCluster, tmp_path: Path) -> None:
    """A job of account `test` runs, writes its output, and sacct books its end."""
    output = tmp_path / "output"
    job = submit(slurm, "echo ran", "--output", str(output))
    query = ("sacct", "--noheader", "--parsable2", "--allocations", "--format=State,Account")
    wait_until(lambda: slurm.run(*query, "--jobs", job) == "COMPLETED|test", "sacct to tell")
    assert output.read_text() == "ran\n"


def test_an_array_runs_each_of_its_elements(slurm: SlurmCluster, tmp_path: Path) -> None:
    """Each of three elements is a row of `squeue -r` while it waits, and runs once."""
    job = submit(
        slurm,
        f"touch {tmp_path}/$SLURM_ARRAY_TASK_ID",
        "--array=0-2",
        "--hold",
        "--output=/dev/null",
    )
    rows = slurm.run("squeue", "--noheader", "--array", "--format=%i", "--jobs", job)
    assert sorted(rows.split()) == [f"{job}_{index}" for index in range(3)]
    slurm.run("scontrol", "release", job)
    wait_until(lambda: len(list(tmp_path.iterdir())) == 3, "the elements to run")


def test_a_requeued_job_starts_again(slurm: SlurmCluster, tmp_path: Path) -> None:
    """`scontrol requeue` restarts a running job soon, and the job can tell."""
    attempts = tmp_path / "attempts"
    script = f"echo ${{SLURM_RESTART_COUNT:-0}} >> {attempts}; [ -n ${{SLURM_RESTART_COUNT:+1}} ] "
    job = submit(slurm, f"{script} && exit; sleep 60", "--output=/dev/null")
    wait_until(attempts.exists, "the job to run")
    began = time.monotonic()
    slurm.run("scontrol", "requeue", job)
    wait_until(lambda: attempts.read_text() == "0\n1\n", "the job to run again", seconds=20)
    assert time.monotonic() - began > slurm.options.requeue_wait_seconds - 1
    wait_for_end(slurm, job)


def test_a_job_sees_the_gpus_it_got(slurm: SlurmCluster, tmp_path: Path) -> None:
    """Two GPUs of a node are numbers 0 and 1."""
    output = tmp_path / "output"
    script = "echo $CUDA_VISIBLE_DEVICES"
    job = submit(slurm, script, "--gres=gpu:h100:2", "--output", str(output))
    wait_for_end(slurm, job)
    assert output.read_text() == "0,1\n"


def test_a_user_meets_the_limit_of_submitted_jobs(slurm: SlurmCluster) -> None:
    """QOS `tiny` refuses an array of more elements than its limit."""
    with pytest.raises(ClusterError, match="QOSMaxSubmitJobPerUserLimit"):
        submit(slurm, "true", "--qos=tiny", f"--array=0-{slurm.options.submit_limit}")


def test_a_killed_controller_resumes(slurm: SlurmCluster) -> None:
    """A daemon that was killed starts again on what it left."""
    nodes = slurm.run("sinfo", "--noheader", "--format=%D", "--partition=main")
    slurm.kill("slurmctld")
    slurm.start_daemon("slurmctld")
    assert slurm.run("sinfo", "--noheader", "--format=%D", "--partition=main") == nodes


def test_without_accounting_only_squeue_knows(
    slurm_without_accounting: SlurmCluster,
) -> None:
    """Jobs run where sacct fails."""
    job = submit(slurm_without_accounting, "true", "--output=/dev/null")
    wait_for_end(slurm_without_accounting, job)
    with pytest.raises(ClusterError, match="accounting storage is disabled"):
        slurm_without_accounting.run("sacct", "--jobs", job)
