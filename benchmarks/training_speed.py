"""Training speed against Stable-Baselines3: run-steps per CPU-second, one thread, one process.

Same task on both sides: SAC on Pendulum, batch 32, twin critics, tuned temperature, one update
after every environment step. Rounds alternate between the contestants, so that a change of the
machine's speed meets all of them; medians over rounds are reported.

    python benchmarks/training_speed.py
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.agents.registry import AGENTS
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import plan_packs, plan_run
from nthrun.specs.agent_spec import read_agent_spec
from nthrun.specs.documents import Document
from nthrun.specs.environment_spec import read_environment_spec
from nthrun.training.device import prepare_torch
from nthrun.training.loop import BLOCK_STEPS, Training
from nthrun.training.provenance import cpu_model, versions
from nthrun.training.surroundings import Surroundings

WARM_UP_STEPS = 256
Contestant = Callable[[int], int]
"""Advances by about that many steps and returns the run-steps done."""


def nthrun_contestant(hidden_dim: int, lanes: int) -> Contestant:
    """A pack of SAC on Pendulum, advanced block by block."""
    environment = {
        "env_name": "Pendulum-v1",
        "total_timesteps": 10**9,
        "steps_per_episode": 200,
        "eval_interval_timesteps": 10**9,
    }
    agent = {"agent_name": "SAC", "parameters": {"hidden_dim": hidden_dim, "batch_size": 32}}
    spec = ExperimentSpec(
        read_agent_spec(Document(agent, {}, ("benchmark",)), AGENTS["SAC"]),
        read_environment_spec(
            Document(environment, {}, ("benchmark",)), ENVIRONMENTS["Pendulum-v1"]
        ),
    )
    runs = [plan_run(spec, index, 0) for index in range(lanes)]
    (pack,) = plan_packs(runs, spec.agent.declaration.static_names(), lanes)
    training = Training(pack, Surroundings(spec, None, "cpu", "eager", 1))

    def advance(num_steps: int) -> int:
        blocks = max(1, num_steps // BLOCK_STEPS)
        for _ in range(blocks):
            training.train_block(training.step + BLOCK_STEPS)
        return blocks * BLOCK_STEPS * lanes

    return advance


def stable_baselines3_contestant(hidden_dim: int) -> Contestant:
    """Stable-Baselines3's SAC with the same settings."""
    from stable_baselines3 import SAC  # noqa: PLC0415 - only this contestant needs it

    model = SAC(
        "MlpPolicy",
        "Pendulum-v1",
        batch_size=32,
        learning_starts=1,
        train_freq=1,
        gradient_steps=1,
        buffer_size=100_000,
        policy_kwargs={"net_arch": [hidden_dim, hidden_dim]},
        device="cpu",
        seed=0,
    )

    def advance(num_steps: int) -> int:
        model.learn(num_steps, reset_num_timesteps=False)
        return num_steps

    return advance


def measure(contestants: dict[str, Contestant], rounds: int) -> dict[str, list[float]]:
    """Run-steps per CPU-second of each contestant in each round, about a second a turn."""
    steps = {}
    for name, advance in contestants.items():
        advance(WARM_UP_STEPS)
        started = time.process_time()
        done = advance(WARM_UP_STEPS)
        steps[name] = int(WARM_UP_STEPS / (time.process_time() - started)) or done
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, advance in contestants.items():
            started = time.process_time()
            done = advance(steps[name])
            speeds[name].append(done / (time.process_time() - started))
    return speeds


@click.command()
@click.option("--rounds", default=9, show_default=True, help="Turns of each contestant.")
@click.option("--hidden", multiple=True, type=int, default=(64, 256), show_default=True)
def main(rounds: int, hidden: tuple[int, ...]) -> None:
    """Print one table a network width."""
    prepare_torch(1)
    click.echo(f"{cpu_model()}, one thread, {versions()}, {rounds} rounds")
    for width in hidden:
        contestants = {"Stable-Baselines3 SAC": stable_baselines3_contestant(width)}
        for lanes in (1, 8, 32):
            contestants[f"nthrun, eager, pack of {lanes}"] = nthrun_contestant(width, lanes)
        speeds = measure(contestants, rounds)
        peer = np.array(speeds["Stable-Baselines3 SAC"])
        click.echo(f"\nhidden layers {width}x{width}, run-steps per CPU-second (median)")
        for name, values in speeds.items():
            ratio = statistics.median(np.array(values) / peer)
            click.echo(f"  {name:<28} {statistics.median(values):8.0f}   {ratio:5.2f}x")


if __name__ == "__main__":
    main()
