"""The hosted stepper: environments step on the host, between an agent's acting and learning.

Every lane has worlds of its own, instances of the environment; the places of a pack are the worlds
of its first lane, then those of the next. A block of steps is written down step by step; evaluation
plays episode after episode, all lanes side by side.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Experience, Noise, State
from nthrun.environments.base import HostEnvironment
from nthrun.environments.host_environment import SEED_DRAWS, playable
from nthrun.errors import NotReplayedError
from nthrun.specs.interface import Interface
from nthrun.training.block_updates import BlockUpdates
from nthrun.training.contract import check_observation, check_outcome
from nthrun.training.evaluation import Evaluation
from nthrun.training.hosted_program import HOST, HostedProgram
from nthrun.training.noise import episode_seeds
from nthrun.training.recording import METRICS, Block, Event, joined_blocks
from nthrun.training.steppers.agent_functions import AgentFunctions
from nthrun.training.steppers.step_functions import in_order

Act = Callable[[np.ndarray], np.ndarray]
"""Observations `(lanes, observation_dim)` -> actions `(lanes, action_dim)`."""


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
        """Play the current episode of every world up to where it stands.

        Raises:
            NotReplayedError: an environment does not get where it was.
            CompileError: the agent's functions cannot be compiled.
        """
        self._functions.prepare(agent_state(state))
        if self._played is not None and self._played() is state["host.seed"]:
            return
        with self._new_worlds_if_they_fail():
            self._replay(state)

    def _replay(self, state: State) -> None:
        host, resting = host_arrays(state), self._program.resting_action
        self._grow(self._worlds, len(host["seed"]))
        for place, world in enumerate(self._worlds[: len(host["seed"])]):
            observation = world.reset(int(host["seed"][place]))
            check_observation(self._program, "reset", observation)
            for action in host["actions"][place, : host["episode_step"][place]]:
                observation, *_ = world.step(playable(action, resting))
            seen = host["observation"][place]
            if np.isnan(seen).all():
                seen[:] = observation
            if not np.array_equal(np.float32(observation), seen, equal_nan=True):
                raise NotReplayedError(
                    f"{self._program.spec.env_name}: an episode that is played again with the "
                    "same seed and actions shows other observations"
                )
        self._played = weakref.ref(state["host.seed"])

    @contextlib.contextmanager
    def _new_worlds_if_they_fail(self) -> Iterator[None]:
        """Play no world again that has raised anything: who knows what state it is in."""
        try:
            yield
        except BaseException:
            self._worlds.clear()
            self._spare.clear()
            self._played = None
            raise

    def train(
        self,
        state: State,
        noise: Noise,
        first: int,
        variants: np.ndarray,
        lanes: Sequence[int],
        updates: BlockUpdates | None = None,
    ) -> Block:
        self.prepare(state)
        with self._new_worlds_if_they_fail():
            return self._trained(state, noise, first, variants, lanes, updates)

    def _trained(
        self,
        state: State,
        noise: Noise,
        first: int,
        variants: np.ndarray,
        lanes: Sequence[int],
        updates: BlockUpdates | None,
    ) -> Block:
        own, host = agent_state(state), host_arrays(state)
        device, metrics = noise.agent.device, []
        later = repeat(None) if updates is None else updates.each_step()
        num_worlds, seen = self._program.num_worlds, host["observation"]
        sizes = len(seen) // num_worlds, num_worlds
        block = HostBlock(self._program.interface, len(variants), sizes, device)
        places = [lane * num_worlds + world for lane in lanes for world in range(num_worlds)]
        which = slice(None) if len(places) == len(seen) else places
        counts = host["episode_step"].tolist()
        for offset, (step, now, of_step) in enumerate(
            zip(block, noise.each(), later, strict=False)
        ):
            clock, rows = (first + offset, bool(variants[offset])), step.rows
            rows.observation[:] = seen
            observation = step.observation()
            action = self._functions.act(own, observation, now, clock[0], lanes)
            step.take(action)
            ended = self._step_worlds(rows, counts, places)
            seen[which] = rows.next_observation[which]
            for place in ended:
                seed = int(now.start_state[(*divmod(place, num_worlds), 0)])
                host["seed"][place], counts[place] = seed, 0
                seen[place] = self._worlds[place].reset(seed)
            taken = step.taken(observation, action)
            metrics.append(self._learn(own, taken, now, clock, lanes, of_step))
        _keep(host, block.rows, counts, places)
        block.rows.reward[~np.isfinite(block.rows.action).all(2)] = np.nan
        return block.shown() | joined_blocks(metrics)

    def _learn(
        self,
        own: State,
        taken: tuple[Experience, Tensor],
        noise: Noise,
        clock: tuple[int, bool],
        lanes: Sequence[int],
        updates: BlockUpdates | None,
    ) -> Block:
        """Have the agent take in a step and learn; metrics, `(lanes, num_updates)` each."""
        metrics = self._functions.take_in(own, taken, noise, clock, lanes)
        if updates is not None and updates.counts.any():
            return self._functions.update(own, taken, updates, clock[0], lanes)
        return {METRICS + name: values.unsqueeze(1) for name, values in metrics.items()}

    def evaluate(self, state: State, evaluation: Evaluation) -> Event:
        own = agent_state(state)
        device = next(iter(own.values())).device

        def act(observations: np.ndarray) -> np.ndarray:
            seen = torch.from_numpy(observations).unsqueeze(1).to(device)
            return self._functions.act_greedily(own, seen).numpy(force=True)[:, 0]

        with self._new_worlds_if_they_fail():
            self._grow(self._spare, len(evaluation.seeds))
            worlds = self._spare[: len(evaluation.seeds)]
            return evaluate_hosted(self._program, worlds, act, evaluation)

    def _grow(self, worlds: list[HostEnvironment], count: int) -> None:
        worlds.extend(self._program.world() for _ in range(count - len(worlds)))

    def _step_worlds(self, rows: Rows, counts: list[int], places: Sequence[int]) -> list[int]:
        """Step the worlds of some places and write down what they give.

        Args:
            counts: steps of each world's episode so far; counted on.

        Returns:
            the places whose episode has ended.
        """
        played = playable(rows.action, self._program.resting_action)
        limit = self._program.steps_per_episode
        outcomes = [self._worlds[place].step(played[place]) for place in places]
        ended = []
        for place, outcome in zip(places, outcomes, strict=True):
            if not counts[place]:  # an episode's first step has told what its world gives
                check_outcome(self._program, outcome)
            following, reward, terminated, truncated = outcome
            rows.next_observation[place], rows.reward[place] = following, reward
            counts[place] += 1
            if terminated or truncated or counts[place] == limit:
                rows.ended[place], rows.terminated[place] = True, terminated
                ended.append(place)
        self._program.change_rewards(rows.reward, rows.terminated, counts)
        return ended


def _keep(
    host: dict[str, np.ndarray], rows: Rows, counts: Sequence[int], places: Sequence[int]
) -> None:
    """Keep what the current episodes are made of, at the end of a block.

    Args:
        host: the state on the host.
        rows: of all steps of the block, `(num_steps, places, width)`.
        counts: steps of each world's episode so far.
    """
    num_steps = len(rows.action)
    for place in places:
        in_block = min(counts[place], num_steps)
        steps = slice(counts[place] - in_block, counts[place])
        host["actions"][place, steps] = rows.action[num_steps - in_block :, place]
        host["episode_step"][place] = counts[place]


class Rows(NamedTuple):
    """One step of every world, to be written into: `(places, width)`, float32, and `ended` bool.

    Or all steps of a block, `(num_steps, places, width)`.
    """

    observation: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    next_observation: np.ndarray
    terminated: np.ndarray
    ended: np.ndarray


class HostStep:
    """One step: what worlds write, and what the agent sees of it.

    Attributes:
        rows: to be written into.
    """

    def __init__(self, rows: Rows, tensors: tuple[Tensor, ...], device: torch.device) -> None:
        self.rows = rows
        self._tensors = tensors
        self._device = device if device.type != "cpu" else None

    def observation(self) -> Tensor:
        """What the agent acts upon, `(lanes, worlds, observation_dim)`."""
        return self._seen(self._tensors[0])

    def take(self, action: Tensor) -> None:
        """Write down what the agent does, `(lanes, worlds, action_dim)`."""
        self._tensors[1].copy_(action)

    def taken(self, observation: Tensor, action: Tensor) -> tuple[Experience, Tensor]:
        """The step as the agent sees it, and whether episodes ended, `(lanes, worlds, width)` each.

        Args:
            observation, action: of it, which the agent has already.
        """
        *parts, ended = map(self._seen, self._tensors[2:])
        return Experience(observation, action, *parts), ended

    def _seen(self, tensor: Tensor) -> Tensor:
        return tensor if self._device is None else tensor.to(self._device)


class HostBlock:
    """What a block of steps shows: tensors, and arrays that share their memory.

    Args:
        interface: of the environment.
        num_steps: how many.
        sizes: lanes, and worlds of each.
        device: where the agent is.

    Attributes:
        rows: arrays of all steps, `(num_steps, places, width)`, so that a step lies in one piece.
    """

    def __init__(
        self, interface: Interface, num_steps: int, sizes: tuple[int, int], device: torch.device
    ) -> None:
        observation_dim, action_dim = interface.observation_dim, interface.action_dim
        widths = (observation_dim, action_dim, 1, observation_dim, 1)
        named = zip(Rows._fields[:-1], widths, strict=True)
        self._tensors = {name: torch.zeros(num_steps, *sizes, width) for name, width in named}
        self._tensors["ended"] = torch.zeros(num_steps, *sizes, 1, dtype=torch.bool)
        self._device = device
        self.rows = Rows(*(tensor.flatten(1, 2).numpy() for tensor in self._tensors.values()))

    def __iter__(self) -> Iterator[HostStep]:
        arrays = map(Rows._make, zip(*self.rows, strict=True))
        views = zip(*(tensor.unbind() for tensor in self._tensors.values()), strict=True)
        for rows, tensors in zip(arrays, views, strict=True):
            yield HostStep(rows, tensors, self._device)

    def shown(self) -> Block:
        """The block as a stepper shows it, `(lanes, num_steps × worlds, width)` each."""
        return {name: in_order(tensor.transpose(0, 1)) for name, tensor in self._tensors.items()}


def evaluate_hosted(
    program: HostedProgram, worlds: Sequence[HostEnvironment], act: Act, evaluation: Evaluation
) -> Event:
    """Play `eval_episodes` episodes on every lane, one after the other.

    Args:
        worlds: one a lane.
        act: the policy.
        evaluation: which one.

    Returns:
        an evaluation event; returns are sums of rewards in float64.
    """
    shape = (program.spec.eval_episodes, SEED_DRAWS)
    drawn = np.stack([s.random(shape, dtype=np.float32) for s in evaluation.streams()])
    shown: list[list[np.ndarray]] = []
    returns, lengths = [], []
    for seeds in episode_seeds(drawn).T.tolist():
        shown.append([])
        seen = shown[-1] if evaluation.keep_states else None
        played = _episode(program, worlds, act, seeds, seen)
        returns.append(played[0])
        lengths.append(played[1])
    states = [_side_by_side(shown)] if evaluation.keep_states else []
    return evaluation.event(np.stack(returns, 1), np.stack(lengths, 1), states)


def _episode(
    program: HostedProgram,
    worlds: Sequence[HostEnvironment],
    act: Act,
    seeds: Sequence[int],
    seen: list[np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """One episode of every lane; one whose episode is over waits for the others.

    Args:
        seen: where to put the observations of each step, `(lanes, observation_dim)`.

    Returns:
        returns and lengths, `(lanes,)` each.
    """
    starts = [world.reset(seed) for world, seed in zip(worlds, seeds, strict=True)]
    for start in starts:
        check_observation(program, "reset", start)
    observations = np.array(starts, np.float32)
    returns, lengths = np.zeros(len(seeds)), np.zeros(len(seeds), np.int64)
    rewards, terminated = np.zeros(len(seeds)), np.zeros(len(seeds), bool)
    running = list(range(len(seeds)))
    for _ in range(program.steps_per_episode):
        if seen is not None:
            seen.append(observations.copy())
        actions = act(observations)
        played = playable(actions, program.resting_action)
        stepped, running = running, []
        for lane in stepped:
            outcome = worlds[lane].step(played[lane])
            if not lengths[lane]:
                check_outcome(program, outcome)
            observations[lane], rewards[lane], terminated[lane], truncated = outcome
            if not (terminated[lane] or truncated):
                running.append(lane)
        program.change_rewards(rewards, terminated, lengths + 1)
        rewards[~np.isfinite(actions).all(1)] = np.nan
        returns[stepped] += rewards[stepped]
        lengths[stepped] += 1
        if not running:
            break
    return returns, lengths


def _side_by_side(episodes: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Episodes of steps as one array, `(lanes, longest, episodes, observation_dim)`."""
    lanes, dim = episodes[0][0].shape
    longest = max(map(len, episodes))
    states = np.zeros((lanes, longest, len(episodes), dim), np.float32)
    for number, steps in enumerate(episodes):
        states[:, : len(steps), number] = np.stack(steps, 1)
    return states


def agent_state(state: State) -> State:
    """The part of a state that the agent works on."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(HOST)}


def host_arrays(state: State) -> dict[str, np.ndarray]:
    """The part that stays on the host, as arrays that share its memory: `(places, ...)` each."""
    return {
        name.removeprefix(HOST): tensor.flatten(0, 1).numpy()
        for name, tensor in state.items()
        if name.startswith(HOST)
    }
