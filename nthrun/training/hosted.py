"""The hosted stepper: worlds step on the host between an agent's acting and learning."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.environments.base import HostEnvironment
from nthrun.environments.host_environment import playable
from nthrun.errors import NotReplayedError
from nthrun.training.evaluation import Evaluation
from nthrun.training.program import HostedProgram, agent_state, host_arrays
from nthrun.training.recording import METRICS, Block, Event
from nthrun.training.steppers.agent_functions import AgentFunctions
from nthrun.training.steppers.hosted import HostBlock, Rows, evaluate_hosted


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
                observation, *_ = world.step(playable(action))
            seen = host["observation"][lane, 0]
            if np.isnan(seen).all():
                seen[:] = observation
            if not np.array_equal(np.float32(observation), seen, equal_nan=True):
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
        device, metrics = noise.agent.device, []
        block = HostBlock(self._program.interface, len(learned), len(host["seed"]), device)
        which = slice(None) if len(lanes) == len(host["seed"]) else list(lanes)
        counts, seen = host["episode_step"][:, 0].tolist(), host["observation"][:, 0]
        for place, (step, now) in enumerate(zip(block, noise.each(), strict=True)):
            clock, rows = (first + place, bool(learned[place])), step.rows
            rows.observation[:] = seen
            observation = step.observation()
            action = self._functions.act(own, observation, now, clock[0], lanes)
            step.take(action)
            ended = self._step_worlds(rows, counts, lanes)
            seen[which] = rows.next_observation[which]
            for lane in ended:
                seed = int(now.start_state[lane, 0, 0])
                host["seed"][lane], counts[lane] = seed, 0
                seen[lane] = self._worlds[lane].reset(seed)
            taken = step.taken(observation, action)
            told = self._functions.take_in(own, taken, now, clock, lanes)
            if learned[place]:
                metrics.append(told)
        _keep(host, block.rows, counts, lanes)
        block.rows.reward[~np.isfinite(block.rows.action).all(2)] = np.nan
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

    def _step_worlds(self, rows: Rows, counts: list[int], lanes: Sequence[int]) -> list[int]:
        """Step the worlds of some lanes and write down what they give.

        Args:
            counts: steps of each lane's episode so far; counted on.

        Returns:
            the lanes whose episode has ended.
        """
        played, limit = playable(rows.action), self._program.steps_per_episode
        outcomes = [self._worlds[lane].step(played[lane]) for lane in lanes]
        ended = []
        for lane, (following, reward, terminated, truncated) in zip(lanes, outcomes, strict=True):
            rows.next_observation[lane], rows.reward[lane] = following, reward
            counts[lane] += 1
            if terminated or truncated or counts[lane] == limit:
                rows.ended[lane], rows.terminated[lane] = True, terminated
                ended.append(lane)
        self._program.overwrite(rows.reward, rows.terminated)
        return ended


def _keep(
    host: dict[str, np.ndarray], rows: Rows, counts: Sequence[int], lanes: Sequence[int]
) -> None:
    """Keep what the current episodes are made of, at the end of a block.

    Args:
        host: the state on the host.
        rows: of all steps of the block, `(num_steps, lanes, width)`.
        counts: steps of each lane's episode so far.
    """
    num_steps = len(rows.action)
    for lane in lanes:
        in_block = min(counts[lane], num_steps)
        steps = slice(counts[lane] - in_block, counts[lane])
        host["actions"][lane, steps] = rows.action[num_steps - in_block :, lane]
        host["episode_step"][lane] = counts[lane]
