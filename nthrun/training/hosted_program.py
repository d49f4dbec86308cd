"""The program of an agent in an environment that steps on the host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from nthrun.agents.base import Noise, State
from nthrun.environments.base import HostEnvironment, make_environment
from nthrun.environments.host_environment import SEED_DRAWS
from nthrun.index import Purpose
from nthrun.training.noise import Draws
from nthrun.training.program import Program, first_draws

HOST = "host."
"""Prefix of the state that stays on the host."""
HALF_SEED = 1 << 16


class HostedProgram(Program):
    """An agent whose environment is worlds on the host, one a lane.

    The state beside the agent's is what an episode is made of, so that it can be played again:
        host.observation   (lanes, 1, observation_dim); NaN before the first world has been reset
        host.seed          (lanes, 1) of the current episode
        host.episode_step  (lanes, 1) steps of it
        host.actions       (lanes, limit, action_dim); the first `episode_step` were taken in it
    """

    def noise_sizes(self) -> dict[Purpose, int]:
        """See `Program`; the environment's numbers are seeds."""
        return {**super().noise_sizes(), Purpose.ENVIRONMENT: SEED_DRAWS}

    def noise(self, draws: Draws, first: int, device: str) -> Noise:
        """See `Program`; the start state is the seed of the next episode."""
        tensors = self.noise_tensors(draws, first, device)
        seeds = torch.from_numpy(episode_seeds(draws[Purpose.ENVIRONMENT]))[..., None, None]
        nothing = torch.empty(*seeds.shape[:3], 0)
        return Noise(seeds, nothing, nothing, tensors[Purpose.AGENT], tensors[Purpose.REPLAY])

    def world(self) -> HostEnvironment:
        """A new world."""
        made: HostEnvironment = make_environment(self.spec)
        return made

    def overwrite(self, reward: np.ndarray, terminated: np.ndarray) -> None:
        """Put the spec's rewards in place of the environment's, where it says so."""
        if self.spec.values["overwrite_rewards"]:
            timestep, goal = (self.spec.number(f"rewards.{name}") for name in ("timestep", "goal"))
            reward[:] = np.where(terminated, goal, timestep)

    def _first_reset(self, seeds: Sequence[int]) -> State:
        first = episode_seeds(first_draws(seeds, SEED_DRAWS))
        lanes, limit = len(seeds), self.spec.longest_episode
        return {
            "host.observation": torch.full((lanes, 1, self.interface.observation_dim), torch.nan),
            "host.seed": torch.from_numpy(first),
            "host.episode_step": torch.zeros(lanes, 1, dtype=torch.int64),
            "host.actions": torch.zeros(lanes, limit, self.interface.action_dim),
        }


def episode_seeds(draws: np.ndarray) -> np.ndarray:
    """Seeds from 0 to 2³² - 1, `(...)` int64, from pairs of uniform numbers, `(..., 2)`."""
    halves = np.floor(draws * HALF_SEED).astype(np.int64)
    return np.asarray(halves[..., 0] * HALF_SEED + halves[..., 1])


def agent_state(state: State) -> State:
    """The part of a state that the agent works on."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(HOST)}


def host_arrays(state: State) -> dict[str, np.ndarray]:
    """The part that stays on the host, as arrays that share its memory."""
    return {
        name.removeprefix(HOST): tensor.numpy()
        for name, tensor in state.items()
        if name.startswith(HOST)
    }


def placed(state: State, device: str) -> State:
    """A state on a device, but for the part that stays on the host."""
    return {
        name: tensor.to("cpu" if name.startswith(HOST) else device).contiguous()
        for name, tensor in state.items()
    }
