"""The updates of a block of steps, where an agent may have several after one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Agent, Experience, GatheringAgent, Noise, RepeatingAgent, State
from nthrun.agents.updates import HINT
from nthrun.errors import ContractError
from nthrun.index import Purpose
from nthrun.training.noise import Draws, sampled_steps
from nthrun.training.program import Program


@dataclass(frozen=True, slots=True)
class BlockUpdates:
    """How many updates follow each step of a block, and their noise.

    Attributes:
        counts: `(num_steps,)`.
        noise: of each update in order, `(lanes, num_updates, ...)`; of its parts `agent` and
            `replay` are there.
        gathers: whether the agent gathers before the first update after a step.
    """

    counts: np.ndarray
    noise: Noise
    gathers: bool = False

    def of_steps(self, begin: int, end: int) -> BlockUpdates:
        """Those of some steps of the block."""
        first, last = int(self.counts[:begin].sum()), int(self.counts[:end].sum())
        return BlockUpdates(self.counts[begin:end], self.noise.steps(first, last), self.gathers)

    def each_step(self) -> Iterator[BlockUpdates]:
        """Those of one step after the other."""
        return (self.of_steps(place, place + 1) for place in range(len(self.counts)))

    def steps(self, first: int) -> np.ndarray:
        """The step that each update follows, `(num_updates,)`, if the block begins with `first`."""
        return following(self.counts, first)

    def gathered(self, first: int) -> np.ndarray:
        """The steps after which the agent gathers, `(num_gathers,)`, likewise."""
        return first + np.flatnonzero(self.counts if self.gathers else 0 * self.counts)

    def numbers(self) -> np.ndarray:
        """The number of each update among those after its step, `(num_updates,)`."""
        begins = np.cumsum(self.counts) - self.counts
        return np.asarray(np.arange(self.counts.sum()) - np.repeat(begins, self.counts))


def block_updates(
    draws: Draws,
    first: int,
    counts: np.ndarray,
    program: Program,
    device: str,
) -> BlockUpdates:
    """The updates of a block.

    Args:
        draws: of updates, `(lanes, num_updates, size)` a purpose.
        first: 0-based number of the first step.
        counts: updates after each step, `(num_steps,)`.
        program: whose.

    Raises:
        ContractError: they are to be whole epochs of a full replay, and are not.
    """
    draw = permuted_steps if program.updates.permuted else sampled_steps
    after = following(counts, first)
    steps = draw(draws[Purpose.REPLAY], after, program.replay_capacity, program.num_worlds)
    agent = torch.from_numpy(draws[Purpose.AGENT]).to(device)
    nothing = agent.new_empty(*agent.shape[:2], 0)
    replay = torch.from_numpy(steps).to(device)
    return BlockUpdates(
        counts, Noise(nothing, nothing, nothing, agent, replay), gathers=program.updates.gathers
    )


def permuted_steps(
    uniform: np.ndarray, steps: np.ndarray, capacity: int, num_worlds: int = 1
) -> np.ndarray:
    """The newest `capacity` steps in a new order for each epoch, cut into batches.

    As many uniform numbers as an epoch has steps give their order: that of their sizes.

    Args:
        uniform: on [0, 1), `(lanes, num_updates, batch)`.
        steps: the step that each update follows, `(num_updates,)`.
        capacity: of the replay, whose environment steps one epoch goes through.
        num_worlds: each of which takes a step.

    Returns:
        numbers of environment steps, step × num_worlds + world, `(lanes, num_updates, batch)`.

    Raises:
        ContractError: the updates after a step are not whole epochs of a full replay.
    """
    batch = uniform.shape[2]
    for step in np.unique(steps):
        count = np.count_nonzero(steps == step)
        if (step + 1) * num_worlds < capacity or not batch or count * batch % capacity:
            raise ContractError(
                f"{count} updates of {batch} permuted steps follow step {step}, allowed: whole "
                f"epochs of the replay's {capacity} steps, once there are so many",
                HINT,
            )
    epochs = uniform.reshape(len(uniform), -1, capacity)
    order = np.argsort(epochs, axis=-1, kind="stable").reshape(uniform.shape)
    return np.asarray(order + ((steps[:, None] + 1) * num_worlds - capacity))


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


@torch.no_grad()
def gather(agent: Agent, state: State, step: Tensor) -> None:
    """Have an agent prepare the updates that follow a step, changing `state` in place."""
    cast(GatheringAgent, agent).gather(state, step)


def following(counts: np.ndarray, first: int) -> np.ndarray:
    """The step that each update follows, `(num_updates,)`, of steps from `first` on."""
    return np.repeat(np.arange(first, first + len(counts)), counts)
