"""SAC beside Stable-Baselines3's, seed by seed: are their final returns told apart?

The same task and settings for both: networks of two hidden layers, batch, step sizes, temperature
tuned from 1, uniform actions and no updates for the first 100 steps, one update a step. The final
return is the mean of evaluation episodes with the deterministic policy after the last step. Printed
are each side's mean with a 95 % interval (Student), the difference of the means with Welch's
interval, and the p-values of Mann and Whitney's and of Kolmogorov and Smirnov's tests.

    python benchmarks/sb3_parity.py
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.planning.experiment_spec import experiment_spec_of
from nthrun.planning.machine import cpu_model
from nthrun.planning.packs import packs_of_runs, plan_run
from nthrun.training.backends import prepare_torch
from nthrun.training.context import make_context
from nthrun.training.loop import Training

LEARNING_STARTS = 100
REPLAY_CAPACITY = 100_000


@dataclass(frozen=True, slots=True)
class Task:
    """What both train on.

    Attributes:
        env_name: Gymnasium's.
        steps: of training.
        steps_per_episode: the episodes' length.
        hidden_dim, batch_size, learning_rate: of all networks.
    """

    env_name: str
    steps: int
    steps_per_episode: int
    hidden_dim: int
    batch_size: int
    learning_rate: float


TASKS = (
    Task("Pendulum-v1", 10_000, 200, 64, 32, 1e-3),
    Task("HalfCheetah-v5", 5_000, 1000, 64, 64, 1e-3),
)


def nthrun_returns(task: Task, seeds: int, episodes: int) -> list[float]:
    """Final returns of our runs, trained in packs of 8."""
    environment = {
        "env_name": task.env_name,
        "total_timesteps": task.steps,
        "steps_per_episode": task.steps_per_episode,
        "eval_interval_timesteps": task.steps,
        "eval_episodes": episodes,
    }
    parameters = {
        "hidden_dim": task.hidden_dim,
        "batch_size": task.batch_size,
        "critic_lr": task.learning_rate,
        "alpha_lr": task.learning_rate,
        "alpha": 1.0,
        "replay_capacity": REPLAY_CAPACITY,
        "weight_init": "kaiming_uniform",
        "uniform_exploration_steps": LEARNING_STARTS,
        "steps_before_learning": LEARNING_STARTS,
    }
    prepare_torch(1)
    agent = {"agent_name": "SAC", "parameters": parameters}
    spec = experiment_spec_of(environment, agent, "sb3_parity")
    runs = [plan_run(spec, index, 0) for index in range(seeds)]
    context = make_context(spec, "compile")
    packs = packs_of_runs(runs, spec.agent.declaration.static_names(), 8)
    records = [record for pack in packs for record in Training(pack, context).run()]
    return [float(record["eval_episode_rewards"][-1].mean()) for record in records]


def peer_return(task: Task, episodes: int, seed: int) -> float:
    """The final return of one run of Stable-Baselines3."""
    import gymnasium  # noqa: PLC0415 - a process of its own needs it alone
    import torch  # noqa: PLC0415
    from stable_baselines3 import SAC  # noqa: PLC0415
    from stable_baselines3.common.evaluation import evaluate_policy  # noqa: PLC0415

    torch.set_num_threads(1)
    limit = {"max_episode_steps": task.steps_per_episode}
    model = SAC(
        "MlpPolicy",
        gymnasium.make(task.env_name, **limit),
        learning_rate=task.learning_rate,
        batch_size=task.batch_size,
        learning_starts=LEARNING_STARTS,
        buffer_size=REPLAY_CAPACITY,
        policy_kwargs={"net_arch": [task.hidden_dim, task.hidden_dim]},
        device="cpu",
        seed=seed,
    )
    model.learn(task.steps)
    fresh = gymnasium.make(task.env_name, **limit)
    fresh.reset(seed=seed + 10_000)
    mean, _ = evaluate_policy(model, fresh, episodes, warn=False)
    assert isinstance(mean, float)
    return mean


def report(name: str, returns: Sequence[float]) -> None:
    """One side's mean return, interval and range."""
    values = np.array(returns)
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    click.echo(
        f"  {name:<18} mean {values.mean():9.1f} ± {half:6.1f}   median {np.median(values):9.1f}   "
        f"range {values.min():9.1f} to {values.max():9.1f}"
    )


@click.command()
@click.option("--seeds", default=20, show_default=True, help="Runs of each side.")
@click.option("--episodes", default=10, show_default=True, help="Evaluation episodes of a run.")
@click.option("--processes", default=os.cpu_count() or 1, show_default=True)
@click.option("--task", "names", multiple=True, default=[task.env_name for task in TASKS])
def main(seeds: int, episodes: int, processes: int, names: tuple[str, ...]) -> None:
    """Print one comparison a task."""
    click.echo(f"{cpu_model()}, {seeds} seeds, {episodes} evaluation episodes each")
    for task in (task for task in TASKS if task.env_name in names):
        click.echo(f"\n{task}")
        ours = nthrun_returns(task, seeds, episodes)
        report("nthrun", ours)
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            theirs = list(pool.map(partial(peer_return, task, episodes), range(seeds)))
        report("stable-baselines3", theirs)
        welch = stats.ttest_ind(ours, theirs, equal_var=False)
        low, high = welch.confidence_interval(0.95)
        rank, shape = stats.mannwhitneyu(ours, theirs), stats.ks_2samp(ours, theirs)
        click.echo(
            f"  difference of means {np.mean(ours) - np.mean(theirs):.1f}, 95 % interval "
            f"[{low:.1f}, {high:.1f}]; p of Mann-Whitney {rank.pvalue:.2f}, "
            f"of Kolmogorov-Smirnov {shape.pvalue:.2f}"
        )


if __name__ == "__main__":
    main()
