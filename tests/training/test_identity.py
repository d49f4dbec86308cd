"""The same bits however a run is packed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packs import BACKENDS, beside_neighbours, run_of_same_bits, small_spec, train

from nthrun.training.context import make_context

ALL_SERIES = ["update_states", "update_next_states", "train_rewards", "metrics", "eval_states"]
SHAPES = [
    {"hidden_dim": [64], "batch_size": [32]},
    {"hidden_dim": [17], "batch_size": [1], "activation": ["tanh"]},
    {"hidden_dim": [50], "batch_size": [33], "weight_init": ["kaiming_uniform"]},
]
LONG_SHAPES = [
    ({"hidden_dim": [64], "batch_size": [32]}, 2000),
    ({"hidden_dim": [256], "batch_size": [32]}, 300),
]


def assert_same_bits(
    backend: str, parameters: dict[str, Any], steps: int, widths: tuple[int, ...]
) -> None:
    """Index 7 alone equals index 7 in packs of these widths, on the first and the last lane."""
    spec = small_spec({"total_timesteps": steps, "record": ALL_SERIES}, parameters)
    run_of_same_bits(spec, 7, beside_neighbours(7, widths), backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("parameters", SHAPES)
def test_an_index_has_the_same_bits_alone_and_in_a_pack(
    parameters: dict[str, Any], backend: str
) -> None:
    """Whatever shares its pack, whichever lane it is on, every bit of a record is the same."""
    assert_same_bits(backend, parameters, 120, (2, 33))


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("parameters", "steps"), LONG_SHAPES)
def test_identity_holds_over_thousands_of_steps(
    parameters: dict[str, Any], steps: int, backend: str
) -> None:
    """The same over a long training."""
    assert_same_bits(backend, parameters, steps, (2, 3, 8, 33))


@pytest.mark.slow
@pytest.mark.parametrize("parameters", SHAPES)
def test_compiled_training_follows_eager_training(parameters: dict[str, Any]) -> None:
    """Both backends compute the same training; they differ by rounding alone."""
    spec = small_spec({"total_timesteps": 60, "record": ALL_SERIES}, parameters)
    eager = train(spec, [7])[7]
    compiled = train(spec, [7], context=make_context(spec, "compile"))[7]
    for name, series in eager["metrics"].items():
        np.testing.assert_allclose(compiled["metrics"][name], series, rtol=1e-3, atol=1e-4)
    for name, array in eager["learned_params"].items():
        np.testing.assert_allclose(compiled["learned_params"][name], array, atol=1e-4)
    returns = compiled["eval_episode_rewards"]
    np.testing.assert_allclose(returns, eager["eval_episode_rewards"], rtol=1e-3)


def test_one_program_serves_packs_of_every_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training and evaluation are compiled once each, whatever packs come; nothing else is."""
    monkeypatch.setenv("NTHRUN_CACHE", str(tmp_path))
    spec = small_spec({"total_timesteps": 130})
    for width in (1, 2, 5):
        train(spec, range(width), context=make_context(spec, "compile"))
    assert len(list(tmp_path.glob("nthrun-*/*.so"))) == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_fixed_and_tuned_options_keep_identity(backend: str) -> None:
    """Options that change the program's structure leave identity alone."""
    options = {
        "automatic_entropy_tuning": [False],
        "target_update_interval": [3],
        "uniform_exploration_steps": [20],
        "steps_before_learning": [30],
        "replay_capacity": [40],
    }
    assert_same_bits(backend, options, 120, (2, 5))


def test_runs_of_one_pack_differ() -> None:
    """Runs with other seeds or other hyperparameters are other runs."""
    runs = train(small_spec(), [0, 1, 2, 6])
    rewards = {tuple(run["train_episode_rewards"]) for run in runs.values()}
    weights = {run["learned_params"]["actor.weight2"].tobytes() for run in runs.values()}
    assert len(rewards) == len(weights) == 4


def test_settings_of_a_run_number_share_their_start() -> None:
    """Settings share seeds: before learning, runs of one run number see the same states."""
    spec = small_spec({"record": ["train_states"]}, {"steps_before_learning": [1000]})
    runs = train(spec, [0, 1, 6])
    states = {index: run["train_states"].tolist() for index, run in runs.items()}
    assert states[0] == states[1]
    assert states[0] != states[6]


@pytest.mark.parametrize("backend", BACKENDS)
def test_evaluation_and_snapshots_do_not_disturb_training(backend: str) -> None:
    """What is kept or evaluated has no effect on what is learnt."""
    kept = {"record": ALL_SERIES, "snapshot_interval_timesteps": 7}
    quiet, loud = (
        train(spec, [2], context=make_context(spec, backend))[2]
        for spec in (small_spec({"eval_episodes": 0}), small_spec(kept))
    )
    for key in ("train_episode_rewards", "train_episode_steps"):
        assert quiet[key].tolist() == loud[key].tolist()
    assert all(
        (quiet["learned_params"][name] == loud["learned_params"][name]).all()
        for name in quiet["learned_params"]
    )
