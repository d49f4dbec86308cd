"""Noise: each lane's random numbers, from its own numpy streams, drawn in blocks of steps.

numpy's streams give the same numbers however many are drawn at a time, so neither the block
length nor an interruption between blocks changes what a lane draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nthrun.index import Purpose
from nthrun.specs.environment_spec import MAX_STEPS

STEP_PURPOSES = (Purpose.ENVIRONMENT, Purpose.AGENT, Purpose.REPLAY)
Draws = dict[Purpose, np.ndarray]
NOTHING = dict.fromkeys(STEP_PURPOSES, 0)
"""No numbers of any purpose."""
HALF_SEED = 1 << 16


def generator(seed: int, *spawn_key: int) -> np.random.Generator:
    """The numpy generator of one stream of one run."""
    sequence = np.random.SeedSequence(seed, spawn_key=spawn_key)
    return np.random.Generator(np.random.PCG64(sequence))


MEASURES = MAX_STEPS + 1
"""The number of the stream that measures of solutions draw from: no evaluation has it."""


def measure_streams(seeds: Sequence[int]) -> list[np.random.Generator]:
    """What each lane's measures are drawn from, (EVALUATION, MEASURES), from its beginning."""
    return [generator(seed, Purpose.EVALUATION, MEASURES) for seed in seeds]


class Streams:
    """The streams that a pack's steps draw from.

    Args:
        seeds: one a lane.
        sizes: numbers per step of each purpose.
        update_sizes: numbers per update, which are drawn after those of the step that it follows.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        sizes: Mapping[Purpose, int],
        update_sizes: Mapping[Purpose, int] = NOTHING,
    ) -> None:
        self._sizes = sizes
        self._update_sizes = update_sizes
        self._lanes = [{p: generator(seed, p) for p in STEP_PURPOSES} for seed in seeds]

    def draw(self, num_steps: int) -> Draws:
        """The numbers of the next steps, `(lanes, num_steps, size)` a purpose, if nothing is drawn
        for updates.

        Standard normal in float32 for the agent, uniform on [0, 1) for the environment (float32)
        and the replay (float64).
        """
        return {p: self._drawn(p, num_steps, self._sizes[p]) for p in STEP_PURPOSES}

    def draw_with_updates(self, counts: np.ndarray) -> tuple[Draws, Draws]:
        """The numbers of the next steps, and those of the updates that follow each, in order.

        Args:
            counts: updates after each step, `(num_steps,)`.

        Returns:
            `(lanes, num_steps, size)` and `(lanes, num_updates, size)` a purpose.
        """
        changes = np.flatnonzero(np.diff(counts)) + 1
        alike = [(len(part), int(part[0])) for part in np.split(counts, changes) if part.size]
        steps: Draws = {}
        updates: Draws = {}
        for purpose in STEP_PURPOSES:
            size, more = self._sizes[purpose], self._update_sizes[purpose]
            drawn = [self._drawn(purpose, rows, size + n * more) for rows, n in alike]
            steps[purpose] = np.concatenate([part[..., :size] for part in drawn], 1)
            later = [
                part[..., size:].reshape(len(part), rows * n, more)
                for part, (rows, n) in zip(drawn, alike, strict=True)
            ]
            updates[purpose] = np.concatenate(later, 1)
        return steps, updates

    def _drawn(self, purpose: Purpose, rows: int, size: int) -> np.ndarray:
        """The next numbers of every lane, `(lanes, rows, size)`."""
        dtype = draw_dtype(purpose)
        drawn = np.empty((len(self._lanes), rows, size), dtype)
        for lane, streams in enumerate(self._lanes):
            if purpose is Purpose.AGENT:
                streams[purpose].standard_normal(dtype=np.float32, out=drawn[lane])
            else:
                streams[purpose].random(dtype=dtype, out=drawn[lane])
        return drawn

    def lane_state(self, lane: int) -> dict[str, Any]:
        """Where one lane's streams stand, as JSON data."""
        return {p.name: g.bit_generator.state for p, g in self._lanes[lane].items()}

    def restore_lane(self, lane: int, state: Mapping[str, Any]) -> None:
        """Put one lane's streams where `lane_state` said."""
        for purpose, stream in self._lanes[lane].items():
            stream.bit_generator.state = state[purpose.name]


def draw_dtype(purpose: Purpose) -> type[np.floating[Any]]:
    """Type of a purpose's numbers: replay steps are told apart by the last of a double's bits."""
    return np.float64 if purpose is Purpose.REPLAY else np.float32


def sampled_steps(
    uniform: np.ndarray, first: int | np.ndarray, capacity: int, num_worlds: int = 1
) -> np.ndarray:
    """Replay steps drawn uniformly from the newest `capacity`, the present ones included.

    Args:
        uniform: on [0, 1), `(lanes, rows, batch)`.
        first: 0-based number of the first row's step, the others' following; or of each row's.
        capacity: of the replay, environment steps.
        num_worlds: each of which takes a step.

    Returns:
        numbers of environment steps, step × num_worlds + world, `(lanes, rows, batch)`.
    """
    steps = np.arange(first, first + uniform.shape[1]) if isinstance(first, int) else first
    taken = (steps[:, None] + 1) * num_worlds
    count = np.minimum(taken, capacity)
    drawn = np.minimum((uniform * count).astype(np.int64), count - 1)
    return np.asarray(drawn + (taken - count))


def first_draws(seeds: Sequence[int], shape: tuple[int, int]) -> np.ndarray:
    """What the first episodes of each lane begin with, uniform on [0, 1), `(lanes, *shape)`.

    Args:
        seeds: one a lane.
        shape: worlds, and numbers of each.
    """
    streams = (generator(seed, Purpose.ENVIRONMENT, 0) for seed in seeds)
    return np.stack([stream.random(shape, dtype=np.float32) for stream in streams])


def episode_seeds(draws: np.ndarray) -> np.ndarray:
    """Seeds from 0 to 2³² - 1, `(...)` int64, from pairs of uniform numbers, `(..., 2)`."""
    halves = np.floor(draws * HALF_SEED).astype(np.int64)
    return np.asarray(halves[..., 0] * HALF_SEED + halves[..., 1])
