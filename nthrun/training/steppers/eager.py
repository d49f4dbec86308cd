"""The contract of steppers, and the eager stepper, which is the reference for all others.

A stepper is made once per program and serves every pack of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Experience, Noise, State
from nthrun.compiler.denormals import Flushing
from nthrun.training.block_updates import BlockUpdates, gather, updated
from nthrun.training.evaluation import Evaluation, evaluate_tensors
from nthrun.training.program import Program
from nthrun.training.recording import METRICS, Block, Event, StepOutput

Metrics = dict[str, Tensor]


class Stepper(Protocol):
    """Runs steps of a program's packs."""

    def prepare(self, state: State) -> None:
        """Make ready what packs of such a state need, so that no step waits for it.

        Raises:
            CompileError: the steps cannot be compiled.
        """

    def train(
        self,
        state: State,
        noise: Noise,
        first: int,
        variants: np.ndarray,
        lanes: Sequence[int],
        updates: BlockUpdates | None = None,
    ) -> Block:
        """Run a block of training steps, changing `state` in place.

        Args:
            state: of the pack.
            noise: `(lanes, num_steps, ...)` each.
            first: number of the first step.
            variants: of the program's step, `(num_steps,)`; see `Program.variants`.
            lanes: whose steps count; what the others do is ignored.
            updates: that follow the steps, where they are calls of their own.
        """

    def evaluate(self, state: State, evaluation: Evaluation) -> Event:
        """Play the episodes of an evaluation on every lane; the state is read only."""


class EagerStepper:
    """One operation after the other, step after step; the reference."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def prepare(self, state: State) -> None:
        """Do nothing: the first step waits for nothing."""

    def train(
        self,
        state: State,
        noise: Noise,
        first: int,
        variants: np.ndarray,
        lanes: Sequence[int],
        updates: BlockUpdates | None = None,
    ) -> Block:
        """Run a block of steps on all lanes."""
        clock = torch.arange(first, first + len(variants), device=noise.agent.device)
        later = [None] * len(variants) if updates is None else list(updates.each_step())
        outputs: list[StepOutput] = []
        metrics: list[Metrics] = []
        with Flushing():
            for offset, variant in enumerate(variants.tolist()):
                output = self._program.step(state, noise.step(offset), clock[offset], variant)
                outputs.append(output)
                metrics += [output.metrics] if output.metrics else []
                if (own := later[offset]) is not None:
                    taken = output.experience, output.ended
                    metrics += take_updates(self._program, state, taken, own, clock[offset])
        return stacked(outputs) | stacked_metrics(metrics)

    def evaluate(self, state: State, evaluation: Evaluation) -> Event:
        return evaluate_tensors(self._program, self, state, evaluation)

    def play(self, state: State, world: Tensor, draws: Tensor) -> tuple[Tensor, Block]:
        shown: list[tuple[Tensor, ...]] = []
        with Flushing():
            for now in draws.unbind(1):
                observation, outcome = self._program.evaluation_step(state, world, now)
                world = outcome.state
                shown.append((observation, outcome.reward, outcome.terminated))
        names = ("observation", "reward", "terminated")
        parts = (torch.stack(part, 1) for part in zip(*shown, strict=True))
        return world, dict(zip(names, parts, strict=True))


def stacked(outputs: Sequence[StepOutput]) -> Block:
    """What single steps show as a block: step after step, and in each world after world."""
    shown = [output.shown() for output in outputs]
    return {name: torch.cat([step[name] for step in shown], 1) for name in shown[0]}


def stacked_metrics(metrics: Sequence[Metrics]) -> Block:
    """Metrics of updates, `(lanes,)` each, as a block has them; nothing where there is none."""
    names = metrics[0] if metrics else ()
    return {METRICS + name: torch.stack([one[name] for one in metrics], 1) for name in names}


def take_updates(
    program: Program,
    state: State,
    taken: tuple[Experience, Tensor],
    updates: BlockUpdates,
    step: Tensor,
) -> list[Metrics]:
    """Take the updates that follow a step on all lanes, one after the other.

    Args:
        taken: the step, and whether the episode ended.
        updates: those that follow it.
        step: its number, a 0-dim integer tensor.
    """
    if len(updates.gathered(0)):
        gather(program.agent, state, step)
    return [
        updated(program.agent, state, taken, noise, (step, step.new_tensor(number)))
        for number, noise in enumerate(updates.noise.each())
    ]
