"""What a spec may say of greedy actor-critic, and what a lane costs."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

from nthrun.agents.fields import (
    ACTOR_LR_SCALE,
    CLIP_STDDEV,
    CRITIC_LR,
    LEARNING,
    RULES,
    policy_type,
    temperature,
)
from nthrun.agents.layouts import OffPolicyParts, off_policy_layout, sampled_numbers
from nthrun.agents.sizes import actor_shape, critic_shape, policy_spec
from nthrun.specs.declaration import AgentDeclaration, FitsPolicies, Setting
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface


def num_best(count: int, rho: float) -> int:
    """⌈ρ count⌉; a product that misses a whole number by rounding counts as that number."""
    return max(1, math.ceil(rho * count - 1e-9))


def greedy_ac_parts(setting: Setting, environment: Interface) -> OffPolicyParts:
    """What GreedyAC is made of; a proposal is needed for continuous actions alone."""
    parts = no_ent_reg_parts(setting, environment)
    columns = (*parts.columns, "alpha")
    if environment.discrete:
        return replace(parts, columns=columns)
    networks = {**parts.networks, "proposal": parts.networks["actor"]}
    metrics = (*parts.metrics, "proposal_loss", "proposal_entropy")
    return replace(parts, columns=columns, networks=networks, metrics=metrics)


def no_ent_reg_parts(setting: Setting, environment: Interface) -> OffPolicyParts:
    """What GreedyAC is made of where the actor is its own proposal."""
    actor, critic = actor_shape(setting, environment), critic_shape(setting, environment)
    draws, (count, _) = policy_spec(setting, environment).num_draws, setting["n_rho"]
    num_proposed = 0 if environment.discrete else count
    num_critics = 2 if setting["double_q"] else 0
    return OffPolicyParts(
        networks={"critic": critic, "actor": actor},
        targets={"target_critic": "critic"},
        columns=("tau", "critic_lr"),
        num_acting_draws=draws,
        num_update_draws=draws * setting["batch_size"] * (1 + num_proposed),
        metrics=("critic_loss", "actor_loss"),
        acting_numbers=sum(actor.widths()),
        sampled_numbers=max(1, num_critics) * sampled_numbers(num_proposed, critic, environment),
        num_critics=num_critics,
    )


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
    Field(
        "double_q",
        "bool",
        False,
        "two critics and the smaller of their values, or one critic",
        static=True,
    ),
    CLIP_STDDEV,
    *LEARNING,
)

GREEDY_AC = AgentDeclaration(
    name="GreedyAC",
    program="nthrun.agents.greedy_ac.program:GreedyActorCritic",
    layout=partial(off_policy_layout, greedy_ac_parts),
    fits=FITS,
    doc="Actor-critic whose actor follows the most valued of the actions that a proposal policy, "
    "regularised by its entropy, samples.",
    source=SOURCE,
    rules=RULES,
    hyperparameters=(
        *SHARED,
        temperature(
            0.1,
            "weight of the proposal's entropy, without effect for Softmax, and with soft_q of the "
            "actor's in values",
        ),
        Field(
            "soft_q",
            "bool",
            False,
            "whether the critic's target has the actor's entropy",
            static=True,
        ),
    ),
)
GREEDY_AC_NO_ENT_REG = AgentDeclaration(
    name="GreedyACNoEntReg",
    program="nthrun.agents.greedy_ac.program:GreedyActorCriticNoEntReg",
    layout=partial(off_policy_layout, no_ent_reg_parts),
    fits=FITS,
    doc="GreedyAC without entropy regularisation, whose actor samples the actions itself.",
    source=SOURCE,
    rules=RULES,
    hyperparameters=SHARED,
)
