"""Result pickles as the field's earlier tool wrote them, and forged ones."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

NUM_SETTINGS = 6
ENVIRONMENT = {"env_name": "Pendulum-v0", "total_timesteps": 600, "gamma": 0.99, "eval_episodes": 2}
AGENT = {
    "agent_name": "SAC",
    "parameters": {
        "critic_lr": [0.1, 0.01, 0.001],
        "alpha": [0.5, 1.0],
        "hidden_dim": [64],
        "betas": [[0.9, 0.999]],
    },
}


def old_run(run_number: int, **changes: Any) -> dict[str, Any]:
    """A run; its returns tell its number."""
    return {
        "run_number": run_number,
        "random_seed": 32767 - run_number,
        "total_timesteps": 600,
        "eval_interval_timesteps": 300,
        "episodes_per_eval": 2,
        "learned_params": None,
        "eval_episode_rewards": np.full((3, 2), -5.0),
        "eval_episode_steps": np.full((3, 2), 200),
        "timesteps_at_eval": np.array([0, 300, 600]),
        "train_episode_steps": np.array([200, 200, 200]),
        "train_episode_rewards": np.array([-3.0, -2.0, -1.0]) - run_number,
        "train_time": np.float64(1.5),
        "eval_time": 0.5,
        "total_train_episodes": 3,
    } | changes


def old_data(setting: int, runs: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """The dict of one setting's runs."""
    params = {
        "critic_lr": AGENT["parameters"]["critic_lr"][setting % 3],  # type: ignore[index]
        "alpha": np.float64(AGENT["parameters"]["alpha"][setting // 3]),  # type: ignore[index]
        "hidden_dim": 64,
        "betas": [0.9, 0.999],
        "gamma": 0.99,
        "feature_size": 2,
    }
    seed = runs[0].get("random_seed", 0) if runs else 0
    return {
        "experiment": {"environment": ENVIRONMENT | {"seed": seed}, "agent": AGENT},
        "experiment_data": {setting: {"agent_hyperparams": params, "runs": runs}},
    } | changes


def put(
    directory: Path, index: int, content: Any = None, protocol: int = 4, **changes: Any
) -> Path:
    """A pickle under the name that its index gives it."""
    run_number, setting = divmod(index, NUM_SETTINGS)
    directory.mkdir(exist_ok=True, parents=True)
    path = directory / f"Pendulum-v0_SAC_data_{index}.pkl"
    content = content or old_data(setting, [old_run(run_number, **changes)])
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def under_numpy_1(content: bytes) -> bytes:
    """A pickle of protocol 0 to 3 as numpy 1 would have named its functions."""
    return content.replace(b"numpy._core.", b"numpy.core.")
