"""Solvers that play and measure by chance, named in specs as "chance:Dice" and so on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nthrun import FitsRoles
from nthrun.agents.base import State


class Dice:
    """Plays a game by two draws an action, of which the first alone decides; measures one number
    that it draws, and how often it was asked."""

    solves, samples_measures = True, True
    hyperparameters = ()
    fits = FitsRoles()
    num_simulation_draws, num_agent_draws, num_play_draws = 0, 1, 2

    def __init__(self, statics: Any, environment: Any) -> None:
        self.heads = torch.tensor(environment.interface.action_heads, dtype=torch.float32)

    def initial_state(self, settings: Any, gamma: float, generators: Any) -> State:
        return {"sum": torch.zeros(len(settings), 1)}

    def solve(self, state: State, noise: Any, step: Tensor) -> dict[str, Tensor]:
        state["sum"].add_(noise.agent)
        return {"sum": state["sum"][:, 0].clone()}

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        return observation.new_zeros(*observation.shape[:-1], len(self.heads))

    def play(self, state: State, observation: Tensor, draws: Tensor) -> Tensor:
        return (draws[..., :1] * self.heads).floor()

    def measures(self, state: State, generators: Any) -> dict[str, np.ndarray]:
        return {"drawn": np.array([generator.random() for generator in generators])}

    def learned_params(self, state: State) -> dict[str, Tensor]:
        return {"sum": state["sum"]}


class Halved(Dice):
    """Gives half of the actions that it is asked for."""

    def play(self, state: State, observation: Tensor, draws: Tensor) -> Tensor:
        return super().play(state, observation, draws)[..., :1]


class Wanting(Dice):
    """Wants less than no draws."""

    num_play_draws = -1


class Everywhere(Dice):
    """Is no solver, and wants draws in environments on the host too."""

    solves = False
    fits = None
    num_replay_draws = replay_capacity = 0

    def __init__(self, statics: Any, environment: Any) -> None:
        self.heads = torch.zeros(environment.action_dim)

    def act(self, state: State, observation: Tensor, noise: Any, step: Tensor) -> Tensor:
        return self.act_greedily(state, observation)

    def observe(self, state: State, experience: Any, step: Tensor) -> None: ...

    def num_updates_after(self, step: int) -> int:
        return 0

    def update(self, *_: Any) -> dict[str, Tensor]:
        return {}
