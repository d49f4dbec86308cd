"""What a spec may say of SAC, and what a lane costs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from nthrun.agents.fields import (
    ACTOR_LR_SCALE,
    CLIP_STDDEV,
    CRITIC_LR,
    NUM_SAMPLES,
    RULES,
    SCHEDULE,
    TAU,
    FitsImages,
    policy_type,
    with_convolutions,
)
from nthrun.agents.layouts import OffPolicyParts, off_policy_layout
from nthrun.agents.sizes import POLICY_ACTIONS, actor_shape, critic_shape, policy_spec
from nthrun.specs.declaration import AgentDeclaration, FitsPolicies, Setting
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface


def num_critics(setting: Setting) -> int:
    """Critics that are learned."""
    return 2 if setting["double_q"] else 1


def num_baseline_actions(setting: Setting) -> int:
    """Actions sampled in a state for the baseline, which only likelihood ratios have."""
    reparam, baseline_actions = setting["reparam_baseline"]
    return 0 if reparam else baseline_actions


def num_update_draws(setting: Setting, environment: Interface) -> int:
    """Standard normal numbers of an update.

    For every state of the batch, one action is sampled for the critic's target, and those of the
    actor's update. Expectations over discrete actions need none.
    """
    if environment.discrete:
        return 0
    draws = policy_spec(setting, environment).num_draws
    batch_size: int = setting["batch_size"]
    num_samples: int = setting["num_samples"]
    return draws * batch_size * (1 + num_samples + num_baseline_actions(setting))


def sac_parts(setting: Setting, environment: Interface) -> OffPolicyParts:
    """What SAC is made of."""
    actor, critic = actor_shape(setting, environment), critic_shape(setting, environment)
    spec, count = policy_spec(setting, environment), num_critics(setting)
    judged = count * sum(critic.widths()) + spec.num_draws + spec.num_outputs
    return OffPolicyParts(
        networks={"actor": actor, "critic": critic},
        targets={"target_critic": "critic"},
        columns=("tau", "critic_lr", "alpha_lr"),
        num_acting_draws=spec.num_draws,
        num_update_draws=num_update_draws(setting, environment),
        metrics=("critic_loss", "actor_loss", "entropy"),
        acting_numbers=sum(actor.widths()),
        sampled_numbers=sum(actor.widths()) + _num_judged(setting, environment) * judged,
        num_critics=count,
        tuned=("log_alpha",),
        shown=("log_alpha",),
    )


def _num_judged(setting: Setting, environment: Interface) -> int:
    """Actions of a state that the critics judge at once."""
    if environment.discrete:
        return 1
    spec = policy_spec(setting, environment)
    num_samples: int = setting["num_samples"]
    if setting["reparam_baseline"][0]:
        return num_samples * spec.num_strata
    return max(num_samples, num_baseline_actions(setting))


SAC = AgentDeclaration(
    name="SAC",
    program="nthrun.agents.sac.program:SoftActorCritic",
    layout=partial(off_policy_layout, sac_parts),
    fits=FitsImages(FitsPolicies(POLICY_ACTIONS)),
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
        *with_convolutions(SCHEDULE),
    ),
)
