"""What a spec may say of greedification by KL divergences."""

from nthrun.agents.fkl.footprint import fkl_footprint
from nthrun.agents.off_policy.fields import (
    ACTOR_LR_SCALE,
    CLIP_STDDEV,
    CRITIC_LR,
    LEARNING,
    NUM_SAMPLES,
    RULES,
    policy_type,
)
from nthrun.specs.declaration import AgentDeclaration
from nthrun.specs.field import Field
from nthrun.specs.fitting import FitsPolicies

FKL = AgentDeclaration(
    name="FKL",
    program="nthrun.agents.fkl.algorithm:KLGreedification",
    footprint=fkl_footprint,
    fits=FitsPolicies({"SquashedGaussian": "continuous", "Softmax": "discrete"}),
    doc="Actor-critic whose actor reduces the forward or the reverse KL divergence to the "
    "Boltzmann policy of the action values.",
    source='Chan et al., 2022, "Greedification Operators for Policy Optimization: Investigating '
    'Forward and Reverse KL Divergences"',
    rules=RULES,
    hyperparameters=(
        policy_type("SquashedGaussian", "Softmax"),
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
