"""An agent's acting and learning between steps of worlds on the host, eager or as native code."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Experience, Noise, State
from nthrun.compiler.denormals import Flushing
from nthrun.compiler.kernel import Kernel
from nthrun.compiler.tracing import Function, Tensors
from nthrun.training.block_updates import BlockUpdates
from nthrun.training.program import Program
from nthrun.training.program_identity import named_identity
from nthrun.training.recording import METRICS
from nthrun.training.steppers.eager import stacked_metrics, take_updates
from nthrun.training.steppers.step_functions import (
    CPU,
    NOISE,
    TAKEN,
    TAKEN_NAMES,
    UPDATES,
    calls,
    example_update,
    functions_apart,
    taken_memory,
    update_inputs,
    variant_of,
)

OBSERVATION = "host.observation"
ENDED = "host.ended"
STEP = "host.step"
EXPERIENCE = "experience."
AGENT_NOISE = ("agent", "replay")


class AgentFunctions(Protocol):
    """An agent's part of a step, for packs of one program; `state` is the agent's own."""

    def prepare(self, state: State) -> None:
        """Make ready what packs of such a state need."""

    def act(
        self, state: State, observation: Tensor, noise: Noise, step: int, lanes: Sequence[int]
    ) -> Tensor:
        """Training actions `(lanes, worlds, action_dim)`."""

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """Evaluation actions `(lanes, 1, action_dim)`."""

    def take_in(
        self,
        state: State,
        taken: tuple[Experience, Tensor],
        noise: Noise,
        clock: tuple[int, bool],
        lanes: Sequence[int],
    ) -> dict[str, Tensor]:
        """Take in a step and whether its episode ended; learn if the clock, (step, learn), says."""

    def update(
        self,
        state: State,
        taken: tuple[Experience, Tensor],
        updates: BlockUpdates,
        step: int,
        lanes: Sequence[int],
    ) -> dict[str, Tensor]:
        """Take all updates that follow a step, of which there is one at least; their metrics,
        `(lanes, num_updates)` each, named as in a block."""


class EagerFunctions:
    """One operation after the other; the worlds between them see denormal numbers as they are."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def prepare(self, state: State) -> None:
        """Do nothing: every pack is ready."""

    @torch.no_grad()
    def act(
        self, state: State, observation: Tensor, noise: Noise, step: int, lanes: Sequence[int]
    ) -> Tensor:
        """Act on all lanes."""
        clock = torch.tensor(step, device=observation.device)
        with Flushing():
            return self._program.act(state, observation, noise, clock)

    @torch.no_grad()
    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        with Flushing():
            return self._program.act_greedily(state, observation)

    @torch.no_grad()
    def take_in(
        self,
        state: State,
        taken: tuple[Experience, Tensor],
        noise: Noise,
        clock: tuple[int, bool],
        lanes: Sequence[int],
    ) -> dict[str, Tensor]:
        """Take a step in on all lanes."""
        step = torch.tensor(clock[0], device=taken[1].device)
        with Flushing():
            return self._program.take_in(state, *taken, noise, step, clock[1])

    def update(
        self,
        state: State,
        taken: tuple[Experience, Tensor],
        updates: BlockUpdates,
        step: int,
        lanes: Sequence[int],
    ) -> dict[str, Tensor]:
        """Update all lanes."""
        clock = torch.tensor(step, device=taken[1].device)
        with Flushing():
            return stacked_metrics(take_updates(self._program, state, taken, updates, clock))


class CompiledFunctions:
    """Native code, lane after lane; traced for one lane of the first pack."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._kernels: tuple[Kernel, Kernel, Kernel] | None = None
        self._update: Kernel | None = None

    def prepare(self, state: State) -> None:
        """Trace and compile the agent's functions, once.

        Raises:
            CompileError: the agent's functions cannot be compiled.
        """
        if self._kernels is None:
            lane = {name: tensor[:1] for name, tensor in state.items()}
            self._kernels = self._compiled(lane)
            if self._program.updates.are_apart:
                self._update = self._compiled_update(lane)

    def act(
        self, state: State, observation: Tensor, noise: Noise, step: int, lanes: Sequence[int]
    ) -> Tensor:
        """Act; lanes that are left out give zeros."""
        kernel = self._ready(state)[0]
        inputs = {OBSERVATION: observation, **_noise_inputs(noise), STEP: _steps(step, observation)}
        return self._run(kernel, state, inputs, 0, lanes)["action"]

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        kernel = self._ready(state)[1]
        lanes = range(len(observation))
        return self._run(kernel, state, {OBSERVATION: observation}, 0, lanes)["action"]

    def take_in(
        self,
        state: State,
        taken: tuple[Experience, Tensor],
        noise: Noise,
        clock: tuple[int, bool],
        lanes: Sequence[int],
    ) -> dict[str, Tensor]:
        """Take a step in; lanes that are left out are not touched."""
        experience, ended = taken
        inputs = {EXPERIENCE + name: tensor for name, tensor in experience._asdict().items()}
        inputs |= {ENDED: ended, **_noise_inputs(noise), STEP: _steps(clock[0], ended)}
        outputs = self._run(self._ready(state)[2], state, inputs, int(clock[1]), lanes)
        learned = {n.removeprefix(METRICS): v for n, v in outputs.items() if n.startswith(METRICS)}
        return learned if clock[1] else {}

    def update(
        self,
        state: State,
        taken: tuple[Experience, Tensor],
        updates: BlockUpdates,
        step: int,
        lanes: Sequence[int],
    ) -> dict[str, Tensor]:
        """Update; lanes that are left out are not touched."""
        self.prepare(state)
        assert self._update is not None
        experience, ended = taken
        shown = zip(TAKEN_NAMES, (*experience, ended), strict=True)
        moving = state | {TAKEN + name: tensor.contiguous() for name, tensor in shown}
        variants = calls(updates)[1:] - UPDATES
        with Flushing():
            return self._update(moving, update_inputs(updates, step), variants, lanes)

    def _compiled_update(self, lane: State) -> Kernel:
        """The update of an agent that may have several after a step, and what it gathers."""
        functions = functions_apart(self._program, frozenset(lane))[UPDATES:]
        moving = lane | taken_memory(self._program, 1, CPU)
        examples = moving | example_update(self._program)
        identity = named_identity(self._program, "update")
        return Kernel(functions, examples, frozenset(moving), _variant_after_step, identity)

    def _ready(self, state: State) -> tuple[Kernel, Kernel, Kernel]:
        self.prepare(state)
        assert self._kernels is not None
        return self._kernels

    def _run(
        self, kernel: Kernel, state: State, inputs: Tensors, variant: int, lanes: Sequence[int]
    ) -> Tensors:
        """One step of a kernel; inputs and outputs `(lanes, ...)`."""
        blocks = {name: tensor.unsqueeze(1) for name, tensor in inputs.items()}
        with Flushing():
            outputs = kernel(state, blocks, np.array([variant], np.uint8), lanes)
        return {name: tensor.squeeze(1) for name, tensor in outputs.items()}

    def _compiled(self, lane: State) -> tuple[Kernel, Kernel, Kernel]:
        program, interface = self._program, self._program.interface
        names = frozenset(lane)
        noise = program.example_noise()
        widths = (interface.observation_dim, interface.action_dim, 1, interface.observation_dim, 1)
        worlds = program.num_worlds
        taken = Experience(*(torch.zeros(1, worlds, width) for width in widths))
        seen: Tensors = {OBSERVATION: taken.observation}
        seen_alone: Tensors = {OBSERVATION: torch.zeros(1, 1, interface.observation_dim)}
        clock: Tensors = {**_noise_inputs(noise), STEP: torch.zeros(1, dtype=torch.int64)}
        step: Tensors = {EXPERIENCE + name: tensor for name, tensor in taken._asdict().items()}
        step[ENDED] = torch.zeros(1, worlds, 1, dtype=torch.bool)

        def act(inputs: Tensors) -> Tensors:
            state = {name: inputs[name] for name in names}
            drawn = _noise_of(inputs, noise)
            action = program.act(state, inputs[OBSERVATION], drawn, inputs[STEP].view(()))
            return state | {"action": action}

        def act_greedily(inputs: Tensors) -> Tensors:
            state = {name: inputs[name] for name in names}
            return state | {"action": program.act_greedily(state, inputs[OBSERVATION])}

        def take_in(learn: bool, inputs: Tensors) -> Tensors:
            state = {name: inputs[name] for name in names}
            experience = Experience(*(inputs[EXPERIENCE + name] for name in Experience._fields))
            drawn, tick = _noise_of(inputs, noise), inputs[STEP].view(())
            outputs = program.take_in(state, experience, inputs[ENDED], drawn, tick, learn)
            return state | {METRICS + name: value for name, value in outputs.items()}

        def kernel(functions: list[Function], given: Tensors, part: str) -> Kernel:
            identity = named_identity(program, part)
            return Kernel(functions, lane | given, names, identity=identity)

        learning = (False,) if program.updates.are_apart else (False, True)
        return (
            kernel([act], seen | clock, "act"),
            kernel([act_greedily], seen_alone, "act greedily"),
            kernel([partial(take_in, learn) for learn in learning], step | clock, "take in"),
        )


def _variant_after_step(name: str) -> int:
    """The variant whose calls an input or output has rows of, where steps are not called."""
    return variant_of(name) - UPDATES


def _noise_inputs(noise: Noise) -> Tensors:
    return {NOISE + name: getattr(noise, name) for name in AGENT_NOISE}


def _noise_of(inputs: Tensors, like: Noise) -> Noise:
    return like._replace(**{name: inputs[NOISE + name] for name in AGENT_NOISE})


def _steps(step: int, like: Tensor) -> Tensor:
    return torch.full((len(like),), step, dtype=torch.int64)
