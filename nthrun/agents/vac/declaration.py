"""What a spec may say of vanilla actor-critic, and what a lane costs."""

from dataclasses import replace
from functools import partial

from nthrun.agents.fields import (
    ACTOR_LR_SCALE,
    CLIP_STDDEV,
    CRITIC_LR,
    LEARNING,
    NUM_SAMPLES,
    RULES,
    FitsImages,
    policy_type,
    temperature,
    with_convolutions,
)
from nthrun.agents.layouts import likelihood_ratio_parts, off_policy_layout
from nthrun.specs.declaration import AgentDeclaration, FitsPolicies

VAC = AgentDeclaration(
    name="VAC",
    program="nthrun.agents.vac.program:VanillaActorCritic",
    layout=partial(off_policy_layout, likelihood_ratio_parts),
    fits=FitsImages(
        FitsPolicies(
            {"Gaussian": "continuous", "SquashedGaussian": "continuous", "Softmax": "discrete"}
        )
    ),
    doc="Actor-critic by the likelihood-ratio policy gradient with action values, "
    "entropy-regularised.",
    source='Sutton, 1984, as the baseline in Neumann et al., 2023, "Greedy Actor-Critic"',
    rules=RULES,
    hyperparameters=(
        policy_type("Gaussian", "SquashedGaussian", "Softmax"),
        CRITIC_LR,
        ACTOR_LR_SCALE,
        temperature(0.1, "weight of the policy's entropy"),
        replace(
            NUM_SAMPLES,
            doc="actions sampled in a state to update the actor, each scored with the others as "
            "its baseline; 1 is no baseline; without effect for Softmax",
        ),
        CLIP_STDDEV,
        *with_convolutions(LEARNING),
    ),
)
