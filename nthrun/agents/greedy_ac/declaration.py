"""What a spec may say of greedy actor-critic, and what a lane costs."""

from __future__ import annotations

import math

from nthrun.agents.fields import (
    ACTOR_LR_SCALE,
    CLIP_STDDEV,
    CRITIC_LR,
    LEARNING,
    RULES,
    policy_type,
    temperature,
)
from nthrun.agents.off_policy_footprint import Parts, off_policy_footprint
from nthrun.agents.sizes import actor_shape, critic_shape, policy_spec
from nthrun.specs.declaration import AgentDeclaration, FitsPolicies, Setting
from nthrun.specs.field import Field
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


SOURCE = (
    'Neumann et al., 2023, "Greedy Actor-Critic: A New Conditional Cross-Entropy Method for '
    'Policy Improvement"'
)
FITS = FitsPolicies(
    {"Gaussian": "continuous", "SquashedGaussian": "continuous", "Softmax": "discrete"}
)
N_RHO = Field(
    "n_rho",
    "parts",
    (30, 0.1),
    "actions proposed in a state, and the share of them that the actor follows, rounded up; for "
    "Softmax n is without effect, and the share is of all actions",
    parts=(
        Field("n", "int", None, "actions", minimum=1, maximum=10**4),
        Field("rho", "float", None, "share", above=0, maximum=1),
    ),
    static=True,
)
SHARED = (
    policy_type("Gaussian", "SquashedGaussian", "Softmax"),
    CRITIC_LR,
    ACTOR_LR_SCALE,
    N_RHO,
    CLIP_STDDEV,
    *LEARNING,
)

GREEDY_AC = AgentDeclaration(
    name="GreedyAC",
    program="nthrun.agents.greedy_ac.program:GreedyActorCritic",
    footprint=greedy_ac_footprint,
    fits=FITS,
    doc="Actor-critic whose actor follows the most valued of the actions that a proposal policy, "
    "regularised by its entropy, samples.",
    source=SOURCE,
    rules=RULES,
    hyperparameters=(
        *SHARED,
        temperature(0.1, "weight of the proposal's entropy; without effect for Softmax"),
    ),
)
GREEDY_AC_NO_ENT_REG = AgentDeclaration(
    name="GreedyACNoEntReg",
    program="nthrun.agents.greedy_ac.program:GreedyActorCriticNoEntReg",
    footprint=greedy_ac_no_ent_reg_footprint,
    fits=FITS,
    doc="GreedyAC without entropy regularisation, whose actor samples the actions itself.",
    source=SOURCE,
    rules=RULES,
    hyperparameters=SHARED,
)
