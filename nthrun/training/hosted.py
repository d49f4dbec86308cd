"""The hosted stepper: worlds step on the host between an agent's acting and learning."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.environments.base import HostEnvironment
from nthrun.environments.hosting import playable
from nthrun.errors import NotReplayedError
from nthrun.training.evaluation import Evaluation
from nthrun.training.hosted_block import HostBlock, Rows
from nthrun.training.hosted_evaluation import evaluate_hosted
from nthrun.training.hosted_functions import AgentFunctions
from nthrun.training.hosted_program import HostedProgram, agent_state, host_arrays
from nthrun.training.recorder import Event
from nthrun.training.stepping import METRICS, Block


class HostedStepper:
    """Steps of a hosted program.

    Args:
        program: whose steps.
        functions: how its agent acts and learns.
    """

    def __init__(self, program: HostedProgram, functions: AgentFunctions) -> None:
        self._program = program
        self._functions = functions
        self._worlds: list[HostEnvironment] = []
        self._spare: list[HostEnvironment] = []
        self._played: weakref.ref[Tensor] | None = None

    def prepare(self, state: State) -> None:
        """See `Stepper`; plays the current episode of every lane up to where it stands.

        Raises:
            NotReplayedError: an environment does not get where it was.
            CompileError: the agent's functions cannot be compiled.
        """
        self._functions.prepare(agent_state(state))
        if self._played is not None and self._played() is state["host.seed"]:
            return
        host = host_arrays(state)
        self._grow(self._worlds, len(host["seed"]))
        for lane, world in enumerate(self._worlds[: len(host["seed"])]):
            observation = world.reset(int(host["seed"][lane, 0]))
            for action in host["actions"][lane, : host["episode_step"][lane, 0]]:
                observation = world.step(playable(action)).observation
            seen = host["observation"][lane, 0]
            if np.isnan(seen).all():
                seen[:] = observation
            if not np.array_equal(observation, seen, equal_nan=True):
                raise NotReplayedError(
                    f"{self._program.spec.env_name}: an episode that is played again with the "
                    "same seed and actions shows other observations"
                )
        self._played = weakref.ref(state["host.seed"])

    def train(
        self, state: State, noise: Noise, first: int, learned: np.ndarray, lanes: Sequence[int]
    ) -> Block:
        """See `Stepper`."""
        self.prepare(state)
        own, host = agent_state(state), host_arrays(state)
        block = HostBlock(self._program.interface, len(learned), len(host["seed"]))
        device, metrics = noise.agent.device, []
        for place, (step, now) in enumerate(zip(block, noise.each(), strict=True)):
            clock = first + place, bool(learned[place])
            step.rows.observation[:] = host["observation"][:, 0]
            observation = step.observation(device)
            action = self._functions.act(own, observation, now, clock[0], lanes)
            step.rows.action[:] = action.numpy(force=True)[:, 0]
            self._step_worlds(step.rows, host, lanes)
            self._follow(step.rows, host, now.start_state, lanes)
            taken = step.taken(observation, action)
            told = self._functions.take_in(own, taken, now, clock, lanes)
            if learned[place]:
                metrics.append(told)
        shown = block.shown()
        for name in metrics[0] if metrics else ():
            shown[METRICS + name] = torch.stack([values[name] for values in metrics], 1)
        return shown

    def evaluate(self, state: State, evaluation: Evaluation) -> Event:
        """See `Stepper`."""
        own = agent_state(state)
        device = next(iter(own.values())).device

        def act(observations: np.ndarray) -> np.ndarray:
            seen = torch.from_numpy(observations).unsqueeze(1).to(device)
            return self._functions.act_greedily(own, seen).numpy(force=True)[:, 0]

        self._grow(self._spare, len(evaluation.seeds))
        worlds = self._spare[: len(evaluation.seeds)]
        return evaluate_hosted(self._program, worlds, act, evaluation)

    def _grow(self, worlds: list[HostEnvironment], count: int) -> None:
        worlds.extend(self._program.world() for _ in range(count - len(worlds)))

    def _step_worlds(self, rows: Rows, host: dict[str, np.ndarray], lanes: Sequence[int]) -> None:
        """Step the worlds of some lanes and write down what they took and what they give.

        Where an action is no number, nor is the reward, which ends the run as diverged.
        """
        played = playable(rows.action)
        counts, limit = host["episode_step"][:, 0].tolist(), self._program.steps_per_episode
        outcomes = [self._worlds[lane].step(played[lane]) for lane in lanes]
        for lane, (following, reward, terminated, truncated) in zip(lanes, outcomes, strict=True):
            host["actions"][lane, counts[lane]] = rows.action[lane]
            rows.next_observation[lane] = following
            rows.reward[lane] = reward
            if terminated or truncated or counts[lane] + 1 == limit:
                rows.ended[lane], rows.terminated[lane] = True, terminated
        self._program.overwrite(rows.reward, rows.terminated)
        if not np.array_equal(played, rows.action):
            rows.reward[~np.isfinite(rows.action).all(1)] = np.nan

    def _follow(
        self, rows: Rows, host: dict[str, np.ndarray], seeds: Tensor, lanes: Sequence[int]
    ) -> None:
        """Bring what an episode is made of up to date; begin a new one where one has ended."""
        which = slice(None) if len(lanes) == len(rows.ended) else np.array(lanes)
        host["episode_step"][which] += 1
        host["observation"][which, 0] = rows.next_observation[which]
        for lane in np.flatnonzero(rows.ended).tolist():
            seed = int(seeds[lane, 0, 0])
            host["seed"][lane], host["episode_step"][lane] = seed, 0
            host["observation"][lane, 0] = self._worlds[lane].reset(seed)
