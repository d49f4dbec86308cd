"""Evaluation in worlds on the host: episode after episode, all lanes side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nthrun.environments.base import HostEnvironment
from nthrun.training.evaluation import Evaluation
from nthrun.training.hosted_program import HostedProgram, episode_seeds
from nthrun.training.recorder import Event

Act = Callable[[np.ndarray], np.ndarray]
"""Observations `(lanes, observation_dim)` -> actions `(lanes, action_dim)`."""


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
    episodes, draws = program.spec.eval_episodes, program.interface.num_reset_draws
    drawn = [s.random((episodes, draws), dtype=np.float32) for s in evaluation.streams()]
    played = [
        _episode(program, worlds, act, seeds) for seeds in episode_seeds(np.stack(drawn)).T.tolist()
    ]
    returns, lengths, seen = zip(*played, strict=True)
    states = []
    if evaluation.keep_states:
        longest = max(part.shape[1] for part in seen)
        tails = [((0, 0), (0, longest - part.shape[1]), (0, 0)) for part in seen]
        padded = [np.pad(part, tail) for part, tail in zip(seen, tails, strict=True)]
        states = [np.stack(padded, 2)]
    return evaluation.event(np.stack(returns, 1), np.stack(lengths, 1), states)


def _episode(
    program: HostedProgram, worlds: Sequence[HostEnvironment], act: Act, seeds: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One episode of every lane; one whose episode is over waits for the others.

    Returns:
        returns and lengths, `(lanes,)`, and observations, `(lanes, steps, observation_dim)`.
    """
    pairs = zip(worlds, seeds, strict=True)
    observations = np.stack([world.reset(seed) for world, seed in pairs])
    returns, lengths = np.zeros(len(seeds)), np.zeros(len(seeds), np.int64)
    rewards, terminated = np.zeros(len(seeds)), np.zeros(len(seeds), bool)
    running = list(range(len(seeds)))
    seen: list[np.ndarray] = []
    while running and len(seen) < program.steps_per_episode:
        seen.append(observations.copy())
        actions = np.nan_to_num(act(observations))
        stepped, running = running, []
        for lane in stepped:
            observations[lane], rewards[lane], terminated[lane], cut = worlds[lane].step(
                actions[lane]
            )
            if not (terminated[lane] or cut):
                running.append(lane)
        program.overwrite(rewards, terminated)
        returns[stepped] += rewards[stepped]
        lengths[stepped] += 1
    return returns, lengths, np.stack(seen, 1)
