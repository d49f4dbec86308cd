"""Spec files as the older tool and its kin have them: the same keys, other numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nthrun.planning.experiment_spec import ExperimentSpec, read_experiment_spec

REPLAY = {"replay_capacity": [2000], "batch_size": [8], "tau": [0.05], "cuda": [False]}
NETWORK = {
    "target_update_interval": [1],
    "critic_lr": [0.002, 0.0005],
    "actor_lr_scale": [0.5, 2.0],
    "hidden_dim": [16],
    "weight_init": ["xavier_uniform"],
    "clip_stddev": [500],
    "betas": [[0.9, 0.999]],
}
ENTROPY = {"alpha": [0.02, 0.3], "alpha_lr": [0.0], "automatic_entropy_tuning": [False]}
DELAYS = {"uniform_exploration_steps": [0], "steps_before_learning": [20]}
SAC = {"clip_actions": [True], **REPLAY, **NETWORK, **ENTROPY, **DELAYS}
SAC |= {"reparam_baseline": [[True, 0]], "num_samples": [1], "soft_q": [True], "double_q": [True]}
GREEDY = {"epsilon": [0.02, 0.2], "epsilon_decay": [0.99], "epsilon_min": [0.1]}
BY_VALUES = {key: SAC[key] for key in SAC if key not in (*ENTROPY, "betas", "clip_stddev")}
BY_VALUES |= GREEDY
SEARCHED = {**BY_VALUES, "actor_lr_scale": [1.0]}
TILES = {"bins": [3], "num_tilings": [4], "clip_stddev": [500], "count_interval": [100]}
TRACES = {"use_critic_trace": [True, False], "use_actor_trace": [True, False]}
LINEAR = {"decay": [0.4], "critic_lr": [0.5, 0.1], "actor_lr_scale": [0.1, 2.0], **TRACES, **TILES}
LINEAR |= {"scaled": [False], "trace_type": ["replacing"]}
PAIR = {"reparameterized": [True], "baseline_actions": [0], "num_samples": [1], "num_hidden": [3]}
CRITICS = {"soft_q": [True, False], "double_q": [True, False]}
FRAMES = {**REPLAY, "alpha": [0.1], "policy_type": ["Softmax"], "activation": ["relu"]}
FRAMES |= {"hidden_dim": [[16]], "channels": [[4]], "kernel_sizes": [[3]]}

CONTINUOUS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "SAC": ("SAC", {**SAC, "policy_type": ["SquashedGaussian"]}),
    "SAC of pairs": ("SAC", {**REPLAY, **NETWORK, **ENTROPY, **PAIR, **CRITICS}),
    "epsgreedy": ("epsgreedy", {**BY_VALUES, "policy_type": ["DeterministicAction"]}),
    "epsgreedy of an actor-critic": ("epsgreedy", {**SAC, **GREEDY, "alpha": [0.1]}),
    "epsgreedy_SGD": ("epsgreedy_SGD", {**SEARCHED, "policy_type": ["DeterministicAction"]}),
    "epsgreedy_optimizer": (
        "epsgreedy_optimizer",
        {**SEARCHED, "policy_type": ["ScipyOptimizer"]},
    ),
    "FKL": ("fkl", {**REPLAY, **NETWORK, "alpha": [0.1], "policy_type": ["Gaussian"]}),
    "LinearGaussianAC": ("LinearGaussianAC", LINEAR),
    "GreedyAC of two critics": ("GreedyAC", {**REPLAY, **NETWORK, **CRITICS, "alpha": [0.1]}),
    "GreedyAC": ("GreedyAC", {**REPLAY, **NETWORK, "alpha": [0.1], "n_rho": [[10, 0.2]]}),
    "VAC": ("vac", {**REPLAY, **NETWORK, "alpha": [0.1], "reparameterized": [False]}),
}
DISCRETE: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "SACDiscrete": ("SACDiscrete", {**REPLAY, **NETWORK, "alpha": [0.1], "num_hidden": [3]}),
    "VACDiscrete": ("VACDiscrete", {**REPLAY, **NETWORK, "policy_type": ["Softmax"]}),
    "LinearSoftmaxAC": ("LinearSoftmaxAC", {**LINEAR, "temperature": [1.0, 0.1]}),
    "SACDiscreteCNN": ("SACDiscreteCNN", {**NETWORK, **FRAMES, "alpha_lr": [0.0]}),
    "VACDiscreteCNN": ("VACDiscreteCNN", {**NETWORK, **FRAMES, "alpha_lr": [0.0]}),
    "GreedyACDiscrete": ("GreedyACDiscrete", {**REPLAY, **NETWORK, "policy_type": ["softmax"]}),
}

LENGTHS = {
    "total_timesteps": 60,
    "steps_per_episode": 30,
    "eval_interval_timesteps": 1000,
    "eval_episodes": 0,
    "gamma": 0.98,
}
PLAIN = {**LENGTHS, "overwrite_rewards": False, "rewards": {}, "start_state": []}
REWARDED = {**LENGTHS, "overwrite_rewards": True, "rewards": {"timestep": -1.0, "goal": 0.0}}
MINATAR = {**PLAIN, "continuous": False, "accumulate_trace": False}
ENVIRONMENTS: Mapping[str, Mapping[str, Any]] = {
    "Acrobot-v1": {**PLAIN, "platform": "gym", "continuous": True},
    "DenseAcrobot-v1": {**PLAIN, "platform": "gym", "continuous": True},
    "MountainCarContinuous-v0": {**REWARDED, "use_tile_coding": False, "start_state": []},
    "Pendulum-v0": {**PLAIN, "continuous": True, "max_episodes": -1},
    "Pendulum-v1": {**PLAIN, "platform": "gym", "continuous": True},
    "pendulum-swingup": {**PLAIN, "platform": "dmcontrol"},
}
OF_DISCRETE_ACTIONS: Mapping[str, Mapping[str, Any]] = {
    "Acrobot-v1": {**PLAIN, "continuous": False},
    "Pendulum-v0": {**PLAIN, "continuous": False},
    "MountainCar-v0": REWARDED,
    "MinAtarBreakout": MINATAR,
    "MinAtarSpace_Invaders": {**MINATAR, "use_minimal_action_set": False},
}


def write_agent(folder: Path, name: str, parameters: Mapping[str, Any]) -> str:
    """Write an agent file of the older tool; returns its path."""
    path = folder / "agent.json"
    path.write_text(json.dumps({"agent_name": name, "parameters": parameters}))
    return str(path)


def write_environment(folder: Path, name: str, fields: Mapping[str, Any]) -> str:
    """Write an environment file of the older tool; returns its path."""
    path = folder / "environment.json"
    path.write_text(json.dumps({"env_name": name, **fields}))
    return str(path)


def read(
    folder: Path,
    agent: tuple[str, Any] = ("SAC", SAC),
    environment: tuple[str, Any] = ("Pendulum-v1", PLAIN),
) -> ExperimentSpec:
    """The experiment of an agent and an environment file of the older tool."""
    environment_file = write_environment(folder, *environment)
    return read_experiment_spec([environment_file], [write_agent(folder, *agent)])
