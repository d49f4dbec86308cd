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

from nthrun.errors import DataFileError, IndexSpecError, SpecError
from nthrun.files.document import read_document, require_form
from nthrun.files.forms import (
    ANY_FIELDS,
    Either,
    Fields,
    Flag,
    Items,
    Number,
    Row,
    Table,
    Text,
    Whole,
)
from nthrun.index import MAX_INDICES, MAX_STAGE, count_of, format_indices, parse_ranges
from nthrun.records.durable_file import write_durably
from nthrun.records.listing import paths_in
from nthrun.records.schema import SPECS
from nthrun.specs.cluster_spec import ClusterSpec, cluster_of_document
from nthrun.specs.selection import Selection

SCHEMA = 1
DIGITS = "0123456789"
NOUN = "a plan"
LARGEST_BYTES = 2**28
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
    "named",
    "project",
    "retry_failed",
    "device",
    "backend",
    "code",
    "command",
)
ADDED = ("command", "settings", "named", "project")
"""Of them the one that is no text, and those that earlier plans have not."""

SNAPSHOT = Text(pattern=r"(code/\w{1,128})?", words="a folder in code/")
FORM = Fields(
    {
        "schema": Whole(SCHEMA, SCHEMA),
        "name": Text(pattern=r"[0-9][\w.-]{0,127}", words="the name of a plan"),
        "fingerprint": Text(),
        "num_settings": Whole(1),
        **SPECS.required,
        "stage": Whole(0, MAX_STAGE),
        "num_runs": Whole(1, MAX_INDICES),
        "retry_failed": Flag(),
        "device": Text(("cpu", "cuda")),
        "backend": Text(("auto", "compile", "eager")),
        "code": SNAPSHOT,
        "command": Items(Text()),
        "cluster": Fields(
            {
                "name": Text(),
                "fields": Table(Either(Either(Text(), Flag()), Either(Whole(), Items(Text())))),
            }
        ),
        "arrays": Items(Row((Whole(), Whole(1)))),
        "tasks": Items(Row((Whole(1), Number(0), Items(Text())))),
    },
    {"settings": Text(), "named": Text(), "project": SNAPSHOT},
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
        num_runs, settings, named: what was asked for, see `Selection`.
        retry_failed: whether failed runs were to be run again.
        cluster: where it runs, command-line overrides included.
        device: "cpu" or "cuda".
        backend: "auto", "compile" or "eager".
        code: the snapshot of nthrun that tasks run, relative to the root; "" is nthrun as it is
            installed.
        project: the snapshot of the user's project that they run in; "" where no code of it runs.
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
    named: str = ""
    project: str = ""

    @property
    def folders(self) -> list[Path]:
        """The snapshots that tasks run from, absolute: of the user's project, of nthrun."""
        return [self.root / name for name in (self.project, self.code) if name]

    @property
    def wanted(self) -> Sequence[int]:
        """The indices that were asked for, recorded ones too."""
        selection = Selection(self.num_runs, self.settings, self.named)
        return selection.indices(self.num_settings)

    @property
    def path(self) -> Path:
        """The plan's file."""
        return self.root / PLANS / f"{self.name}.json"

    def job_name(self, array: int) -> str:
        """The name Slurm knows an array by."""
        return f"nthrun-{self.name}-{array}"

    def task_number(self, array: int, element: int) -> int | None:
        """The task of an array element; None where there is no such element."""
        if array < len(self.arrays) and element < self.arrays[array].num_tasks:
            return self.arrays[array].first + element
        return None

    def place(self, task: int) -> tuple[int, int]:
        """(array, element) of a task."""
        for number, array in enumerate(self.arrays):
            if array.first <= task < array.first + array.num_tasks:
                return number, task - array.first
        raise IndexError(task)

    @property
    def lease_folder(self) -> Path:
        """Where the attempts at tasks that are not over have their files."""
        return self.root / PLANS / self.name

    def lease_path(self, task: int) -> Path:
        """The file of the attempt at a task."""
        return self.lease_folder / f"{task}.json"


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
    content = read_document(path, ANY_FIELDS, NOUN, LARGEST_BYTES)
    if "schema" in content and content["schema"] != SCHEMA:
        raise DataFileError(f"{path}: schema {str(content['schema'])[:20]}, not {SCHEMA}")
    require_form(path, content, FORM, NOUN)
    try:
        plan = Plan(
            **{name: content[name] for name in _PLAIN if name not in ADDED},
            **{name: content.get(name, "") for name in ADDED[1:]},
            command=tuple(content["command"]),
            cluster=cluster_of_document(str(path), **content["cluster"]),
            root=path.absolute().parents[1],
            arrays=tuple(Array(*array) for array in content["arrays"]),
            tasks=_tasks(content["tasks"], content["num_settings"]),
        )
        problem = _problem(plan, path.stem)
    except (IndexSpecError, SpecError) as error:
        raise DataFileError(f"{path}: damaged, or not {NOUN} of nthrun: {error}") from error
    if problem:
        raise DataFileError(f"{path}: {problem}; damaged, or not {NOUN} of nthrun")
    return plan


def _tasks(rows: Sequence[tuple[int, float, Sequence[str]]], num_settings: int) -> tuple[Task, ...]:
    """The tasks of a file.

    Raises:
        IndexSpecError: a pack is no list of indices, or they are too many together.
    """
    ranges = [[parse_ranges(text, "tasks:") for text in packs] for _, _, packs in rows]
    sizes = [sum(map(count_of, packs)) for packs in ranges]
    if not all(sizes):
        raise IndexSpecError(f"tasks[{sizes.index(0)}]: no runs, allowed: at least one")
    total = sum(sizes)
    if total > MAX_INDICES:
        raise IndexSpecError(f"tasks: {total:,} runs, allowed: {MAX_INDICES:,}")
    return tuple(
        Task(
            tuple(
                tuple(index for first, last in pack for index in range(first, last + 1))
                for pack in packs
            ),
            workers,
            seconds,
        )
        for (workers, seconds, _), packs in zip(rows, ranges, strict=True)
    )


def _problem(plan: Plan, stem: str) -> str:
    """What of a plan does not fit the rest; "" where all does."""
    if plan.name != stem:
        return f"name: got {plan.name}, not that of the file"
    settings = parse_ranges(plan.settings, "settings:") if plan.settings else ()
    chosen = count_of(settings) if settings else plan.num_settings
    if plan.named and count_of(parse_ranges(plan.named, "named:")) > MAX_INDICES:
        return f"named: got more than {MAX_INDICES:,} indices"
    if chosen * plan.num_runs > MAX_INDICES or (settings and settings[-1][1] >= plan.num_settings):
        return f"num_runs: {plan.num_runs:,} of {chosen:,} settings"
    first = 0
    for number, array in enumerate(plan.arrays):
        if array.first != first:
            return f"arrays[{number}]: begins at {array.first}, not {first}"
        first += array.num_tasks
    return "" if first == len(plan.tasks) else f"arrays: of {first} tasks, not {len(plan.tasks)}"


def plan_paths(root: Path) -> list[Path]:
    """The plans of an experiment, oldest first.

    Raises:
        StorageError: they cannot be listed.
    """
    return [path for path in paths_in(root / PLANS, suffix=".json") if path.name[0] in DIGITS]


def read_plans(root: Path) -> Iterator[Plan]:
    """The plans of an experiment that can be read, newest first."""
    return iter(readable_plans(root)[0])


def readable_plans(root: Path) -> tuple[list[Plan], list[tuple[Path, str]]]:
    """The plans of an experiment, newest first, and (path, what is wrong) of those that cannot be
    read."""
    plans: list[Plan] = []
    unreadable: list[tuple[Path, str]] = []
    for path in reversed(plan_paths(root)):
        try:
            plans.append(read_plan(path))
        except DataFileError as error:
            unreadable.append((path, str(error).removeprefix(f"{path}: ")))
    return plans, unreadable
