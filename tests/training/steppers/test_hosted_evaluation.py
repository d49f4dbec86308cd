"""Evaluation on the host: Gymnasium's own returns and observations, apart from training."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from packs import BACKENDS, train
from worlds import Cut, noted_worlds

from nthrun.index import Purpose
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.schema import first_difference
from nthrun.training.context import make_context
from nthrun.training.noise import episode_seeds, generator

EPISODES, LIMIT = 3, 40
PROTOCOL = {
    "total_timesteps": 140,
    "steps_per_episode": LIMIT,
    "eval_interval_timesteps": 70,
    "eval_episodes": EPISODES,
}
SMALL = {"hidden_dim": [8], "batch_size": [8], "replay_capacity": [100], "critic_lr": [1e-3, 3e-4]}
WALK = {"env_name": "worlds:Walk"}


def spec_of(environment: dict[str, Any], **changes: Any) -> ExperimentSpec:
    """SAC, small, in an environment on the host."""
    agent = {"agent_name": "SAC", "parameters": SMALL}
    return experiment_spec_of(PROTOCOL | environment | changes, agent, "test")


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_evaluation_is_what_gymnasium_does(backend: str) -> None:
    """The returns, lengths and observations of every evaluation are Gymnasium's for the seeds of
    the run's own evaluation stream and the actions that were taken."""
    spec = spec_of({"env_name": "Hopper-v5"}, record=["eval_states"])
    with noted_worlds() as worlds:
        runs = train(spec, [0, 1], context=make_context(spec, backend))
    hopper = gymnasium.make("Hopper-v5").unwrapped
    for run, played in zip(runs.values(), worlds[2:], strict=True):
        streams = [generator(run["random_seed"], Purpose.EVALUATION, k) for k in range(3)]
        drawn = [s.random((EPISODES, 2), dtype=np.float32) for s in streams]
        seeds = episode_seeds(np.concatenate(drawn)).tolist()
        assert [seed for seed, _ in played.episodes] == seeds
        returns, seen = [], []
        for seed, actions in played.episodes:
            observation, _ = hopper.reset(seed=seed)
            total, ended = 0.0, False
            for action in actions:
                assert not ended
                seen.append(observation)
                observation, reward, ended, *_ = hopper.step(action)
                total += float(reward)
            assert ended or len(actions) == LIMIT
            returns.append(total)
        np.testing.assert_array_equal(run["eval_episode_rewards"].ravel(), returns)
        lengths = [len(actions) for _, actions in played.episodes]
        assert run["eval_episode_steps"].ravel().tolist() == lengths
        assert len(set(lengths)) > 1
        np.testing.assert_array_equal(run["eval_states"], np.array(seen, np.float32))


def test_rewards_are_overwritten_in_evaluation() -> None:
    """With `overwrite_rewards` the return of an evaluation is made of the spec's rewards."""
    rewards = {"timestep": -1.0, "goal": 5.0}
    run = train(spec_of(WALK, overwrite_rewards=True, rewards=rewards), [0])[0]
    lengths, returns = run["eval_episode_steps"], run["eval_episode_rewards"]
    terminated = lengths < LIMIT
    assert terminated.any()
    np.testing.assert_array_equal(returns[terminated], 6.0 - lengths[terminated])
    np.testing.assert_array_equal(returns[~terminated], -lengths[~terminated])


def test_an_environment_may_truncate_an_evaluation() -> None:
    """An episode that the environment itself cuts is over in evaluation too."""
    run = train(spec_of({"env_name": "worlds:Cut"}), [0])[0]
    assert (run["eval_episode_steps"] == Cut.LENGTH).all()


def test_evaluation_does_not_touch_training() -> None:
    """With and without evaluation, everything that training shows has the same bits."""
    series = ["train_states", "train_actions", "train_rewards", "metrics"]
    runs = [
        train(spec_of(WALK, record=series, eval_episodes=episodes), [0])[0]
        for episodes in (EPISODES, 0)
    ]
    for run in runs:
        for name in ("eval_episode_rewards", "eval_episode_steps", "timesteps_at_eval"):
            run[name] = np.zeros(0)
        run["episodes_per_eval"] = 0
    assert first_difference(*runs) is None


def test_evaluations_of_unlike_length_share_a_pack() -> None:
    """An evaluation has the same bits alone and beside lanes whose episodes end elsewhere."""
    spec = spec_of(WALK, record=["eval_states"])
    packed = train(spec, [0, 1, 2])
    assert len({run["eval_states"].shape for run in packed.values()}) > 1
    for index, run in packed.items():
        assert first_difference(train(spec, [index])[index], run) is None
