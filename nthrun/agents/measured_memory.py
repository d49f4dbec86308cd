"""Measured memory: what a lane of a user's own agent or solver costs, by making one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from torch import Tensor

from nthrun.agents.base import Agent, State
from nthrun.agents.layouts import FLOAT_BYTES
from nthrun.agents.parents import Parents
from nthrun.agents.solver import Solver, begun, num_play_draws
from nthrun.agents.updates import updates_of
from nthrun.specs.declaration import AgentDeclaration, Setting, load_program
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.footprint import AgentFootprint

UPDATE_COPIES = 8
"""How many times what an update changes and draws it is taken to hold beside it."""
NUM_METRICS = 8
"""How many metrics an update is taken to report."""


def measured_footprint(
    declaration: AgentDeclaration, setting: Setting, environment: EnvironmentSpec
) -> AgentFootprint:
    """The footprint of an agent without a layout: its tensors counted, its updates guessed."""
    made = load_program(declaration.program)
    whole = environment if declaration.solves else environment.interface
    learner = made(setting, whole)
    parents = Parents(environment, declaration)
    state = begun(learner, [setting], [np.random.default_rng(0)], parents, [None])
    measured = _of_solver if declaration.solves else _of_agent
    return measured(learner, state)


def _of_agent(agent: Agent, state: State) -> AgentFootprint:
    learned = _bytes(agent.learned_params(state).values())
    replay = state.pop("replay", None)
    own = _bytes(state.values())
    row = 0 if replay is None else replay.shape[2] * replay.element_size()
    updates = updates_of(agent)
    return AgentFootprint(
        state_bytes=own,
        learned_bytes=learned,
        replay_capacity=agent.replay_capacity,
        replay_row_bytes=row,
        num_agent_draws=agent.num_agent_draws,
        num_replay_draws=agent.num_replay_draws,
        num_metrics=NUM_METRICS,
        update_bytes=UPDATE_COPIES * (own + row * agent.num_replay_draws),
        acting_bytes=own,
        max_updates=updates.most,
        num_update_draws=updates.num_draws,
        num_play_draws=num_play_draws(agent),
        update_interval=updates.first() + 1 if updates.gathers else 1,
        updates_apart=updates.are_apart,
        gathers=updates.gathers,
    )


def _of_solver(solver: Solver, state: State) -> AgentFootprint:
    """A step's simulations are taken to hold several numbers for each that they draw."""
    own, draws = _bytes(state.values()), solver.num_agent_draws + solver.num_simulation_draws
    return AgentFootprint(
        state_bytes=own,
        learned_bytes=_bytes(solver.learned_params(state).values()),
        replay_capacity=0,
        replay_row_bytes=0,
        num_agent_draws=solver.num_agent_draws,
        num_replay_draws=0,
        num_metrics=NUM_METRICS,
        update_bytes=UPDATE_COPIES * (own + FLOAT_BYTES * draws),
        acting_bytes=own,
        num_simulation_draws=solver.num_simulation_draws,
        num_play_draws=num_play_draws(solver),
    )


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
