"""Uniform actions, learning nothing.

In training an action is uniform and independent, and so is everybody's in a game, in evaluation
too. In other evaluations agents get no random numbers, so there the action is a function of the
observation s, drawn for each run,

    u = frac(b + Σ_i w_i y_i),  y_i = sign(s_i) log(1 + |s_i|),  w_i ~ 10³ N(0, 1),  b uniform

for each component: uniform over many observations, the same whenever one returns. y keeps the
digits of the fraction where observations are large.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Experience, Noise, State
from nthrun.agents.networks import ActionScale
from nthrun.agents.policies.base import LARGEST_BELOW_ONE, uniform_of
from nthrun.agents.random_agent.declaration import random_layout
from nthrun.environments.tensors import Constants
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface

FREQUENCY = 1000.0


class RandomAgent:
    """Acts uniformly; its state is only what evaluation needs."""

    num_replay_draws = 0
    replay_capacity = 0

    def __init__(self, statics: Setting, environment: Interface) -> None:
        layout = random_layout(statics, environment)
        self.num_agent_draws, self.num_play_draws = layout.num_agent_draws, layout.num_play_draws
        self.num_actions = environment.num_actions
        self.observation_dim = layout.state["evaluation.weight"][1]
        self.scale = None if environment.discrete else ActionScale(environment)
        heads = torch.tensor(environment.action_heads, dtype=torch.float32)
        self.heads = Constants(heads) if environment.action_heads else None

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        size = self.num_agent_draws
        weights = [
            FREQUENCY * g.standard_normal((size, self.observation_dim), dtype=np.float32)
            for g in generators
        ]
        offsets = [g.random((1, size), dtype=np.float32) for g in generators]
        return {
            "evaluation.weight": torch.from_numpy(np.stack(weights).astype(np.float32)),
            "evaluation.offset": torch.from_numpy(np.stack(offsets)),
        }

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        return self._action(uniform_of(noise.agent.unsqueeze(1)))

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        if not self.observation_dim:
            return self._action(state["evaluation.offset"].expand(-1, observation.shape[1], -1))
        size = torch.log1p(observation.abs())
        tamed = torch.where(observation < 0.0, -size, size)
        products = tamed.unsqueeze(2) * state["evaluation.weight"].unsqueeze(1)
        return self._action(torch.remainder(state["evaluation.offset"] + products.sum(-1), 1.0))

    def play(self, state: State, observation: Tensor, draws: Tensor) -> Tensor:
        """See `SampledPlay`; in games."""
        return self._action(draws)

    def observe(self, state: State, experience: Experience, step: Tensor) -> None:
        """See `Agent`; keeps nothing."""

    def num_updates_after(self, step: int) -> int:
        """See `Agent`; none."""
        return 0

    def update(
        self, state: State, experience: Experience, ended: Tensor, noise: Noise, step: Tensor
    ) -> dict[str, Tensor]:
        """See `Agent`; nothing to learn or to report."""
        return {}

    def learned_params(self, state: State) -> dict[str, Tensor]:
        """See `Agent`; none."""
        return {}

    def _action(self, uniform: Tensor) -> Tensor:
        """Actions `(lanes, batch, size)` from numbers in [0, 1], of which 1 comes of rounding."""
        uniform = uniform.clamp(max=LARGEST_BELOW_ONE)
        if self.heads is not None:
            return torch.floor(uniform * self.heads.on(uniform.device)[0])
        if self.scale is None:
            return torch.floor(uniform * self.num_actions)
        return self.scale.to_environment(2.0 * uniform - 1.0)
