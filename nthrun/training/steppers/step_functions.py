"""A program's step, and its updates where they are calls of their own, as functions of tensors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Experience, Noise, State
from nthrun.compiler.tracing import Tensors
from nthrun.training.block_updates import BlockUpdates, gather, updated
from nthrun.training.program import Program
from nthrun.training.recording import METRICS

CPU = torch.device("cpu")
NOISE = "noise."
STEP = "step"
TAKEN = "taken."
"""Prefix of the last step as updates see it, which is carried from call to call."""
TAKEN_NAMES = (*Experience._fields, "ended")
UPDATE = "update."
"""Prefix of what each update is given: its noise, and the numbers of its step and its own."""
GATHER = "gather."
"""Prefix of what gathering is given: the number of its step."""
STEPS, UPDATES, GATHERS = 0, 1, 2
"""Variants of a step whose updates are calls of their own: the step, one of its updates, and what
its agent gathers before the first of them, if it does."""


def training_step(
    program: Program, state_names: frozenset[str], variant: int
) -> Callable[[Tensors], Tensors]:
    """A program's step as a function of named tensors: state, noise and the clock's tick."""

    def step(inputs: Tensors) -> Tensors:
        state = {name: inputs[name] for name in inputs if name in state_names}
        noise = Noise(*(inputs[NOISE + name] for name in Noise._fields))
        output = program.step(state, noise, inputs[STEP].view(()), variant)
        metrics = {METRICS + name: value for name, value in output.metrics.items()}
        return state | output.shown() | metrics

    return step


def step_before_updates(
    program: Program, state_names: frozenset[str]
) -> Callable[[Tensors], Tensors]:
    """The same without an update; the step is kept for the updates to come."""
    take = training_step(program, state_names, STEPS)

    def step(inputs: Tensors) -> Tensors:
        outputs = take(inputs)
        return outputs | {TAKEN + name: outputs[name] for name in TAKEN_NAMES}

    return step


def update_step(program: Program, state_names: frozenset[str]) -> Callable[[Tensors], Tensors]:
    """One of several updates as a function of named tensors: state, the step, noise and clock."""

    def update(inputs: Tensors) -> Tensors:
        state = {name: inputs[name] for name in state_names}
        *experience, ended = (inputs[TAKEN + name] for name in TAKEN_NAMES)
        agent, replay = inputs[UPDATE + "agent"], inputs[UPDATE + "replay"]
        nothing = agent[:, None, :0]
        noise = Noise(nothing, nothing, nothing, agent, replay)
        clock = [inputs[UPDATE + name][:1].view(()) for name in ("step", "number")]
        metrics = updated(
            program.agent, state, (Experience(*experience), ended), noise, (clock[0], clock[1])
        )
        return state | {METRICS + name: value for name, value in metrics.items()}

    return update


def gather_step(program: Program, state_names: frozenset[str]) -> Callable[[Tensors], Tensors]:
    """What an agent gathers before updates as a function of named tensors: state and clock."""

    def prepare(inputs: Tensors) -> Tensors:
        state = {name: inputs[name] for name in state_names}
        gather(program.agent, state, inputs[GATHER + "step"][:1].view(()))
        return state

    return prepare


def taken_memory(program: Program, lanes: int, device: torch.device) -> State:
    """Memory for the step that updates see, `(lanes, worlds, width)` each."""
    interface, places = program.interface, (lanes, program.num_worlds)
    widths = (interface.observation_dim, interface.action_dim, 1, interface.observation_dim, 1)
    numbers = [torch.zeros(*places, width, device=device) for width in widths]
    ended = torch.zeros(*places, 1, dtype=torch.bool, device=device)
    return {TAKEN + name: part for name, part in zip(TAKEN_NAMES, (*numbers, ended), strict=True)}


def in_order(outputs: Tensor) -> Tensor:
    """What steps show, `(lanes, num_steps, worlds, width)`, as a block has it: step after step and
    in each world after world, `(lanes, num_steps × worlds, width)`."""
    return outputs.flatten(1, 2)


def update_inputs(updates: BlockUpdates, first: int) -> Tensors:
    """What updates of a block are given, `(lanes, num_updates, ...)` each, by name.

    Args:
        first: number of the block's first step.
    """
    agent, replay = updates.noise.agent, updates.noise.replay
    clock = {UPDATE + "step": updates.steps(first), UPDATE + "number": updates.numbers()}
    if updates.gathers:
        clock[GATHER + "step"] = updates.gathered(first)
    rows = {
        name: torch.from_numpy(numbers).to(agent.device).expand(len(agent), -1)
        for name, numbers in clock.items()
    }
    return rows | {UPDATE + "agent": agent, UPDATE + "replay": replay}


def example_update(program: Program) -> Tensors:
    """What one update of one lane is given, and what is gathered before it, to trace with."""
    agent = torch.zeros(1, program.updates.num_draws)
    replay = torch.zeros(1, program.agent.num_replay_draws, dtype=torch.int64)
    tick = torch.zeros(1, dtype=torch.int64)
    given = {"agent": agent, "replay": replay, "step": tick, "number": tick.clone()}
    example = {UPDATE + name: tensor for name, tensor in given.items()}
    return example | ({GATHER + "step": tick.clone()} if program.updates.gathers else {})


def variant_of(name: str) -> int:
    """The variant whose calls an input or output has rows of, where updates are calls."""
    if name.startswith(GATHER):
        return GATHERS
    return UPDATES if name.startswith((UPDATE, METRICS)) else STEPS


MADE_BY = (step_before_updates, update_step, gather_step)
"""What makes the function of each variant."""


def functions_apart(
    program: Program, state_names: frozenset[str]
) -> list[Callable[[Tensors], Tensors]]:
    """Those of a program whose updates are calls of their own, in the order of the variants."""
    made = MADE_BY if program.updates.gathers else MADE_BY[:GATHERS]
    return [make(program, state_names) for make in made]


def calls(updates: BlockUpdates) -> np.ndarray:
    """The variant of each call: a step, what is gathered after it, and its updates."""
    counts = updates.counts
    calls_after = counts + (counts > 0) * updates.gathers
    which = np.full(len(counts) + calls_after.sum(), UPDATES, np.uint8)
    steps = np.arange(len(counts)) + np.cumsum(calls_after) - calls_after
    which[steps] = STEPS
    which[steps[updates.gathered(0)] + 1] = GATHERS
    return which
