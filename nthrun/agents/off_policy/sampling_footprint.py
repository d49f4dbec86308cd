"""What a lane of an actor-critic costs whose actor's update samples actions."""

from __future__ import annotations

from nthrun.agents.off_policy.footprint import Parts, off_policy_footprint
from nthrun.agents.off_policy.shapes import actor_shape, critic_shape, policy_spec
from nthrun.specs.declaration import Setting
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

NUM_COLUMNS = 5  # gamma, tau, two step sizes and alpha
NUM_METRICS = 3  # critic loss, actor loss, entropy
ACTING_LAYERS = 3
SAMPLE_FLOATS = 8
"""Numbers of a sampled action's density and gradient, for each of its components."""


def sampling_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of given static hyperparameters."""
    actor, critic = actor_shape(setting, environment), critic_shape(setting, environment)
    draws = policy_spec(setting, environment).num_draws
    num_samples = 0 if environment.discrete else setting["num_samples"]
    parts = Parts(
        networks=(critic, actor),
        targets=(critic,),
        num_columns=NUM_COLUMNS,
        num_agent_draws=draws * (1 + setting["batch_size"] * (1 + num_samples)),
        num_metrics=NUM_METRICS,
        num_sampled=num_samples,
        sample_floats=SAMPLE_FLOATS * environment.action_dim,
        acting_floats=ACTING_LAYERS * sum(actor.widths()),
    )
    return off_policy_footprint(setting, environment, parts)
