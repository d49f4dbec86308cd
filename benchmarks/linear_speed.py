"""Speed of the linear actor-critic against a plain loop: run-steps per CPU-second, in one process.

Same task and algorithm for all: linearAC on Pendulum, tile-coded, traces of λ = 0.9, one thread.
The plain loop is what one would write for one run: NumPy vectors, Gymnasium's Pendulum-v1, the
update's equations line by line. A run-step is an environment step and an update of one run. Rounds
go from contestant to contestant, so that a change of the machine's speed meets all of them; medians
over rounds are reported, and the median of each round's ratio.

    python benchmarks/linear_speed.py
"""

from __future__ import annotations

import math
import statistics
import sys
from pathlib import Path

import click
import gymnasium
import numpy as np
from training_speed import Contestant, advancing, measure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.agents.linear_actor_critic.declaration import LINEAR_AC
from nthrun.agents.sizes import TileSizes
from nthrun.environments.pendulum.declaration import PENDULUM
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.machine import cpu_model
from nthrun.planning.memory_estimate import BLOCK_STEPS
from nthrun.planning.packs import packs_of_runs, plan_run
from nthrun.specs.agent_spec import read_agent_spec
from nthrun.specs.documents import Document
from nthrun.specs.environment_spec import read_environment_spec
from nthrun.training.backends import prepare_torch
from nthrun.training.context import make_context
from nthrun.training.loop import Training
from nthrun.training.provenance import versions

STEPS_PER_EPISODE = 200
GAMMA = 0.99
MAX_LOG_STD = math.log(1000.0)
PARAMETERS = {"decay": 0.9, "critic_lr": 0.1, "actor_lr": 0.01, "scaled": True, "num_tilings": 8}
PEER = "NumPy loop"
BACKENDS = ("eager", "compile")


class PlainLoop:
    """One run, step by step.

    Args:
        num_bins: tiles that span a dimension's range.
    """

    def __init__(self, num_bins: int) -> None:
        self.environment = gymnasium.make(
            "Pendulum-v1", max_episode_steps=STEPS_PER_EPISODE, disable_env_checker=True
        )
        self.rng = np.random.default_rng(0)
        num_tilings = PARAMETERS["num_tilings"]
        self.num_bins, num_tiles = num_bins, (num_bins + 1) ** 3
        space = self.environment.observation_space
        self.low, self.scale = space.low, num_bins / (space.high - space.low)
        tiling, dim = np.ogrid[:num_tilings, :3]
        self.offset = tiling * (2 * dim + 1) % num_tilings / num_tilings
        self.stride = (num_bins + 1) ** np.arange(3)
        self.first = np.arange(num_tilings) * num_tiles
        self.num_features = num_tilings * num_tiles + 1
        self.weights, self.traces = np.zeros((2, 3, self.num_features))
        observation, _ = self.environment.reset(seed=0)
        self.active = self.tiles(observation)

    def tiles(self, observation: np.ndarray) -> np.ndarray:
        """Numbers of the active features."""
        place = ((observation - self.low) * self.scale).clip(0, self.num_bins)
        active = np.empty(len(self.first) + 1, np.int64)
        active[:-1] = (place + self.offset).astype(np.int64) @ self.stride + self.first
        active[-1] = self.num_features - 1
        return active

    def __call__(self, num_steps: int) -> int:
        """Take so many steps."""
        for _ in range(num_steps):
            self.step()
        return num_steps

    def step(self) -> None:
        """Act, learn, and begin anew where the episode ended."""
        active = self.active
        value, mean, log_std = self.weights[:, active].sum(1).tolist()
        std = math.exp(min(max(log_std, -MAX_LOG_STD), MAX_LOG_STD))
        normal = self.rng.standard_normal()
        torque = 2.0 * min(max(mean + std * normal, -1.0), 1.0)
        observation, reward, terminated, truncated, _ = self.environment.step((torque,))
        self.active = self.tiles(observation)
        next_value = 0.0 if terminated else self.weights[0, self.active].sum()
        error = reward + GAMMA * next_value - value
        self.traces *= GAMMA * PARAMETERS["decay"]
        self.traces[0, active] += 1.0
        self.traces[1, active] += normal / std
        self.traces[2, active] += normal**2 - 1.0
        step = error / len(active)
        self.weights[0] += PARAMETERS["critic_lr"] * step * self.traces[0]
        self.weights[1:] += PARAMETERS["actor_lr"] * std**2 * step * self.traces[1:]
        if terminated or truncated:
            self.traces[:] = 0.0
            observation, _ = self.environment.reset()
            self.active = self.tiles(observation)


def nthrun_contestant(num_bins: int, lanes: int, backend: str) -> Contestant:
    """A pack of nthrun, advanced block by block, that keeps no files."""
    environment = {
        "env_name": "Pendulum-v1",
        "total_timesteps": 10**9,
        "steps_per_episode": STEPS_PER_EPISODE,
        "eval_interval_timesteps": 10**9,
        "gamma": GAMMA,
    }
    agent = {"agent_name": "linearAC", "parameters": PARAMETERS | {"num_bins": num_bins}}
    spec = ExperimentSpec(
        read_agent_spec(Document(agent, {}, ("benchmark",)), LINEAR_AC),
        read_environment_spec(Document(environment, {}, ("benchmark",)), PENDULUM),
    )
    runs = [plan_run(spec, index, 0) for index in range(lanes)]
    (pack,) = packs_of_runs(runs, spec.agent.declaration.static_names(), lanes)
    return advancing(Training(pack, make_context(spec, backend)), lanes)


@click.command()
@click.option("--rounds", default=7, show_default=True, help="Turns of each contestant.")
@click.option("--bins", multiple=True, type=int, default=(1, 4, 8), show_default=True)
@click.option("--lanes", multiple=True, type=int, default=(1, 64, 1024, 2048), show_default=True)
def main(rounds: int, bins: tuple[int, ...], lanes: tuple[int, ...]) -> None:
    """Print one table a number of features."""
    prepare_torch(1)
    click.echo(f"{cpu_model()}, one thread, {rounds} rounds")
    click.echo(", ".join(f"{name} {version}" for name, version in versions().items()))
    for num_bins in bins:
        contestants: dict[str, Contestant] = {PEER: PlainLoop(num_bins)}
        for backend in BACKENDS:
            for count in lanes:
                name = f"nthrun, {backend}, pack of {count}"
                contestants[name] = nthrun_contestant(num_bins, count, backend)
        sizes = TileSizes(3, PARAMETERS["num_tilings"], num_bins, "joint", True)
        click.echo(
            f"\n{sizes.num_features:,} features ({num_bins} bins), {sizes.num_active} active"
        )
        click.echo("run-steps per CPU-second (median), ratio to the loop")
        speeds = measure(contestants, rounds, BLOCK_STEPS)
        for name, values in speeds.items():
            ratio = statistics.median(np.array(values) / np.array(speeds[PEER]))
            click.echo(f"  {name:<28} {statistics.median(values):12,.0f} {ratio:8.2f}x")


if __name__ == "__main__":
    main()
