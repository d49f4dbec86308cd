"""What Slurm would refuse, or let wait for ever: told plainly, with nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT
from slurm.cluster import SlurmCluster
from slurm.sweeps import Sweep


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--account", "nobody"), "account"),
        (("--partition", "nowhere"), "partition nowhere is not on this cluster"),
        (("--qos", "nonesuch"), "qos"),
        (("--cores", "5"), "would wait for ever"),
        (("--memPerCpu", "9G"), "would wait for ever"),
        (("--partition", "short"), "would wait for ever"),
        (("--gpus", "3"), "would wait for ever"),
        (("--gpus", "1", "--gpuType", "a100"), "would wait for ever"),
    ],
)
def test_a_refusal_is_one_line_and_leaves_nothing(
    slurm: SlurmCluster, tmp_path: Path, options: tuple[str, ...], problem: str
) -> None:
    """Exit code 2, one line that names the problem and a hint; no plan, no job."""
    sweep = Sweep(slurm, tmp_path)
    done = sweep.schedule(1, *options)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert problem in line.lower()
    assert "hint:" in line
    assert not list(sweep.experiment.glob("plans/*.json"))
    assert not list(sweep.experiment.glob("logs/*"))
    assert not sweep.jobs()


@pytest.mark.parametrize("name", ["top10%ablation", "noise50%train", "back\\slash"])
def test_a_directory_that_is_a_pattern_is_refused(
    slurm: SlurmCluster, tmp_path: Path, name: str
) -> None:
    """Where Slurm or submitit would read a directory as a pattern, nothing is submitted, written or
    left, and the line names the directory and the sign."""
    (tmp_path / name).mkdir()
    sweep = Sweep(slurm, tmp_path / name)
    for options in ((), ("--dry-run",)):
        done = sweep.schedule(1, *options)
        assert done.returncode == 2
        [line] = done.stderr.splitlines()
        assert f"{sweep.experiment}: got a path with" in line
        assert "hint:" in line
    assert {path.name for path in tmp_path.iterdir()} == {name}
    assert not sweep.save_dir.exists()


@pytest.mark.slow
def test_other_signs_in_a_directory_mean_nothing(slurm: SlurmCluster, tmp_path: Path) -> None:
    """A directory whose name is full of what shells and globs read runs an array like any other,
    and nothing is written beside it."""
    name = "a [b]*?{x}~$HOME 'q\" #&;|!"
    (tmp_path / name).mkdir()
    sweep = Sweep(slurm, tmp_path / name)
    sweep.submit(2, "--packsPerTask", "1", "--pack", "1")
    sweep.wait_until_done()
    assert sweep.num_records() == 4, sweep.look("--status")
    assert {path.name for path in tmp_path.iterdir()} == {name}


def test_an_array_is_never_larger_than_slurm_allows(slurm: SlurmCluster, tmp_path: Path) -> None:
    """An arrayLimit above Slurm's MaxArraySize does not count; arrays are split at Slurm's."""
    sweep = Sweep(slurm, tmp_path)
    size = slurm.options.max_array_size
    split = ("--pack", "1", "--packsPerTask", "1", "--cores", "1", "--arrayLimit", "100000")
    said = sweep.submit(size, *split, "--dry-run")
    assert f"#SBATCH --array=0-{size - 1}%{size}" in said
    assert not sweep.experiment.exists()


def test_one_task_is_a_job_by_itself(slurm: SlurmCluster, tmp_path: Path) -> None:
    """A one-element array is a plain job, found again and cancelled all the same."""
    sweep = Sweep(slurm, tmp_path)
    sweep.submit(1, "--sbatch", "--hold")
    [job] = sweep.jobs()
    assert "_" not in job
    assert "submitted" not in sweep.submit(1)
    sweep.look("--cancel", "--yes")
    sweep.wait_until_done()


def test_without_slurm_there_is_a_way(tmp_path: Path, slurm: SlurmCluster) -> None:
    """Where sbatch is not found, the line says so and names clusters/local.json."""
    sweep = Sweep(slurm, tmp_path)
    bare = tmp_path / "bin"
    bare.mkdir()
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "schedule.py"), "--runs", "1", "--yes"),
            *(str(tmp_path / "cluster.json"), "main.py", str(ROOT)),
            *(str(tmp_path / "environment.json"), str(sweep.save_dir)),
            str(tmp_path / "agent.json"),
        ],
        env=os.environ | {"PATH": str(bare)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "no Slurm on this machine" in line
    assert "clusters/local.json" in line
