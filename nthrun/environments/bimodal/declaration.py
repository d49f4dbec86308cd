"""What a spec may say of a bimodal bandit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.field import Field, Value
from nthrun.specs.interface import Interface

STDDEV = Field("stddev", "float", 0.05, "width of a peak of the reward", minimum=1e-3, maximum=10)
CENTER = Field("center", "float", 1.0, "the peaks are at ± this action", minimum=0, maximum=2)
REWARD_VARIANCE = Field(
    "reward_variance",
    "bool",
    False,
    "whether Gaussian noise of standard deviation 0.5 is added to the reward",
)
SUBOPTIMAL_REWARD = Field(
    "suboptimal_reward", "float", 0.75, "height of the lower peak", minimum=0, maximum=1.5
)
SOURCE = (
    "after Lim et al. (2018), Actor-Expert: a framework for using Q-learning in continuous action "
    "spaces"
)
ONE_ACTION = (
    "A bandit: an episode is one action within [-2, 2], and the observation is always 1. The "
    "reward has a Gaussian peak at -center and one at center, "
)


def _interface(values: Mapping[str, Value], num_draws: int = 0) -> Interface:
    return Interface(
        observation_low=(0.0,),
        observation_high=(1.0,),
        action_low=(-2.0,),
        action_high=(2.0,),
        state_dim=1,
        num_step_draws=num_draws + (2 if values["reward_variance"] else 0),
    )


def _stochastic_interface(values: Mapping[str, Value]) -> Interface:
    return _interface(values, 1)


BIMODAL = EnvironmentDeclaration(
    name="Bimodal",
    interface=_interface,
    program="nthrun.environments.bimodal.program:Bimodal",
    fields=(REWARD_VARIANCE, STDDEV, CENTER),
    doc=ONE_ACTION + "both of height 1.5.",
    source=SOURCE,
)
ASYMMETRIC_BIMODAL = EnvironmentDeclaration(
    name="AsymmetricBimodal",
    interface=_interface,
    program="nthrun.environments.bimodal.program:AsymmetricBimodal",
    fields=(REWARD_VARIANCE, STDDEV, CENTER, SUBOPTIMAL_REWARD),
    doc=ONE_ACTION + "of heights suboptimal_reward and 1.5.",
    source=SOURCE,
)
STOCHASTIC_BIMODAL = EnvironmentDeclaration(
    name="StochasticBimodal",
    interface=_stochastic_interface,
    program="nthrun.environments.bimodal.program:StochasticBimodal",
    fields=(replace(REWARD_VARIANCE, default=True), replace(STDDEV, default=0.2), CENTER),
    doc=ONE_ACTION + "of heights 1 and 2, of which only one, drawn with equal odds, pays.",
    source=SOURCE,
)
