"""The contract of steppers, and the eager stepper, which is the reference for all others.

A stepper is made once per program and serves every pack of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.compiler.denormals import Flushing
from nthrun.training.evaluation import Evaluation, evaluate_tensors
from nthrun.training.program import Program
from nthrun.training.recording import METRICS, Block, Event, StepOutput


class Stepper(Protocol):
    """Runs steps of a program's packs."""

    def prepare(self, state: State) -> None:
        """Make ready what packs of such a state need, so that no step waits for it.

        Raises:
            CompileError: the steps cannot be compiled.
        """

    def train(
        self, state: State, noise: Noise, first: int, variants: np.ndarray, lanes: Sequence[int]
    ) -> Block:
        """Run a block of training steps, changing `state` in place.

        Args:
            state: of the pack.
            noise: `(lanes, num_steps, ...)` each.
            first: number of the first step.
            variants: of the program's step, `(num_steps,)`; see `Program.variant_at`.
            lanes: whose steps count; what the others do is ignored.
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
        self, state: State, noise: Noise, first: int, variants: np.ndarray, lanes: Sequence[int]
    ) -> Block:
        """Run a block of steps on all lanes."""
        clock = torch.arange(first, first + len(variants), device=noise.agent.device)
        with Flushing():
            outputs = [
                self._program.step(state, noise.step(offset), clock[offset], variant)
                for offset, variant in enumerate(variants.tolist())
            ]
        return stacked(outputs)

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
    """Outputs of single steps as a block."""
    shown = [output.shown() for output in outputs]
    block = {name: torch.cat([step[name] for step in shown], 1) for name in shown[0]}
    metrics = [output.metrics for output in outputs if output.metrics]
    for name in metrics[0] if metrics else ():
        block[METRICS + name] = torch.stack([values[name] for values in metrics], 1)
    return block
