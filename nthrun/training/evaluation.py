"""Evaluation: a few episodes with the deterministic policy, apart from training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import State
from nthrun.specs.seeds import Purpose
from nthrun.training.noise import generator
from nthrun.training.program import Program
from nthrun.training.recorder import Event


@torch.no_grad()
def evaluate(
    program: Program, state: State, seeds: Sequence[int], step: int, keep_states: bool
) -> Event:
    """Play `eval_episodes` episodes on every lane, side by side.

    Evaluation number k, after k intervals, resets from the stream (EVALUATION, k) of each lane's
    seed, so it neither disturbs training nor depends on whether others took place.

    Args:
        state: the pack's; it is read only.
        seeds: of each lane.
        step: training steps taken so far.
        keep_states: whether the event has `eval_states`.

    Returns:
        an evaluation event; returns are sums of rewards in float64.
    """
    spec, environment = program.spec, program.environment
    number = step // spec.integer("eval_interval_timesteps")
    world = _start_states(program, seeds, number).to(state["environment.state"].device)
    running = np.ones((len(seeds), spec.eval_episodes), bool)
    returns = np.zeros(running.shape)
    lengths = np.zeros(running.shape, np.int64)
    states: list[np.ndarray] = []
    for _ in range(spec.integer("steps_per_episode")):
        observation = environment.observe(world)
        outcome = program.transition(world, program.agent.act_greedily(state, observation))
        world = outcome.state
        if keep_states:
            states.append(observation.numpy(force=True))
        returns += np.where(running, outcome.reward.squeeze(2).numpy(force=True), 0.0)
        lengths += running
        running &= ~(outcome.terminated.squeeze(2) > 0.5).numpy(force=True)
        if not running.any():
            break
    event = {
        "eval_step": np.full(len(seeds), step),
        "eval_returns": returns,
        "eval_steps": lengths,
    }
    return event | ({"eval_states": np.stack(states, 1)} if keep_states else {})


def _start_states(program: Program, seeds: Sequence[int], number: int) -> Tensor:
    """Where the episodes of evaluation `number` begin, `(lanes, episodes, state_dim)`."""
    shape = (program.spec.eval_episodes, program.environment.num_reset_draws)
    streams = [generator(seed, Purpose.EVALUATION, number) for seed in seeds]
    draws = np.stack([stream.random(shape, dtype=np.float32) for stream in streams])
    return program.environment.reset(torch.from_numpy(draws))
