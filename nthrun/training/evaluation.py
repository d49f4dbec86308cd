"""Evaluation: a few episodes with the policy as it is played, apart from training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import State
from nthrun.index import Purpose
from nthrun.planning.memory_estimate import EVALUATION_STEPS
from nthrun.training.noise import generator
from nthrun.training.program import Program
from nthrun.training.recording import Event


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Which evaluation of a pack it is, and what of it is kept.

    Evaluation number k, after k intervals, draws from the stream (EVALUATION, k) of each lane's
    seed, so it neither disturbs training nor depends on whether others took place.

    Attributes:
        seeds: of each lane.
        step: training steps taken so far.
        interval: training steps between evaluations.
        keep_states: whether the event has `eval_states`.
    """

    seeds: Sequence[int]
    step: int
    interval: int
    keep_states: bool

    def streams(self) -> list[np.random.Generator]:
        """Each lane's stream."""
        number = self.step // self.interval
        return [generator(seed, Purpose.EVALUATION, number) for seed in self.seeds]

    def event(
        self, returns: np.ndarray, lengths: np.ndarray, states: Sequence[np.ndarray]
    ) -> Event:
        """What the recorder takes in.

        Args:
            returns, lengths: of each episode, `(lanes, episodes)`.
            states: observations, `(lanes, steps, episodes, observation_dim)` each, of consecutive
                steps; none unless they are kept.
        """
        event = {
            "eval_step": np.full(len(self.seeds), self.step),
            "eval_returns": returns,
            "eval_steps": lengths,
        }
        if states:
            event["eval_states"] = np.concatenate(states, 1)[:, : lengths.max()]
        return event


class Player(Protocol):
    """Plays evaluation steps of a program whose environment is tensors."""

    def play(self, state: State, world: Tensor, draws: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Run evaluation steps of every lane.

        Args:
            state: of the pack; read only.
            world: the environment's state, `(lanes, episodes, state_dim)`.
            draws: `(lanes, num_steps, episodes, num_evaluation_draws)`.

        Returns:
            the environment's state after them, and `observation`, `reward` and `terminated`,
            `(lanes, num_steps, episodes, ...)` each.
        """


def evaluate_tensors(
    program: Program, player: Player, state: State, evaluation: Evaluation
) -> Event:
    """Play `eval_episodes` episodes on every lane, side by side.

    Args:
        player: of the program.
        state: the pack's; it is read only.
        evaluation: which one.

    Returns:
        an evaluation event; returns are sums of rewards in float64.
    """
    spec = program.spec
    device = next(iter(state.values())).device
    streams = evaluation.streams()
    num_draws = program.interface.num_reset_draws
    start = _draws(streams, (spec.eval_episodes, num_draws))
    world = program.environment.reset(start).to(device)
    running = np.ones((len(streams), spec.eval_episodes), bool)
    returns = np.zeros(running.shape)
    lengths = np.zeros(running.shape, np.int64)
    states: list[np.ndarray] = []
    steps_left = spec.integer("steps_per_episode")
    while steps_left and running.any():
        num_steps = min(EVALUATION_STEPS, steps_left)
        draws = _draws(streams, (num_steps, spec.eval_episodes, program.num_evaluation_draws))
        world, outputs = player.play(state, world, draws.to(device))
        steps_left -= outputs["reward"].shape[1]
        rewards, ends = (
            outputs[name].numpy(force=True).squeeze(3).swapaxes(0, 1)
            for name in ("reward", "terminated")
        )
        if program.shift is not None:
            last = program.steps_per_episode - steps_left
            numbers = np.arange(last - len(rewards), last) + 1
            rewards = rewards + program.shift.of_steps(ends > 0.5, numbers[:, None, None])
        for reward, end in zip(rewards, ends, strict=True):
            returns += np.where(running, reward, 0.0)
            lengths += running
            running &= ~(end > 0.5)
        if evaluation.keep_states:
            states.append(outputs["observation"].numpy(force=True))
    return evaluation.event(returns, lengths, states)


def _draws(streams: Sequence[np.random.Generator], shape: tuple[int, ...]) -> Tensor:
    """Uniform numbers on [0, 1) from each lane's stream, `(lanes, *shape)`."""
    drawn = np.stack([stream.random(shape, dtype=np.float32) for stream in streams])
    return torch.from_numpy(drawn)
