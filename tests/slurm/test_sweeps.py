"""Sweeps on a real Slurm that nothing disturbs: nothing missing, nothing twice."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import ROOT, recorded
from slurm.cluster import SlurmCluster
from slurm.sweeps import PPO_IN_WORLDS, SAC, Sweep, require_recorded_once, require_same_bits

from nthrun.records.experiment import open_experiment


def test_a_sweep_is_recorded_once_and_only_what_is_missing_is_submitted(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    """200 indices in arrays: each recorded once, with the bits of runs made without Slurm; the
    same command again submits nothing, queued or recorded; after three records are gone, three."""
    sweep = Sweep(slurm, tmp_path, {"total_timesteps": 100, "eval_interval_timesteps": 50})
    said = sweep.submit(100, "--packsPerTask", "6", "--arrayLimit", "3")
    assert len(re.findall(r"submitted job \d+: \d tasks?", said)) == len(sweep.newest_plan().arrays)
    assert "submitted" not in sweep.submit(100)
    sweep.wait_until_done()
    require_recorded_once(sweep, 200)
    assert "submitted" not in sweep.submit(100)
    assert not list(sweep.experiment.glob("logs/**/*.log"))
    assert not list(sweep.experiment.glob("logs/**/*.pkl"))
    assert not list(sweep.experiment.glob("plans/*/*.json"))
    open_experiment(sweep.experiment).forget(0, [3, 77, 150])
    sweep.submit(100)
    assert [task.indices for task in sweep.newest_plan().tasks] == [[3, 77, 150]]
    sweep.wait_until_done()
    require_recorded_once(sweep, 200)
    require_same_bits(sweep, 200)


@pytest.mark.parametrize(
    "agent", [SAC, pytest.param(PPO_IN_WORLDS, marks=pytest.mark.slow)], ids=["SAC", "PPO"]
)
def test_a_record_tells_job_task_attempt_node_and_plan(
    slurm: SlurmCluster, tmp_path: Path, agent: dict[str, Any]
) -> None:
    """Provenance names them all; runs of several worlds have the bits that they have without
    Slurm."""
    sweep = Sweep(slurm, tmp_path, agent=agent)
    sweep.submit(2, "--packsPerTask", "1", "--pack", "1")
    sweep.wait_until_done()
    plan = sweep.newest_plan()
    if agent != SAC:
        require_same_bits(sweep, 4)
    for (_, index), run in recorded(sweep.save_dir, sweep.experiment.name).items():
        [attempt] = run["provenance"]["attempts"]
        task = int(attempt["plan"]["NTHRUN_TASK"])
        assert attempt["plan"]["NTHRUN_PLAN"] == plan.name
        assert plan.tasks[task].indices == [index]
        assert attempt["slurm"]["SLURM_ARRAY_TASK_ID"] == str(task)
        assert attempt["slurm"]["SLURMD_NODENAME"] in slurm.options.node_names()
        assert len(attempt["plan"]["NTHRUN_ATTEMPT"]) == 16


@pytest.mark.slow
def test_confirmations_are_runs_of_another_stage(slurm: SlurmCluster, tmp_path: Path) -> None:
    """--rerun submits every index anew, as stage 1, beside the sweep's records."""
    sweep = Sweep(slurm, tmp_path)
    sweep.submit(1)
    sweep.submit(1, "--rerun")
    sweep.wait_until_done()
    assert set(recorded(sweep.save_dir)) == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_what_the_submit_limit_leaves_is_said_and_submitted_later(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    """Under a QOS of five jobs five tasks are queued, the rest is named; when they are done the
    same command submits the rest."""
    sweep = Sweep(slurm, tmp_path, fields={"qos": "tiny"})
    split = ("--packsPerTask", "1", "--pack", "2")
    said = sweep.submit(7, *split)
    assert "4 of the missing runs stay unsubmitted" in said
    assert sum(array.num_tasks for array in sweep.newest_plan().arrays) == 5
    assert "5 tasks" in said
    sweep.wait_until_done()
    assert "submitted" in sweep.submit(7, *split)
    sweep.wait_until_done()
    require_recorded_once(sweep, 14)


def test_status_tells_what_is_queued_running_recorded_and_missing(
    slurm_without_accounting: SlurmCluster, tmp_path: Path
) -> None:
    """Without accounting too: queued and running tasks count, and a cancelled one is explained."""
    sweep = Sweep(slurm_without_accounting, tmp_path, {"total_timesteps": 5_000})
    sweep.submit(2, "--packsPerTask", "1", "--pack", "2", "--parallel", "1", "--cores", "1")
    sweep.wait_until_advanced()
    row = _row(sweep.look("--status"))
    assert (row["expected"], row["running"], row["queued"]) == ("4", "2", "2")
    [waiting] = [job for job, state in sweep.jobs().items() if state == "PENDING"]
    slurm_without_accounting.run("scancel", waiting)
    sweep.wait_until_done()
    said = sweep.look("--status")
    row = _row(said)
    assert (row["recorded"], row["missing"], row["queued"]) == ("2", "2", "0")
    assert "left the queue before it began" in said


def _row(status: str) -> dict[str, str]:
    """The status table's only row, by column."""
    names, row = (line.split() for line in status.splitlines()[:2])
    return dict(zip(names, row, strict=False))


PROBE = """
import os, sys
from nthrun.commands.worker_process import Placements, start_worker, visible_gpus

class Probe:  # what a worker does when it reads this message
    def __init__(self, number):
        self.number = number
    def __reduce__(self):
        return os.system, (f"printenv CUDA_VISIBLE_DEVICES > {sys.argv[1]}/{self.number}",)

if __name__ == "__main__":
    placements = Placements(visible_gpus(os.environ, 2))
    for number in range(2):
        worker = start_worker(number, placements.of(number))
        worker.send(Probe(number))
        worker.end()
"""


def test_gpus_are_shared_out_among_the_workers(slurm: SlurmCluster, tmp_path: Path) -> None:
    """In a job that Slurm gave two GPUs, each worker process sees its own."""
    (tmp_path / "probe.py").write_text(PROBE)
    script = tmp_path / "job.sh"
    script.write_text(
        f"#!/bin/bash\nPYTHONPATH={ROOT} {sys.executable} {tmp_path}/probe.py {tmp_path}\n"
    )
    slurm.run("sbatch", "--wait", "--gres=gpu:h100:2", f"--output={tmp_path}/log", str(script))
    told = [(tmp_path / str(number)).read_text().strip() for number in range(2)]
    assert told == ["0", "1"], (tmp_path / "log").read_text()


def test_a_task_gets_the_gpus_it_asks_for(slurm: SlurmCluster, tmp_path: Path) -> None:
    """A cluster spec with GPUs asks Slurm for them; where torch finds none, the status says so."""
    sweep = Sweep(slurm, tmp_path, fields={"gpus": 1, "gpuType": "h100", "memPerCpu": "1900M"})
    sweep.submit(1)
    sweep.wait_until_done()
    assert "this machine shows no CUDA GPU" in sweep.look("--status")
    job = f"--name={sweep.newest_plan().job_name(0)}"
    given = ("sacct", "--noheader", "--allocations", job, "--format=AllocTRES%80")
    sweep.wait(lambda: "gres/gpu=1" in slurm.run(*given), "Slurm's accounts")
