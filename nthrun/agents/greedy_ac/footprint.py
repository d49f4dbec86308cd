"""What a lane of greedy actor-critic costs."""

from __future__ import annotations

import math

from nthrun.agents.off_policy.footprint import Parts, off_policy_footprint
from nthrun.agents.off_policy.shapes import actor_shape, critic_shape, policy_spec
from nthrun.specs.declaration import Setting
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

NUM_COLUMNS = 4  # gamma, tau and two step sizes
ACTING_LAYERS = 3
SAMPLE_FLOATS = 8
"""Numbers of a sampled action's density and gradient, for each of its components."""


def num_best(count: int, rho: float) -> int:
    """⌈ρ count⌉; a product that misses a whole number by rounding counts as that number."""
    return max(1, math.ceil(rho * count - 1e-9))


def greedy_ac_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of given static hyperparameters."""
    return _footprint(setting, environment, regularised=True)


def greedy_ac_no_ent_reg_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The same where the actor is its own proposal."""
    return _footprint(setting, environment, regularised=False)


def _footprint(setting: Setting, environment: Interface, regularised: bool) -> AgentFootprint:
    actor, critic = actor_shape(setting, environment), critic_shape(setting, environment)
    draws, (count, _) = policy_spec(setting, environment).num_draws, setting["n_rho"]
    proposed = 0 if environment.discrete else count
    proposes = regularised and not environment.discrete
    parts = Parts(
        networks=(critic, actor, actor) if proposes else (critic, actor),
        targets=(critic,),
        num_columns=NUM_COLUMNS + regularised,
        num_agent_draws=draws * (1 + setting["batch_size"] * (1 + proposed)),
        num_metrics=4 if proposes else 2,
        num_sampled=proposed,
        sample_floats=SAMPLE_FLOATS * environment.action_dim,
        acting_floats=ACTING_LAYERS * sum(actor.widths()),
    )
    return off_policy_footprint(setting, environment, parts)
