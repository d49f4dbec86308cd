"""Packs to tasks: each fills its workers and comes close to, and stays inside, its time limit."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nthrun.scheduling.plan import Array, Task
from nthrun.scheduling.run_time import START_SECONDS
from nthrun.specs.cluster_spec import ClusterSpec

LEAST_SECONDS = 1e-6
"""What any run takes."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What every task of a plan has.

    Attributes:
        workers: processes that train, at most.
        seconds: for training; infinite without a time limit.
        max_packs: packs of a task at most; 0 is no bound.
        fixed: whether a task with fewer packs than workers asks for all its cores all the same.
    """

    workers: int
    seconds: float
    max_packs: int = 0
    fixed: bool = False


def pack_width(width: int, run_seconds: float, shape: Shape, num_runs: int) -> int:
    """Lanes of a pack, narrowed so that one fits a task's time and every worker gets its part.

    Args:
        width: lanes of a pack at most, by speed and memory.
        run_seconds: of one run.
        shape: of the tasks.
        num_runs: of the plan.
    """
    seconds = max(run_seconds, LEAST_SECONDS)
    fitting = width if shape.seconds == float("inf") else int(shape.seconds // seconds)
    return max(1, min(width, fitting, -(-num_runs // shape.workers)))


def plan_tasks(packs: Iterable[tuple[Sequence[int], float]], shape: Shape) -> list[Task]:
    """Fill tasks with packs in order; a pack goes to the worker that is free first.

    A pack that takes longer than a task may is a task's only one on its worker: it is interrupted
    by the time limit and continued by the next attempt.

    Args:
        packs: indices, and the seconds that a worker needs for them.
        shape: of the tasks.
    """
    return [_task(chosen, seconds, shape) for chosen, seconds in _filled(packs, shape)]


def plan_arrays(tasks: Sequence[Task], array_tasks: int) -> tuple[Array, ...]:
    """Consecutive tasks of equal resources, at most so many together."""
    arrays: list[Array] = []
    for number, task in enumerate(tasks):
        last = arrays[-1] if arrays else None
        if last and last.num_tasks < array_tasks and task.workers == tasks[last.first].workers:
            arrays[-1] = Array(last.first, last.num_tasks + 1)
        else:
            arrays.append(Array(number, 1))
    return tuple(arrays)


def task_cores(cluster: ClusterSpec, task: Task) -> int:
    """Cores that a task asks for: one a worker, but all of them where a node or a GPU is shared
    out whole."""
    if cluster.flag("wholeNode") or cluster.integer("gpus"):
        return cluster.cores_per_task
    return min(cluster.cores_per_task, task.workers)


def _filled(
    packs: Iterable[tuple[Sequence[int], float]], shape: Shape
) -> Iterator[tuple[list[Sequence[int]], float]]:
    """The packs of each task, and the seconds its busiest worker needs."""
    chosen: list[Sequence[int]] = []
    busy: list[float] = []
    for pack, seconds in packs:
        free = busy[0] if len(busy) == shape.workers else 0.0
        full = shape.max_packs and len(chosen) == shape.max_packs
        if chosen and (full or (free > 0 and free + seconds > shape.seconds)):
            yield chosen, max(busy)
            chosen, busy, free = [], [], 0.0
        if len(busy) == shape.workers:
            heapq.heapreplace(busy, free + seconds)
        else:
            heapq.heappush(busy, seconds)
        chosen.append(pack)
    if chosen:
        yield chosen, max(busy)


def _task(packs: Sequence[Sequence[int]], seconds: float, shape: Shape) -> Task:
    workers = shape.workers if shape.fixed else min(shape.workers, len(packs))
    return Task(tuple(tuple(pack) for pack in packs), workers, START_SECONDS + seconds)
