"""Soft actor-critic (Haarnoja et al., 2018, "Soft Actor-Critic Algorithms and Applications").

    critic       y = r + γ (1 - d) (min_i Q̄_i(s', a') - α log π(a'|s')),  a' ~ π(·|s')
                 J_Q(θ) = Σ_i E[(Q_i(s, a) - y)²]                                      (eq. 5, 6)
    actor        J_π(φ) = E[α log π(f_φ(ε; s)|s) - min_i Q_i(s, f_φ(ε; s))]            (eq. 9)
    temperature  J(α) = E[-log α (log π(a|s) + H̄)],  H̄ = -dim(A)                       (eq. 18)
    target       θ̄ ← θ̄ + τ (θ - θ̄)

d is 1 for a terminal state and 0 for a truncated episode. Actions are in [-1, 1] for the
networks and scaled to the environment's bounds outside them.
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
from nthrun.agents.policies import SquashedGaussian
from nthrun.agents.replay import recall, row_widths, store
from nthrun.agents.sac.footprint import NUM_CRITICS
from nthrun.specs.declaration import EnvironmentDeclaration, Setting


class SoftActorCritic:
    """SAC with twin critics, a target critic and a fixed or tuned temperature."""

    def __init__(self, statics: Setting, environment: EnvironmentDeclaration) -> None:
        self.statics = statics
        self.batch_size: int = statics["batch_size"]
        self.replay_capacity: int = statics["replay_capacity"]
        self.action_dim = environment.action_dim
        self.widths = row_widths(environment)
        self.center = (environment.action_high + environment.action_low) / 2
        self.half_range = (environment.action_high - environment.action_low) / 2
        self.policy = SquashedGaussian(math.log(statics["clip_stddev"]))
        hidden_dim, activation = statics["hidden_dim"], statics["activation"]
        num_outputs = self.policy.num_outputs_per_action * self.action_dim
        self.actor = MLP(environment.observation_dim, hidden_dim, num_outputs, activation)
        num_inputs = environment.observation_dim + self.action_dim
        self.critic = MLP(num_inputs, hidden_dim, 1, activation)
        self.num_agent_draws = self.action_dim * (1 + 2 * self.batch_size)
        self.num_replay_draws = self.batch_size

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        lanes = len(settings)
        weight_init = self.statics["weight_init"]
        actor, critic = [], []
        for generator in generators:
            actor.append(self.actor.initial(generator, weight_init))
            critics = [self.critic.initial(generator, weight_init) for _ in range(NUM_CRITICS)]
            critic.append(np.concatenate(critics))
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
        normal = noise.agent[:, None, : self.action_dim]
        action = self.policy.sample_action(self.actor(state["actor"], observation), normal)
        if exploration := self.statics["uniform_exploration_steps"]:
            uniform = torch.erf(normal / math.sqrt(2.0))
            action = torch.where(step < exploration, uniform, action)
        return action * self.half_range + self.center

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        action = self.policy.mode(self.actor(state["actor"], observation))
        return action * self.half_range + self.center

    def observe(self, state: State, experience: Experience, step: Tensor) -> None:
        store(state["replay"], experience, step)

    def learns_at(self, step: int) -> bool:
        first: int = self.statics["steps_before_learning"]
        return step >= first

    def update(self, state: State, noise: Noise, step: Tensor) -> dict[str, Tensor]:
        batch = recall(state["replay"], self.widths, noise.replay)
        normal = noise.agent[:, self.action_dim :].unflatten(1, (2, self.batch_size, -1))
        clock = adam_tick(state)
        alpha = state["log_alpha"].exp()
        critic_loss = self._update_critic(state, batch, normal[:, 0], alpha, clock)
        actor_loss, log_density = self._update_actor(
            state, batch.observation, normal[:, 1], alpha, clock
        )
        entropy = -log_density.mean(1)
        if self.statics["automatic_entropy_tuning"]:
            slope = (entropy + self.action_dim).unsqueeze(1)
            adam_step(state, "log_alpha", slope, state["alpha_lr"], clock)
        self._update_target(state, step)
        return {"critic_loss": critic_loss, "actor_loss": actor_loss, "entropy": entropy}

    def learned_params(self, state: State) -> dict[str, Tensor]:
        lanes = len(state["actor"])
        named = self.actor.named(state["actor"], "actor.")
        for name in ("critic", "target_critic"):
            stacked = self.critic.named(state[name].view(NUM_CRITICS * lanes, -1), f"{name}.")
            named |= {key: value.unflatten(0, (lanes, -1)) for key, value in stacked.items()}
        return named | {"log_alpha": state["log_alpha"]}

    def _update_critic(
        self, state: State, batch: Experience, normal: Tensor, alpha: Tensor, clock: AdamClock
    ) -> Tensor:
        """One step on J_Q; returns it, `(lanes,)`."""
        outputs = self.actor(state["actor"], batch.next_observation)
        action, log_density = self.policy.sample(outputs, normal)
        value = self._min_value(state["target_critic"], batch.next_observation, action)
        soft_value = torch.addcmul(value, alpha, log_density, value=-1.0)
        gamma, terminated = state["gamma"], batch.terminated.squeeze(-1)
        discount = torch.addcmul(gamma, gamma, terminated, value=-1.0)
        target = torch.addcmul(batch.reward.squeeze(-1), discount, soft_value).unsqueeze(1)
        taken = (batch.action - self.center) / self.half_range

        def loss(critic: Tensor) -> tuple[Tensor, Tensor]:
            error = self._values(critic, batch.observation, taken) - target
            return (error * error).sum((1, 2)) / self.batch_size, error

        critic_loss, _, slope = gradient(loss, state["critic"])
        adam_step(state, "critic", slope, state["critic_lr"], clock)
        return critic_loss

    def _update_actor(
        self, state: State, observation: Tensor, normal: Tensor, alpha: Tensor, clock: AdamClock
    ) -> tuple[Tensor, Tensor]:
        """One step on J_π; returns it, `(lanes,)`, and log π, `(lanes, batch)`."""

        def loss(actor: Tensor) -> tuple[Tensor, Tensor]:
            action, log_density = self.policy.sample(self.actor(actor, observation), normal)
            value = self._min_value(state["critic"], observation, action)
            return (alpha * log_density - value).mean(1), log_density

        actor_loss, log_density, slope = gradient(loss, state["actor"])
        adam_step(state, "actor", slope, state["actor_lr"], clock)
        return actor_loss, log_density

    def _update_target(self, state: State, step: Tensor) -> None:
        weight = state["tau"]
        if (interval := self.statics["target_update_interval"]) != 1:
            weight = weight * (step % interval == 0)
        state["target_critic"].lerp_(state["critic"], weight)

    def _values(self, critics: Tensor, observation: Tensor, action: Tensor) -> Tensor:
        """Q_i(s, a) of both critics, `(lanes, 2, batch)`."""
        inputs = torch.cat((observation, action), -1)
        lanes, batch, width = inputs.shape
        shared = inputs.unsqueeze(1).expand(lanes, NUM_CRITICS, batch, width)
        parameters = critics.view(NUM_CRITICS * lanes, -1)
        values = self.critic(parameters, shared.reshape(-1, batch, width))
        return values.view(lanes, NUM_CRITICS, batch)

    def _min_value(self, critics: Tensor, observation: Tensor, action: Tensor) -> Tensor:
        """min_i Q_i(s, a), `(lanes, batch)`."""
        return self._values(critics, observation, action).min(1).values
