"""What a lane of the random agent costs."""

from __future__ import annotations

from nthrun.specs.declaration import Setting
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

FLOAT_BYTES = 4
ACTING_COPIES = 4
"""Rows of products of every component of an action and of an observation."""


def random_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane."""
    observation, action = environment.observation_dim, environment.action_dim
    return AgentFootprint(
        state_bytes=FLOAT_BYTES * action * (observation + 1),
        learned_bytes=0,
        replay_capacity=0,
        replay_row_bytes=0,
        num_agent_draws=action,
        num_replay_draws=0,
        num_metrics=0,
        update_bytes=0,
        acting_bytes=FLOAT_BYTES * ACTING_COPIES * action * (observation + 1),
    )
