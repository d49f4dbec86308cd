"""Probes: tiny environments with known answers, each for one thing that an agent must get right.

A probe's state is one number x in [-1, 1], which is observed. Actions are in [-1, 3], or one of 0,
1 and 2; where they matter, an action is worth 1 less its distance from the best one. Answers hold
for a `gamma` of `GAMMA` and `steps_per_episode` of `CUT`. Specs name a probe as
"probes:ConstantReward", and all of them in one environment as "probes:Together".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from nthrun.environments.base import Transition
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.field import Value
from nthrun.specs.interface import Interface

GAMMA = 0.8
CUT = 4
ACTION_LOW, ACTION_HIGH, NUM_ACTIONS = -1.0, 3.0, 3
CENTRE = 1.0
"""The action between the best ones, continuous or discrete."""


def interface_of(continuous: Value, low: tuple[float, ...], num_reset_draws: int) -> Interface:
    """Of an environment that shows its state, each number of which is between `low` and 1."""
    return Interface(
        low,
        (1.0,) * len(low),
        (ACTION_LOW,) if continuous else (),
        (ACTION_HIGH,) if continuous else (),
        num_actions=0 if continuous else NUM_ACTIONS,
        state_dim=len(low),
        num_reset_draws=num_reset_draws,
    )


class Probe:
    """What most probes share: x is 0, and one step, worth 1, ends the episode.

    Attributes:
        values: x -> value of that state, whatever the policy.
        best: x -> the best action there.
    """

    values: ClassVar[Mapping[float, float]] = {}
    best: ClassVar[Mapping[float, float]] = {}

    def __init__(self, spec: EnvironmentSpec) -> None: ...

    @staticmethod
    def interface(values: Mapping[str, Value]) -> Interface:
        """One number in [-1, 1]; a reset takes one draw."""
        return interface_of(values["continuous"], (-1.0,), 1)

    def reset(self, draws: Tensor) -> Tensor:
        """See `Environment`."""
        return torch.zeros_like(draws)

    def observe(self, state: Tensor) -> Tensor:
        """See `Environment`."""
        return state

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """See `Environment`."""
        return Transition(state, torch.ones_like(state), torch.ones_like(state))


class ConstantReward(Probe):
    """Terminates at every step: its value is 1, and bootstrapped 1/(1 - γ)."""

    values: ClassVar = {0.0: 1.0}


class ObservedValue(Probe):
    """Is worth what it shows, -1 or 1."""

    values: ClassVar = {-1.0: -1.0, 1.0: 1.0}

    def reset(self, draws: Tensor) -> Tensor:
        """Either with probability 1/2."""
        return torch.where(draws < 0.5, -1.0, 1.0)

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """See `Environment`."""
        return Transition(state, state, torch.ones_like(state))


class LateReward(Probe):
    """Shows 0, then 1, and only the second step is worth something: values γ and 1."""

    values: ClassVar = {0.0: GAMMA, 1.0: 1.0}

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """See `Environment`."""
        return Transition(torch.ones_like(state), state, state)


class OneBestAction(Probe):
    """One step, for which action 2 is best."""

    best: ClassVar = {0.0: CENTRE + 1}

    def aim(self, state: Tensor) -> Tensor:
        """The best action less `CENTRE`."""
        return torch.ones_like(state)

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """See `Environment`."""
        distance = (action - CENTRE - self.aim(state)).abs()
        return Transition(state, 1 - distance, torch.ones_like(state))


class BestActionShown(OneBestAction):
    """One step, for which action 0 is best or action 2, as the sign of what it shows tells."""

    best: ClassVar = {-1.0: CENTRE - 1, 1.0: CENTRE + 1}

    def reset(self, draws: Tensor) -> Tensor:
        """Either with probability 1/2."""
        return torch.where(draws < 0.5, -1.0, 1.0)

    def aim(self, state: Tensor) -> Tensor:
        """The best action less `CENTRE`."""
        return state


class Truncated(Probe):
    """Never terminates, but is cut after `CUT` steps: its value is 1/(1 - γ) = 5."""

    values: ClassVar = {0.0: 1 / (1 - GAMMA)}

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """See `Environment`."""
        return Transition(state, torch.ones_like(state), torch.zeros_like(state))


PROBES: tuple[type[Probe], ...] = (
    ConstantReward,
    ObservedValue,
    LateReward,
    OneBestAction,
    BestActionShown,
    Truncated,
)


class Together:
    """Every episode is one of `PROBES`, by chance; a state is 1 at its place, then its x."""

    def __init__(self, spec: EnvironmentSpec) -> None:
        self.probes = [probe(spec) for probe in PROBES]

    @staticmethod
    def interface(values: Mapping[str, Value]) -> Interface:
        """Which probe, and x; a reset takes two draws."""
        low = (*[0.0] * len(PROBES), -1.0)
        return interface_of(values["continuous"], low, 2)

    def reset(self, draws: Tensor) -> Tensor:
        """See `Environment`."""
        which, draw = draws.chunk(2, -1)
        numbers = torch.arange(len(PROBES), device=draws.device)
        chosen = (which * len(PROBES)).floor() == numbers
        starts = torch.cat([probe.reset(draw) for probe in self.probes], -1)
        return torch.cat((chosen.float(), (chosen * starts).sum(-1, keepdim=True)), -1)

    def observe(self, state: Tensor) -> Tensor:
        """See `Environment`."""
        return state

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """See `Environment`."""
        chosen, x = state[..., :-1], state[..., -1:]
        outcomes = [probe.step(x, action, draws) for probe in self.probes]
        after, reward, terminated = (
            (chosen * torch.cat(parts, -1)).sum(-1, keepdim=True)
            for parts in zip(*outcomes, strict=True)
        )
        return Transition(torch.cat((chosen, after), -1), reward, terminated)


def shown(probe: type[Probe], x: float, *, together: bool) -> list[float]:
    """What a probe shows in x, alone or as one of all."""
    return [float(probe is other) for other in PROBES] + [x] if together else [x]
