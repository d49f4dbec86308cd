"""PPO's speed against Stable-Baselines3's and JAX's: environment steps per CPU-second, one process.

The same settings for all, Stable-Baselines3's defaults: 2,048 steps a rollout, 10 epochs of
batches of 64, separate networks of 64×64 tanh for policy and value; and the zoo's for CartPole: 8
worlds, 32 steps a rollout in each, 20 epochs of batches of 256. One thread. Rounds go from
contestant to contestant, a rollout or some a turn, so that a change of the machine's speed meets
all of them; medians over rounds are reported, and the median of each round's ratio. JAX's PPO
(`jax_ppo`) knows CartPole alone.

    python benchmarks/ppo_speed.py
"""

from __future__ import annotations

import importlib
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from fma_peak import fma_peak
from training_speed import PEER, PEERS, Contestant, installed, measure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.planning.machine import cpu_model
from nthrun.planning.packs import packs_of_runs, plan_run
from nthrun.training.backends import prepare_torch
from nthrun.training.context import make_context
from nthrun.training.loop import Training
from nthrun.training.provenance import versions

WIDTH = 64


@dataclass(frozen=True, slots=True)
class Task:
    """What both train on.

    Attributes:
        name: of the table.
        env_name: Gymnasium's.
        outputs: of the policy.
        inputs: of both networks.
        worlds, n_steps, batch_size, n_epochs: of a rollout and its updates.
    """

    name: str
    env_name: str
    outputs: int
    inputs: int
    worlds: int = 1
    n_steps: int = 2048
    batch_size: int = 64
    n_epochs: int = 10

    @property
    def rollout(self) -> int:
        """Environment steps of a rollout."""
        return self.worlds * self.n_steps

    def settings(self) -> dict[str, Any]:
        """Hyperparameters that both call the same."""
        return {"n_steps": self.n_steps, "batch_size": self.batch_size, "n_epochs": self.n_epochs}

    def fma_per_step(self) -> float:
        """Multiply-adds of the matrix products of one environment step.

        Of a row and weight there is one forward and two backward in every epoch, of which the first
        layer lacks that to the observation; one forward of the policy to act, and two of both
        networks for values and log-probabilities of a rollout.
        """
        first, hidden = self.inputs * WIDTH, WIDTH * WIDTH
        policy, value = (first + hidden + WIDTH * width for width in (self.outputs, 1))
        both = policy + value
        return self.n_epochs * (3 * both - 2 * first) + policy + 2 * both


TASKS = (
    Task("CartPole, defaults", "CartPole-v1", 2, 4),
    Task("Pendulum, defaults", "Pendulum-v1", 1, 3),
    Task("CartPole, 8 worlds", "CartPole-v1", 2, 4, 8, 32, 256, 20),
)


def spec_of(task: Task) -> ExperimentSpec:
    """An experiment that trains as long as it is told to."""
    environment = {
        "env_name": task.env_name,
        "total_timesteps": 10**9,
        "steps_per_episode": 200 if task.env_name == "Pendulum-v1" else 500,
        "eval_interval_timesteps": 10**9,
    }
    policy = {"policy_type": "Gaussian" if task.env_name == "Pendulum-v1" else "Softmax"}
    parameters = task.settings() | {"num_worlds": task.worlds} | policy
    return experiment_spec_of(
        environment, {"agent_name": "PPO", "parameters": parameters}, "ppo_speed"
    )


def nthrun_contestant(task: Task, lanes: int) -> Contestant:
    """A pack, advanced rollout by rollout."""
    spec = spec_of(task)
    runs = [plan_run(spec, index, 0) for index in range(lanes)]
    (pack,) = packs_of_runs(runs, spec.agent.declaration.static_names(), lanes)
    training = Training(pack, make_context(spec, "compile"))

    def advance(num_steps: int) -> int:
        rollouts = max(1, num_steps // (lanes * task.rollout))
        end = training.step + rollouts * task.n_steps
        while training.step < end:
            training.train_block(min(training._block_end(), end))
        return rollouts * task.rollout * lanes

    return advance


def peer_contestant(task: Task) -> Contestant:
    """Stable-Baselines3's PPO with the same settings."""
    from stable_baselines3 import PPO  # noqa: PLC0415 - only this contestant needs it
    from stable_baselines3.common.env_util import make_vec_env  # noqa: PLC0415

    worlds = make_vec_env(task.env_name, task.worlds, seed=0)
    model = PPO("MlpPolicy", worlds, device="cpu", seed=0, **task.settings())

    def advance(num_steps: int) -> int:
        rollouts = max(1, num_steps // task.rollout)
        model.learn(rollouts * task.rollout, reset_num_timesteps=False)
        return rollouts * task.rollout

    return advance


def jax_contestant(task: Task, lanes: int) -> Contestant:
    """A pack of `jax_ppo`, advanced rollout by rollout."""
    jax_ppo = importlib.import_module("jax_ppo")
    pack = jax_ppo.Pack(lanes, jax_ppo.Sizes(task.worlds, **task.settings()))

    def advance(num_steps: int) -> int:
        rollouts = max(1, num_steps // (lanes * task.rollout))
        for _ in range(rollouts):
            pack.train_rollout()
        return rollouts * task.rollout * lanes

    return advance


def why_no_jax() -> str:
    """Why JAX does not take part; "" if it does."""
    try:
        importlib.import_module("jax_ppo")
    except ImportError as error:
        return str(error)
    return ""


def table(task: Task, speeds: Mapping[str, list[float]], peak: float) -> None:
    """Print one task's table."""
    click.echo(f"\n{task.name}: steps per CPU-second (median), ratio to {PEER}, share of the peak")
    for name, values in speeds.items():
        speed = statistics.median(values)
        ratio = statistics.median(np.array(values) / np.array(speeds[PEER]))
        share = speed * task.fma_per_step() / peak
        click.echo(f"  {name:<24} {speed:8.0f} {ratio:8.2f}x {share:7.1%}")


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Turns of each contestant.")
@click.option("--task", "names", multiple=True, default=[task.name for task in TASKS])
@click.option("--lanes", multiple=True, type=int, default=(1, 8, 32), show_default=True)
def main(rounds: int, names: tuple[str, ...], lanes: tuple[int, ...]) -> None:
    """Print one table a task."""
    prepare_torch(1)
    peak = max(fma_peak() for _ in range(5))
    click.echo(f"{cpu_model()}, one thread, {rounds} rounds")
    click.echo(", ".join(f"{k} {v}" for k, v in (versions() | installed(PEERS)).items()))
    click.echo(f"peak of one core, measured: {peak / 1e9:.1f}e9 float32 FMA per CPU-second")
    if missing := why_no_jax():
        click.echo(f"JAX is left out: {missing}")
    for task in (task for task in TASKS if task.name in names):
        contestants = {PEER: peer_contestant(task)}
        for count in lanes:
            contestants[f"nthrun, pack of {count}"] = nthrun_contestant(task, count)
        for count in () if missing or task.env_name != "CartPole-v1" else lanes:
            contestants[f"JAX, pack of {count}"] = jax_contestant(task, count)
        table(task, measure(contestants, rounds, task.rollout), peak)


if __name__ == "__main__":
    main()
