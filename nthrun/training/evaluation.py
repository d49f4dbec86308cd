"""Evaluation: a few episodes with the deterministic policy, apart from training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import State
from nthrun.planning.footprint import EVALUATION_STEPS
from nthrun.specs.seeds import Purpose
from nthrun.training.noise import generator
from nthrun.training.program import Program
from nthrun.training.recorder import Event
from nthrun.training.stepping import Stepper


def evaluate(
    program: Program,
    stepper: Stepper,
    state: State,
    seeds: Sequence[int],
    step: int,
    keep_states: bool,
) -> Event:
    """Play `eval_episodes` episodes on every lane, side by side.

    Evaluation number k, after k intervals, resets from the stream (EVALUATION, k) of each lane's
    seed, so it neither disturbs training nor depends on whether others took place.

    Args:
        stepper: of the program.
        state: the pack's; it is read only.
        seeds: of each lane.
        step: training steps taken so far.
        keep_states: whether the event has `eval_states`.

    Returns:
        an evaluation event; returns are sums of rewards in float64.
    """
    spec = program.spec
    number = step // spec.integer("eval_interval_timesteps")
    world = _start_states(program, seeds, number).to(state["environment.state"].device)
    running = np.ones((len(seeds), spec.eval_episodes), bool)
    returns = np.zeros(running.shape)
    lengths = np.zeros(running.shape, np.int64)
    states: list[np.ndarray] = []
    left = spec.integer("steps_per_episode")
    while left and running.any():
        world, shown = stepper.evaluate(state, world, min(EVALUATION_STEPS, left))
        left -= shown["reward"].shape[1]
        rewards, ends = (
            shown[name].numpy(force=True).squeeze(3).swapaxes(0, 1)
            for name in ("reward", "terminated")
        )
        for reward, end in zip(rewards, ends, strict=True):
            returns += np.where(running, reward, 0.0)
            lengths += running
            running &= ~(end > 0.5)
        if keep_states:
            states.append(shown["observation"].numpy(force=True))
    event = {
        "eval_step": np.full(len(seeds), step),
        "eval_returns": returns,
        "eval_steps": lengths,
    }
    if keep_states:
        event["eval_states"] = np.concatenate(states, 1)[:, : lengths.max()]
    return event


def _start_states(program: Program, seeds: Sequence[int], number: int) -> Tensor:
    """Where the episodes of evaluation `number` begin, `(lanes, episodes, state_dim)`."""
    shape = (program.spec.eval_episodes, program.environment.num_reset_draws)
    streams = [generator(seed, Purpose.EVALUATION, number) for seed in seeds]
    draws = np.stack([stream.random(shape, dtype=np.float32) for stream in streams])
    return program.environment.reset(torch.from_numpy(draws))
