"""Monte Carlo policy gradients (Williams, 1992) over simulated episodes.

The policy is a normal u ~ N(μ(o), σ²) with one σ for all observations o, squashed to a = tanh u;
networks see observations normalised by what policies have met so far (`nthrun.agents.networks`).
With the returns G of simulated steps and their baseline b(o), a step descends

    policy    -mean[A log π(u|o)] - w_H Σ log σ + w_a mean[Σ ((1 + tanh μ)/2)²],   A = G - b(o)
    baseline  mean[(b(o) - G)²],

means being over the steps at which an episode was still running. G is the rewards from a step on,
or those of its whole episode, whose baseline is that of its first observation.

Where `episodes_per_shock` episodes share their first state and their shocks, A is that less its
mean over the others of them that are still running. What they do does not depend on the action, so
that the gradient has the same expectation, while what all of them owe to luck drops out (after Mao,
Venkatakrishnan, Schwarzkopf and Alizadeh, 2019, Variance reduction for reinforcement learning in
input-driven environments).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import (
    Noise,
    State,
    adam_state,
    adam_step,
    adam_tick,
    gradient,
    lane_column,
    shortened,
)
from nthrun.agents.layouts import NORMALISER
from nthrun.agents.mc_pg.declaration import COLUMNS, mc_pg_layout, networks
from nthrun.agents.networks import MLP, ActionScale, normalised, normaliser_state, update_normaliser
from nthrun.agents.repeat import repeat
from nthrun.environments.base import Environment, make_environment
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec

LOG_STD_LOW, LOG_STD_HIGH = -5.0, 2.0


class Paths(NamedTuple):
    """Simulated steps, `(lanes, steps × episodes, width)`, step by step.

    Attributes:
        observation: before the action.
        raw: u of the action.
        reward: 0 once the episode is over.
        running: 1.0 while it is not.
    """

    observation: Tensor
    raw: Tensor
    reward: Tensor
    running: Tensor


class MonteCarloPolicyGradient:
    """mc_pg, for continuous actions and episodes that end."""

    def __init__(self, statics: Setting, environment: EnvironmentSpec) -> None:
        interface = environment.interface
        policy, baseline = networks(statics, interface)
        self.policy = MLP(policy.in_dim, policy.hidden, policy.out_dim, "relu")
        self.baseline = MLP(baseline.in_dim, baseline.hidden, 1, "tanh")
        self.environment: Environment = make_environment(environment)
        self.scale = ActionScale(interface)
        self.episodes, self.steps = statics["n_trajectories"], interface.horizon_steps
        self.whole = statics["returns"] == "trajectory"
        self.start_power: float = statics["start_power"]
        self.sharing: int = statics["episodes_per_shock"]
        self.normalise = statics["normalise_advantages"]
        self._sizes = (interface.num_reset_draws, interface.num_step_draws)
        self._action_dim = interface.action_dim
        self._decays = statics["lr_schedule"] == "linear"
        self._total_steps = environment.total_timesteps
        layout = mc_pg_layout(statics, interface)
        self.num_simulation_draws = layout.num_simulation_draws
        self.num_agent_draws = layout.num_agent_draws

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        rows = [self.policy.initial(g, "xavier_uniform") for g in generators]
        log_stds = [np.full(self._action_dim, s["log_std_init"], np.float32) for s in settings]
        rows = [np.concatenate(pair) for pair in zip(rows, log_stds, strict=True)]
        baselines = [self.baseline.initial(g, "xavier_uniform") for g in generators]
        learned = {
            "policy": torch.from_numpy(np.stack(rows)),
            "baseline": torch.from_numpy(np.stack(baselines)),
        }
        columns = {name: lane_column([s[name] for s in settings]) for name in COLUMNS}
        gammas = {"gamma": lane_column([gamma] * len(settings))}
        normaliser = normaliser_state(len(settings), self.policy.in_dim)
        return learned | adam_state(settings, learned) | columns | gammas | normaliser

    def solve(self, state: State, noise: Noise, step: Tensor) -> dict[str, Tensor]:
        paths = self._simulate(state, noise)
        returns = self._returns(state, paths)
        clock = adam_tick(state)
        seen = normalised(state, paths.observation)
        known = seen
        if self.whole:
            known = known[:, : self.episodes].repeat(1, self.steps, 1)

        def miss(parameters: Tensor) -> tuple[Tensor, Tensor]:
            value = self.baseline(parameters, known)
            return _mean((value - returns).square(), paths.running), value

        baseline_loss, value, slope = gradient(miss, state["baseline"])
        advantage = self._advantage(returns - value, paths.running)

        def loss(parameters: Tensor) -> tuple[Tensor, Tensor]:
            return self._policy_loss(state, parameters, paths._replace(observation=seen), advantage)

        policy_loss, entropy, policy_slope = gradient(loss, state["policy"])
        cut, norm = shortened(policy_slope, state["max_grad_norm"], 1e-6)
        left = self._share_left(step)
        adam_step(state, "policy", cut, left * state["lr_policy"], clock)
        adam_step(state, "baseline", slope, left * state["lr_baseline"], clock)
        state["policy"][:, -self._action_dim :].clamp_(LOG_STD_LOW, LOG_STD_HIGH)
        update_normaliser(state, paths.observation, paths.running)
        return {
            "return": paths.reward.sum((1, 2)) / self.episodes,
            "episode_length": paths.running.sum((1, 2)) / self.episodes,
            "policy_loss": policy_loss,
            "baseline_loss": baseline_loss,
            "entropy": entropy,
            "advantage": _mean((returns - value).abs(), paths.running),
            "grad_norm": norm[:, 0],
        }

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        mean, _ = self._policy(state["policy"], normalised(state, observation))
        return self.scale.to_environment(torch.tanh(mean))

    def measures(self, state: State) -> dict[str, np.ndarray]:
        """See `Solver`; nothing."""
        return {}

    def learned_params(self, state: State) -> dict[str, Tensor]:
        weights, log_std = self._split(state["policy"])
        named = self.policy.named(weights, "policy.")
        return {
            **named,
            "policy.log_std": log_std,
            **self.baseline.named(state["baseline"], "baseline."),
            **{name: state[name] for name in NORMALISER},
        }

    def _share_left(self, step: Tensor) -> Tensor:
        """The share of the step sizes that is left at a step."""
        share = 1.0 - step.to(torch.float32) / self._total_steps
        return share if self._decays else torch.ones_like(share)

    def _split(self, parameters: Tensor) -> list[Tensor]:
        """The network's row and log σ, `(lanes, action_dim)`."""
        parts: list[Tensor] = list(
            parameters.split([self.policy.num_params(), self._action_dim], 1)
        )
        return parts

    def _policy(self, parameters: Tensor, observation: Tensor) -> tuple[Tensor, Tensor]:
        """μ, `(lanes, batch, action_dim)`, and log σ, `(lanes, 1, action_dim)`."""
        weights, log_std = self._split(parameters)
        return self.policy(weights, observation), log_std.unsqueeze(1)

    def _simulate(self, state: State, noise: Noise) -> Paths:
        """Play episodes of the current policy on every lane."""
        lanes, groups = len(noise.agent), self.episodes // self.sharing
        first = groups * self._sizes[0]
        starts, draws = noise.environment.split([first, self.num_simulation_draws - first], 1)
        normal = noise.agent.view(lanes, self.steps, self.episodes, self._action_dim)
        shocks = self._shared(draws.view(lanes, self.steps, groups, self._sizes[1]))
        if self.start_power != 1.0:
            starts = starts**self.start_power
        world = self.environment.reset(self._shared(starts.view(lanes, groups, self._sizes[0])))

        def body(
            carry: tuple[Tensor, Tensor], now: tuple[Tensor, Tensor]
        ) -> tuple[tuple[Tensor, Tensor], Paths]:
            world, running = carry
            observation = self.environment.observe(world)
            mean, log_std = self._policy(state["policy"], normalised(state, observation))
            raw = torch.addcmul(mean, log_std.exp(), now[0])
            action = self.scale.to_environment(torch.tanh(raw))
            outcome = self.environment.step(world, action, now[1])
            on = running * (1.0 - outcome.terminated)
            return (outcome.state, on), Paths(observation, raw, outcome.reward * running, running)

        carry = (world, torch.ones_like(world[..., :1]))
        _, paths = repeat(body, carry, (normal, shocks), axis=1)
        return Paths(*(part.flatten(1, 2) for part in paths))

    def _shared(self, draws: Tensor) -> Tensor:
        """Numbers of groups, `(..., groups, width)`, for each of their episodes in turn."""
        if self.sharing == 1:
            return draws
        *before, groups, width = draws.shape
        each = draws.unsqueeze(-2).expand(*before, groups, self.sharing, width)
        return each.reshape(*before, self.episodes, width)

    def _returns(self, state: State, paths: Paths) -> Tensor:
        """G of every step, `(lanes, steps × episodes, 1)`."""
        gamma = state["gamma"].unsqueeze(2)
        rewards = paths.reward.split(self.episodes, 1)
        later = torch.zeros_like(rewards[0])
        returns: list[Tensor] = []
        for reward in reversed(rewards):
            later = reward + gamma * later
            returns.append(later)
        return later.repeat(1, self.steps, 1) if self.whole else torch.cat(returns[::-1], 1)

    def _advantage(self, advantage: Tensor, running: Tensor) -> Tensor:
        if self.sharing > 1:
            advantage = advantage - self._of_others(advantage, running)
        if not self.normalise:
            return advantage
        centred = advantage - _mean(advantage, running)[:, None, None]
        spread = _mean(centred.square(), running).sqrt()[:, None, None]
        return centred / (spread + 1e-8)

    def _of_others(self, advantage: Tensor, running: Tensor) -> Tensor:
        """The mean, at the same step, over the other episodes of the same shocks."""
        groups = (len(running), -1, self.sharing)
        known, on = (advantage * running).view(groups), running.view(groups)
        others = (on.sum(2, keepdim=True) - on).clamp(min=1.0)
        return ((known.sum(2, keepdim=True) - known) / others).view(running.shape)

    def _policy_loss(
        self, state: State, parameters: Tensor, paths: Paths, advantage: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss and the entropy of u, `(lanes,)` each."""
        mean, log_std = self._policy(parameters, paths.observation)
        error = (paths.raw - mean) * torch.exp(-log_std)
        log_density = -(0.5 * error.square() + log_std).sum(-1, keepdim=True)
        shares = 0.5 * (1.0 + torch.tanh(mean))
        size = shares.square().sum(-1, keepdim=True)
        weight = state["action_reg_weight"].unsqueeze(2)
        ascended = _mean(advantage * log_density - weight * size, paths.running)
        entropy = log_std.sum((1, 2)) + 0.5 * self._action_dim * (1.0 + math.log(2.0 * math.pi))
        return -ascended - state["entropy_weight"][:, 0] * entropy, entropy


def _mean(values: Tensor, running: Tensor) -> Tensor:
    """The mean over steps of running episodes, `(lanes,)`."""
    return (values * running).sum((1, 2)) / running.sum((1, 2))
