"""The program: one step of a pack, act → environment → observe → update, as one function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Agent, Experience, Noise, State
from nthrun.environments.base import Environment, Transition
from nthrun.planning.packs import Pack
from nthrun.specs.declaration import load_program
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.seeds import Purpose
from nthrun.training.noise import Draws, generator, sampled_steps


class StepOutput(NamedTuple):
    """What one step shows of itself.

    Attributes:
        experience: the step, `(lanes, 1, dim)` each.
        ended: whether an episode ended, `(lanes, 1, 1)`.
        metrics: of the update; empty if none followed.
    """

    experience: Experience
    ended: Tensor
    metrics: dict[str, Tensor]

    def shown(self) -> dict[str, Tensor]:
        """Experience and end by name, `(lanes, 1, dim)` each."""
        return self.experience._asdict() | {"ended": self.ended}


class Program:
    """An agent in an environment, for packs of given static hyperparameters.

    The state it steps is the agent's, and beside it:
        environment.state         (lanes, 1, state_dim)
        environment.observation   (lanes, 1, observation_dim)
        environment.episode_step  (lanes, 1, 1) steps of the current episode
    """

    def __init__(self, pack: Pack, spec: EnvironmentSpec, agent_program: str) -> None:
        self.spec = spec
        self.agent: Agent = load_program(agent_program)(pack.statics, spec.declaration)
        self.environment: Environment = load_program(spec.declaration.program)(spec)
        self.steps_per_episode = spec.integer("steps_per_episode")

    def noise_sizes(self) -> dict[Purpose, int]:
        """Numbers per step that each stream gives."""
        return {
            Purpose.ENVIRONMENT: self.environment.num_reset_draws,
            Purpose.AGENT: self.agent.num_agent_draws,
            Purpose.REPLAY: self.agent.num_replay_draws,
        }

    def initial_state(self, pack: Pack) -> State:
        """The state before step 0; the first reset has a stream of its own, (ENVIRONMENT, 0)."""
        seeds = [run.random_seed for run in pack.runs]
        settings = [run.setting for run in pack.runs]
        generators = [generator(seed, Purpose.INITIALISATION) for seed in seeds]
        state = self.agent.initial_state(settings, self.spec.number("gamma"), generators)
        return state | self._first_reset(seeds)

    def noise(self, draws: Draws, first: int, device: str) -> Noise:
        """Drawn numbers as the noise of a block of steps, `(lanes, num_steps, ...)` each.

        Args:
            draws: `(lanes, num_steps, size)` a purpose.
            first: 0-based number of the first step.
        """
        draws = dict(draws)
        capacity = self.agent.replay_capacity
        draws[Purpose.REPLAY] = sampled_steps(draws[Purpose.REPLAY], first, capacity)
        tensors = {p: torch.from_numpy(array).to(device) for p, array in draws.items()}
        start = self.environment.reset(tensors[Purpose.ENVIRONMENT]).unsqueeze(2)
        observation = self.environment.observe(start)
        return Noise(start, observation, tensors[Purpose.AGENT], tensors[Purpose.REPLAY])

    @torch.no_grad()
    def step(self, state: State, noise: Noise, step: Tensor, learn: bool) -> StepOutput:
        """Advance every lane by one step, changing `state` in place.

        Args:
            noise: of this step.
            step: its 0-based number, a 0-dim integer tensor.
            learn: whether the agent updates after it.
        """
        observation = state["environment.observation"]
        action = self.agent.act(state, observation, noise, step)
        outcome = self.transition(state["environment.state"], action)
        next_observation = self.environment.observe(outcome.state)
        experience = Experience(
            observation, action, outcome.reward, next_observation, outcome.terminated
        )
        ended = self._advance(state, outcome, next_observation, noise)
        self.agent.observe(state, experience, step)
        metrics = self.agent.update(state, noise, step) if learn else {}
        return StepOutput(experience, ended, metrics)

    @torch.no_grad()
    def evaluation_step(self, state: State, world: Tensor) -> tuple[Tensor, Transition]:
        """One step of evaluation episodes, `(lanes, episodes, ...)`: observation and outcome."""
        observation = self.environment.observe(world)
        return observation, self.transition(world, self.agent.act_greedily(state, observation))

    def transition(self, state: Tensor, action: Tensor) -> Transition:
        """The environment's step, with the spec's rewards where it overwrites them."""
        outcome = self.environment.step(state, action)
        if not self.spec.values["overwrite_rewards"]:
            return outcome
        timestep, goal = (self.spec.number(f"rewards.{name}") for name in ("timestep", "goal"))
        reward = timestep + (goal - timestep) * outcome.terminated
        return Transition(outcome.state, reward, outcome.terminated)

    def _advance(
        self, state: State, outcome: Transition, next_observation: Tensor, noise: Noise
    ) -> Tensor:
        """Count the step, end episodes, and start new ones where they ended."""
        episode_step = state["environment.episode_step"] + 1
        ended = outcome.terminated > 0.5
        if self.steps_per_episode:
            ended = ended | (episode_step >= self.steps_per_episode)
        state["environment.state"] = torch.where(ended, noise.start_state, outcome.state)
        state["environment.observation"] = torch.where(
            ended, noise.start_observation, next_observation
        )
        state["environment.episode_step"] = episode_step.masked_fill_(ended, 0)
        return ended

    def _first_reset(self, seeds: Sequence[int]) -> State:
        num_draws = self.environment.num_reset_draws
        draws = [
            generator(seed, Purpose.ENVIRONMENT, 0).random((1, num_draws), dtype=np.float32)
            for seed in seeds
        ]
        start = self.environment.reset(torch.from_numpy(np.stack(draws)))
        return {
            "environment.state": start,
            "environment.observation": self.environment.observe(start),
            "environment.episode_step": torch.zeros(len(seeds), 1, 1, dtype=torch.int64),
        }
