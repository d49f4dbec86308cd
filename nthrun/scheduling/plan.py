"""The plan: the tasks of one submission, written down before anything is submitted.

    plans/<name>.json     the plan; never changed
    plans/<name>/         a file for each attempt at a task that is not over; see `lease`

A task is addressed by its number in the plan. Arrays are runs of consecutive tasks: element e of
array a is task `arrays[a].first + e`, and its job is named after plan and array, because Slurm's
job ids come back after a crash of its controller.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nthrun.errors import DataFileError
from nthrun.index import format_indices, parse_indices
from nthrun.records.durable_file import write_durably
from nthrun.records.listing import paths_in
from nthrun.specs.cluster_spec import ClusterSpec
from nthrun.specs.selection import Selection

SCHEMA = 1
DIGITS = "0123456789"
PLANS = "plans"
LOCK = f"{PLANS}/.lock"
"""Held while missing indices are looked up and submitted, or run here."""
JOB_NAME = re.compile(r"nthrun-(\d{8}-\d{6}-[0-9a-f]{6})-(\d+)")
_PLAIN = (
    "name",
    "fingerprint",
    "num_settings",
    "agent",
    "environment",
    "stage",
    "num_runs",
    "settings",
    "retry_failed",
    "device",
    "backend",
    "code",
    "command",
)


@dataclass(frozen=True, slots=True)
class Task:
    """What one job of Slurm, or one array element, does.

    Attributes:
        packs: indices that train together, pack by pack, in the order they are begun.
        workers: processes that train them.
        seconds: wall time it is expected to take.
    """

    packs: tuple[tuple[int, ...], ...]
    workers: int
    seconds: float

    @property
    def indices(self) -> list[int]:
        """Every index of the task, ascending."""
        return sorted(index for pack in self.packs for index in pack)

    @property
    def num_runs(self) -> int:
        """Runs of all packs."""
        return sum(map(len, self.packs))


@dataclass(frozen=True, slots=True)
class Array:
    """Consecutive tasks that are submitted together and get equal resources."""

    first: int
    num_tasks: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One submission.

    Attributes:
        name: time of planning and a random token.
        root: the experiment's directory, absolute.
        fingerprint, num_settings: of the experiment.
        agent, environment: the specs as documents.
        stage: of every run.
        num_runs, settings: what was asked for, see `Selection`.
        retry_failed: whether failed runs were to be run again.
        cluster: where it runs, command-line overrides included.
        device: "cpu" or "cuda".
        backend: "auto", "compile" or "eager".
        code: directory the tasks run from, relative to the root; "" is where nthrun is.
        tasks: in order of submission.
        arrays: how they are submitted.
        command: the command line that made the plan.
    """

    name: str
    root: Path
    fingerprint: str
    num_settings: int
    agent: Mapping[str, Any]
    environment: Mapping[str, Any]
    stage: int
    num_runs: int
    settings: str
    retry_failed: bool
    cluster: ClusterSpec
    device: str
    backend: str
    code: str
    tasks: tuple[Task, ...]
    arrays: tuple[Array, ...]
    command: tuple[str, ...]

    @property
    def wanted(self) -> Sequence[int]:
        """The indices that were asked for, recorded ones too."""
        return Selection(self.num_runs, self.settings).indices(self.num_settings)

    @property
    def path(self) -> Path:
        """The plan's file."""
        return self.root / PLANS / f"{self.name}.json"

    def job_name(self, array: int) -> str:
        """The name Slurm knows an array by."""
        return f"nthrun-{self.name}-{array}"

    def task_number(self, array: int, element: int) -> int:
        """The task of an array element."""
        return self.arrays[array].first + element

    def place(self, task: int) -> tuple[int, int]:
        """(array, element) of a task."""
        for number, array in enumerate(self.arrays):
            if array.first <= task < array.first + array.num_tasks:
                return number, task - array.first
        raise IndexError(task)

    def lease_path(self, task: int) -> Path:
        """The file of the attempt at a task."""
        return self.root / PLANS / self.name / f"{task}.json"


def task_cores(cluster: ClusterSpec, task: Task) -> int:
    """Cores that a task asks for: one a worker, but all of them where a node or a GPU is shared
    out whole."""
    if cluster.flag("wholeNode") or cluster.integer("gpus"):
        return cluster.cores_per_task
    return min(cluster.cores_per_task, task.workers)


def new_plan_name() -> str:
    """Time in UTC and a random token: plans sort by age."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def parse_job_name(name: str) -> tuple[str, int] | None:
    """(plan name, array) of a job's name; None for a job that is not ours."""
    match = JOB_NAME.fullmatch(name)
    return (match[1], int(match[2])) if match else None


def write_plan(plan: Plan) -> None:
    """Write a plan; after return it is on disk.

    Raises:
        StorageError: the disk is full or the place not writable.
    """
    content = {
        "schema": SCHEMA,
        **{name: getattr(plan, name) for name in _PLAIN},
        "cluster": {"name": plan.cluster.name, "fields": plan.cluster.as_document()},
        "arrays": [[array.first, array.num_tasks] for array in plan.arrays],
        "tasks": [
            [task.workers, round(task.seconds, 1), [format_indices(pack) for pack in task.packs]]
            for task in plan.tasks
        ],
    }
    text = json.dumps(content, indent=None, separators=(",", ":")).encode()
    write_durably(plan.path, lambda file: file.write(text))


def read_plan(path: Path) -> Plan:
    """Read a plan back.

    The root is where the file lies, so that a moved results directory still works.

    Raises:
        DataFileError: it is damaged, or no plan of nthrun.
    """
    try:
        content = json.loads(path.read_bytes())
        if content["schema"] != SCHEMA:
            raise DataFileError(f"{path}: schema {content['schema']}, not {SCHEMA}")
        return Plan(
            **{name: content[name] for name in _PLAIN if name not in ("command", "settings")},
            settings=content.get("settings", ""),
            command=tuple(content["command"]),
            cluster=_cluster(**content["cluster"]),
            root=path.absolute().parents[1],
            arrays=tuple(Array(*array) for array in content["arrays"]),
            tasks=tuple(_task(*task) for task in content["tasks"]),
        )
    except DataFileError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataFileError(f"{path}: damaged, or not a plan of nthrun") from error


def plan_paths(root: Path) -> list[Path]:
    """The plans of an experiment, oldest first.

    Raises:
        StorageError: they cannot be listed.
    """
    return [path for path in paths_in(root / PLANS, suffix=".json") if path.name[0] in DIGITS]


def read_plans(root: Path) -> Iterator[Plan]:
    """The plans of an experiment that can be read, newest first."""
    for path in reversed(plan_paths(root)):
        try:
            yield read_plan(path)
        except DataFileError:
            continue


def _cluster(name: str, fields: Mapping[str, Any]) -> ClusterSpec:
    return ClusterSpec(
        name,
        {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()},
    )


def _task(workers: int, seconds: float, packs: Sequence[str]) -> Task:
    return Task(tuple(parse_indices(pack) for pack in packs), workers, seconds)
