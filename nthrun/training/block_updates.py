"""The updates of a block of steps, where an agent may have several after one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Agent, Experience, Noise, RepeatingAgent, State
from nthrun.index import Purpose
from nthrun.training.noise import Draws, sampled_steps


@dataclass(frozen=True, slots=True)
class BlockUpdates:
    """How many updates follow each step of a block, and their noise.

    Attributes:
        counts: `(num_steps,)`.
        noise: of each update in order, `(lanes, num_updates, ...)`; of its parts `agent` and
            `replay` are there.
    """

    counts: np.ndarray
    noise: Noise

    def of_steps(self, begin: int, end: int) -> BlockUpdates:
        """Those of some steps of the block."""
        first, last = int(self.counts[:begin].sum()), int(self.counts[:end].sum())
        return BlockUpdates(self.counts[begin:end], self.noise.steps(first, last))

    def each_step(self) -> Iterator[BlockUpdates]:
        """Those of one step after the other."""
        return (self.of_steps(place, place + 1) for place in range(len(self.counts)))

    def steps(self, first: int) -> np.ndarray:
        """The step that each update follows, `(num_updates,)`, if the block begins with `first`."""
        return following(self.counts, first)

    def numbers(self) -> np.ndarray:
        """The number of each update among those after its step, `(num_updates,)`."""
        begins = np.cumsum(self.counts) - self.counts
        return np.asarray(np.arange(self.counts.sum()) - np.repeat(begins, self.counts))


def block_updates(
    draws: Draws, first: int, counts: np.ndarray, capacity: int, device: str
) -> BlockUpdates:
    """The updates of a block.

    Args:
        draws: of updates, `(lanes, num_updates, size)` a purpose.
        first: 0-based number of the first step.
        counts: updates after each step, `(num_steps,)`.
        capacity: of the replay.
    """
    steps = sampled_steps(draws[Purpose.REPLAY], following(counts, first), capacity)
    agent = torch.from_numpy(draws[Purpose.AGENT]).to(device)
    nothing = agent.new_empty(*agent.shape[:2], 0)
    replay = torch.from_numpy(steps).to(device)
    return BlockUpdates(counts, Noise(nothing, nothing, nothing, agent, replay))


@torch.no_grad()
def updated(
    agent: Agent,
    state: State,
    taken: tuple[Experience, Tensor],
    noise: Noise,
    clock: tuple[Tensor, Tensor],
) -> dict[str, Tensor]:
    """Have an agent take one of several updates after a step, changing `state` in place.

    Args:
        taken: the step, and whether the episode ended.
        noise: of the update.
        clock: number of the step and of the update, 0-dim integer tensors.

    Returns:
        metrics `(lanes,)` each.
    """
    return cast(RepeatingAgent, agent).update(state, *taken, noise, *clock)


def following(counts: np.ndarray, first: int) -> np.ndarray:
    """The step that each update follows, `(num_updates,)`, of steps from `first` on."""
    return np.repeat(np.arange(first, first + len(counts)), counts)
