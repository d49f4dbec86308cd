"""The hosted stepper: worlds step on the host between an agent's acting and learning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.environments.base import HostEnvironment
from nthrun.errors import NotReplayedError
from nthrun.training.evaluation import Evaluation
from nthrun.training.hosted_block import HostBlock
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
        self._played: State = {}

    def prepare(self, state: State) -> None:
        """See `Stepper`; plays the current episode of every lane up to where it stands.

        Raises:
            NotReplayedError: an environment does not get where it was.
            CompileError: the agent's functions cannot be compiled.
        """
        self._functions.prepare(agent_state(state))
        if state is self._played:
            return
        host = host_arrays(state)
        self._grow(self._worlds, len(host["seed"]))
        for lane, world in enumerate(self._worlds[: len(host["seed"])]):
            observation = world.reset(int(host["seed"][lane, 0]))
            for action in host["actions"][lane, : host["episode_step"][lane, 0]]:
                observation = world.step(np.nan_to_num(action)).observation
            seen = host["observation"][lane, 0]
            if np.isnan(seen).all():
                seen[:] = observation
            if not np.array_equal(observation, seen, equal_nan=True):
                raise NotReplayedError(
                    f"{self._program.spec.env_name}: an episode that is played again with the "
                    "same seed and actions shows other observations"
                )
        self._played = state

    def train(
        self, state: State, noise: Noise, first: int, learned: np.ndarray, lanes: Sequence[int]
    ) -> Block:
        """See `Stepper`."""
        self.prepare(state)
        own, host = agent_state(state), host_arrays(state)
        block = HostBlock(self._program.interface, len(learned), len(host["seed"]))
        metrics: list[dict[str, Tensor]] = []
        for place, learns in enumerate(learned):
            now, clock = noise.step(place), (first + place, bool(learns))
            block.arrays["observation"][place] = host["observation"][:, 0]
            observation = block.tensor("observation", place, noise.agent.device)
            action = self._functions.act(own, observation, now, clock[0], lanes)
            block.arrays["action"][place] = action.numpy(force=True)[:, 0]
            self._step_worlds(block, place, lanes)
            self._follow(block, place, host, now.start_state, np.array(lanes))
            taken = block.taken(place, observation, action)
            told = self._functions.take_in(own, taken, now, clock, lanes)
            if learns:
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

    def _step_worlds(self, block: HostBlock, place: int, lanes: Sequence[int]) -> None:
        """Step the worlds of some lanes and write down what they give.

        An action that is no number is not taken; the reward is then no number either, which ends
        the run as diverged.
        """
        arrays = {name: array[place] for name, array in block.arrays.items()}
        actions = arrays["action"]
        sound = np.isfinite(actions)
        sane = actions if sound.all() else np.where(sound.all(1, keepdims=True), actions, 0.0)
        outcomes = [self._worlds[lane].step(sane[lane]) for lane in lanes]
        following, reward, terminated, truncated = zip(*outcomes, strict=True)
        arrays["next_observation"][lanes] = following
        arrays["reward"][lanes, 0] = reward
        arrays["terminated"][lanes, 0] = terminated
        arrays["ended"][lanes, 0] = np.logical_or(terminated, truncated)
        self._program.overwrite(arrays["reward"], arrays["terminated"])
        if sane is not actions:
            arrays["reward"][~sound.all(1)] = np.nan

    def _follow(
        self,
        block: HostBlock,
        place: int,
        host: dict[str, np.ndarray],
        seeds: Tensor,
        lanes: np.ndarray,
    ) -> None:
        """Bring what an episode is made of up to date; begin a new one where one has ended."""
        ended, count = block.arrays["ended"][place], host["episode_step"][:, 0]
        host["actions"][lanes, count[lanes]] = block.arrays["action"][place, lanes]
        count[lanes] += 1
        if self._program.steps_per_episode:
            ended[lanes, 0] |= count[lanes] >= self._program.steps_per_episode
        host["observation"][lanes, 0] = block.arrays["next_observation"][place, lanes]
        for lane in lanes[ended[lanes, 0]].tolist():
            seed = int(seeds[lane, 0, 0])
            host["seed"][lane], count[lane] = seed, 0
            host["observation"][lane, 0] = self._worlds[lane].reset(seed)
