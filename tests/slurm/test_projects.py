"""A sweep of one's own agent, submitted from a repository of one's own by an installed nthrun."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from installed import Installation, installation
from slurm.cluster import SlurmCluster, search_path

from nthrun.records.data import open_data
from nthrun.records.experiment import open_experiment
from nthrun.scheduling.plan import read_plans

CLUSTER = {"time": "10", "cores": 2, "memPerCpu": "900M", "signalSeconds": 20}
PREFIX = ["env", "LAB_PREFIX=here"]
INSIDE = """
import os
assert "/code/" not in __file__ or os.environ["LAB_PREFIX"] == "here"
"""
"""Lines of a module that of a snapshot is imported only behind that prefix."""
PATIENCE_SECONDS = 300


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A new project in a git repository, with a file that git does not know."""
    done = installation().call("nthrun", "new", "lab", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "lab"
    (folder / "cluster.json").write_text(json.dumps(CLUSTER))
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "Begin")
    (folder / "notes.txt").write_text("not committed\n")
    return folder


def git(folder: Path, *words: str) -> str:
    """What git prints in a folder."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def schedule(installed: Installation, project: Path, slurm: SlurmCluster, *words: str):  # type: ignore[no-untyped-def]
    """`nthrun schedule` of the project's specs on the cluster."""
    specs = ["--env-json", "environment.json", "--agent-json", "agent.json", "--save-dir", "s"]
    command = ["nthrun", "schedule", "--cluster", "cluster", *specs, "--backend", "eager", "--yes"]
    variables = slurm.environment | {"PATH": f"{installed.python.parent}:{search_path()}"}
    variables = installed.variables | variables
    return subprocess.run(
        [*command, *words],
        cwd=project,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


def test_tasks_run_the_project_as_it_was_submitted(slurm: SlurmCluster, project: Path) -> None:
    """Tasks run an own agent and environment from a snapshot of their repository, though both are
    broken and removed after submission, and behind the cluster's prefix, as their workers do;
    records say whose code ran."""
    installed = installation()
    with (project / "q_learning.py").open("a") as file:
        file.write(INSIDE)
    fields = CLUSTER | {"prefix": PREFIX, "python": str(installed.python)}
    (project / "cluster.json").write_text(json.dumps(fields))
    commit = git(project, "rev-parse", "HEAD")
    slurm.run("scontrol", "update", "partition=main", "state=down")
    try:
        done = schedule(installed, project, slurm, "--runs", "1")
        assert done.returncode == 0, done.stderr
        (project / "q_learning.py").write_text("raise ValueError('edited')\n")
    finally:
        slurm.run("scontrol", "update", "partition=main", "state=up")
    root = project / "results/s/corridor_q_learning-train"
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not (root / "manifest.json").exists() or len(recorded(root)) < 4:
        assert time.monotonic() < give_up, installed.call("nthrun", "status", "s", cwd=project)
        time.sleep(0.2)
    for entry in open_data(root).entries:
        each = entry.load(())["provenance"]["project"]
        assert (each["git_commit"], each["git_untracked"]) == (commit, "notes.txt")
        assert "+assert" in each["git_diff"]
    plan = next(read_plans(root))
    assert (plan.code, (root / plan.project / "q_learning.py").is_file()) == ("", True)


def recorded(root: Path) -> set[int]:
    """The indices that have completed."""
    statuses = open_experiment(root).inventory().statuses(0)
    assert set(statuses.values()) <= {"completed"}, statuses
    return set(statuses)


def test_a_missing_module_is_told_before_the_queue(slurm: SlurmCluster, project: Path) -> None:
    """A module that the snapshot lacks, as git ignores it, is named, and nothing is submitted."""
    (project / "q_learning.py").rename(project / "helpers_of_mine.py")
    (project / "q_learning.py").write_text("from helpers_of_mine import train as train\n")
    with (project / ".gitignore").open("a") as file:
        file.write("helpers_of_mine.py\n")
    done = schedule(installation(), project, slurm, "--runs", "1")
    assert done.returncode == 2, done.stdout
    assert "tasks could not run the snapshot of your code" in done.stderr
    assert "there is no module helpers_of_mine" in done.stderr
    assert not list((project / "results").rglob("plans/*.json"))
