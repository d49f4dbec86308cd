"""The program: one step of a pack, act → environment → observe → update, as one function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nthrun.agents.base import Agent, Experience, Noise, State
from nthrun.environments.base import Environment, Transition
from nthrun.planning.packs import Pack
from nthrun.specs.declaration import load_program
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.seeds import Purpose
from nthrun.training.noise import generator


class StepOutput(NamedTuple):
    """What one step shows of itself, `(lanes, ...)` each.

    Attributes:
        experience: the step.
        ended: whether an episode ended, `(lanes, 1)`.
        metrics: of the update; empty if none followed.
    """

    experience: Experience
    ended: Tensor
    metrics: dict[str, Tensor]


class Program:
    """An agent in an environment, for packs of given static hyperparameters.

    The state it steps is the agent's, and beside it:
        environment.state         (lanes, 1, state_dim)
        environment.observation   (lanes, observation_dim)
        environment.episode_step  (lanes, 1) steps of the current episode
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
        """The state before step 0; the first reset uses the first draws of its own stream."""
        seeds = [run.random_seed for run in pack.runs]
        settings = [run.setting for run in pack.runs]
        generators = [generator(seed, Purpose.INITIALISATION) for seed in seeds]
        state = self.agent.initial_state(settings, self.spec.number("gamma"), generators)
        return state | self._first_reset(seeds)

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
        outcome = self.transition(state["environment.state"], action.unsqueeze(1))
        next_observation = self.environment.observe(outcome.state).squeeze(1)
        reward, terminated = outcome.reward.squeeze(1), outcome.terminated.squeeze(1)
        experience = Experience(observation, action, reward, next_observation, terminated)
        ended = self._advance(state, outcome.state, next_observation, terminated, noise)
        self.agent.observe(state, experience, step)
        metrics = self.agent.update(state, noise, step) if learn else {}
        return StepOutput(experience, ended, metrics)

    def transition(self, state: Tensor, action: Tensor) -> Transition:
        """The environment's step, with the spec's rewards where it overwrites them."""
        outcome = self.environment.step(state, action)
        if not self.spec.values["overwrite_rewards"]:
            return outcome
        timestep, goal = (self.spec.number(f"rewards.{name}") for name in ("timestep", "goal"))
        reward = timestep + (goal - timestep) * outcome.terminated
        return Transition(outcome.state, reward, outcome.terminated)

    def _advance(
        self,
        state: State,
        next_state: Tensor,
        next_observation: Tensor,
        terminated: Tensor,
        noise: Noise,
    ) -> Tensor:
        """Count the step, end episodes, and start new ones where they ended."""
        episode_step = state["environment.episode_step"] + 1
        ended = terminated > 0.5
        if self.steps_per_episode:
            ended = ended | (episode_step >= self.steps_per_episode)
        start = self.environment.reset(noise.environment.unsqueeze(1))
        start_observation = self.environment.observe(start).squeeze(1)
        state["environment.state"] = torch.where(ended.unsqueeze(2), start, next_state)
        state["environment.observation"] = torch.where(ended, start_observation, next_observation)
        state["environment.episode_step"] = episode_step.masked_fill_(ended, 0)
        return ended

    def _first_reset(self, seeds: Sequence[int]) -> State:
        draws = torch.stack(
            [
                torch.from_numpy(
                    generator(seed, Purpose.ENVIRONMENT, 0).random(
                        (1, self.environment.num_reset_draws), dtype="float32"
                    )
                )
                for seed in seeds
            ]
        )
        start = self.environment.reset(draws)
        return {
            "environment.state": start,
            "environment.observation": self.environment.observe(start).squeeze(1),
            "environment.episode_step": torch.zeros(len(seeds), 1, dtype=torch.int64),
        }
