"""Measuring what a lane of a user's own agent costs, by making one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from torch import Tensor

from nthrun.agents.base import Agent
from nthrun.specs.declaration import Setting, load_program
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

REPLAY = "replay"
UPDATE_COPIES = 8
"""How many times its learned state an update is taken to hold beside it."""
NUM_METRICS = 8
"""How many metrics an update is taken to report."""


def measured_footprint(program: str, setting: Setting, interface: Interface) -> AgentFootprint:
    """The footprint of an agent that declares none: its tensors counted, its updates guessed.

    Args:
        program: "package.module:Class" of the agent.
        setting: its hyperparameters.
        interface: of the environment.
    """
    agent: Agent = load_program(program)(setting, interface)
    state = agent.initial_state([setting], 0.99, [np.random.default_rng(0)])
    learned = _bytes(agent.learned_params(state).values())
    replay = state.pop(REPLAY, None)
    own = _bytes(state.values())
    row = 0 if replay is None else replay.shape[2] * replay.element_size()
    update = UPDATE_COPIES * (own + row * agent.num_replay_draws)
    return AgentFootprint(
        state_bytes=own,
        learned_bytes=learned,
        replay_capacity=agent.replay_capacity,
        replay_row_bytes=row,
        num_agent_draws=agent.num_agent_draws,
        num_replay_draws=agent.num_replay_draws,
        num_metrics=NUM_METRICS,
        update_bytes=update,
        acting_bytes=own,
    )


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
