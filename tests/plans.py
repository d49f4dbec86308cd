"""Cluster specs, plans, leases and a make-believe Slurm, for tests of scheduling."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from builders import make_run
from packs import small_spec

from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.records.experiment import Experiment, Manifest, create_experiment
from nthrun.scheduling.lease import Attempt, Lease, take_lease
from nthrun.scheduling.plan import Array, Plan, Task, write_plan
from nthrun.scheduling.slurm import Job, Queue
from nthrun.specs.cluster_spec import FIELDS, ClusterSpec
from nthrun.specs.fingerprint import fingerprint

NAME = "20260102-030405-abcdef"
SPEC = small_spec()
"""Six settings, 300 steps."""


def make_cluster(**fields: Any) -> ClusterSpec:
    """A cluster of Slurm with an hour a task, some fields otherwise."""
    values = {field.name: field.default for field in FIELDS} | {"time": "1:00:00"}
    return ClusterSpec("somewhere", values | fields)  # type: ignore[arg-type]


LOCAL = make_cluster(scheduler="local")
"""This machine."""


def make_plan(
    root: Path,
    tasks: Sequence[Sequence[Sequence[int]]] = (((0, 1), (2,)), ((3,),)),
    cluster: ClusterSpec | None = None,
    spec: ExperimentSpec = SPEC,
    **changes: Any,
) -> Plan:
    """A plan, not written.

    Args:
        root: the experiment's directory.
        tasks: the packs of each task; all tasks are in one array.
        cluster: where they run.
        spec: of the experiment.
        changes: attributes to set otherwise.
    """
    agent, environment = spec.agent.as_document(), spec.environment.as_document()
    values: dict[str, Any] = {
        "name": NAME,
        "root": root,
        "fingerprint": fingerprint(agent, environment),
        "num_settings": spec.sweep.num_settings,
        "agent": agent,
        "environment": environment,
        "stage": 0,
        "num_runs": 1,
        "settings": "",
        "retry_failed": False,
        "cluster": cluster or make_cluster(),
        "device": "cpu",
        "backend": "eager",
        "code": "",
        "tasks": tuple(Task(tuple(tuple(p) for p in packs), 1, 90.0) for packs in tasks),
        "arrays": (Array(0, len(tasks)),),
        "command": ("schedule.py",),
    }
    return Plan(**values | changes)


def written_plan(
    root: Path,
    tasks: Sequence[Sequence[Sequence[int]]] = (((0, 1), (2,)), ((3,),)),
    cluster: ClusterSpec | None = None,
    **changes: Any,
) -> Plan:
    """A plan of `SPEC` that is written."""
    plan = make_plan(root, tasks, cluster, **changes)
    write_plan(plan)
    return plan


def queue_of(*elements: int, array: int = 0, name: str = NAME, state: str = "PENDING") -> Queue:
    """A queue with some elements of an array of a plan."""
    jobs = {(name, array, n): Job(f"9_{n}", state, "", "n1") for n in elements}
    return Queue(jobs, len(jobs))


def record(experiment: Experiment, *indices: int, stage: int = 0, **changes: object) -> None:
    """Record runs of `SPEC` in one shard."""
    settings = SPEC.sweep.num_settings
    runs = [make_run(i, i % settings, i // settings, stage=stage, **changes) for i in indices]
    if runs:
        experiment.write(stage, runs)


def own_experiment(root: Path, spec: ExperimentSpec = SPEC, device: str = "cpu") -> Experiment:
    """An experiment directory of a spec."""
    agent, environment = spec.agent.as_document(), spec.environment.as_document()
    manifest = Manifest(
        fingerprint(agent, environment),
        spec.sweep.num_settings,
        agent,
        environment,
        device,
        "eager",
        1,
    )
    return create_experiment(root, manifest)


def lease_task(plan: Plan, task: int, **facts: Any) -> Lease:
    """An attempt of this process at a task."""
    given = {"job": "", "restart": 0, "log": ""} | facts
    return take_lease(plan.lease_path(task), 300 * plan.tasks[task].num_runs, given)


def write_attempt(plan: Plan, task: int, attempt: Attempt) -> None:
    """Leave what an attempt says of itself."""
    path = plan.lease_path(task)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(attempt)))


class Commands:
    """A directory of commands that is all of PATH.

    Args:
        folder: where they are; it is created.
        tools: commands of this machine that stay.
    """

    def __init__(self, folder: Path, tools: Sequence[str] = ()) -> None:
        self.folder = folder
        folder.mkdir()
        for tool in tools:
            if found := shutil.which(tool):
                (folder / tool).symlink_to(found)

    def answer(self, name: str, text: str, code: int = 0, error: str = "") -> None:
        """Let a command print a text and end with a code; each call is logged."""
        (self.folder / f"{name}.txt").write_text(text)
        (self.folder / f"{name}.error").write_text(error)
        script = self.folder / name
        script.write_text(
            f"#!/bin/sh\nPATH=/bin:/usr/bin\nprintf '%s\\n' \"$*\" >> {self.folder}/{name}.calls\n"
            f"env >> {self.folder}/{name}.env\n"
            f"cat {self.folder}/{name}.error >&2\ncat {self.folder}/{name}.txt\nexit {code}\n"
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

    def calls(self, name: str) -> list[str]:
        """The arguments of every call of a command."""
        path = self.folder / f"{name}.calls"
        return path.read_text().splitlines() if path.exists() else []

    def environment(self, name: str) -> Mapping[str, str]:
        """The environment of the calls of a command."""
        lines = (self.folder / f"{name}.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)


def only_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Make-believe commands as all of this process's PATH."""
    commands = Commands(tmp_path / "commands")
    monkeypatch.setenv("PATH", os.fspath(commands.folder))
    return commands
