"""The program of a pack: one step, act → environment → observe → update, as one function.

An agent acts in an environment of tensors (`Program`), or in one that steps on the host
(`HostedProgram`); a solver iterates on simulations of its own (`SolverProgram`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Agent, Experience, Noise, State
from nthrun.agents.parents import Of, Parents
from nthrun.agents.schedule import last_good
from nthrun.agents.solver import SampledPlay, Solver, begun, num_play_draws
from nthrun.agents.updates import updates_of
from nthrun.environments.base import Environment, Transition, make_environment
from nthrun.index import Purpose
from nthrun.planning.memory_estimate import BLOCK_STEPS, ROLLOUT_BLOCK_STEPS
from nthrun.planning.packs import Pack
from nthrun.specs.declaration import Setting, load_program, num_worlds
from nthrun.specs.environment_spec import SHIFT, SHIFT_GAMMA, EnvironmentSpec
from nthrun.training.noise import (
    NOTHING,
    Draws,
    draw_dtype,
    first_draws,
    generator,
    sampled_steps,
)
from nthrun.training.recording import StepOutput


@dataclass(frozen=True, slots=True)
class RewardShift:
    """What `rewards.shift` adds to the reward of a step.

    It is the shift, and at the step t that terminates an episode of at most T steps the shifts of
    the steps from t to T, discounted: shift (1 - γ^(T - t + 1)) / (1 - γ). So an episode that ends
    early gains or loses nothing by it.

    Attributes:
        amount: the shift.
        gamma: γ, from 0 to 1.
        steps_per_episode: T.
    """

    amount: float
    gamma: float
    steps_per_episode: int

    def of_steps(self, terminated: np.ndarray, episode_step: np.ndarray) -> np.ndarray:
        """What is added, of any shape.

        Args:
            terminated: whether a step ended its episode by itself.
            episode_step: its number in the episode, from 1; as `terminated`, or broadcast with it.
        """
        left = self.steps_per_episode - episode_step + 1.0
        if self.gamma < 1:
            left = (1 - self.gamma**left) / (1 - self.gamma)
        shift: np.ndarray = self.amount * np.where(terminated, left, 1.0)
        return shift

    def of_step(self, terminated: Tensor, episode_step: Tensor) -> Tensor:
        """The same of tensors, `terminated` of 0 and 1."""
        if not self.gamma:
            return torch.full_like(terminated, self.amount)
        left = (self.steps_per_episode + 1 - episode_step).to(terminated.dtype)
        if self.gamma < 1:
            left = (1 - torch.exp(math.log(self.gamma) * left)) / (1 - self.gamma)
        return self.amount * (1 + terminated * (left - 1))


class Program:
    """An agent in an environment, for packs of given static hyperparameters.

    A step is one in each of the worlds that a lane has. The state it steps is the agent's, and
    beside it:
        environment.state         (lanes, worlds, state_dim)
        environment.observation   (lanes, worlds, observation_dim)
        environment.episode_step  (lanes, worlds, 1) steps of the current episode

    Attributes:
        num_worlds: of a lane.
        shift: what is added to rewards; None for nothing.
    """

    def __init__(
        self, pack: Pack, spec: EnvironmentSpec, agent_program: str, parents: Parents | None = None
    ) -> None:
        self.spec = spec
        self.interface = spec.interface
        self.agent_program = agent_program
        self.parents = parents or Parents(spec)
        self.steps_per_episode = spec.integer("steps_per_episode")
        amount, gamma = spec.number(SHIFT), spec.number(SHIFT_GAMMA)
        self.shift = RewardShift(amount, gamma, self.steps_per_episode) if amount else None
        self._make(load_program(agent_program), pack.statics)

    def _make(self, kind: Any, statics: Setting) -> None:
        self.num_worlds = num_worlds(statics)
        self.agent: Agent = kind(statics, self.interface)
        self.num_play_draws = num_play_draws(self.agent)
        self.updates = updates_of(self.agent)

    @cached_property
    def environment(self) -> Environment:
        """The environment, made when it is first asked for."""
        made: Environment = make_environment(self.spec)
        return made

    @property
    def replay_capacity(self) -> int:
        """Environment steps that the agent keeps; 0 without a replay."""
        return self.agent.replay_capacity

    @property
    def longest_block(self) -> int:
        """Steps of the longest block, where what they draw does not make it shorter."""
        return ROLLOUT_BLOCK_STEPS if self.updates.gathers else BLOCK_STEPS

    def update_counts(self, first: int, end: int) -> np.ndarray:
        """How many updates follow each of some steps (0-based), `(num_steps,)`."""
        return np.array([self.updates.after(step) for step in range(first, end)], np.int64)

    def variants(self, first: int, counts: np.ndarray) -> np.ndarray:
        """Which variant of `step` each of some steps is, so many updates following it: without an
        update of its own 0, with one 1."""
        return np.zeros_like(counts) if self.updates.are_apart else counts

    def all_variants(self) -> list[int]:
        """The variants that steps of a run may be, in order."""
        return [0, 1]

    def has_metrics(self, variants: np.ndarray) -> np.ndarray:
        """Whether steps of these variants show metrics."""
        return variants > 0

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        """The action of training, `(lanes, worlds, action_dim)`."""
        return self.agent.act(state, observation, noise, step)

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """The action of evaluation, `(lanes, episodes, action_dim)`."""
        return self.agent.act_greedily(state, observation)

    def play(self, state: State, observation: Tensor, draws: Tensor) -> Tensor:
        """The action of evaluation of an agent with `num_play_draws`, by chance."""
        played: SampledPlay = self.agent  # type: ignore[assignment]
        return played.play(state, observation, draws)

    def learned_params(self, state: State) -> dict[str, Tensor]:
        """Every learned weight and scalar, `(lanes, ...)` each."""
        return self.agent.learned_params(state)

    def measures(self, state: State, seeds: Sequence[int]) -> dict[str, np.ndarray]:
        """What an evaluation can say beside returns, `(lanes,)` each; `seeds` are of the lanes."""
        return {}

    def missing_measures(self) -> Sequence[str]:
        """Why measures were NaN when they were last asked for, a text a lane; none if none was."""
        return ()

    def last_good(self, state: State, lane: int) -> str:
        """What is left of a lane that has diverged, "" where nothing is kept for that."""
        return last_good(state, lane)

    def noise_sizes(self) -> dict[Purpose, int]:
        """Numbers per step that each stream gives."""
        of_world = self.interface.num_reset_draws + self.interface.num_step_draws
        return {
            Purpose.ENVIRONMENT: self.num_worlds * of_world,
            Purpose.AGENT: self.agent.num_agent_draws,
            Purpose.REPLAY: 0 if self.updates.are_apart else self.agent.num_replay_draws,
        }

    def update_sizes(self) -> dict[Purpose, int]:
        """Numbers per update that each stream gives, where updates have noise of their own."""
        if not self.updates.are_apart:
            return NOTHING
        own = {Purpose.AGENT: self.updates.num_draws, Purpose.REPLAY: self.agent.num_replay_draws}
        return NOTHING | own

    def initial_state(self, pack: Pack, parents: Of | None = None) -> State:
        """The state before step 0; the first reset has a stream of its own, (ENVIRONMENT, 0).

        Args:
            pack: whose.
            parents: of its runs; None reads them.
        """
        seeds = [run.random_seed for run in pack.runs]
        return self._begun(self.agent, pack, parents) | self._first_reset(seeds)

    def _begun(self, learner: Agent | Solver, pack: Pack, parents: Of | None) -> State:
        settings = [run.setting for run in pack.runs]
        generators = [generator(run.random_seed, Purpose.INITIALISATION) for run in pack.runs]
        read = self.parents.of(settings) if parents is None else parents
        return begun(learner, settings, generators, self.parents, read)

    def noise(self, draws: Draws, first: int, device: str) -> Noise:
        """Drawn numbers as the noise of a block of steps, `(lanes, num_steps, ...)` each.

        Args:
            draws: `(lanes, num_steps, size)` a purpose; the environment's world after world.
            first: 0-based number of the first step.
        """
        tensors = self.noise_tensors(draws, first, device)
        lanes, num_steps, _ = tensors[Purpose.ENVIRONMENT].shape
        worlds = (num_steps, self.num_worlds)
        reset, step = self.interface.num_reset_draws, self.interface.num_step_draws
        drawn = tensors[Purpose.ENVIRONMENT].view(lanes, math.prod(worlds), reset + step)
        start = self.environment.reset(drawn[..., :reset])
        return Noise(
            start.unflatten(1, worlds),
            self.environment.observe(start).unflatten(1, worlds),
            drawn[..., reset:].unflatten(1, worlds),
            tensors[Purpose.AGENT],
            tensors[Purpose.REPLAY],
        )

    def example_noise(self) -> Noise:
        """The noise of one step of one lane, to trace with."""
        draws = {
            purpose: np.zeros((1, 1, size), draw_dtype(purpose))
            for purpose, size in self.noise_sizes().items()
        }
        return self.noise(draws, 0, "cpu").step(0)

    def noise_tensors(self, draws: Draws, first: int, device: str) -> dict[Purpose, Tensor]:
        """Drawn numbers on the device, replay's as step numbers."""
        steps = sampled_steps(draws[Purpose.REPLAY], first, self.replay_capacity, self.num_worlds)
        arrays = {**draws, Purpose.REPLAY: steps}
        return {purpose: torch.from_numpy(array).to(device) for purpose, array in arrays.items()}

    @torch.no_grad()
    def step(self, state: State, noise: Noise, step: Tensor, variant: int) -> StepOutput:
        """Advance every lane by one step, changing `state` in place.

        Args:
            noise: of this step.
            step: its 0-based number, a 0-dim integer tensor.
            variant: of it, see `variants`.
        """
        observation = state["environment.observation"]
        action = self.act(state, observation, noise, step)
        outcome = self.transition(state["environment.state"], action, noise.environment)
        next_observation = self.environment.observe(outcome.state)
        reward = outcome.reward
        if self.shift is not None:
            number = state["environment.episode_step"] + 1
            reward = reward + self.shift.of_step(outcome.terminated, number)
        experience = Experience(observation, action, reward, next_observation, outcome.terminated)
        ended = self._advance(state, outcome, next_observation, noise)
        metrics = self.take_in(state, experience, ended, noise, step, bool(variant))
        return StepOutput(experience, ended, metrics)

    def take_in(
        self,
        state: State,
        experience: Experience,
        ended: Tensor,
        noise: Noise,
        step: Tensor,
        learn: bool,
    ) -> dict[str, Tensor]:
        """Show the agent a step, and let it learn; metrics of the update."""
        more = (ended,) if self.updates.gathers else ()
        self.agent.observe(state, experience, step, *more)
        return self.agent.update(state, experience, ended, noise, step) if learn else {}

    @torch.no_grad()
    def evaluation_step(
        self, state: State, world: Tensor, draws: Tensor
    ) -> tuple[Tensor, Transition]:
        """One step of evaluation episodes, `(lanes, episodes, ...)`: observation and outcome."""
        observation = self.environment.observe(world)
        if self.num_play_draws:
            draws, chance = draws.split([self.interface.num_step_draws, self.num_play_draws], -1)
            action = self.play(state, observation, chance)
        else:
            action = self.act_greedily(state, observation)
        return observation, self.transition(world, action, draws)

    @property
    def num_evaluation_draws(self) -> int:
        """Uniform numbers of one step of an evaluation: the environment's, then those of play."""
        return self.interface.num_step_draws + self.num_play_draws

    def transition(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """The environment's step, with the spec's rewards where it overwrites them."""
        outcome = self.environment.step(state, action, draws)
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
        draws = first_draws(seeds, (self.num_worlds, self.interface.num_reset_draws))
        start = self.environment.reset(torch.from_numpy(draws))
        return {
            "environment.state": start,
            "environment.observation": self.environment.observe(start).clone(),
            "environment.episode_step": torch.zeros(
                len(seeds), self.num_worlds, 1, dtype=torch.int64
            ),
        }
