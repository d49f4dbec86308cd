"""Agents that break what every agent has to keep, named in specs as "mixing:Mean" and so on."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.agents.random_agent.program import RandomAgent


class Own(RandomAgent):
    """An agent of a user's own, in which no lane looks at another."""

    hyperparameters = ()


class Mean(Own):
    """Every lane acts by the mean over all."""

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        action = super().act(state, observation, noise, step)
        return action.mean(0, keepdim=True).expand_as(action)


class First(Own):
    """Every lane acts as the first does."""

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        action = super().act(state, observation, noise, step)
        return action[:1].expand_as(action)


class Next(Own):
    """Every lane acts as the next would, and the last as the first."""

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        return super().act(state, observation, noise, step).roll(-1, 0)


class Pairs(Own):
    """Two lanes after one another have the larger of their actions."""

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        action = super().act(state, observation, noise, step)
        partner = (torch.arange(len(action)) ^ 1).clamp(max=len(action) - 1)
        return torch.maximum(action, action[partner])


class Count(Own):
    """Actions are the smaller the more lanes there are."""

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        return super().act(state, observation, noise, step) / len(observation)


class Failing(Own):
    """Raises an error at its first step as long as it is told to."""

    fails: ClassVar[bool] = True

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        if self.fails:
            raise ZeroDivisionError("made up")
        return super().act(state, observation, noise, step)
