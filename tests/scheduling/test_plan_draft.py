"""Drafts: from what is missing to packs, tasks and arrays within the limits, and what they cost."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from agents.solver_runs import solver_spec
from builders import make_run
from hypothesis import given, settings
from hypothesis import strategies as st
from packs import small_spec
from plans import SPEC, make_cluster, make_plan, own_experiment

from nthrun.errors import DeviceError, PlanError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.width import Workers, planned_width
from nthrun.scheduling import plan_draft
from nthrun.scheduling.limits import Limits
from nthrun.scheduling.pending import PendingRuns, WantedRuns, pending_runs
from nthrun.scheduling.plan import Task, read_plan, task_cores, write_plan
from nthrun.scheduling.plan_draft import (
    Choices,
    Draft,
    Shape,
    draft_plan,
    pack_width,
    plan_arrays,
    plan_tasks,
)
from nthrun.scheduling.run_time import START_SECONDS
from nthrun.specs.cluster_spec import ClusterSpec
from nthrun.specs.declaration import Setting
from nthrun.specs.selection import Selection

ANY = Limits(1001, None)
WIDTHS = small_spec(parameters={"hidden_dim": [16, 32]})
NOWHERE = Path("/nowhere/at/all")
ONE_RUN, TWO_RUNS = (WantedRuns(Selection(number), 0, False) for number in (1, 2))
SHAPES = st.builds(
    Shape,
    st.integers(1, 5),
    st.sampled_from([1.0, 10.0, 25.0, float("inf")]),
    st.integers(0, 7),
    st.booleans(),
)
SECONDS = st.lists(st.sampled_from([0.5, 3.0, 7.0, 10.0, 30.0]), max_size=40)


def draft(
    missing: list[int],
    cluster: ClusterSpec,
    limits: Limits = ANY,
    pack: int = 0,
    backend: str = "eager",
) -> Draft:
    """Draft a plan for some indices of a directory that does not exist."""
    pending = PendingRuns(NOWHERE, None, len(missing), 0, (), 0, tuple(missing))
    choices = Choices(backend, pack, limits)
    return draft_plan(WIDTHS, pending, WantedRuns(Selection(50), 2, True), cluster, choices)


@given(
    st.sets(st.integers(0, 500), max_size=80),
    st.integers(1, 5),
    st.integers(0, 4),
    st.integers(1, 5),
    st.one_of(st.none(), st.integers(0, 6)),
)
@settings(max_examples=60, deadline=None)
def test_nothing_missing_is_lost(
    missing: set[int], cores: int, pack: int, array_tasks: int, free_tasks: int | None
) -> None:
    """Every missing index is in exactly one pack or counted as left for later; packs are of equal
    static hyperparameters; there are no more tasks than are free, no larger arrays than allowed."""
    made = draft(
        sorted(missing),
        make_cluster(cores=cores, sequential=3),
        Limits(array_tasks, free_tasks),
        pack,
    )
    packs = [pack for task in made.plan.tasks for pack in task.packs]
    indices = [index for pack in packs for index in pack]
    assert len(indices) == len(set(indices))
    assert missing >= set(indices)
    assert len(indices) + made.num_left == len(missing)
    assert free_tasks is None or len(made.plan.tasks) <= free_tasks
    assert made.num_left == 0 or len(made.plan.tasks) == free_tasks
    assert sum(array.num_tasks for array in made.plan.arrays) == len(made.plan.tasks)
    assert all(array.num_tasks <= array_tasks for array in made.plan.arrays)
    for lanes in packs:
        assert pack == 0 or len(lanes) <= pack
        sweep = WIDTHS.sweep
        widths = {sweep.setting(sweep.locate(i)[0])["hidden_dim"] for i in lanes}
        assert len(widths) == 1


def test_a_plan_holds_what_its_tasks_need() -> None:
    """Specs, stage, cluster and choices are in the plan, which can be written and read."""
    cluster = make_cluster(cores=2, partition="main")
    plan = draft([3, 4, 5], cluster).plan
    assert (plan.root, plan.stage, plan.num_runs, plan.retry_failed) == (NOWHERE, 2, 50, True)
    assert (plan.device, plan.backend, plan.cluster) == ("cpu", "eager", cluster)
    assert plan.agent == WIDTHS.agent.as_document()
    assert plan.environment == WIDTHS.environment.as_document()
    assert plan.num_settings == WIDTHS.sweep.num_settings


def test_a_draft_can_be_written(tmp_path: Path) -> None:
    """Reading a written plan gives the draft's own, run times but for a tenth of a second."""
    pending = pending_runs(WIDTHS, tmp_path, TWO_RUNS, None)
    plan = draft_plan(
        WIDTHS,
        pending,
        TWO_RUNS,
        make_cluster(cores=3),
        Choices("auto", 0, ANY),
    ).plan
    write_plan(plan)
    read = read_plan(plan.path)
    assert [t.packs for t in read.tasks] == [t.packs for t in plan.tasks]
    assert (read.arrays, read.fingerprint) == (plan.arrays, plan.fingerprint)


def test_an_experiment_keeps_to_its_own(tmp_path: Path) -> None:
    """Device and backend of the manifest count; a cluster or a choice that would have another is
    refused while planning, naming what to change."""
    pending = PendingRuns(tmp_path, own_experiment(tmp_path), 1, 0, (), 0, (0,))

    def planned(backend: str, **fields: int) -> tuple[str, str]:
        choices = Choices(backend, 0, ANY)
        plan = draft_plan(SPEC, pending, ONE_RUN, make_cluster(**fields), choices).plan
        return plan.device, plan.backend

    assert planned("auto") == planned("eager") == ("cpu", "eager")
    with pytest.raises(DeviceError, match="are made on cpu; hint: give another --gpus"):
        planned("auto", gpus=1)
    with pytest.raises(DeviceError, match=r"--backend compile: .* made with eager"):
        planned("compile")


def test_costs(tmp_path: Path) -> None:
    """Core-hours are each task's time on its cores, GPU-hours on its GPUs; no task is said to take
    more than its limit at a time."""
    times = {"train_time": 2990.0, "eval_time": 10.0}
    pendings = {}
    for device in ("cpu", "cuda"):
        experiment = own_experiment(tmp_path / device, device=device)
        experiment.write(0, [make_run(5, 5, 0, **times)])
        pendings[device] = PendingRuns(experiment.root, experiment, 4, 1, (), 0, (0, 1, 2, 3))
    for fields, units in (({"cores": 2}, 2), ({"cores": 8, "gpus": 1, "packsPerGpu": 2}, 1)):
        cluster = make_cluster(time="2:00:00", **fields)
        pending = pendings[cluster.device]
        made = draft_plan(SPEC, pending, ONE_RUN, cluster, Choices("auto", 1, ANY))
        assert made.worker_seconds == pytest.approx(4 * 3600)
        assert [t.workers for t in made.plan.tasks] == [2, 2]
        assert made.wall_seconds == pytest.approx([3660, 3660])
        assert made.unit_hours == pytest.approx(units * 2 * 3660 / 3600)
    short = make_cluster(time="0:30:00", cores=4)
    made = draft_plan(SPEC, pendings["cpu"], ONE_RUN, short, Choices("auto", 1, ANY))
    assert made.wall_seconds == [1800.0]
    assert made.unit_hours == pytest.approx(4 * 3660 / 3600)


def test_memory_bounds_packs() -> None:
    """Where not even one run fits a core's memory, that is said before anything is submitted."""
    with pytest.raises(PlanError):
        draft([0], make_cluster(memPerCpu="1M"))


@pytest.mark.parametrize(
    ("kind", "gigabytes"), [("h100_1g.10gb", 10), ("H100_3G.40GB", 40), ("h100", 16), ("", 16)]
)
def test_the_kind_of_gpu_bounds_packs(
    kind: str, gigabytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packs are as wide as the memory that a GPU's kind names allows, or a small GPU's where it
    names none."""
    found: list[Workers] = []

    def width(spec: ExperimentSpec, workers: Workers, *_: int) -> Callable[[Setting], int]:
        found.append(workers)
        return planned_width(spec, workers, *_)

    monkeypatch.setattr(plan_draft, "planned_width", width)
    draft([0], make_cluster(gpus=2, gpuType=kind, packsPerGpu=3))
    (workers,) = found
    assert (workers.device_bytes, workers.num, workers.num_gpus) == (gigabytes * 10**9, 6, 2)


@pytest.mark.parametrize(
    ("spec", "tried"), [(WIDTHS, "compile"), (solver_spec("mc_pg"), "eager")], ids=["SAC", "mc_pg"]
)
def test_packs_are_as_wide_as_the_backend_tried_allows(
    spec: ExperimentSpec, tried: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself a plan is drafted for compiled steps, and for eager ones of a solver."""
    found: list[str] = []

    def width(spec: ExperimentSpec, workers: Workers, *_: int) -> Callable[[Setting], int]:
        found.append(workers.backend)
        return planned_width(spec, workers, *_)

    monkeypatch.setattr(plan_draft, "planned_width", width)
    pending = PendingRuns(NOWHERE, None, 1, 0, (), 0, (0,))
    draft_plan(spec, pending, ONE_RUN, make_cluster(), Choices("auto", 0, ANY))
    assert found == [tried]


def test_wide_runs_fill_a_small_gpu() -> None:
    """On a smaller GPU packs are narrower, and a run that does not fit one is refused."""
    spec = small_spec(parameters={"hidden_dim": [4096]})
    missing = tuple(range(600))
    pending = PendingRuns(NOWHERE, None, len(missing), 0, (), 0, missing)

    def widest(kind: str, **fields: int) -> int:
        cluster = make_cluster(gpus=1, gpuType=kind, **fields)
        choices = Choices("eager", 0, ANY)
        made = draft_plan(spec, pending, WantedRuns(Selection(100), 0, False), cluster, choices)
        return max(len(pack) for task in made.plan.tasks for pack in task.packs)

    assert 1 <= widest("x_1g.10gb") < widest("h100") == widest("x_1g.16gb") < widest("x_7g.80gb")
    with pytest.raises(PlanError):
        widest("x_1g.10gb", packsPerGpu=10)


def test_runs_that_took_no_time(tmp_path: Path) -> None:
    """Records of zero seconds are planned with."""
    experiment = own_experiment(tmp_path)
    experiment.write(0, [make_run(5, 5, 0, train_time=0.0, eval_time=0.0)])
    pending = PendingRuns(tmp_path, experiment, 4, 1, (), 0, (0, 1, 2, 3))
    for cluster in (make_cluster(), make_cluster(scheduler="local", time="UNLIMITED")):
        made = draft_plan(SPEC, pending, ONE_RUN, cluster, Choices("auto", 0, ANY))
        assert sum(task.num_runs for task in made.plan.tasks) == 4
        assert made.worker_seconds == 0


def test_nothing_missing_is_no_plan() -> None:
    """Without anything to do there are neither tasks nor costs."""
    made = draft([], make_cluster())
    assert (made.plan.tasks, made.plan.arrays) == ((), ())
    assert (made.unit_hours, made.num_left, made.worker_seconds) == (0, 0, 0)


def test_a_plan_is_named_anew() -> None:
    """Drafts of the same have different names."""
    names = {draft([0], make_cluster()).plan.name for _ in range(3)}
    assert len(names) == 3
    assert make_plan(NOWHERE).name not in names


def numbered(seconds: list[float]) -> list[tuple[list[int], float]]:
    """Packs of two with these times."""
    return [([2 * n, 2 * n + 1], time) for n, time in enumerate(seconds)]


def loads(task: Task, seconds: list[float], workers: int) -> list[list[float]]:
    """The packs each worker trains when the one that is free first takes the next."""
    free = [(0.0, worker) for worker in range(workers)]
    given: list[list[float]] = [[] for _ in free]
    for pack in task.packs:
        busy, worker = heapq.heappop(free)
        given[worker].append(seconds[pack[0] // 2])
        heapq.heappush(free, (busy + given[worker][-1], worker))
    return given


@given(SECONDS, SHAPES)
def test_every_pack_is_in_one_task(seconds: list[float], shape: Shape) -> None:
    """Tasks hold every pack once and in order, none is empty, none has more packs than allowed."""
    packs = numbered(seconds)
    tasks = plan_tasks(packs, shape)
    assert [list(pack) for task in tasks for pack in task.packs] == [pack for pack, _ in packs]
    assert all(1 <= len(task.packs) <= (shape.max_packs or len(packs)) for task in tasks)


@given(SECONDS, SHAPES)
def test_tasks_keep_their_time(seconds: list[float], shape: Shape) -> None:
    """No worker gets more than the time allows, unless it is a single pack that is longer; the time
    a task is said to take is that of its busiest worker, and of its start."""
    for task in plan_tasks(numbered(seconds), shape):
        workers = loads(task, seconds, task.workers)
        assert all(sum(load) <= shape.seconds or len(load) == 1 for load in workers)
        assert task.seconds == pytest.approx(START_SECONDS + max(map(sum, workers)))


@given(SECONDS, SHAPES)
def test_tasks_are_filled(seconds: list[float], shape: Shape) -> None:
    """A task is closed only when it may take no more packs or the next one would not fit."""
    tasks = plan_tasks(numbered(seconds), shape)
    for task, following in pairwise(tasks):
        full = shape.max_packs and len(task.packs) == shape.max_packs
        busy = min(map(sum, loads(task, seconds, shape.workers)))
        late = busy > 0 and busy + seconds[following.packs[0][0] // 2] > shape.seconds
        assert full or late


@given(SECONDS, SHAPES)
def test_workers_have_something_to_do(seconds: list[float], shape: Shape) -> None:
    """A task has never more workers than packs, but where its node is its own anyway."""
    for task in plan_tasks(numbered(seconds), shape):
        expected = shape.workers if shape.fixed else min(shape.workers, len(task.packs))
        assert task.workers == expected


@given(st.lists(st.integers(1, 3), max_size=30), st.integers(1, 8))
def test_arrays_partition_the_tasks(workers: list[int], limit: int) -> None:
    """Arrays hold every task once and in order, at most `limit` each, all of equal workers; two
    neighbours could not have been one."""
    tasks = [Task(((n,),), number, 1.0) for n, number in enumerate(workers)]
    arrays = plan_arrays(tasks, limit)
    spans = [range(a.first, a.first + a.num_tasks) for a in arrays]
    assert [task for span in spans for task in span] == list(range(len(tasks)))
    for span in spans:
        assert 1 <= len(span) <= limit
        assert len({workers[task] for task in span}) == 1
    for one, other in pairwise(spans):
        assert len(one) == limit or workers[one[0]] != workers[other[0]]


@given(
    st.integers(1, 64),
    st.sampled_from([0.0, 0.1, 1.0, 70.0]),
    SHAPES,
    st.integers(1, 1000),
)
def test_packs_fit_tasks(width: int, seconds: float, shape: Shape, num_runs: int) -> None:
    """A pack is no wider than asked, than a task's time allows, or than shares the runs out among
    a task's workers; and no narrower than it need be."""
    bounds = [float(width), shape.seconds // (seconds or 1e-6), -(-num_runs // shape.workers)]
    assert pack_width(width, seconds, shape, num_runs) == max(1, min(bounds))


def test_a_million_runs_take_seconds() -> None:
    """Tasks and arrays of 125,000 packs are planned at once."""
    packs = [((n,), 60.0) for n in range(125_000)]
    tasks = plan_tasks(packs, Shape(16, 10_000.0))
    assert sum(len(task.packs) for task in tasks) == len(packs)
    assert sum(array.num_tasks for array in plan_arrays(tasks, 1000)) == len(tasks)


@pytest.mark.parametrize(
    ("fields", "workers", "cores"),
    [
        ({"cores": 16}, 16, 16),
        ({"cores": 16}, 3, 3),
        ({"cores": 16, "nodes": 2}, 8, 8),
        ({"cores": 16, "wholeNode": True}, 3, 16),
        ({"cores": 12, "gpus": 2}, 2, 12),
    ],
)
def test_cores_of_a_task(fields: dict[str, Any], workers: int, cores: int) -> None:
    """A task asks for a core a worker, and for all where a node or GPU is shared out whole."""
    assert task_cores(make_cluster(**fields), Task(((0,),), workers, 1.0)) == cores
