"""What a spec may say of the random agent, and what a lane costs."""

from __future__ import annotations

from nthrun.specs.declaration import AgentDeclaration, Setting
from nthrun.specs.field import Field
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


RANDOM = AgentDeclaration(
    name="random",
    program="nthrun.agents.random_agent.program:RandomAgent",
    footprint=random_footprint,
    doc="Uniform actions; learns nothing. Only in training are they drawn anew at every step: an "
    "evaluation plays one fixed action for an observation, a policy drawn for the run. Compare "
    "with its returns in training.",
    hyperparameters=(
        Field("policy_type", "str", "Uniform", "distribution over actions", choices=("Uniform",)),
    ),
)
