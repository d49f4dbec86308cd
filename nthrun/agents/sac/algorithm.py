"""Soft actor-critic (Haarnoja et al., 2018, "Soft Actor-Critic Algorithms and Applications").

    critic       y = r + γ (1 - d) (min_i Q̄_i(s', a') - α log π(a'|s')),  a' ~ π(·|s')
                 J_Q(θ) = Σ_i E[(Q_i(s, a) - y)²]                                      (eq. 5, 6)
    actor        J_π(φ) = E[α log π(a|s) - min_i Q_i(s, a)],  a ~ π_φ(·|s)             (eq. 9)
    temperature  J(α) = E[-log α (log π(a|s) + H̄)],  H̄ = -dim(A)                       (eq. 18)
    target       θ̄ ← θ̄ + τ (θ - θ̄)

d is 1 for a terminal state and 0 for a truncated episode. The expectations over actions are
those of `continuous` or of `discrete`, which say what their variants are. Continuous actions are
in [-1, 1] for the networks and scaled to the environment's bounds outside them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.adam import AdamClock, adam_state, adam_step, adam_tick
from nthrun.agents.base import Experience, Noise, State, gradient, lane_column
from nthrun.agents.networks import MLP
from nthrun.agents.off_policy.actions import Actions
from nthrun.agents.off_policy.shapes import actor_shape
from nthrun.agents.replay import recall, row_widths, store
from nthrun.agents.sac.continuous import SampledObjectives
from nthrun.agents.sac.counts import num_agent_draws
from nthrun.agents.sac.critics import Critics
from nthrun.agents.sac.discrete import ExactObjectives
from nthrun.agents.sac.objectives import Objectives
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface


class SoftActorCritic:
    """SAC with one critic or two, target critics and a fixed or tuned temperature."""

    def __init__(self, statics: Setting, environment: Interface) -> None:
        self.statics = statics
        self.batch_size: int = statics["batch_size"]
        self.replay_capacity: int = statics["replay_capacity"]
        self.widths = row_widths(environment)
        self.actions = Actions(environment)
        shape = actor_shape(statics, environment)
        self.actor = MLP(shape.in_dim, shape.hidden, shape.out_dim, statics["activation"])
        self.critics = Critics(statics, environment)
        kind = ExactObjectives if environment.discrete else SampledObjectives
        self.objectives: Objectives = kind(statics, environment, self.critics)
        self.num_agent_draws = num_agent_draws(statics, environment)
        self.num_replay_draws = self.batch_size

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        lanes = len(settings)
        actor, critic = [], []
        for generator in generators:
            actor.append(self.actor.initial(generator, self.statics["weight_init"]))
            critic.append(self.critics.initial(generator))
        learned = {
            "actor": torch.from_numpy(np.stack(actor)),
            "critic": torch.from_numpy(np.stack(critic)),
            "log_alpha": lane_column([math.log(setting["alpha"]) for setting in settings]),
        }
        return {
            **learned,
            **adam_state(settings, learned),
            "target_critic": learned["critic"].clone(),
            "replay": torch.zeros(lanes, self.replay_capacity, sum(self.widths)),
            "gamma": lane_column([gamma] * lanes),
            "tau": lane_column([setting["tau"] for setting in settings]),
            "critic_lr": lane_column([setting["critic_lr"] for setting in settings]),
            "actor_lr": lane_column([s["actor_lr_scale"] * s["critic_lr"] for s in settings]),
            "alpha_lr": lane_column([setting["alpha_lr"] for setting in settings]),
        }

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        policy = self.objectives.policy
        normal = noise.agent[:, None, : policy.num_draws]
        action = policy.sample_action(self.actor(state["actor"], observation), normal)
        if exploration := self.statics["uniform_exploration_steps"]:
            uniform = self.actions.uniform(normal[..., : self.actions.size])
            action = torch.where(step < exploration, uniform, action)
        return self.actions.to_environment(action)

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        action = self.objectives.policy.mode(self.actor(state["actor"], observation))
        return self.actions.to_environment(action)

    def observe(self, state: State, experience: Experience, step: Tensor) -> None:
        store(state["replay"], experience, step)

    def learns_at(self, step: int) -> bool:
        first: int = self.statics["steps_before_learning"]
        return step >= first

    def update(
        self, state: State, experience: Experience, ended: Tensor, noise: Noise, step: Tensor
    ) -> dict[str, Tensor]:
        batch = recall(state["replay"], self.widths, noise.replay)
        num_draws = self.objectives.policy.num_draws
        normal = noise.agent[:, num_draws:].unflatten(1, (-1, num_draws))
        clock = adam_tick(state)
        alpha = state["log_alpha"].exp()
        critic_loss = self._update_critic(state, batch, normal, alpha, clock)
        actor_loss, entropy = self._update_actor(state, batch.observation, normal, alpha, clock)
        if self.statics["automatic_entropy_tuning"]:
            slope = (entropy - self.objectives.target_entropy).unsqueeze(1)
            adam_step(state, "log_alpha", slope, state["alpha_lr"], clock)
        self._update_target(state, step)
        return {"critic_loss": critic_loss, "actor_loss": actor_loss, "entropy": entropy}

    def learned_params(self, state: State) -> dict[str, Tensor]:
        named = self.actor.named(state["actor"], "actor.")
        for name in ("critic", "target_critic"):
            named |= self.critics.named(state[name], f"{name}.")
        return named | {"log_alpha": state["log_alpha"]}

    def _update_critic(
        self, state: State, batch: Experience, normal: Tensor, alpha: Tensor, clock: AdamClock
    ) -> Tensor:
        """One step on J_Q; returns it, `(lanes,)`."""
        outputs = self.actor(state["actor"], batch.next_observation)
        next_value = self.objectives.next_value(
            outputs, batch.next_observation, normal, alpha, state["target_critic"]
        )
        gamma, terminated = state["gamma"], batch.terminated.squeeze(-1)
        discount = torch.addcmul(gamma, gamma, terminated, value=-1.0)
        target = torch.addcmul(batch.reward.squeeze(-1), discount, next_value).unsqueeze(1)
        taken = self.actions.to_unit(batch.action)

        def loss(critic: Tensor) -> tuple[Tensor, Tensor]:
            error = self.critics.values(critic, batch.observation, taken) - target
            return (error * error).sum((1, 2)) / self.batch_size, error

        critic_loss, _, slope = gradient(loss, state["critic"])
        adam_step(state, "critic", slope, state["critic_lr"], clock)
        return critic_loss

    def _update_actor(
        self, state: State, observation: Tensor, normal: Tensor, alpha: Tensor, clock: AdamClock
    ) -> tuple[Tensor, Tensor]:
        """One step on J_π; returns it and the entropy, `(lanes,)` each."""

        def loss(actor: Tensor) -> tuple[Tensor, Tensor]:
            outputs = self.actor(actor, observation)
            return self.objectives.actor_loss(outputs, observation, normal, alpha, state["critic"])

        actor_loss, log_density, slope = gradient(loss, state["actor"])
        adam_step(state, "actor", slope, state["actor_lr"], clock)
        return actor_loss, -log_density

    def _update_target(self, state: State, step: Tensor) -> None:
        weight = state["tau"]
        if (interval := self.statics["target_update_interval"]) != 1:
            weight = weight * (step % interval == 0)
        state["target_critic"].lerp_(state["critic"], weight)
