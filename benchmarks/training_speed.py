"""Training speed against Stable-Baselines3 and JAX: run-steps per CPU-second, in one process.

Same task for all: SAC on Pendulum, batch 32, twin critics, tuned temperature, one update after
every environment step, replay of 100,000 steps, one thread. A run-step is an environment step and
an update of one run. Rounds go from contestant to contestant, so that a change of the machine's
speed meets all of them; medians over rounds are reported, and the median of each round's ratio.

    python benchmarks/training_speed.py

With `--updates N` a run-step is an environment step and N updates, Stable-Baselines3's
`gradient_steps`; JAX's SAC has one only and does not take part.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import click
import numpy as np
from fma_peak import fma_peak

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.agents.registry import AGENTS
from nthrun.environments.registry import ENVIRONMENTS
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

WARM_UP_STEPS = 128
BATCH_SIZE = 32
PEER = "Stable-Baselines3"
BACKENDS = ("eager", "compile")
PEERS = ("stable_baselines3", "jax", "jaxlib")

Contestant = Callable[[int], int]
"""Advances by about that many steps and returns the run-steps done."""


def pack_in_training(
    hidden_dim: int, lanes: int, device: str, backend: str, replay_capacity: int, updates: int = 1
) -> Training:
    """A pack of SAC on Pendulum that trains as long as it is told to and keeps no files."""
    environment = {
        "env_name": "Pendulum-v1",
        "total_timesteps": 10**9,
        "steps_per_episode": 200,
        "eval_interval_timesteps": 10**9,
    }
    parameters = {
        "hidden_dim": hidden_dim,
        "batch_size": BATCH_SIZE,
        "replay_capacity": replay_capacity,
        "updates_per_step": updates,
    }
    agent = {"agent_name": "SAC", "parameters": parameters}
    spec = ExperimentSpec(
        read_agent_spec(Document(agent, {}, ("benchmark",)), AGENTS["SAC"]),
        read_environment_spec(
            Document(environment, {}, ("benchmark",)), ENVIRONMENTS["Pendulum-v1"]
        ),
    )
    runs = [plan_run(spec, index, 0) for index in range(lanes)]
    (pack,) = packs_of_runs(runs, spec.agent.declaration.static_names(), lanes)
    return Training(pack, make_context(spec, backend, device))


def nthrun_contestant(hidden_dim: int, lanes: int, backend: str, updates: int = 1) -> Contestant:
    """A pack of nthrun, advanced block by block."""
    training = pack_in_training(hidden_dim, lanes, "cpu", backend, 100_000, updates)
    return advancing(training, lanes, BLOCK_STEPS // updates)


def advancing(training: Training, lanes: int, block: int = BLOCK_STEPS) -> Contestant:
    """A pack in training, advanced block by block."""

    def advance(num_steps: int) -> int:
        blocks = max(1, num_steps // block)
        for _ in range(blocks):
            training.train_block(training.step + block)
        return blocks * block * lanes

    return advance


def jax_contestant(hidden_dim: int, lanes: int) -> Contestant:
    """A pack of `jax_sac`, advanced block by block."""
    jax_sac = importlib.import_module("jax_sac")
    pack = jax_sac.Pack(lanes, hidden_dim)

    def advance(num_steps: int) -> int:
        blocks = max(1, num_steps // jax_sac.BLOCK_STEPS)
        for _ in range(blocks):
            pack.train_block()
        return blocks * jax_sac.BLOCK_STEPS * lanes

    return advance


def stable_baselines3_contestant(hidden_dim: int, updates: int = 1) -> Contestant:
    """Stable-Baselines3's SAC with the same settings."""
    from stable_baselines3 import SAC  # noqa: PLC0415 - only this contestant needs it

    model = SAC(
        "MlpPolicy",
        "Pendulum-v1",
        batch_size=BATCH_SIZE,
        learning_starts=1,
        train_freq=1,
        gradient_steps=updates,
        buffer_size=100_000,
        policy_kwargs={"net_arch": [hidden_dim, hidden_dim]},
        device="cpu",
        seed=0,
    )

    def advance(num_steps: int) -> int:
        model.learn(num_steps, reset_num_timesteps=False)
        return num_steps

    return advance


def measure(
    contestants: dict[str, Contestant], rounds: int, warm_up_steps: int = WARM_UP_STEPS
) -> dict[str, list[float]]:
    """Run-steps per CPU-second of each contestant in each round, about a second a turn."""
    steps = {}
    for name, advance in contestants.items():
        advance(warm_up_steps)
        started = time.process_time()
        done = advance(warm_up_steps)
        steps[name] = int(warm_up_steps / (time.process_time() - started)) or done
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, advance in contestants.items():
            started = time.process_time()
            done = advance(steps[name])
            speeds[name].append(done / (time.process_time() - started))
    return speeds


def fma_per_run_step(hidden_dim: int) -> int:
    """Multiply-adds of the matrix products of one update.

    Per row of the batch and weight: the actor's products are two forward, one for weights and one
    backward; those of each of two critics three forward, one for weights and two backward. First
    layers go backward only to the action, in the actor's update.
    """
    actor = (3 + hidden_dim + 2) * hidden_dim
    critic = (4 + hidden_dim + 1) * hidden_dim
    not_backward = (3 + 2 * 4 + 2 * 3) * hidden_dim
    return BATCH_SIZE * (4 * actor + 2 * 6 * critic - not_backward)


def why_no_jax() -> str:
    """Why JAX does not take part; "" if it does."""
    try:
        importlib.import_module("jax_sac")
    except ImportError as error:
        return str(error)
    return ""


def installed(packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of those packages that are there."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@click.command()
@click.option("--rounds", default=9, show_default=True, help="Turns of each contestant.")
@click.option("--hidden", multiple=True, type=int, default=(64, 256), show_default=True)
@click.option("--lanes", multiple=True, type=int, default=(1, 8, 32), show_default=True)
@click.option("--updates", default=1, show_default=True, help="After every environment step.")
def main(rounds: int, hidden: tuple[int, ...], lanes: tuple[int, ...], updates: int) -> None:
    """Print one table a network width."""
    prepare_torch(1)
    peak = max(fma_peak() for _ in range(5))
    missing = why_no_jax() if updates == 1 else "it has one update a step"
    click.echo(f"{cpu_model()}, one thread, {rounds} rounds")
    click.echo(", ".join(f"{k} {v}" for k, v in (versions() | installed(PEERS)).items()))
    click.echo(f"peak of one core, measured: {peak / 1e9:.1f}e9 float32 FMA per CPU-second")
    if missing:
        click.echo(f"JAX is left out: {missing}")
    for width in hidden:
        contestants = {PEER: stable_baselines3_contestant(width, updates)}
        for backend in BACKENDS:
            for count in lanes:
                name = f"nthrun, {backend}, pack of {count}"
                contestants[name] = nthrun_contestant(width, count, backend, updates)
        for count in () if missing else lanes:
            contestants[f"JAX, pack of {count}"] = jax_contestant(width, count)
        speeds = measure(contestants, rounds, max(1, WARM_UP_STEPS // updates))
        click.echo(f"\nhidden layers {width}x{width}: run-steps per CPU-second (median), ratio to")
        click.echo(f"{PEER}, share of the peak FMA rate spent in matrix products")
        for name, values in speeds.items():
            speed = statistics.median(values)
            ratio = statistics.median(np.array(values) / np.array(speeds[PEER]))
            share = speed * updates * fma_per_run_step(width) / peak
            click.echo(f"  {name:<28} {speed:8.0f} {ratio:8.2f}x {share:7.1%}")


if __name__ == "__main__":
    main()
