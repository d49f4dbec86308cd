"""Linear Sarsa(λ) (Sutton and Barto, 2018, section 12.7) and Expected Sarsa(λ) (van Seijen et al.,
2009, "A Theoretical and Empirical Analysis of Expected Sarsa", with traces as in Sarsa(λ)).

With x the binary features of s, n of which are active, w_a the weights of action a, and
q(s, a) = w_aᵀx(s):

    Sarsa            v' = q(s', a'), a' the action taken next
    Expected Sarsa   v' = Σ_a π(a|s') q(s', a)
    error            δ = r + γ (1 - d) v' - q(s, a)
    traces           e ← γλ e, then for the active features i of action a:
                     accumulating e_ai ← e_ai + 1, replacing e_ai ← 1
    weights          w ← w + (α / n) δ e

d is 1 for a terminal state and 0 for a truncated episode, after which Sarsa's a' is the action it
would have taken. Traces are 0 where an episode begins. The policy π is ε-greedy, and after every
step ε ← max(ε_min, ε_decay ε); a' and π(·|s') are chosen with the new ε and with the weights before
their update. Actions of equal value share their probability.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Experience, Noise, State, lane_column
from nthrun.agents.linear import TileCoder, fade, learn, linear_state, values
from nthrun.agents.linear_sarsa.declaration import (
    COLUMNS,
    expected_sarsa_layout,
    sarsa_layout,
)
from nthrun.agents.policies.softmax import drawn
from nthrun.agents.sizes import tile_sizes
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout

FRESH = -1.0
"""A mark in place of the next action's number: an episode begins, so choose one."""


class LinearActionValues(ABC):
    """What both algorithms share: a row of weights for each action."""

    layout_of: Callable[[Setting, Interface], Layout]
    num_replay_draws = 0
    replay_capacity = 0

    def __init__(self, statics: Setting, environment: Interface) -> None:
        self.num_agent_draws = type(self).layout_of(statics, environment).num_agent_draws
        self.sizes = tile_sizes(statics, environment)
        self.tiles = TileCoder(self.sizes, environment)
        self.num_actions = environment.num_actions
        self.replacing: bool = statics["trace"] == "replacing"

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        lanes, active = len(settings), self.sizes.num_active
        decay = lane_column([gamma * setting["decay"] for setting in settings])
        return {
            **linear_state(lanes, self.num_actions, self.sizes.num_features, decay),
            "tiles": torch.zeros(lanes, 1, active, dtype=torch.int64),
            "gamma": lane_column([gamma] * lanes),
            "lr": lane_column([setting["critic_lr"] / active for setting in settings]),
            **{name: lane_column([setting[name] for setting in settings]) for name in COLUMNS},
        }

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        state["tiles"] = self.tiles(observation)
        value = values(state["weights"], state["tiles"]).squeeze(1)
        probability = epsilon_greedy_probabilities(value, state["epsilon"])
        return drawn(probability, noise.agent[:, :1]).unsqueeze(1)

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        value = values(state["weights"], self.tiles(observation))
        return value.argmax(-1, keepdim=True).to(value.dtype)

    def observe(self, state: State, experience: Experience, step: Tensor) -> None:
        """`update` has the step too."""
        del state, experience, step

    def num_updates_after(self, step: int) -> int:
        return 1

    def update(
        self, state: State, experience: Experience, ended: Tensor, noise: Noise, step: Tensor
    ) -> dict[str, Tensor]:
        state["epsilon"] = torch.maximum(
            state["epsilon"] * state["epsilon_decay"], state["epsilon_min"]
        )
        next_values = values(state["weights"], self.tiles(experience.next_observation)).squeeze(1)
        next_value = self.next_value(state, next_values, ended, noise)
        going_on = 1.0 - experience.terminated.squeeze(1)
        target = experience.reward.squeeze(1) + state["gamma"] * going_on * next_value
        index = self._taken(state, experience.action)
        weights, traces = (state[name].flatten(1).unsqueeze(1) for name in ("weights", "traces"))
        value = weights.gather(2, index).sum(2)
        error = target - value
        fading = fade(state, ended)
        increase = torch.ones_like(index, dtype=weights.dtype)
        if self.replacing:
            increase = increase - fading * traces.gather(2, index)
        learn(weights, traces, fading, index, increase, (state["lr"] * error).unsqueeze(2))
        return {"td_error": error.squeeze(1)}

    def learned_params(self, state: State) -> dict[str, Tensor]:
        weights = state["weights"][..., : self.sizes.num_features]
        return {"critic.weight": weights, "epsilon": state["epsilon"]}

    def _taken(self, state: State, action: Tensor) -> Tensor:
        """Where an action's active weights lie in all rows as one, `(lanes, 1, num_active)`."""
        return action.long() * state["weights"].shape[2] + state["tiles"]

    @abstractmethod
    def next_value(self, state: State, next_values: Tensor, ended: Tensor, noise: Noise) -> Tensor:
        """v', `(lanes, 1)`, for values of the next observation `(lanes, num_actions)`."""


class Sarsa(LinearActionValues):
    """Sarsa(λ); `state["next_action"]`, `(lanes, 1)`, is the action whose value was the target."""

    layout_of = staticmethod(sarsa_layout)

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        state = super().initial_state(settings, gamma, generators)
        return state | {"next_action": lane_column([FRESH] * len(settings))}

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        first = super().act(state, observation, noise, step)
        kept = state["next_action"].unsqueeze(1)
        return torch.where(kept == FRESH, first, kept)

    def next_value(self, state: State, next_values: Tensor, ended: Tensor, noise: Noise) -> Tensor:
        action = drawn(
            epsilon_greedy_probabilities(next_values, state["epsilon"]), noise.agent[:, 1:]
        )
        state["next_action"] = action.masked_fill(ended.squeeze(1), FRESH)
        return next_values.gather(1, action.long())


class ExpectedSarsa(LinearActionValues):
    """Expected Sarsa(λ)."""

    layout_of = staticmethod(expected_sarsa_layout)

    def next_value(self, state: State, next_values: Tensor, ended: Tensor, noise: Noise) -> Tensor:
        return (epsilon_greedy_probabilities(next_values, state["epsilon"]) * next_values).sum(
            1, keepdim=True
        )


def epsilon_greedy_probabilities(values: Tensor, epsilon: Tensor) -> Tensor:
    """ε/|A| for every action, and 1 - ε shared by those of the highest value.

    Args:
        values: `(lanes, num_actions)`.
        epsilon: `(lanes, 1)`.
    """
    best = (values == values.amax(-1, keepdim=True)).to(values.dtype)
    exploring = epsilon / values.shape[-1]
    return exploring + (1.0 - epsilon) * best / best.sum(-1, keepdim=True)
