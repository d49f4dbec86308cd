"""Own agents that act at the edge of what an environment takes, and beyond it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nthrun.agents.base import Experience, State
from nthrun.agents.random_agent.program import RandomAgent
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface


class Overshooting(RandomAgent):
    """Takes an action one step of float32 beyond the highest, in training and in evaluation, and
    wants to be shown what was played; specs name it "environments.edges:Overshooting"."""

    hyperparameters = ()

    def __init__(self, statics: Setting, environment: Interface) -> None:
        super().__init__(statics, environment)
        self.highest = environment.action_high[0]

    def _action(self, uniform: torch.Tensor) -> torch.Tensor:
        beyond = np.nextafter(np.float32(self.highest), np.float32(np.inf))
        return torch.full_like(uniform, float(beyond))

    def observe(self, state: State, experience: Experience, step: torch.Tensor) -> None:
        assert (experience.action.double() <= self.highest).all(), "shown what was not played"


class ByHeads(RandomAgent):
    """An own agent that chooses each component by itself, always the highest."""

    hyperparameters = ()
    takes_heads = True

    def _action(self, uniform: torch.Tensor) -> torch.Tensor:
        assert self.heads is not None
        return (self.heads.on(uniform.device)[0] - 1.0).expand_as(uniform)


class Diverged(RandomAgent):
    """An own agent whose actions are infinite."""

    hyperparameters = ()

    def _action(self, uniform: torch.Tensor) -> torch.Tensor:
        return torch.full_like(uniform, torch.inf)


class NoNumber(RandomAgent):
    """An own agent whose actions are NaN."""

    hyperparameters = ()

    def _action(self, uniform: torch.Tensor) -> torch.Tensor:
        return torch.full_like(uniform, torch.nan)


class BlindGreedily(RandomAgent):
    """An own agent whose actions of evaluation alone are NaN."""

    hyperparameters = ()

    def act_greedily(self, state: State, observation: torch.Tensor) -> torch.Tensor:
        return torch.full_like(super().act_greedily(state, observation), torch.nan)


class Enormous(RandomAgent):
    """An own agent whose state is larger than any machine."""

    hyperparameters = ()

    def initial_state(self, *arguments: Any) -> State:
        return super().initial_state(*arguments) | {"huge": torch.zeros(1, 10**15)}
