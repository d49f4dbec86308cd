"""Linear actor-critic with eligibility traces (Degris, Pilarski and Sutton, 2012, "Model-Free
Reinforcement Learning with Continuous Action in Practice", algorithm 1).

With x the binary features of s, n of which are active, v and u the critic's and actor's weights:

    error        δ = r - r̄ + γ (1 - d) vᵀx(s') - vᵀx(s)
    reward rate  r̄ ← r̄ + α_r δ
    critic       e_v ← γλ e_v + x(s)                    v ← v + (α_v / n) δ e_v
    actor        e_u ← γλ e_u + ∇_u log π(a|s)          u ← u + (α_u / n) δ e_u

d is 1 for a terminal state and 0 for a truncated episode; traces are 0 where an episode begins.
A critic or an actor without a trace has λ = 0. Where `trace` is "replacing", an active feature has
e_v = 1, and the Gaussian policy's e_u is the gradient of now; a softmax policy's is added to.
α_r > 0 is the average-reward setting, in which γ is 1 whatever the environment says; α_r = 0 is
the discounted one, in which r̄ stays 0.

Gaussian policy, for each component of an action in [-1, 1], with μ = u_μᵀx and σ = exp(u_σᵀx):

    a = μ + σ ε, clamped by the environment's bounds only as it is taken
    ∇ log π = ((a - μ)/σ² x, ((a - μ)²/σ² - 1) x) = (ε/σ x, (ε² - 1) x)

Where `scaled`, each component's α_u is multiplied by its σ² of now, which undoes 1/σ². σ stays
within [1/clip_stddev, clip_stddev]; clipping has no part in the gradient.

Softmax policy over preferences h_i = u_iᵀx:

    π(i) = exp(h_i/T) / Σ_j exp(h_j/T)    ∇_{u_j} log π(i) = ([i = j] - π(j)) x / T
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Experience, Noise, State, lane_column
from nthrun.agents.linear import TileCoder, fade, learn, linear_state, values
from nthrun.agents.linear_actor_critic.declaration import gaussian_layout, softmax_layout
from nthrun.agents.networks import ActionScale
from nthrun.agents.policies.softmax import drawn
from nthrun.agents.sizes import tile_sizes
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout

HALF_LOG_TWO_PI_E = 0.5 * math.log(2.0 * math.pi * math.e)


class LinearActorCritic(ABC):
    """What both share: row 0 of the weights is the critic, the others the policy's outputs.

    `state["outputs"]`, `(lanes, rows)`, and `state["tiles"]` are those of the observation acted on:
    the update that follows needs them, and weights do not change between.
    """

    num_outputs: int
    replaces_actor_trace = True
    """Whether "replacing" is of the actor's trace too."""
    layout_of: Callable[[Setting, Interface], Layout]
    num_replay_draws = 0
    replay_capacity = 0

    def __init__(self, statics: Setting, environment: Interface) -> None:
        self.num_agent_draws = type(self).layout_of(statics, environment).num_agent_draws
        self.sizes = tile_sizes(statics, environment)
        self.tiles = TileCoder(self.sizes, environment)
        self.replaces: bool = statics["trace"] == "replacing"
        self.traced: tuple[bool, bool] = (
            statics["use_critic_trace"],
            statics["use_actor_trace"],
        )

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        lanes, rows, active = len(settings), 1 + self.num_outputs, self.sizes.num_active
        discounts = [1.0 if setting["avg_reward_lr"] else gamma for setting in settings]
        decay = [d * setting["decay"] for d, setting in zip(discounts, settings, strict=True)]
        return {
            **linear_state(lanes, rows, self.sizes.num_features, lane_column(decay)),
            "tiles": torch.zeros(lanes, 1, active, dtype=torch.int64),
            "outputs": torch.zeros(lanes, rows),
            "average_reward": torch.zeros(lanes, 1),
            "discount": lane_column(discounts),
            "critic_lr": lane_column([setting["critic_lr"] / active for setting in settings]),
            "actor_lr": lane_column([_actor_lr(setting) / active for setting in settings]),
            "avg_reward_lr": lane_column([setting["avg_reward_lr"] for setting in settings]),
        }

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        state["tiles"] = self.tiles(observation)
        outputs = values(state["weights"], state["tiles"]).squeeze(1)
        state["outputs"] = outputs
        return self.sampled(outputs[:, 1:], noise.agent).unsqueeze(1)

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        return self.mode(values(state["weights"][:, 1:], self.tiles(observation)))

    def observe(self, state: State, experience: Experience, step: Tensor) -> None:
        """`update` has the step too."""
        del state, experience, step

    def num_updates_after(self, step: int) -> int:
        return 1

    def update(
        self, state: State, experience: Experience, ended: Tensor, noise: Noise, step: Tensor
    ) -> dict[str, Tensor]:
        outputs = state["outputs"]
        error = self._error(state, experience, outputs[:, :1])
        action = experience.action.squeeze(1)
        score, scale, entropy = self.score(outputs[:, 1:], noise.agent, action)
        increase = torch.cat((torch.ones_like(error), score), 1).unsqueeze(2)
        rate = torch.cat((state["critic_lr"], state["actor_lr"] * scale), 1) * error
        tiles = state["tiles"].expand(-1, 1 + self.num_outputs, -1)
        increase = increase.expand(tiles.shape)
        rate = rate.unsqueeze(2)
        fading = self._fading(fade(state, ended))
        if self.replaces:
            increase = increase - self._replaced(fading * state["traces"].gather(2, tiles))
        learn(state["weights"], state["traces"], fading, tiles, increase, rate)
        state["average_reward"].addcmul_(state["avg_reward_lr"], error)
        return {"td_error": error.squeeze(1), "entropy": entropy}

    def learned_params(self, state: State) -> dict[str, Tensor]:
        weights = state["weights"][..., : self.sizes.num_features]
        named = {"critic.weight": weights[:, 0]} | self.named_actor(weights[:, 1:])
        return named | {"average_reward": state["average_reward"]}

    @abstractmethod
    def sampled(self, outputs: Tensor, normal: Tensor) -> Tensor:
        """The action taken, `(lanes, action_dim)`, for outputs `(lanes, num_outputs)`."""

    @abstractmethod
    def mode(self, outputs: Tensor) -> Tensor:
        """The likeliest action, `(lanes, episodes, action_dim)`."""

    @abstractmethod
    def score(
        self, outputs: Tensor, normal: Tensor, action: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What log π(a|s) says of its outputs at the action taken.

        Returns:
            its gradient and factors of the step size, `(lanes, num_outputs)` both, and the policy's
            entropy, `(lanes,)`.
        """

    @abstractmethod
    def named_actor(self, weights: Tensor) -> dict[str, Tensor]:
        """The actor's weights by name."""

    def _fading(self, fading: Tensor) -> Tensor:
        """What traces are multiplied by, row by row where critic or actor has none.

        Args:
            fading: of those that there are, `(lanes, 1, 1)`.
        """
        if all(self.traced):
            return fading
        critic, actor = (fading if traced else torch.zeros_like(fading) for traced in self.traced)
        return torch.cat((critic, actor.expand(-1, self.num_outputs, -1)), 1)

    def _replaced(self, held: Tensor) -> Tensor:
        """What is taken out of the traces of active features, `(lanes, rows, num_active)`."""
        if self.replaces_actor_trace:
            return held
        return torch.cat((held[:, :1], torch.zeros_like(held[:, 1:])), 1)

    def _error(self, state: State, experience: Experience, value: Tensor) -> Tensor:
        """δ, `(lanes, 1)`."""
        next_tiles = self.tiles(experience.next_observation)
        next_value = values(state["weights"][:, :1], next_tiles).squeeze(1)
        going_on = 1.0 - experience.terminated.squeeze(1)
        reward = experience.reward.squeeze(1) - state["average_reward"]
        return reward + state["discount"] * going_on * next_value - value


def _actor_lr(setting: Setting) -> float:
    """The actor's step size, not yet divided by the number of active features."""
    scale: float = setting["actor_lr_scale"]
    critic_lr: float = setting["critic_lr"]
    actor_lr: float = setting["actor_lr"]
    return scale * critic_lr if scale else actor_lr


class GaussianActorCritic(LinearActorCritic):
    """`linearAC`: rows 1.. are the means of the action's components, then their log σ."""

    layout_of = staticmethod(gaussian_layout)

    def __init__(self, statics: Setting, environment: Interface) -> None:
        super().__init__(statics, environment)
        self.scaled: bool = statics["scaled"]
        self.max_log_std = math.log(statics["clip_stddev"])
        self.scale = ActionScale(environment)
        self.num_outputs = 2 * environment.action_dim

    def sampled(self, outputs: Tensor, normal: Tensor) -> Tensor:
        mean, log_std = self._split(outputs)
        action = torch.addcmul(mean, log_std.exp(), normal)
        return self.scale.to_environment(action.clamp(-1.0, 1.0))

    def mode(self, outputs: Tensor) -> Tensor:
        return self.scale.to_environment(self._split(outputs)[0].clamp(-1.0, 1.0))

    def score(
        self, outputs: Tensor, normal: Tensor, action: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        _, log_std = self._split(outputs)
        score = torch.cat((normal * torch.exp(-log_std), normal * normal - 1.0), 1)
        variance = torch.exp(2.0 * log_std)
        scale = torch.cat((variance, variance), 1) if self.scaled else torch.ones_like(score)
        return score, scale, (log_std + HALF_LOG_TWO_PI_E).sum(1)

    def named_actor(self, weights: Tensor) -> dict[str, Tensor]:
        mean, log_std = weights.chunk(2, 1)
        return {"actor.mean_weight": mean, "actor.log_std_weight": log_std}

    def _split(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = outputs.chunk(2, -1)
        return mean, log_std.clamp(-self.max_log_std, self.max_log_std)


class SoftmaxActorCritic(LinearActorCritic):
    """`SoftmaxAC`: rows 1.. are the preferences of the actions."""

    layout_of = staticmethod(softmax_layout)
    replaces_actor_trace = False

    def __init__(self, statics: Setting, environment: Interface) -> None:
        super().__init__(statics, environment)
        self.num_outputs = environment.num_actions
        self.temperature: float = statics["temperature"]

    def sampled(self, outputs: Tensor, normal: Tensor) -> Tensor:
        return drawn(self._probability(outputs), normal)

    def mode(self, outputs: Tensor) -> Tensor:
        return outputs.argmax(-1, keepdim=True).to(outputs.dtype)

    def score(
        self, outputs: Tensor, normal: Tensor, action: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        probability = self._probability(outputs)
        number = torch.arange(self.num_outputs, device=outputs.device)
        score = (number == action).to(outputs.dtype) - probability
        if self.temperature != 1.0:
            score = score / self.temperature
        surprise = -torch.log(probability.clamp(min=torch.finfo(outputs.dtype).tiny))
        entropy = (probability * surprise).sum(1)
        return score, torch.ones_like(score), entropy

    def named_actor(self, weights: Tensor) -> dict[str, Tensor]:
        return {"actor.weight": weights}

    def _probability(self, outputs: Tensor) -> Tensor:
        if self.temperature != 1.0:
            outputs = outputs / self.temperature
        return torch.softmax(outputs, -1)
