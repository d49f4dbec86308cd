"""The program of a pack whose environment steps on the host."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.environments.base import HostEnvironment, make_environment
from nthrun.environments.host_environment import SEED_DRAWS, float32_bounds, resting_action
from nthrun.environments.tensors import Constants
from nthrun.index import Purpose
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import THRESHOLD
from nthrun.training.noise import Draws, episode_seeds, first_draws
from nthrun.training.program import Program

HOST = "host."
"""Prefix of the state that stays on the host."""


class HostedProgram(Program):
    """An agent whose environment is worlds on the host.

    The state beside the agent's is what episodes are made of, so that they can be played again:
        host.observation   (lanes, worlds, observation_dim); NaN before a world's first reset
        host.seed          (lanes, worlds) of the current episode
        host.episode_step  (lanes, worlds) steps of it
        host.actions       (lanes, worlds, limit, action_dim); its first `episode_step` are taken
    """

    def _make(self, kind: Any, statics: Setting) -> None:
        super()._make(kind, statics)
        self.resting_action = resting_action(self.interface)
        self._bounds: Constants | None = None
        if not self.interface.discrete:
            bounds = float32_bounds(self.interface.action_low, self.interface.action_high)
            self._bounds = Constants(*map(torch.from_numpy, bounds))

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        return self._within_bounds(super().act(state, observation, noise, step))

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        return self._within_bounds(super().act_greedily(state, observation))

    def _within_bounds(self, action: Tensor) -> Tensor:
        """What a world takes of an action: worlds may refuse what is a rounding step outside.

        What is not finite stays as it is, and the run has diverged.
        """
        if self._bounds is None:
            return action
        low, high = self._bounds.on(action.device)
        return torch.where(action.abs() < math.inf, action.clamp(low, high), action)

    def noise_sizes(self) -> dict[Purpose, int]:
        """Numbers per step that each stream gives; those of the environment are seeds."""
        return {**super().noise_sizes(), Purpose.ENVIRONMENT: self.num_worlds * SEED_DRAWS}

    def noise(self, draws: Draws, first: int, device: str) -> Noise:
        """The noise of a block of steps; its start states are the seeds of next episodes."""
        tensors = self.noise_tensors(draws, first, device)
        drawn = draws[Purpose.ENVIRONMENT]
        drawn = drawn.reshape(*drawn.shape[:2], self.num_worlds, SEED_DRAWS)
        seeds = torch.from_numpy(episode_seeds(drawn))[..., None]
        nothing = torch.empty(*seeds.shape[:3], 0)
        return Noise(seeds, nothing, nothing, tensors[Purpose.AGENT], tensors[Purpose.REPLAY])

    def world(self) -> HostEnvironment:
        """A new world."""
        made: HostEnvironment = make_environment(self.spec)
        return made

    def change_rewards(
        self, reward: np.ndarray, terminated: np.ndarray, episode_step: ArrayLike
    ) -> None:
        """Make the environment's rewards of a step those of the spec.

        Args:
            reward: of every world, changed in place.
            terminated: 1 where the step ended an episode by itself.
            episode_step: its number in the episode, from 1.
        """
        if threshold := self.spec.values.get(THRESHOLD):
            assert isinstance(threshold, float)
            reward[:] = (reward - threshold).clip(0, 1 - threshold) / (1 - threshold)
        if self.spec.values["overwrite_rewards"]:
            timestep, goal = (self.spec.number(f"rewards.{name}") for name in ("timestep", "goal"))
            reward[:] = np.where(terminated, goal, timestep)
        if shift := self.shift:
            numbers = np.asarray(episode_step).reshape(reward.shape)
            reward += shift.of_steps(terminated > 0, numbers)

    def _first_reset(self, seeds: Sequence[int]) -> State:
        worlds, limit = self.num_worlds, self.spec.longest_episode(self.num_worlds)
        first = episode_seeds(first_draws(seeds, (worlds, SEED_DRAWS)))
        interface, places = self.interface, (len(seeds), worlds)
        return {
            "host.observation": torch.full((*places, interface.observation_dim), torch.nan),
            "host.seed": torch.from_numpy(first),
            "host.episode_step": torch.zeros(places, dtype=torch.int64),
            "host.actions": torch.zeros(*places, limit, interface.action_dim),
        }


def placed(state: State, device: str) -> State:
    """A state on a device, but for the part that stays on the host."""
    return {
        name: tensor.to("cpu" if name.startswith(HOST) else device).contiguous()
        for name, tensor in state.items()
    }
