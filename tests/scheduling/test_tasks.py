"""Packs to tasks, tasks to arrays: laws."""

from __future__ import annotations

import heapq
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import make_cluster

from nthrun.scheduling.plan import Task
from nthrun.scheduling.run_time import START_SECONDS
from nthrun.scheduling.tasks import Shape, pack_width, plan_arrays, plan_tasks, task_cores

SHAPES = st.builds(
    Shape,
    st.integers(1, 5),
    st.sampled_from([1.0, 10.0, 25.0, float("inf")]),
    st.integers(0, 7),
    st.booleans(),
)
SECONDS = st.lists(st.sampled_from([0.5, 3.0, 7.0, 10.0, 30.0]), max_size=40)


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
