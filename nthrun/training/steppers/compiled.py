"""The compiled stepper on a CPU: the whole step is native code, run lane after lane."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.compiler.denormals import Flushing
from nthrun.compiler.kernel import Kernel
from nthrun.compiler.tracing import Tensors
from nthrun.training.block_updates import BlockUpdates
from nthrun.training.evaluation import Evaluation, evaluate_tensors
from nthrun.training.program import Program
from nthrun.training.program_identity import named_identity
from nthrun.training.recording import METRICS, Block, Event
from nthrun.training.steppers.step_functions import (
    CPU,
    NOISE,
    STEP,
    calls,
    example_update,
    functions_apart,
    in_order,
    taken_memory,
    training_step,
    update_inputs,
    variant_of,
)

WORLD = "evaluation.state"
DRAWS = "evaluation.draws"


class CompiledStepper:
    """Native code for training steps and for evaluation steps.

    Args:
        program: whose steps; traced for one lane.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._variants = program.all_variants()
        self._train: Kernel | None = None
        self._evaluate: Kernel | None = None

    def prepare(self, state: State) -> None:
        if self._train is None:
            lane = {name: tensor[:1] for name, tensor in state.items()}
            self._train = self._training_kernel(lane)
            self._evaluate = self._evaluation_kernel(lane)

    def train(
        self,
        state: State,
        noise: Noise,
        first: int,
        variants: np.ndarray,
        lanes: Sequence[int],
        updates: BlockUpdates | None = None,
    ) -> Block:
        """Run a block of steps; lanes that are left out are not touched."""
        self.prepare(state)
        assert self._train is not None
        inputs = {NOISE + name: tensor for name, tensor in noise._asdict().items()}
        inputs[STEP] = torch.arange(first, first + len(variants)).expand(len(noise.agent), -1)
        if updates is not None:
            inputs |= update_inputs(updates, first)
            state = state | taken_memory(self._program, len(noise.agent), CPU)
            variants = calls(updates)
        compiled = variants if updates is not None else np.searchsorted(self._variants, variants)
        with Flushing():
            outputs = self._train(state, inputs, compiled, lanes)
        which = torch.from_numpy(self._program.has_metrics(variants))
        learned = which if updates is None else slice(None)
        return {
            name: tensor[:, learned] if name.startswith(METRICS) else in_order(tensor)
            for name, tensor in outputs.items()
            if which.any() or not name.startswith(METRICS)
        }

    def evaluate(self, state: State, evaluation: Evaluation) -> Event:
        return evaluate_tensors(self._program, self, state, evaluation)

    def play(self, state: State, world: Tensor, draws: Tensor) -> tuple[Tensor, Block]:
        self.prepare(state)
        assert self._evaluate is not None
        moving = {**state, WORLD: world.clone(memory_format=torch.contiguous_format)}
        variants = np.zeros(draws.shape[1], np.uint8)
        with Flushing():
            outputs = self._evaluate(moving, {DRAWS: draws}, variants, range(len(world)))
        return moving[WORLD], outputs

    def _training_kernel(self, lane: State) -> Kernel:
        """All variants of a training step; or the step and one of its updates, where they are calls
        of their own, with what is gathered before them."""
        program = self._program
        noise = program.example_noise()._asdict()
        examples = lane | {NOISE + name: tensor for name, tensor in noise.items()}
        examples[STEP] = torch.zeros(1, dtype=torch.int64)
        names, identity = frozenset(lane), named_identity(program, "training")
        if not program.updates.are_apart:
            variants = [training_step(program, names, variant) for variant in self._variants]
            which = identity and f"{identity} {self._variants}"
            return Kernel(variants, examples, names, identity=which)
        taken = taken_memory(program, 1, CPU)
        examples |= taken | example_update(program)
        functions, moving = functions_apart(program, names), names | taken.keys()
        return Kernel(functions, examples, moving, variant_of, identity)

    def _evaluation_kernel(self, lane: State) -> Kernel:
        interface, episodes = self._program.interface, max(1, self._program.spec.eval_episodes)
        start = torch.zeros(1, episodes, interface.num_reset_draws)
        moving = lane | {WORLD: self._program.environment.reset(start).contiguous()}
        draws = {DRAWS: torch.zeros(1, episodes, self._program.num_evaluation_draws)}
        identity = named_identity(self._program, "evaluation")
        step = self._evaluation_step
        return Kernel([step], moving | draws, frozenset(moving), identity=identity)

    def _evaluation_step(self, inputs: Tensors) -> Tensors:
        observation, outcome = self._program.evaluation_step(inputs, inputs[WORLD], inputs[DRAWS])
        return {
            WORLD: outcome.state,
            "observation": observation,
            "reward": outcome.reward,
            "terminated": outcome.terminated,
        }
