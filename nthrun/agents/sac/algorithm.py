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

from nthrun.agents.adam import adam_hyperparameters, adam_state, adam_step
from nthrun.agents.base import Experience, Noise, State, gradient, lane_column
from nthrun.agents.networks import MLP
from nthrun.agents.policies import SquashedGaussian
from nthrun.agents.replay import row_widths, sample, store
from nthrun.specs.declaration import EnvironmentDeclaration, Setting

NUM_CRITICS = 2


class SoftActorCritic:
    """SAC with twin critics, a target critic and a fixed or tuned temperature."""

    def __init__(self, statics: Setting, environment: EnvironmentDeclaration) -> None:
        self.statics = statics
        self.batch_size = int(statics["batch_size"])
        self.replay_capacity = int(statics["replay_capacity"])
        self.first_update = int(statics["steps_before_learning"])
        self.action_dim = environment.action_dim
        self.widths = row_widths(environment)
        self.center = (environment.action_high + environment.action_low) / 2
        self.half_range = (environment.action_high - environment.action_low) / 2
        hidden_dim, activation = int(statics["hidden_dim"]), str(statics["activation"])
        observation_dim = environment.observation_dim
        self.actor = MLP(observation_dim, hidden_dim, 2 * self.action_dim, activation)
        self.critic = MLP(observation_dim + self.action_dim, hidden_dim, 1, activation)
        self.policy = SquashedGaussian
        self.num_agent_draws = self.action_dim * (1 + 2 * self.batch_size)
        self.num_replay_draws = self.batch_size

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        lanes = len(settings)
        weight_init = str(self.statics["weight_init"])
        actor, critic = [], []
        for generator in generators:
            actor.append(self.actor.initial(generator, weight_init))
            critics = [self.critic.initial(generator, weight_init) for _ in range(NUM_CRITICS)]
            critic.append(np.concatenate(critics))
        state = {
            "actor": torch.from_numpy(np.stack(actor)),
            "critic": torch.from_numpy(np.stack(critic)),
            "log_alpha": lane_column(settings, lambda s: math.log(s["alpha"])),
            "replay": torch.zeros(lanes, self.replay_capacity, sum(self.widths)),
            "gamma": torch.full((lanes, 1), gamma),
            "log_std_bound": lane_column(settings, lambda s: math.log(s["clip_stddev"])),
            "actor_lr": lane_column(settings, lambda s: s["actor_lr_scale"] * s["critic_lr"]),
            **{
                name: lane_column(settings, lambda s, n=name: s[n])
                for name in ("critic_lr", "alpha_lr", "tau")
            },
            **adam_hyperparameters(settings),
        }
        state["target_critic"] = state["critic"].clone()
        for name in ("actor", "critic", "log_alpha"):
            state |= adam_state(name, state[name])
        return state

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        outputs = self.actor(state["actor"], observation.unsqueeze(1))
        normal = noise.agent[:, None, : self.action_dim]
        action = self.policy.sample_action(outputs, normal, state["log_std_bound"].unsqueeze(2))
        if self.statics["uniform_exploration_steps"]:
            uniform = torch.erf(normal / math.sqrt(2.0))
            action = torch.where(step < self.statics["uniform_exploration_steps"], uniform, action)
        return self._scaled(action.squeeze(1))

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        return self._scaled(self.policy.mode(self.actor(state["actor"], observation)))

    def observe(self, state: State, experience: Experience, step: Tensor) -> None:
        store(state["replay"], experience, step)

    def learns_at(self, step: int) -> bool:
        return step >= self.first_update

    def update(self, state: State, noise: Noise, step: Tensor) -> dict[str, Tensor]:
        batch, steps = sample(state["replay"], self.widths, noise.replay, step)
        normal = noise.agent[:, self.action_dim :].unflatten(1, (2, self.batch_size, -1))
        critic_loss = self._update_critic(state, batch, normal[:, 0])
        actor_loss, log_density = self._update_actor(state, batch.observation, normal[:, 1])
        entropy = -log_density.mean(1)
        if self.statics["automatic_entropy_tuning"]:
            slope = (entropy + self.action_dim).unsqueeze(1)
            adam_step(state, "log_alpha", slope, state["alpha_lr"])
        self._update_target(state, step)
        return {
            "critic_loss": critic_loss,
            "actor_loss": actor_loss,
            "entropy": entropy,
            "update_indices": steps,
        }

    def learned_params(self, state: State) -> dict[str, Tensor]:
        lanes = len(state["actor"])
        named = self.actor.named(state["actor"], "actor.")
        for name in ("critic", "target_critic"):
            stacked = self.critic.named(state[name].view(NUM_CRITICS * lanes, -1), f"{name}.")
            named |= {key: value.unflatten(0, (lanes, -1)) for key, value in stacked.items()}
        return named | {"log_alpha": state["log_alpha"]}

    def _update_critic(self, state: State, batch: Experience, normal: Tensor) -> Tensor:
        action, log_density = self._sample(state, state["actor"], batch.next_observation, normal)
        value = self._values(state["target_critic"], batch.next_observation, action).amin(1)
        soft_value = value - state["log_alpha"].exp() * log_density
        continues = 1.0 - batch.terminated.squeeze(-1)
        target = batch.reward.squeeze(-1) + state["gamma"] * continues * soft_value
        taken = (batch.action - self.center) / self.half_range

        def loss(critic: Tensor) -> tuple[Tensor, Tensor]:
            error = self._values(critic, batch.observation, taken) - target.unsqueeze(1)
            squared = error * error
            return squared.mean(2).sum(1), squared

        critic_loss, _, slope = gradient(loss, state["critic"])
        adam_step(state, "critic", slope, state["critic_lr"])
        return critic_loss

    def _update_actor(
        self, state: State, observation: Tensor, normal: Tensor
    ) -> tuple[Tensor, Tensor]:
        alpha = state["log_alpha"].exp()

        def loss(actor: Tensor) -> tuple[Tensor, Tensor]:
            action, log_density = self._sample(state, actor, observation, normal)
            value = self._values(state["critic"], observation, action).amin(1)
            return (alpha * log_density - value).mean(1), log_density

        actor_loss, log_density, slope = gradient(loss, state["actor"])
        adam_step(state, "actor", slope, state["actor_lr"])
        return actor_loss, log_density

    def _update_target(self, state: State, step: Tensor) -> None:
        weight = state["tau"]
        interval = self.statics["target_update_interval"]
        if interval != 1:
            weight = weight * (step % interval == 0)
        state["target_critic"].lerp_(state["critic"], weight)

    def _sample(
        self, state: State, actor: Tensor, observation: Tensor, normal: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Action in [-1, 1] `(lanes, batch, action_dim)` and log-density `(lanes, batch)`."""
        outputs = self.actor(actor, observation)
        return self.policy.sample(outputs, normal, state["log_std_bound"].unsqueeze(2))

    def _values(self, critics: Tensor, observation: Tensor, action: Tensor) -> Tensor:
        """Q_i(s, a) of both critics, `(lanes, 2, batch)`."""
        inputs = torch.cat((observation, action), -1)
        lanes, batch, width = inputs.shape
        shared = inputs.unsqueeze(1).expand(lanes, NUM_CRITICS, batch, width)
        values = self.critic(
            critics.view(NUM_CRITICS * lanes, -1), shared.reshape(-1, batch, width)
        )
        return values.view(lanes, NUM_CRITICS, batch)

    def _scaled(self, action: Tensor) -> Tensor:
        return action * self.half_range + self.center
