"""SAC and PPO beside Stable-Baselines3's: are their final returns told apart?

The same task and settings for both. SAC: networks of two hidden layers, batch, step sizes,
temperature tuned from 1, uniform actions and no updates for the first 100 steps, one update a step.
PPO: Stable-Baselines3's defaults but for what a task names; its actions are brought to [-1, 1], as
ours are for the policy. The final return is the mean of evaluation episodes with the deterministic
policy after the last step. Printed are each side's mean with a 95 % interval (Student), the
difference of the means with Welch's interval, and the p-values of Mann and Whitney's and of
Kolmogorov and Smirnov's tests.

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
from typing import Any

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
        agent: SAC or PPO.
        n_steps: of PPO's rollouts.
        gamma: the discount.
    """

    env_name: str
    steps: int
    steps_per_episode: int
    hidden_dim: int
    batch_size: int
    learning_rate: float
    agent: str = "SAC"
    n_steps: int = 2048
    gamma: float = 0.99

    @property
    def name(self) -> str:
        """How it is chosen."""
        return f"{self.agent}:{self.env_name}"


TASKS = (
    Task("Pendulum-v1", 10_000, 200, 64, 32, 1e-3),
    Task("HalfCheetah-v5", 5_000, 1000, 64, 64, 1e-3),
    Task("CartPole-v1", 16_384, 500, 64, 64, 3e-4, "PPO"),
    Task("Pendulum-v1", 20_480, 200, 64, 64, 1e-3, "PPO", 1024, 0.9),
    Task("HalfCheetah-v5", 8_192, 1000, 64, 64, 3e-4, "PPO"),
)


def parameters_of(task: Task) -> dict[str, object]:
    """Our hyperparameters."""
    shared = {"hidden_dim": task.hidden_dim, "batch_size": task.batch_size}
    if task.agent == "PPO":
        policy = "Softmax" if task.env_name == "CartPole-v1" else "Gaussian"
        own = {"n_steps": task.n_steps, "lr": task.learning_rate, "policy_type": policy}
        return shared | own
    return shared | {
        "critic_lr": task.learning_rate,
        "alpha_lr": task.learning_rate,
        "alpha": 1.0,
        "replay_capacity": REPLAY_CAPACITY,
        "weight_init": "kaiming_uniform",
        "uniform_exploration_steps": LEARNING_STARTS,
        "steps_before_learning": LEARNING_STARTS,
    }


def nthrun_returns(task: Task, seeds: int, episodes: int) -> list[float]:
    """Final returns of our runs, trained in packs of 8."""
    environment = {
        "env_name": task.env_name,
        "total_timesteps": task.steps,
        "steps_per_episode": task.steps_per_episode,
        "eval_interval_timesteps": task.steps,
        "eval_episodes": episodes,
        "gamma": task.gamma,
    }
    prepare_torch(1)
    agent = {"agent_name": task.agent, "parameters": parameters_of(task)}
    spec = experiment_spec_of(environment, agent, "sb3_parity")
    runs = [plan_run(spec, index, 0) for index in range(seeds)]
    context = make_context(spec, "compile")
    packs = packs_of_runs(runs, spec.agent.declaration.static_names(), 8)
    records = [record for pack in packs for record in Training(pack, context).run()]
    return [float(record["eval_episode_rewards"][-1].mean()) for record in records]


def peer_world(task: Task) -> Any:
    """A world of Gymnasium's, for PPO with actions in [-1, 1]."""
    import gymnasium  # noqa: PLC0415 - a process of its own needs it alone

    world = gymnasium.make(task.env_name, max_episode_steps=task.steps_per_episode)
    if task.agent == "PPO" and isinstance(world.action_space, gymnasium.spaces.Box):
        return gymnasium.wrappers.RescaleAction(world, -1.0, 1.0)
    return world


def peer_model(task: Task, seed: int) -> Any:
    """Stable-Baselines3's agent."""
    from stable_baselines3 import PPO, SAC  # noqa: PLC0415 - a process of its own needs it alone

    shared: dict[str, Any] = {
        "learning_rate": task.learning_rate,
        "batch_size": task.batch_size,
        "gamma": task.gamma,
        "policy_kwargs": {"net_arch": [task.hidden_dim, task.hidden_dim]},
        "device": "cpu",
        "seed": seed,
    }
    if task.agent == "PPO":
        return PPO("MlpPolicy", peer_world(task), n_steps=task.n_steps, **shared)
    return SAC(
        "MlpPolicy",
        peer_world(task),
        learning_starts=LEARNING_STARTS,
        buffer_size=REPLAY_CAPACITY,
        **shared,
    )


def peer_return(task: Task, episodes: int, seed: int) -> float:
    """The final return of one run of Stable-Baselines3."""
    import torch  # noqa: PLC0415 - a process of its own needs it alone
    from stable_baselines3.common.evaluation import evaluate_policy  # noqa: PLC0415

    torch.set_num_threads(1)
    model = peer_model(task, seed)
    model.learn(task.steps)
    fresh = peer_world(task)
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
@click.option("--task", "names", multiple=True, default=[task.name for task in TASKS])
def main(seeds: int, episodes: int, processes: int, names: tuple[str, ...]) -> None:
    """Print one comparison a task."""
    click.echo(f"{cpu_model()}, {seeds} seeds, {episodes} evaluation episodes each")
    for task in (task for task in TASKS if task.name in names):
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
