"""The compiled stepper on a CPU: the whole step as native code, lane after lane."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.compiler.kernel import Kernel
from nthrun.compiler.tracing import Tensors
from nthrun.training.program import Program
from nthrun.training.stepping import METRICS, Block

NOISE = "noise."
STEP = "step"
WORLD = "evaluation.state"


class CompiledStepper:
    """Native code for training steps and for evaluation steps, built when first needed.

    Args:
        program: whose steps; traced for one lane.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._train: Kernel | None = None
        self._evaluate: Kernel | None = None

    def train(
        self, state: State, noise: Noise, first: int, learned: np.ndarray, lanes: Sequence[int]
    ) -> Block:
        """See `Stepper`; lanes that are left out are not touched.

        Raises:
            CompileError: the code cannot be built.
        """
        num_lanes = len(noise.agent)
        inputs = {NOISE + name: part for name, part in noise._asdict().items()}
        inputs[STEP] = torch.arange(first, first + len(learned)).expand(num_lanes, -1)
        if self._train is None:
            examples = {name: tensor[:1] for name, tensor in state.items()}
            examples |= {name: part[:1, 0] for name, part in inputs.items()}
            variants = [
                training_step(self._program, frozenset(state), learn) for learn in (False, True)
            ]
            self._train = Kernel(variants, examples, frozenset(state))
        shown = self._train(state, inputs, learned, lanes)
        which = torch.from_numpy(learned)
        return {
            name: part[:, which] if name.startswith(METRICS) else part.squeeze(2)
            for name, part in shown.items()
            if learned.any() or not name.startswith(METRICS)
        }

    def evaluate(self, state: State, world: Tensor, num_steps: int) -> tuple[Tensor, Block]:
        """See `Stepper`.

        Raises:
            CompileError: the code cannot be built.
        """
        moving = {**state, WORLD: world.clone()}
        if self._evaluate is None:
            examples = {name: tensor[:1] for name, tensor in moving.items()}
            self._evaluate = Kernel([self._evaluation_step], examples, frozenset(moving))
        variants = np.zeros(num_steps, np.uint8)
        shown = self._evaluate(moving, {}, variants, range(len(world)))
        return moving[WORLD], shown

    def _evaluation_step(self, inputs: Tensors) -> Tensors:
        observation, outcome = self._program.evaluation_step(inputs, inputs[WORLD])
        return {
            WORLD: outcome.state,
            "observation": observation,
            "reward": outcome.reward,
            "terminated": outcome.terminated,
        }


def training_step(
    program: Program, state_names: frozenset[str], learn: bool
) -> Callable[[Tensors], Tensors]:
    """A program's step as a function of named tensors: state, noise and the clock's tick."""

    def step(inputs: Tensors) -> Tensors:
        state = {name: inputs[name] for name in inputs if name in state_names}
        noise = Noise(*(inputs[NOISE + name] for name in Noise._fields))
        output = program.step(state, noise, inputs[STEP].view(()), learn)
        metrics = {METRICS + name: value for name, value in output.metrics.items()}
        return state | output.shown() | metrics

    return step
