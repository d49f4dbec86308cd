"""Combining speed: wall seconds and peak memory of simple_combine.py on many shards.

Shards are synthetic: one run of a small SAC each, 250 episodes, about 23,000 learned numbers. Every
measurement is the real command in a process of its own, start included.

    python benchmarks/combine_speed.py
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.index import random_seed
from nthrun.records.experiment import Experiment, Manifest, create_experiment
from nthrun.records.schema import Run
from nthrun.records.shard import ShardHeader, new_shard_id, write_shard
from nthrun.specs.fingerprint import fingerprint

SCRIPT = Path(__file__).resolve().parents[1] / "simple_combine.py"
NUM_SETTINGS = 100
NUM_EPISODES = 250
STEPS_PER_EPISODE = 200
EVAL_INTERVAL = 5000
ACTOR = {"weight1": (3, 64), "bias1": (64,), "weight2": (64, 64), "bias2": (64,)}
ACTOR |= {"weight3": (64, 2), "bias3": (2,)}
CRITIC = ACTOR | {"weight1": (4, 64), "weight3": (64, 1), "bias3": (1,)}
LEARNED_PARAMS: dict[str, tuple[int, ...]] = {
    **{f"actor.{name}": shape for name, shape in ACTOR.items()},
    **{f"critic.{name}": (2, *shape) for name, shape in CRITIC.items()},
    **{f"target_critic.{name}": (2, *shape) for name, shape in CRITIC.items()},
    "log_alpha": (1,),
}


def synthetic_run(index: int, generator: np.random.Generator) -> Run:
    """A record of the size and shape of a finished Pendulum run."""
    run_number, setting_number = divmod(index, NUM_SETTINGS)
    num_evals = NUM_EPISODES * STEPS_PER_EPISODE // EVAL_INTERVAL + 1
    return Run(
        index=index,
        setting_number=setting_number,
        run_number=run_number,
        random_seed=random_seed(0, run_number),
        stage=0,
        status="completed",
        reason="",
        total_timesteps=NUM_EPISODES * STEPS_PER_EPISODE,
        eval_interval_timesteps=EVAL_INTERVAL,
        episodes_per_eval=10,
        total_train_episodes=NUM_EPISODES,
        train_time=float(generator.uniform(10, 20)),
        eval_time=float(generator.uniform(1, 2)),
        agent_params={"critic_lr": 1e-4 * (setting_number + 1), "hidden_dim": 64},
        eval_episode_rewards=generator.normal(-200, 50, (num_evals, 10)),
        eval_episode_steps=np.full((num_evals, 10), STEPS_PER_EPISODE, np.int64),
        timesteps_at_eval=np.arange(num_evals, dtype=np.int64) * EVAL_INTERVAL,
        train_episode_rewards=generator.normal(-200, 50, NUM_EPISODES),
        train_episode_steps=np.full(NUM_EPISODES, STEPS_PER_EPISODE, np.int64),
        learned_params={
            name: generator.normal(size=shape).astype(np.float32)
            for name, shape in LEARNED_PARAMS.items()
        },
        provenance={"host": "node", "cpu": "none", "pack_width": 1, "attempts": [{"step": 0}]},
    )


def make_shards(root: Path, num_shards: int, width: int) -> Experiment:
    """An experiment of `num_shards` shards of `width` runs each."""
    parameters = {
        "critic_lr": [1e-4 * (n + 1) for n in range(NUM_SETTINGS)],
        "hidden_dim": [64],
    }
    agent = {"agent_name": "SAC", "parameters": parameters}
    environment = {"env_name": "Pendulum-v1", "total_timesteps": NUM_EPISODES * STEPS_PER_EPISODE}
    identity = fingerprint(agent, environment)
    manifest = Manifest(identity, NUM_SETTINGS, agent, environment, "cpu", "eager", 1)
    experiment = create_experiment(root, manifest)
    generator = np.random.default_rng(0)
    for first in range(0, num_shards * width, width):
        runs = [synthetic_run(index, generator) for index in range(first, first + width)]
        shard = new_shard_id()
        for run in runs:
            run["provenance"]["shard"] = shard
        write_shard(experiment.runs, ShardHeader(shard, identity, 0), experiment.specs, runs)
    return experiment


def measure(directory: Path, output: Path) -> tuple[float, int, str]:
    """Wall seconds, peak memory in MB and output of one combining."""
    command = [sys.executable, str(SCRIPT), str(directory), str(output)]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"combining failed with exit code {process.returncode}")
    return seconds, usage.ru_maxrss // 1024, said.strip()


def machine() -> str:
    """Processor, cores and versions, in one line."""
    names = [line.partition(":")[2] for line in _cpu_lines() if line.startswith("model name")]
    processor = names[0].strip() if names else platform.machine()
    return (
        f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"h5py {h5py.__version__}"
    )


def _cpu_lines() -> Iterator[str]:
    try:
        yield from Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return


@click.command()
@click.option("--shards", default=10_000, show_default=True, help="How many files.")
@click.option("--width", default=1, show_default=True, help="Runs in each.")
def main(shards: int, width: int) -> None:
    """Print seconds and peak memory of a first and a second, unchanged, combining."""
    with tempfile.TemporaryDirectory() as temporary:
        started = time.perf_counter()
        directory = make_shards(Path(temporary) / "experiment", shards, width).root
        seconds = time.perf_counter() - started
        click.echo(f"{machine()}\n{shards} shards of {width} runs, made in {seconds:.0f} s\n")
        click.echo("output      combining     seconds   peak MB   file MB")
        for name in ("data.json", "data.h5"):
            for turn in ("first", "unchanged"):
                seconds, peak, said = measure(directory, directory / name)
                assert ("(unchanged)" in said) == (turn == "unchanged")
                size = (directory / name).stat().st_size / 2**20
                click.echo(f"{name:<10}  {turn:<10} {seconds:10.1f} {peak:9d} {size:9.0f}")


if __name__ == "__main__":
    main()
