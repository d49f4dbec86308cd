"""What a spec may say of greedy actor-critic."""

from nthrun.agents.fields import (
    ACTOR_LR_SCALE,
    CLIP_STDDEV,
    CRITIC_LR,
    LEARNING,
    RULES,
    policy_type,
    temperature,
)
from nthrun.agents.greedy_ac.declaration import greedy_ac_footprint, greedy_ac_no_ent_reg_footprint
from nthrun.specs.declaration import AgentDeclaration, FitsPolicies
from nthrun.specs.field import Field

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
