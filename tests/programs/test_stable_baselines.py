"""Stable-Baselines3 as programs: trained, continued, and as good as it is."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import ROOT, command
from program_experiments import ProgramExperiment

CART = {"env_name": "CartPole-v1", "total_timesteps": 2000}


def spec(name: str, **parameters: Any) -> dict[str, Any]:
    """The spec of an algorithm with a small network."""
    small = {"policy_kwargs.net_arch": [[32, 32]]}
    return {"agent_name": f"sb3:{name}", "parameters": {**small, **parameters}}


def test_an_algorithm_is_recorded_as_any_run_is(tmp_path: Path) -> None:
    """Episodes, evaluations at their steps, losses and weights are the record's own."""
    evaluated = {"eval_episodes": 2, "eval_interval_timesteps": 1000}
    experiment = ProgramExperiment(
        tmp_path, spec("PPO", n_steps=[500], batch_size=[50]), CART | evaluated
    )
    assert experiment.run("--index", "0", "--stage", "1").code == 0
    assert experiment.root.name == "CartPole-v1_sb3-PPO"
    run = experiment.records()[0]
    assert (run["status"], run["total_timesteps"]) == ("completed", 2000)
    assert run["provenance"]["seed"] == 2**24
    assert run["timesteps_at_eval"].tolist() == [0, 1000, 2000]
    assert run["eval_episode_steps"].shape == (3, 2)
    assert run["train_episode_steps"].sum() <= 2000
    assert np.isfinite(run["metrics"]["value_loss"]).all()
    assert run["learned_params"]["mlp_extractor.policy_net.0.weight"].shape == (32, 4)


def test_hyperparameters_are_those_of_the_signature(tmp_path: Path) -> None:
    """Another name is refused before anything trains, as is an algorithm that is not there."""
    wrong = ProgramExperiment(tmp_path, spec("PPO", learning_rat=[0.1]), CART)
    done = wrong.run("--index", "0")
    assert done.code == 2
    assert "parameters.learning_rat: unknown key, allowed: policy, learning_rate" in done.err
    none = ProgramExperiment(tmp_path, spec("POP"), CART).run("--index", "0")
    assert none.code == 2
    assert "got 'sb3:POP', and neither stable_baselines3 nor sb3_contrib has it" in none.err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["PPO", "DQN", "SAC"])
def test_an_algorithm_goes_on_from_what_it_saved(tmp_path: Path, name: str) -> None:
    """After SIGTERM weights, optimisers and replay are there again, and all steps are counted."""
    parameters = {"PPO": {"n_steps": [100], "batch_size": [50]}, "DQN": {"learning_starts": [200]}}
    world = "Pendulum-v1" if name == "SAC" else "CartPole-v1"
    steps = {"env_name": world, "total_timesteps": 3000, "checkpoint_interval_seconds": 0.2}
    experiment = ProgramExperiment(tmp_path, spec(name, **parameters.get(name, {})), steps)
    process = subprocess.Popen(
        command("main.py", *experiment.specs, "--index", "0"), cwd=ROOT, env=os.environ
    )
    saved = tmp_path / f"out/{world}_sb3-{name}/checkpoints/programs/0-0/.nthrun/saved"
    while not saved.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    assert process.wait() == 143
    assert experiment.run("--index", "0").code == 0
    run = experiment.records()[0]
    assert run["provenance"]["interruption"] == "continued"
    assert run["provenance"]["attempts"][1]["step"] > 0
    assert 3000 <= run["total_timesteps"] < 3100
    assert run["train_episode_steps"].sum() <= run["total_timesteps"]


@pytest.mark.slow
def test_ten_seeds_learn_to_balance(tmp_path: Path) -> None:
    """PPO's last evaluations on CartPole are at least 475 in the mean over ten seeds."""
    parameters = {
        "agent_name": "sb3:PPO",
        "parameters": {
            **{"n_steps": [32], "batch_size": [256], "n_epochs": [20], "gae_lambda": [0.8]},
            **{"gamma": [0.98], "learning_rate": [0.001], "clip_range": [0.2], "ent_coef": [0.0]},
        },
    }
    world = {
        **{"env_name": "CartPole-v1", "num_envs": 8, "total_timesteps": 100_000},
        **{"eval_episodes": 20, "eval_interval_timesteps": 100_000},
    }
    experiment = ProgramExperiment(tmp_path, parameters, world)
    assert experiment.run("--index", "0-9", "--workers", "2").code == 0
    last = [run["eval_episode_rewards"][-1].mean() for run in experiment.records().values()]
    assert len(last) == 10
    assert np.mean(last) >= 475
