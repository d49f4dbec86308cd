"""Evaluation in worlds on the host: episode after episode, all lanes side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nthrun.environments.base import HostEnvironment
from nthrun.environments.host_environment import SEED_DRAWS, playable
from nthrun.training.evaluation import Evaluation
from nthrun.training.program import HostedProgram, episode_seeds
from nthrun.training.recording import Event

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
    pairs = zip(worlds, seeds, strict=True)
    observations = np.array([world.reset(seed) for world, seed in pairs], np.float32)
    returns, lengths = np.zeros(len(seeds)), np.zeros(len(seeds), np.int64)
    rewards, terminated = np.zeros(len(seeds)), np.zeros(len(seeds), bool)
    running = list(range(len(seeds)))
    for _ in range(program.steps_per_episode):
        if seen is not None:
            seen.append(observations.copy())
        actions = act(observations)
        stepped, running = running, []
        for lane in stepped:
            outcome = worlds[lane].step(playable(actions[lane]))
            observations[lane], rewards[lane], terminated[lane], truncated = outcome
            if not (terminated[lane] or truncated):
                running.append(lane)
        program.overwrite(rewards, terminated)
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
