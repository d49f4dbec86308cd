"""What a spec may say of the random agent, and what a lane costs."""

from __future__ import annotations

from nthrun.agents.layouts import FLOAT_BYTES
from nthrun.specs.declaration import AgentDeclaration, Setting
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout

COPIES = 4
"""Copies that acting holds of the products of an action's and an observation's components."""


def random_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout of what evaluation needs; in games, played by chance, it looks at nothing."""
    action = environment.action_dim
    observation = 0 if environment.roles else environment.observation_dim
    return Layout(
        state={"evaluation.weight": (action, observation), "evaluation.offset": (1, action)},
        learned={},
        num_agent_draws=action,
        num_play_draws=action if environment.roles else 0,
        acting_bytes=FLOAT_BYTES * COPIES * action * (observation + 1),
    )


RANDOM = AgentDeclaration(
    name="random",
    program="nthrun.agents.random_agent.program:RandomAgent",
    layout=random_layout,
    doc="Uniform actions; learns nothing. Only in training are they drawn anew at every step: an "
    "evaluation plays one fixed action for an observation, a policy drawn for the run. Compare "
    "with its returns in training. In a game everybody chooses uniformly at every step, in "
    "evaluations too.",
    hyperparameters=(
        Field("policy_type", "str", "Uniform", "distribution over actions", choices=("Uniform",)),
    ),
)
