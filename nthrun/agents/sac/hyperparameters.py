"""What a spec may say of SAC."""

from dataclasses import replace

from nthrun.agents.fields import (
    ACTOR_LR_SCALE,
    CLIP_STDDEV,
    CRITIC_LR,
    NUM_SAMPLES,
    RULES,
    SCHEDULE,
    TAU,
    policy_type,
)
from nthrun.agents.sac.declaration import sac_footprint
from nthrun.agents.sizes import POLICY_ACTIONS
from nthrun.specs.declaration import AgentDeclaration, FitsPolicies
from nthrun.specs.field import Field

SAC = AgentDeclaration(
    name="SAC",
    program="nthrun.agents.sac.program:SoftActorCritic",
    footprint=sac_footprint,
    fits=FitsPolicies(POLICY_ACTIONS),
    doc="Soft actor-critic with one critic or two and a fixed or tuned temperature.",
    source=(
        'Haarnoja et al., 2018, "Soft Actor-Critic Algorithms and Applications"; for discrete '
        'actions Christodoulou, 2019, "Soft Actor-Critic for Discrete Action Settings"'
    ),
    rules=RULES,
    hyperparameters=(
        policy_type(*POLICY_ACTIONS),
        Field(
            "num_components",
            "int",
            2,
            "components of a SquashedGaussianMixture; without effect for other policies",
            minimum=1,
            maximum=1000,
            static=True,
        ),
        Field(
            "reparam_baseline",
            "parts",
            (True, 0),
            "gradient of the actor: reparameterised, or else by likelihood ratios less the mean "
            "of baseline_actions sampled actions; without effect for Softmax",
            parts=(
                Field("reparam", "bool", True, "whether actions are reparameterised"),
                Field(
                    "baseline_actions",
                    "int",
                    0,
                    "actions of a likelihood ratio's baseline; 0 is no baseline",
                    minimum=0,
                    maximum=10**6,
                ),
            ),
            static=True,
        ),
        replace(NUM_SAMPLES, default=1, maximum=10**6),
        Field(
            "soft_q",
            "bool",
            True,
            "whether the critic's target has the policy's entropy",
            static=True,
        ),
        Field(
            "double_q",
            "bool",
            True,
            "two critics and the smaller of their values, or one critic",
            static=True,
        ),
        replace(CRITIC_LR, default=3e-4),
        ACTOR_LR_SCALE,
        Field("alpha", "float", 0.2, "temperature; its first value if it is tuned", above=0),
        Field("automatic_entropy_tuning", "bool", True, "whether to tune alpha", static=True),
        Field(
            "alpha_lr",
            "float",
            3e-4,
            "step size of log alpha; without effect if alpha is not tuned",
            minimum=0,
        ),
        replace(CLIP_STDDEV, doc=f"{CLIP_STDDEV.doc} and Beta"),
        replace(TAU, default=0.005),
        *SCHEDULE,
    ),
)
