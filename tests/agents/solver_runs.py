"""Small experiments of the solvers: of GHM a firm in ten steps, and a few households."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nthrun.agents.registry import AGENTS
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of

SOLVERS = tuple(name for name, declared in AGENTS.items() if declared.solves)
ENVIRONMENT: dict[str, Any] = {
    "env_name": "GHM",
    "horizon": 1.0,
    "dt": 0.1,
    "total_timesteps": 12,
    "steps_per_episode": 10,
    "eval_interval_timesteps": 4,
    "eval_episodes": 3,
    "record": ["metrics"],
}
HOUSEHOLDS: dict[str, Any] = {
    "env_name": "Bewley",
    "gamma": 0.96,
    "households": 8,
    "ability_states": 3,
    "total_timesteps": 12,
    "steps_per_episode": 10,
    "eval_interval_timesteps": 4,
    "eval_episodes": 3,
    "record": ["metrics"],
}
AGGREGATE: dict[str, Any] = {
    "env_name": "KrusellSmith",
    "households": 6,
    "total_timesteps": 12,
    "steps_per_episode": 10,
    "eval_interval_timesteps": 4,
    "eval_episodes": 3,
    "record": ["metrics"],
}
SMALL: dict[str, dict[str, Any]] = {
    "mc_pg": {
        "n_trajectories": [6],
        "policy_hidden": [[16, 16]],
        "value_hidden": [[16]],
        "lr_policy": [0.01, 0.003],
    },
    "barrier": {"pay_above": [0.2, 0.4]},
    "dp": {},
    "egm": {"num_masses": [100]},
    "euler_quadrature": {
        "num_worlds": [2],
        "off_path_households": [10],
        "hidden": [[16]],
        "lr": [0.002, 0.001],
    },
    "euler_all_in_one": {"num_worlds": [2], "hidden": [[16]], "lr": [0.001, 0.0005]},
    "ks_linear": {
        "num_points": [100],
        "num_choices": [50],
        "capital_step": [0.4],
        "tolerance": [0.003],
    },
    "euler_ks": {
        "num_worlds": [2],
        "num_households": [4],
        "off_path_households": [2],
        "updates_per_step": [2],
        "hidden": [[16]],
        "lr": [0.002, 0.001],
    },
    "bellman_ac": {
        "num_worlds": [2],
        "num_households": [4],
        "horizon": [3],
        "periods_per_step": [2],
        "value_updates": [2],
        "policy_hidden": [[16]],
        "value_hidden": [[16]],
        "policy_lr": [0.001, 0.0005],
    },
    "ppo_types": {
        "num_worlds": [2],
        "hidden": [[16]],
        "lr": [[0.001], [0.01]],
        "reward_scale": [[5.0, 3e4, 1e3]],
        "learning_start": [[0, 1, 2]],
        "mask_start": [[1000.0, 22.0, 0.1, 0.0, 0.0]],
        "mask_steps": [[0, 4, 4]],
    },
    "pg_types": {
        "num_worlds": [2],
        "hidden": [[16]],
        "lr": [[0.001], [0.01]],
        "reward_scale": [[5.0, 3e4, 1e3]],
        "learning_every": [[1, 2, 1]],
    },
    "best_response": {
        "num_worlds": [2],
        "eval_worlds": [3],
        "hidden": [[16]],
        "lr": [[0.001], [0.01]],
        "reward_scale": [[5.0, 3e4, 1e3]],
    },
    "exact_response": {"max_histories": [10**9]},
}
GAME: dict[str, Any] = {
    "env_name": "RBC",
    "num_consumers": 3,
    "num_firms": 2,
    "total_timesteps": 12,
    "steps_per_episode": 3,
    "eval_interval_timesteps": 4,
    "eval_episodes": 3,
    "record": ["metrics"],
}
TINY_GAME: dict[str, Any] = {
    "env_name": "RBC",
    "num_consumers": 1,
    "num_firms": 1,
    "num_governments": 0,
    "total_timesteps": 12,
    "steps_per_episode": 2,
    "eval_interval_timesteps": 4,
    "eval_episodes": 3,
    "record": ["metrics"],
}
CYCLES: dict[str, Any] = {
    "env_name": "KrusellSmith",
    "preset": "jedc",
    "households": 6,
    "total_timesteps": 12,
    "steps_per_episode": 10,
    "eval_interval_timesteps": 4,
    "eval_episodes": 3,
    "record": ["metrics"],
}
OF_BEWLEY = ("egm", "euler_quadrature", "euler_all_in_one")
WORLDS = dict.fromkeys(("mc_pg", "barrier", "dp"), ENVIRONMENT) | dict.fromkeys(
    OF_BEWLEY, HOUSEHOLDS
)
WORLDS["ks_linear"] = CYCLES
WORLDS |= dict.fromkeys(("euler_ks", "bellman_ac"), AGGREGATE)
WORLDS |= dict.fromkeys(("ppo_types", "pg_types", "best_response"), GAME) | {
    "exact_response": TINY_GAME
}
"""What each solves."""


def solver_spec(
    agent: str,
    parameters: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
) -> ExperimentSpec:
    """A small experiment of a solver with some keys replaced."""
    document = {"agent_name": agent, "parameters": SMALL[agent] | dict(parameters or {})}
    return experiment_spec_of(WORLDS[agent] | dict(environment or {}), document, "test")
