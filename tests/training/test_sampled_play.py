"""Policies that are played by chance in evaluations, and measures that are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import attempt, experiment_in
from packs import BACKENDS, run_of_same_bits, train

from nthrun import load_policy
from nthrun.errors import ContractError, InterruptedRunError
from nthrun.index import Purpose, random_seed
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.schema import first_difference
from nthrun.specs.environment_spec import MAX_STEPS
from nthrun.training.context import make_context
from nthrun.training.noise import generator

DRAWN = "drawn"
GAME: dict[str, Any] = {
    "env_name": "MatrixGame",
    "payoffs": {"row": [[1, 2, 3], [4, 5, 6]], "column": [[0, 0, 0], [0, 0, 0]]},
    "total_timesteps": 8,
    "steps_per_episode": 3,
    "eval_interval_timesteps": 4,
    "eval_episodes": 5,
    "record": ["metrics"],
    "checkpoint_interval_seconds": 1e-9,
}


def spec_of(agent: str, **environment: Any) -> ExperimentSpec:
    """An agent in the game."""
    return experiment_spec_of(GAME | environment, {"agent_name": agent, "parameters": {}}, "e")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_game_is_played_at_random_in_evaluations_too(backend: str) -> None:
    """The returns of `random` in a game are those of uniform choices from the evaluation's own
    stream, (EVALUATION, k), anew at every step, whoever shares the pack."""
    spec = spec_of("random")
    run = run_of_same_bits(spec, 3, [[3, 100], [7, 3]], backend)
    for number in range(3):
        stream = generator(random_seed(0, 3), Purpose.EVALUATION, number)
        uniform = stream.random((3, 5, 2), dtype=np.float32)
        row, column = (np.floor(uniform[..., n] * size).astype(int) for n, size in ((0, 2), (1, 3)))
        table = np.array(GAME["payoffs"]["row"], float)
        returns = table[row, column].sum(0)
        np.testing.assert_array_equal(run["eval_episode_rewards"][number], returns)


def test_a_solver_plays_and_measures_by_chance() -> None:
    """An own solver's evaluations are played with its draws, and its measures are given the same
    stream of the run's at every call, whoever shares the pack."""
    run = run_of_same_bits(spec_of("chance:Dice"), 2, [[2, 5], [9, 2]])
    expected = generator(random_seed(0, 2), Purpose.EVALUATION, MAX_STEPS + 1).random()
    assert run["eval_metrics"][DRAWN].tolist() == [expected] * 3
    stream = generator(random_seed(0, 2), Purpose.EVALUATION, 0)
    first = stream.random((3, 5, 2), dtype=np.float32)[..., 0]
    table = np.array(GAME["payoffs"]["row"], float)
    returns = table[(first * 2).astype(int), (first * 3).astype(int)].sum(0)
    np.testing.assert_array_equal(run["eval_episode_rewards"][0], returns)
    assert len(np.unique(run["eval_episode_rewards"])) > 5


@pytest.mark.parametrize("agent", ["random", "chance:Dice"])
def test_an_interrupted_game_is_the_undisturbed_one(agent: str, tmp_path: Path) -> None:
    """Interrupted in a game, alone or in a pack, a run has every bit of an undisturbed one."""
    series = [] if agent.startswith("chance") else ["train_states", "train_actions"]
    spec = spec_of(agent, record=[*GAME["record"], *series])
    experiment = experiment_in(tmp_path, spec)
    for indices in ([0, 1], [1]):
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, indices, 4)
    runs = {run["index"]: run for run in attempt(spec, experiment, [0, 1], None)}
    for index, undisturbed in train(spec, [0, 1]).items():
        assert first_difference(runs[index], undisturbed) is None, index


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_in_a_game_is_uniform_over_heads(backend: str) -> None:
    """In training too everybody chooses uniformly, in either backend, and the record has the joint
    actions."""
    spec = spec_of("random", total_timesteps=3000, record=["train_actions"], eval_episodes=0)
    run = train(spec, [0], context=make_context(spec, backend))[0]
    for part, size in zip(run["train_actions"].T, (2, 3), strict=True):
        shares = np.bincount(part.astype(int), minlength=size) / 3000
        assert np.abs(shares - 1 / size).max() < 0.04


def test_a_saved_policy_plays_by_chance_where_it_is_given_some(tmp_path: Path) -> None:
    """With a generator a saved policy of a game draws its actions from it, and without one it is
    the same for ever."""
    spec = spec_of("random")
    experiment = experiment_in(tmp_path, spec)
    experiment.write(0, attempt(spec, experiment, [0], None))
    policy, seen = load_policy(experiment.root), np.zeros((4000, 6))
    fixed, again = policy.act(seen), policy.act(seen)
    assert len(np.unique(fixed, axis=0)) == 1
    np.testing.assert_array_equal(fixed, again)
    drawn = policy.act(seen, np.random.default_rng(0))
    uniform = np.random.default_rng(0).random((4000, 2), dtype=np.float32)
    np.testing.assert_array_equal(drawn, np.floor(uniform * np.float32([2, 3])))


def told(spec: ExperimentSpec) -> str:
    """The one line that training ends with."""
    with pytest.raises(ContractError) as broken:
        train(spec, [0])
    [line] = broken.value.lines()
    return line


def test_slips_of_chance_are_told() -> None:
    """An action of another shape, a count that is none, and draws on the host are told by name."""
    shape = "chance:Halved: play gives shape (1, 3, 1) for 1 lane, allowed: (1, 3, 2)"
    assert shape in told(spec_of("chance:Halved"))
    assert "num_play_draws is -1, allowed: an int from 0" in told(spec_of("chance:Wanting"))
    hosted = {"env_name": "CartPole-v1", "platform": "gymnasium", "continuous": False}
    environment = {key: GAME[key] for key in GAME if key != "payoffs"} | hosted
    document = {"agent_name": "chance:Everywhere", "parameters": {}}
    line = told(experiment_spec_of(environment | {"record": []}, document, "e"))
    assert "chance:Everywhere: num_play_draws is 2, allowed on the host: 0" in line
