"""Small recorded runs of agents in the economic models."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from processes import call

BEWLEY: dict[str, Any] = {
    "env_name": "Bewley",
    "gamma": 0.96,
    "households": 8,
    "ability_states": 5,
    "initial_wealth": 9.0,
    "total_timesteps": 30,
    "steps_per_episode": 3,
    "eval_interval_timesteps": 10,
    "eval_episodes": 3,
    "snapshot_interval_timesteps": 10,
}
GHM: dict[str, Any] = {
    "env_name": "GHM",
    "horizon": 10.0,
    "dt": 1.0,
    "total_timesteps": 20,
    "steps_per_episode": 10,
    "eval_interval_timesteps": 10,
    "eval_episodes": 3,
    "snapshot_interval_timesteps": 10,
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "euler_quadrature": {"num_worlds": [2], "off_path_households": [16], "hidden": [[16]]},
    "euler_all_in_one": {"num_worlds": [2], "hidden": [[16]]},
    "egm": {"num_masses": [100]},
    "mc_pg": {"n_trajectories": [4], "policy_hidden": [[16]], "value_hidden": [[7]]},
    "barrier": {},
    "dp": {},
    "SAC": {"policy_type": ["SquashedGaussian"], "batch_size": [4], "replay_capacity": [20]},
}
OF_BEWLEY = ("euler_quadrature", "euler_all_in_one", "egm")


def recorded_run(folder: Path, agent: str, environment: Mapping[str, Any] | None = None) -> Path:
    """Train index 0 of an agent in its model, or copy what was trained so before; returns the
    experiment directory.

    Args:
        folder: for the directory.
        environment: keys of the environment's spec that are set otherwise.
    """
    trained = _trained(agent, json.dumps(dict(environment or {})))
    root = folder / "out" / trained.name
    shutil.copytree(trained, root)
    return root


@cache
def _trained(agent: str, environment: str) -> Path:
    """The experiment directory of an agent and changes of its environment, as JSON."""
    folder = Path(tempfile.mkdtemp(prefix="model-run-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    model = BEWLEY if agent in OF_BEWLEY else GHM
    documents = {
        "environment": model | json.loads(environment),
        "agent": {"agent_name": agent, "parameters": PARAMETERS[agent]},
    }
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    files = ("--env-json", f"{folder}/environment.json", "--agent-json", f"{folder}/agent.json")
    options = ("--index", "0", "--backend", "eager", "--save-dir", f"{folder}/out")
    done = call("main.py", *files, *options)
    assert done.returncode == 0, done.stderr
    [root] = (folder / "out").iterdir()
    return root
