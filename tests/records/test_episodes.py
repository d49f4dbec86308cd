"""The training episode that the end of a run cut off, in every kind of file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import make_experiment, make_run

from nthrun.records import open_data, table
from nthrun.records.combine import combine
from nthrun.records.data import Data
from nthrun.records.schema import NOT_RECORDED, Run, first_difference

REWARDS = [-7.5, 0.0, float("nan"), float("-inf"), None]
STEPS = [40, 0, 3, 5, None]


def runs() -> list[Run]:
    """One run of each of five settings; the last was recorded before such episodes were."""
    made = []
    for number, (reward, steps) in enumerate(zip(REWARDS, STEPS, strict=True)):
        run = make_run(number, number, 0)
        run.update(unfinished_episode_reward=reward, unfinished_episode_steps=steps)
        run["total_timesteps"] += steps or 0
        made.append(run)
    for name in NOT_RECORDED:
        del made[-1][name]
    return made


@pytest.fixture(params=["directory", "shard", "data.json", "data.h5", "combined twice"])
def data(tmp_path: Path, request: pytest.FixtureRequest) -> Data:
    """The runs, read from each kind of source."""
    experiment = make_experiment(tmp_path / "experiment", len(REWARDS), runs=runs())
    if request.param == "directory":
        return open_data(experiment.root)
    if request.param == "shard":
        return open_data(next(experiment.runs.glob("*.h5")))
    first, second = {
        "data.json": ("data.json", "data.json"),
        "data.h5": ("data.h5", "data.h5"),
        "combined twice": ("data.h5", "data.json"),
    }[request.param]
    combine(experiment, experiment.root / first)
    for shard in experiment.runs.glob("*.h5"):
        shard.unlink()
    combine(experiment, experiment.root / second)
    return open_data(experiment.root / second)


def test_it_is_read_back(data: Data) -> None:
    """Reward and steps of the unfinished episode come back from every file, whatever number the
    reward is; of a record that lacks them, neither key does."""
    *new, old = (entry.load(()) for entry in data.entries)
    assert not NOT_RECORDED.keys() & old.keys()
    np.testing.assert_equal([run["unfinished_episode_reward"] for run in new], REWARDS[:-1])
    assert [run["unfinished_episode_steps"] for run in new] == STEPS[:-1]
    assert {type(run["unfinished_episode_reward"]) for run in new} == {float}
    assert {type(run["unfinished_episode_steps"]) for run in new} == {int}
    assert {run["train_episode_rewards"].shape for run in (*new, old)} == {(3,)}


def test_columns(data: Data) -> None:
    """In columns a record without them has -1 steps and a NaN; the mean return counts the steps of
    an unfinished episode, at its return so far, where that is finite."""
    columns = table(data)
    assert columns["unfinished_episode_steps"].tolist() == [40, 0, 3, 5, -1]
    np.testing.assert_equal(columns["unfinished_episode_reward"][:4], REWARDS[:4])
    assert np.isnan(columns["unfinished_episode_reward"][4])
    expected = [(-600 - 7.5 * 40) / 340, -2.0, -2.0, -2.0, -2.0]
    assert columns["mean_return"].tolist() == pytest.approx(expected)


def test_what_both_hold_is_compared() -> None:
    """Records differ in an unfinished episode only if both have one; NaNs are equal, zeros of
    different signs are not."""
    one, _, nan, _, old = runs()
    assert first_difference(old, Run(old | {"unfinished_episode_steps": 9})) is None
    assert first_difference(Run(old | {"unfinished_episode_reward": 1.0}), old) is None
    assert first_difference(nan, Run(nan)) is None
    for key, value in {"unfinished_episode_steps": 41, "unfinished_episode_reward": 0.1}.items():
        assert first_difference(one, Run(one | {key: value})) == key
    zero = Run(one | {"unfinished_episode_reward": 0.0})
    assert first_difference(zero, Run(zero | {"unfinished_episode_reward": -0.0}))
