"""Records and experiment directories made by hand, for any test that needs some."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from nthrun.index import random_seed
from nthrun.records.experiment import Experiment, Manifest, create_experiment
from nthrun.records.manifest import MANIFEST, read_manifest
from nthrun.records.schema import Run
from nthrun.specs.fingerprint import fingerprint

EVAL_INTERVAL = 100
EVAL_EPISODES = 2


def make_run(
    index: int,
    setting_number: int,
    run_number: int,
    returns: Sequence[float] = (-3.0, -2.0, -1.0),
    steps: Sequence[int] = (100, 100, 100),
    **changes: Any,
) -> Run:
    """A record with every key.

    Args:
        returns, steps: of its training episodes; `total_timesteps` is the sum of `steps`.
        changes: keys to set otherwise, such as `status`.
    """
    num_evals = sum(steps) // EVAL_INTERVAL + 1
    stage = int(changes.get("stage", 0))
    run = Run(
        index=index,
        setting_number=setting_number,
        run_number=run_number,
        random_seed=random_seed(stage, run_number),
        stage=stage,
        status="completed",
        reason="",
        total_timesteps=sum(steps),
        eval_interval_timesteps=EVAL_INTERVAL,
        episodes_per_eval=EVAL_EPISODES,
        total_train_episodes=len(steps),
        unfinished_episode_reward=0.0,
        unfinished_episode_steps=0,
        train_time=1.5,
        eval_time=0.5,
        agent_params={"critic_lr": critic_lr(setting_number)},
        eval_episode_rewards=np.full((num_evals, EVAL_EPISODES), -1.0),
        eval_episode_steps=np.full((num_evals, EVAL_EPISODES), EVAL_INTERVAL, np.int64),
        timesteps_at_eval=np.arange(num_evals, dtype=np.int64) * EVAL_INTERVAL,
        train_episode_rewards=np.array(returns, np.float64),
        train_episode_steps=np.array(steps, np.int64),
        learned_params={"actor/weight": np.full((2, 3), index, np.float32)},
        provenance={"host": "node", "git_diff": "", "attempts": [{"step": 0}]},
    )
    return Run(run | changes)


def make_solver_run(
    index: int,
    setting_number: int,
    run_number: int,
    evaluations: Sequence[float] = (-9.0, -3.0, -1.0),
    at: Sequence[int] = (0, 100, 200),
    **changes: Any,
) -> Run:
    """The record of a solver, which has evaluations only.

    Args:
        evaluations: mean return of each; its episodes lie around it.
        at: steps trained before each.
        changes: keys to set otherwise, such as `eval_metrics`.
    """
    means = np.array(evaluations, np.float64)[:, None]
    recorded = {
        "total_timesteps": max(at, default=0),
        "eval_episode_rewards": means + np.linspace(-1, 1, EVAL_EPISODES),
        "eval_episode_steps": np.full((len(at), EVAL_EPISODES), 10, np.int64),
        "timesteps_at_eval": np.array(at, np.int64),
    }
    return make_run(index, setting_number, run_number, (), (), **(recorded | changes))


def make_experiment(
    root: Path, num_settings: int = 1, env_name: str = "Pendulum-v1", runs: Iterable[Run] = ()
) -> Experiment:
    """An experiment directory that sweeps `critic_lr`.

    Args:
        root: the directory; it is created.
        num_settings: of the sweep.
        env_name: of the environment spec.
        runs: to be recorded, one shard a stage; index, setting and run number have to agree.
    """
    runs = sorted(runs, key=_stage)
    for run in runs:
        assert divmod(run["index"], num_settings) == (run["run_number"], run["setting_number"])
    parameters = {"critic_lr": [critic_lr(number) for number in range(num_settings)]}
    agent = {"agent_name": "SAC", "parameters": parameters}
    environment = {"env_name": env_name, "total_timesteps": 300}
    manifest = Manifest(
        fingerprint=fingerprint(agent, environment),
        num_settings=num_settings,
        agent=agent,
        environment=environment,
        device="cpu",
        backend="eager",
        threads=1,
    )
    experiment = create_experiment(root, manifest)
    for stage, group in groupby(runs, key=_stage):
        experiment.write(stage, list(group))
    return experiment


def rewrite_agent(root: Path, **changes: Any) -> None:
    """Change keys of the agent spec in a manifest, as if it had been made with them."""
    manifest, _ = read_manifest(root)
    agent = manifest.agent | changes
    mark = fingerprint(agent, manifest.environment)
    (root / MANIFEST).write_text(replace(manifest, agent=agent, fingerprint=mark).text())


def critic_lr(setting_number: int) -> float:
    """The swept hyperparameter of a setting."""
    return 0.001 * (setting_number + 1)


def _stage(run: Run) -> int:
    return int(run["stage"])
