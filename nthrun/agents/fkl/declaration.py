"""What a spec may say of greedification by KL divergences, and what a lane costs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from nthrun.agents.fields import (
    ACTOR_LR_SCALE,
    CLIP_STDDEV,
    CRITIC_LR,
    LEARNING,
    NUM_SAMPLES,
    RULES,
    policy_type,
)
from nthrun.agents.layouts import OffPolicyParts, likelihood_ratio_parts, off_policy_layout
from nthrun.specs.declaration import AgentDeclaration, FitsPolicies, Setting
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface


def fkl_parts(setting: Setting, environment: Interface) -> OffPolicyParts:
    """What FKL is made of; over discrete actions an update takes all and draws none."""
    parts = likelihood_ratio_parts(setting, environment)
    if not environment.discrete:
        return parts
    return replace(parts, num_update_draws=0)


FKL = AgentDeclaration(
    name="FKL",
    program="nthrun.agents.fkl.program:KLGreedification",
    layout=partial(off_policy_layout, fkl_parts),
    fits=FitsPolicies(
        {"SquashedGaussian": "continuous", "Gaussian": "continuous", "Softmax": "discrete"}
    ),
    doc="Actor-critic whose actor reduces the forward or the reverse KL divergence to the "
    "Boltzmann policy of the action values.",
    source='Chan et al., 2022, "Greedification Operators for Policy Optimization: Investigating '
    'Forward and Reverse KL Divergences"',
    rules=RULES,
    hyperparameters=(
        policy_type("SquashedGaussian", "Gaussian", "Softmax"),
        Field(
            "kl",
            "str",
            "forward",
            "the divergence that the actor reduces",
            choices=("forward", "reverse"),
            static=True,
        ),
        CRITIC_LR,
        ACTOR_LR_SCALE,
        Field("alpha", "float", 0.1, "temperature of the Boltzmann policy", minimum=1e-6),
        Field("soft_q", "bool", True, "whether values include the entropy to come", static=True),
        NUM_SAMPLES,
        CLIP_STDDEV,
        *LEARNING,
    ),
)
