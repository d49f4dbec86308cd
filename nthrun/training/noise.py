"""Noise: each lane's random numbers, from its own numpy streams, drawn in blocks of steps.

numpy's streams give the same numbers however many are drawn at a time, so neither the block
length nor an interruption between blocks changes what a lane draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from nthrun.agents.base import Noise
from nthrun.specs.seeds import Purpose

STEP_PURPOSES = (Purpose.ENVIRONMENT, Purpose.AGENT, Purpose.REPLAY)


def generator(seed: int, *spawn_key: int) -> np.random.Generator:
    """The numpy generator of one stream of one run."""
    sequence = np.random.SeedSequence(seed, spawn_key=spawn_key)
    return np.random.Generator(np.random.PCG64(sequence))


class Streams:
    """The streams that a pack's steps draw from.

    Args:
        seeds: one a lane.
        sizes: numbers per step of each purpose.
    """

    def __init__(self, seeds: Sequence[int], sizes: Mapping[Purpose, int]) -> None:
        self._sizes = sizes
        self._lanes = [{p: generator(seed, p) for p in STEP_PURPOSES} for seed in seeds]

    def block(self, num_steps: int, device: str) -> Iterator[Noise]:
        """The noise of the next `num_steps` steps."""
        drawn = (
            torch.from_numpy(self._draw(purpose, num_steps)).to(device).unbind(1)
            for purpose in STEP_PURPOSES
        )
        return (Noise(*step) for step in zip(*drawn, strict=True))

    def lane_state(self, lane: int) -> dict[str, Any]:
        """Where one lane's streams stand, as JSON data."""
        return {p.name: g.bit_generator.state for p, g in self._lanes[lane].items()}

    def restore_lane(self, lane: int, state: Mapping[str, Any]) -> None:
        """Put one lane's streams where `lane_state` said."""
        for purpose, stream in self._lanes[lane].items():
            stream.bit_generator.state = state[purpose.name]

    def _draw(self, purpose: Purpose, num_steps: int) -> np.ndarray:
        """`(lanes, num_steps, size)`."""
        dtype = np.float64 if purpose is Purpose.REPLAY else np.float32
        drawn = np.empty((len(self._lanes), num_steps, self._sizes[purpose]), dtype)
        for lane, streams in enumerate(self._lanes):
            if purpose is Purpose.AGENT:
                streams[purpose].standard_normal(dtype=np.float32, out=drawn[lane])
            else:
                streams[purpose].random(dtype=dtype, out=drawn[lane])
        return drawn
