"""Bimodal bandits as tensor programs.

With the peak b(a; c) = exp(-((a - c) / stddev)² / 2) and noise z, standard normal, or 0 where the
spec has none,

    reward      r = h₁ b(a; -center) + h₂ b(a; center) + 0.5 z
"""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.environments.base import Transition
from nthrun.environments.tensors import bump, normal, same_start_states
from nthrun.specs.environment_spec import EnvironmentSpec

HEIGHT = 1.5
LOWER_STOCHASTIC_HEIGHT, STOCHASTIC_HEIGHT = 1.0, 2.0
NOISE_STDDEV = 0.5


class Bimodal:
    """State and observation (1); every step is an episode. Both heights are 1.5."""

    heights = (HEIGHT, HEIGHT)

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spec = spec
        self._center, self._stddev = spec.number("center"), spec.number("stddev")
        self._noisy = bool(spec.values["reward_variance"])

    def reset(self, draws: Tensor) -> Tensor:
        """1, or the spec's start state."""
        return same_start_states(self._spec, draws, 1.0)

    def observe(self, state: Tensor) -> Tensor:
        """The state."""
        return state

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Take the action in [-2, 2]; terminates."""
        lower, upper = self._peaks(action)
        return self._paid(state, lower + upper, draws)

    def _peaks(self, action: Tensor) -> tuple[Tensor, Tensor]:
        """What the two peaks pay."""
        lower, upper = self.heights
        return (
            lower * bump(action, -self._center, self._stddev),
            upper * bump(action, self._center, self._stddev),
        )

    def _paid(self, state: Tensor, reward: Tensor, draws: Tensor) -> Transition:
        """The end of the episode; `draws` are those of the noise."""
        if self._noisy:
            reward = reward + NOISE_STDDEV * normal(draws)
        return Transition(state, reward, torch.ones_like(reward))


class AsymmetricBimodal(Bimodal):
    """The same with h₁ = suboptimal_reward."""

    def __init__(self, spec: EnvironmentSpec) -> None:
        super().__init__(spec)
        self.heights = (spec.number("suboptimal_reward"), HEIGHT)


class StochasticBimodal(Bimodal):
    """The same with h₁ = 1 and h₂ = 2, of which one, drawn with equal odds, is replaced by 0."""

    heights = (LOWER_STOCHASTIC_HEIGHT, STOCHASTIC_HEIGHT)

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Take the action in [-2, 2]; terminates."""
        lower, upper = self._peaks(action)
        return self._paid(state, torch.where(draws[..., :1] < 0.5, lower, upper), draws[..., 1:])
