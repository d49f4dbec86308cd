"""Training episodes of runs that act in several worlds at once.

The worlds of a run play side by side, so that one step of all of them is as many training steps as
there are worlds, and the episodes of one world follow one another. What a training step stands for
is the mean, over worlds, of the episode that each of them plays then.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nthrun.records.record_table import Ragged, ends


def worlds_of_episodes(last_steps: Ragged, sizes: np.ndarray, num_worlds: np.ndarray) -> np.ndarray:
    """The row of the world that each episode was played in, where every world of every run has one.

    Args:
        last_steps: number of the last training step of each episode, from 1; none of a run of one
            world.
        sizes: `(num_runs,)` episodes.
        num_worlds: `(num_runs,)`.
    """
    number = np.zeros(int(sizes.sum()), np.int64)
    recorded = np.repeat(last_steps.sizes == sizes, sizes)
    number[recorded] = last_steps.values - 1
    first = np.cumsum(num_worlds) - num_worlds
    rows: np.ndarray = np.repeat(first, sizes) + number % np.repeat(num_worlds, sizes)
    return rows


def by_world(column: Ragged, rows: np.ndarray, num_rows: int) -> Ragged:
    """Values of episodes, `(num_rows,)` worlds instead of runs; within one they keep their order.

    Args:
        column: a value an episode.
        rows: the world of each.
        num_rows: worlds of all runs.
    """
    order = np.argsort(rows, kind="stable")
    return Ragged(column.values[order], ends(np.bincount(rows, minlength=num_rows)))


def side_by_side(
    values: Ragged, steps: np.ndarray, num_worlds: np.ndarray
) -> tuple[Ragged, np.ndarray]:
    """Means over the worlds of each run, between any two ends of their episodes.

    Where worlds have no more episodes the mean is over those that have.

    Args:
        values: of episodes, a row a world.
        steps: that each took in its world.
        num_worlds: `(num_runs,)`.

    Returns:
        the means, a row a run, and the training steps that each stands for.
    """
    lasting = [
        (values.values[start:end], np.cumsum(steps[start:end]))
        for start, end in pairwise(values.offsets.tolist())
    ]
    parts = []
    for first, last in pairwise([0, *np.cumsum(num_worlds).tolist()]):
        parts.append(_means(lasting[first:last]))
    means, taken = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Ragged(means, ends(np.array([len(part) for part, _ in parts]))), taken


def _means(worlds: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Means of one run, and the training steps of each.

    Args:
        worlds: of each, the values of its episodes and the steps that it had taken by their ends.
    """
    times = np.unique(np.concatenate([until for _, until in worlds]))
    total, playing = np.zeros(len(times)), np.zeros(len(times))
    for values, until in worlds:
        episode = np.searchsorted(until, times)
        goes_on = episode < len(until)
        total[goes_on] += values[episode[goes_on]]
        playing += goes_on
    return total / playing, np.diff(times, prepend=0) * len(worlds)
