"""Proximal policy optimisation (Schulman, Wolski, Dhariwal, Radford and Klimov, 2017).

    advantage  δ_t = r_t + γ (1 - d_t) V(s'_t) - V(s_t),  A_t = δ_t + γ λ (1 - e_t) A_{t+1}
    policy     L = E[min(ρ A, clip(ρ, 1 - ε, 1 + ε) A)],  ρ = π(a|s) / π_old(a|s)            (eq. 7)
    both       descend  -L + c_v E[(V(s) - R)²] - c_e E[H(π(·|s))],  R = A + V_old(s)        (eq. 9)

d is 1 for a terminal state, e is 1 where an episode ended, so that a truncated one is bootstrapped
from its own last observation and nothing is carried over its end. A rollout of `n_steps` steps is
the replay; what its updates share is computed once, before the first of them (`gather`), by the
parameters that acted. Beyond the paper, as its authors' program does: Adam's ε of 10⁻⁵, orthogonal
first weights, advantages standardised in each batch, a global bound on the gradient's length, a
clipped error of values

    max((V - R)², (V_old + clip(V - V_old, ±ε_v) - R)²)

and statistics that normalise observations and scale rewards, which here change between rollouts
only. `target_kl` ends the updates of a rollout once E[ρ - 1 - log ρ] of a batch exceeds it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import (
    Experience,
    Noise,
    State,
    adam_state,
    adam_step,
    adam_tick,
    gradient,
    lane_column,
    shortened,
    store,
)
from nthrun.agents.networks import FARTHEST, LEAST_VARIANCE, MLP, accumulate, standardised
from nthrun.agents.off_policy import Actions
from nthrun.agents.policies.gaussian import UnboundedGaussian
from nthrun.agents.policies.softmax import HeadedSoftmax
from nthrun.agents.ppo.declaration import (
    BOUNDS,
    COLUMNS,
    heads,
    num_updates,
    ppo_sizes,
    statistics_shapes,
)
from nthrun.specs.declaration import Setting, num_worlds
from nthrun.specs.interface import Interface

POLICY_SCALE = 0.01
"""Of the policy's last orthogonal weights, so that its first actions hardly depend on the state."""
VALUE_SCALE = 1.0
ADVANTAGE_EPSILON = 1e-8
NORM_EPSILON = 1e-6
LARGEST = torch.finfo(torch.float32).max
COUNTERS = ("stopped", "updates_used")


class ProximalPolicyOptimisation:
    """PPO, over continuous or discrete actions.

    The state beside Adam's, and columns of hyperparameters by name:
        network    (lanes, P) parameters of policy and value, and log σ of continuous actions
        replay     (lanes, rollout, width) the steps of the present rollout
        rollout    (lanes, rollout, width) what the updates after the last one learn from
        stopped    (lanes, 1) 1 where `target_kl` has ended the updates of a rollout
        raw_action (lanes, worlds, action_dim) the last action before it was cut at the bounds
    """

    permuted = True

    def __init__(self, statics: Setting, environment: Interface) -> None:
        self.statics = statics
        self.sizes = ppo_sizes(statics, environment)
        self.batch_size: int = statics["batch_size"]
        self.n_steps: int = statics["n_steps"]
        self.num_worlds = num_worlds(statics)
        self.total_timesteps = environment.total_timesteps
        self.max_updates = num_updates(statics)
        self.replay_capacity, self.num_replay_draws = self.sizes.rollout, self.batch_size
        self.num_update_draws = 0
        self.networks = {
            name: MLP(shape.in_dim, shape.hidden, shape.out_dim, statics["activation"])
            for name, shape in self.sizes.networks.items()
        }
        self.discrete = environment.discrete
        self.policy: UnboundedGaussian | HeadedSoftmax = UnboundedGaussian()
        if self.discrete:
            self.policy = HeadedSoftmax(heads(environment))
        self.num_agent_draws = self.num_worlds * environment.action_dim
        self.actions = Actions(environment)
        self.statistics = statistics_shapes(statics, environment)

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        lanes, rollout = len(settings), self.replay_capacity
        rows = [self._first_parameters(*each) for each in zip(settings, generators, strict=True)]
        learned = {"network": torch.from_numpy(np.stack(rows))}
        columns = {name: [s[name] for s in settings] for name in COLUMNS}
        columns |= {name: [s[name] or math.inf for s in settings] for name in BOUNDS}
        columns |= {"gamma": [gamma] * lanes, **dict.fromkeys(COUNTERS, [0.0] * lanes)}
        state = {
            **learned,
            **adam_state(settings, learned),
            **{name: lane_column(values) for name, values in columns.items()},
            "replay": torch.zeros(lanes, rollout, sum(self.sizes.row)),
            "rollout": torch.zeros(lanes, rollout, sum(self.sizes.table)),
        }
        for name, shape in self.statistics.items():
            filled = torch.ones if name.endswith("variance") else torch.zeros
            state[name] = filled(lanes, *shape)
        if self.statics["normalise_rewards"]:
            state["running_return"] = torch.zeros(lanes, 1, self.num_worlds)
        if not self.discrete:
            state["raw_action"] = torch.zeros(lanes, self.num_worlds, self.sizes.num_log_std)
        return state

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        outputs, _ = self.evaluated(state["network"], self._seen(state, observation))
        normal = noise.agent.reshape(*observation.shape[:2], -1)
        action = self.policy.sample_action(outputs, normal)
        if not self.discrete:
            state["raw_action"].copy_(action)
        return self._played(action)

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        outputs, _ = self.evaluated(state["network"], self._seen(state, observation))
        return self._played(self.policy.mode(outputs))

    def observe(self, state: State, experience: Experience, step: Tensor, ended: Tensor) -> None:
        """See `GatheringAgent`; a row has the action as it was before it was cut."""
        if not self.discrete:
            experience = experience._replace(action=state["raw_action"])
        store(state["replay"], (*experience, ended.to(experience.reward.dtype)), step)

    def num_updates_after(self, step: int) -> int:
        return self.max_updates if (step + 1) % self.n_steps == 0 else 0

    def gather(self, state: State, step: Tensor) -> None:
        """Values, advantages and old log-densities of a rollout."""
        parts = state["replay"].split(list(self.sizes.row), -1)
        observation, action, reward, next_observation, terminated, ended = parts
        seen = self._seen(state, torch.cat((observation, next_observation), 1))
        outputs, values = self.evaluated(state["network"], seen)
        value, next_value = values.unsqueeze(-1).chunk(2, 1)
        log_density = self.policy.log_density(outputs[:, : self.replay_capacity], action)
        gamma = state["gamma"].unsqueeze(1)
        if self.statics["normalise_rewards"]:
            reward = self._scaled(state, reward, ended, gamma)
        error = reward + gamma * (1.0 - terminated) * next_value - value
        decay = gamma * state["gae_lambda"].unsqueeze(1) * (1.0 - ended)
        advantage = self._flat(discounted(self._by_world(error), self._by_world(decay)))
        columns = (log_density.unsqueeze(-1), value, advantage, advantage + value)
        state["rollout"].copy_(torch.cat((seen[:, : self.replay_capacity], action, *columns), -1))
        if self.statics["normalise_observations"]:
            accumulate(state, "observation", observation)
        for name in COUNTERS:
            state[name].zero_()

    def update(
        self,
        state: State,
        experience: Experience,
        ended: Tensor,
        noise: Noise,
        step: Tensor,
        number: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """One step on a batch of the rollout; a lane that has stopped stays as it is."""
        table = state["rollout"]
        rows = (noise.replay % self.replay_capacity).unsqueeze(-1).expand(-1, -1, table.shape[2])
        batch = table.gather(1, rows)

        def loss(parameters: Tensor) -> tuple[Tensor, Tensor]:
            return self.loss(state, parameters, batch)

        _, measures, slope = gradient(loss, state["network"])
        policy_loss, value_loss, entropy, divergence, clipped = measures.unbind(1)
        slope, norm = shortened(slope, state["max_grad_norm"], NORM_EPSILON)
        exceeds = (divergence.unsqueeze(1) > state["target_kl"]).to(slope.dtype)
        state["stopped"].copy_(torch.maximum(state["stopped"], exceeds))
        goes_on = 1.0 - state["stopped"]
        slope = torch.where(goes_on > 0.0, slope, 0.0)  # 0 times what is not finite is not 0
        self._step(state, slope, goes_on, self._learning_rate(state, step))
        state["updates_used"].add_(goes_on)
        metrics = {
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": entropy,
            "approx_kl": divergence,
            "clip_fraction": clipped,
            "grad_norm": norm[:, 0],
        }
        used = {"updates_used": state["updates_used"][:, 0] * 1.0}
        return {name: reported(value, goes_on[:, 0]) for name, value in metrics.items()} | used

    def loss(self, state: State, parameters: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        """What is descended, `(lanes,)`, and the measures of a batch, `(lanes, 5)`: the losses of
        policy and value, entropy, divergence, and the share of clipped ratios.

        Args:
            parameters: `(lanes, P)`.
            batch: rows of the rollout, `(lanes, batch, width)`.
        """
        parts = batch.split(list(self.sizes.table), -1)
        observation, action = parts[:2]
        old_density, old_value, advantage, target = (part.squeeze(-1) for part in parts[2:])
        if self.statics["normalise_advantages"] and self.batch_size > 1:
            advantage = centred(advantage)
        outputs, value = self.evaluated(parameters, observation)
        log_ratio = self.policy.log_density(outputs, action) - old_density
        ratio, bound = log_ratio.exp(), state["clip_range"]
        near = torch.minimum(torch.maximum(ratio, 1.0 - bound), 1.0 + bound)
        policy_loss = -torch.minimum(ratio * advantage, near * advantage).mean(1)
        value_loss = self._value_loss(value, old_value, target, state["clip_range_vf"])
        entropy = self.policy.entropy(outputs).mean(1)
        weights = state["value_weight"][:, 0], state["entropy_weight"][:, 0]
        descended = policy_loss + weights[0] * value_loss - weights[1] * entropy
        divergence = (ratio - 1.0 - log_ratio).mean(1)
        clipped = ((ratio - 1.0).abs() > bound).to(ratio.dtype).mean(1)
        return descended, torch.stack((policy_loss, value_loss, entropy, divergence, clipped), 1)

    def learned_params(self, state: State) -> dict[str, Tensor]:
        """Both networks, log σ, and the statistics that a policy needs to act."""
        blocks = state["network"].split(self.sizes.block(), 1)
        named: dict[str, Tensor] = {}
        for (name, network), block in zip(self.networks.items(), blocks, strict=False):
            named |= network.named(block, f"{name}.")
        if self.sizes.num_log_std:
            named["policy.log_std"] = blocks[-1][:, : self.sizes.num_log_std]
        return named | {name: state[name] for name in self.statistics}

    def evaluated(self, parameters: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs of the policy, `(lanes, batch, num_outputs)`, log σ among them where there is
        one, and values, `(lanes, batch)`.

        Args:
            parameters: `(lanes, P)`.
            seen: observations as networks see them, `(lanes, batch, observation_dim)`.
        """
        blocks = parameters.split(self.sizes.block(), 1)
        pairs = zip(self.networks.values(), blocks, strict=False)
        parts = [network(block, seen) for network, block in pairs]
        if len(parts) == 1:
            parts = list(parts[0].split([self.sizes.num_outputs, 1], -1))
        outputs, value = parts
        if width := self.sizes.num_log_std:
            log_std = blocks[-1][:, :width].unsqueeze(1).expand(-1, seen.shape[1], -1)
            outputs = torch.cat((outputs, log_std), -1)
        return outputs, value.squeeze(-1)

    def _first_parameters(self, setting: Setting, generator: np.random.Generator) -> np.ndarray:
        """A lane's block of parameters, `(P,)`."""
        policy, value = (self.sizes.num_outputs, POLICY_SCALE), (1, VALUE_SCALE)
        heads = [[policy, value]] if len(self.networks) == 1 else [[policy], [value]]
        kind: str = self.statics["weight_init"]
        parts = [
            network.initial(generator, kind, own)
            for network, own in zip(self.networks.values(), heads, strict=True)
        ]
        if width := self.sizes.num_log_std:
            log_std = np.zeros(self.sizes.block()[-1], np.float32)
            log_std[:width] = setting["log_std_init"]
            parts.append(log_std)
        return np.concatenate(parts)

    def _seen(self, state: State, observation: Tensor) -> Tensor:
        """Observations as networks see them."""
        if self.statics["normalise_observations"]:
            return standardised(state, "observation", observation)
        return observation

    def _played(self, action: Tensor) -> Tensor:
        """Actions as the environment takes them."""
        return action if self.discrete else self.actions.to_environment(action.clamp(-1.0, 1.0))

    def _by_world(self, values: Tensor) -> Tensor:
        """Numbers of a rollout, `(lanes, rollout, 1)`, as `(lanes, n_steps, worlds)`."""
        return values.reshape(len(values), self.n_steps, self.num_worlds)

    def _flat(self, values: Tensor) -> Tensor:
        """The inverse of `_by_world`."""
        return values.reshape(len(values), self.replay_capacity, 1)

    def _scaled(self, state: State, reward: Tensor, ended: Tensor, gamma: Tensor) -> Tensor:
        """Rewards over the deviation of discounted returns up to now, which take them in."""
        rewards, goes_on = self._by_world(reward), 1.0 - self._by_world(ended)
        first = rewards[:, :1] + gamma * state["running_return"]
        decay = gamma * torch.cat((torch.zeros_like(first), goes_on[:, :-1]), 1)
        returns = discounted(torch.cat((first, rewards[:, 1:]), 1), decay, forward=True)
        state["running_return"].copy_(returns[:, -1:] * goes_on[:, -1:])
        accumulate(state, "return", self._flat(returns))
        deviation = (state["return.variance"].unsqueeze(1) + LEAST_VARIANCE).sqrt()
        return (reward / deviation).clamp(-FARTHEST, FARTHEST)

    def _value_loss(self, value: Tensor, old: Tensor, target: Tensor, bound: Tensor) -> Tensor:
        """The squared error of values, the larger of it and the clipped one's, `(lanes,)`."""
        near = old + torch.minimum(torch.maximum(value - old, -bound), bound)
        return torch.maximum((value - target).square(), (near - target).square()).mean(1)

    def _learning_rate(self, state: State, step: Tensor) -> Tensor:
        """The step size after a step, `(lanes, 1)`: what is left when its rollout began."""
        if self.statics["lr_schedule"] == "constant":
            return state["lr"]
        begun = (step + 1 - self.n_steps) * self.num_worlds
        return state["lr"] * (1.0 - begun.to(torch.float32) / self.total_timesteps)

    def _step(self, state: State, slope: Tensor, goes_on: Tensor, rate: Tensor) -> None:
        """A step of Adam, whose weights and sizes are 0 where a lane does not go on."""
        before = state["adam.powers"].clone()
        clock = adam_tick(state, epsilon=state["adam_epsilon"])
        state["adam.powers"].copy_(torch.where(goes_on > 0.0, state["adam.powers"], before))
        moving = {**state, "adam.weights": state["adam.weights"] * goes_on}
        adam_step(moving, "network", slope, rate * goes_on, clock)


def discounted(values: Tensor, decay: Tensor, forward: bool = False) -> Tensor:
    """x_t = values_t + decay_t x_{t+1}, or decay_t x_{t-1} if forward; beyond the ends x is 0.

    By doubling (Hillis and Steele, 1986): a pass takes in twice as many steps as the one before.

    Args:
        values, decay: `(lanes, steps, worlds)`.
    """
    distance = 1
    while distance < values.shape[1]:
        values = values + decay * _shifted(values, distance, forward)
        decay = decay * _shifted(decay, distance, forward)
        distance *= 2
    return values


def _shifted(values: Tensor, distance: int, forward: bool) -> Tensor:
    """At each step what is `distance` steps later, or earlier if forward; 0 where there is none."""
    nothing = torch.zeros_like(values[:, :distance])
    if forward:
        return torch.cat((nothing, values[:, :-distance]), 1)
    return torch.cat((values[:, distance:], nothing), 1)


def reported(metric: Tensor, goes_on: Tensor) -> Tensor:
    """A metric of a batch, `(lanes,)`; where it is not finite and the batch changed nothing, the
    largest number, so that a run diverges by what it has learned alone.

    Args:
        goes_on: 1 where the batch was learned from, `(lanes,)`.
    """
    return torch.where((goes_on > 0.0) | (metric.abs() <= LARGEST), metric, LARGEST)


def centred(advantage: Tensor) -> Tensor:
    """Advantages of a batch `(lanes, batch)` with mean 0 and deviation 1."""
    error = advantage - advantage.mean(1, keepdim=True)
    variance = error.square().sum(1, keepdim=True) / (advantage.shape[1] - 1)
    return error / (variance.sqrt() + ADVANTAGE_EPSILON)
