"""An experiment of 100,000 records: what each command on all of them costs.

Records are synthetic: a linear agent's (101 learned numbers, 10 hyperparameters), 100 training
episodes and 11 evaluations of 10 episodes each, with a provenance of about 1,000 characters that
the runs of a shard share. Every measurement is the real command, or reading in Python as a user
would, in a process of its own, start included. Where others use the machine too, CPU seconds tell
more than wall seconds.

    python benchmarks/scale_speed.py
    python benchmarks/scale_speed.py --width 1 --records 10000
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from combine_speed import machine

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.index import random_seed
from nthrun.records.experiment import Experiment, Manifest, create_experiment
from nthrun.records.inventory import CACHE_NAME
from nthrun.records.schema import Run
from nthrun.records.shard import ShardHeader, new_shard_id, write_shard
from nthrun.specs.fingerprint import fingerprint

ROOT = Path(__file__).resolve().parents[1]
NUM_SETTINGS = 1000
NUM_EPISODES = 100
STEPS_PER_EPISODE = 200
TOTAL_STEPS = NUM_EPISODES * STEPS_PER_EPISODE
NUM_EVALS, EVAL_EPISODES = 11, 10
NUM_FEATURES = 50
RESAMPLES = 10_000
EXPERIMENT = "Pendulum-v1_linearAC_Gaussian"
PARAMETERS: dict[str, list[Any]] = {
    "critic_lr": [0.001 * 2**n for n in range(10)],
    "actor_lr": [0.0001 * 2**n for n in range(10)],
    "avg_reward_lr": [0.0, 0.01, 0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99],
    **{"decay": [0.5], "scaled": [True], "clip_stddev": [1000.0], "num_tilings": [8]},
    **{"num_bins": [4], "tiling": ["pairs"], "bias": [True]},
}
READ_SCORES = """
import sys
from nthrun.analysis.scores import read_scores
from nthrun.records import open_data
print(len(read_scores(open_data(sys.argv[1])).values))
"""
READ_TABLE = """
import sys
from nthrun.records import open_data, table
print(len(table(open_data(sys.argv[1]))["index"]))
"""


def hyperparameters(setting_number: int) -> dict[str, Any]:
    """Those of a setting, the first key varying fastest."""
    found = {}
    for name, values in PARAMETERS.items():
        setting_number, place = divmod(setting_number, len(values))
        found[name] = values[place]
    return found


def synthetic_run(index: int, generator: np.random.Generator, made: dict[str, Any]) -> Run:
    """A record of the size and shape of a finished run of a linear agent."""
    run_number, setting_number = divmod(index, NUM_SETTINGS)
    sizes = {"actor.mean": NUM_FEATURES, "critic.weight": NUM_FEATURES, "avg_reward": 1}
    return Run(
        index=index,
        setting_number=setting_number,
        run_number=run_number,
        random_seed=random_seed(0, run_number),
        stage=0,
        status="completed",
        reason="",
        total_timesteps=TOTAL_STEPS,
        eval_interval_timesteps=TOTAL_STEPS // (NUM_EVALS - 1),
        episodes_per_eval=EVAL_EPISODES,
        total_train_episodes=NUM_EPISODES,
        train_time=float(generator.uniform(10, 20)),
        eval_time=float(generator.uniform(1, 2)),
        agent_params=hyperparameters(setting_number),
        eval_episode_rewards=generator.normal(-200, 50, (NUM_EVALS, EVAL_EPISODES)),
        eval_episode_steps=np.full((NUM_EVALS, EVAL_EPISODES), STEPS_PER_EPISODE, np.int64),
        timesteps_at_eval=np.arange(NUM_EVALS) * (TOTAL_STEPS // (NUM_EVALS - 1)),
        train_episode_rewards=generator.normal(-200 - setting_number / 10, 50, NUM_EPISODES),
        train_episode_steps=np.full(NUM_EPISODES, STEPS_PER_EPISODE, np.int64),
        learned_params={
            name: generator.normal(size=size).astype(np.float32) for name, size in sizes.items()
        },
        provenance=dict(made),
    )


def make_shards(root: Path, num_records: int, width: int) -> Experiment:
    """An experiment of so many records, `width` in each shard."""
    agent = {"agent_name": "linearAC", "parameters": PARAMETERS}
    environment = {"env_name": "Pendulum-v1", "total_timesteps": TOTAL_STEPS}
    identity = fingerprint(agent, environment)
    manifest = Manifest(identity, NUM_SETTINGS, agent, environment, "cpu", "compile", 1)
    experiment = create_experiment(root, manifest)
    generator = np.random.default_rng(0)
    for first in range(0, num_records, width):
        shard = new_shard_id()
        made = _provenance(first, width) | {"shard": shard}
        indices = range(first, min(first + width, num_records))
        runs = [synthetic_run(index, generator, made) for index in indices]
        write_shard(experiment.runs, ShardHeader(shard, identity, 0), experiment.specs, runs)
    return experiment


def _provenance(first: int, width: int) -> dict[str, Any]:
    words = {f"package_{n}": f"1.{n}.0" for n in range(8)}
    slurm = {"SLURM_JOB_ID": str(10**7 + first), "SLURM_ARRAY_TASK_ID": str(first // width)}
    attempt = {"step": 0, "started": "2025-01-01T00:00:00+00:00", "host": "node", "slurm": slurm}
    return {
        **{"host": "node", "cpu": "a processor", "pack_width": width, "versions": words},
        **{"git_commit": "0" * 40, "git_diff": "", "code": "1" * 64, "peak_memory_mb": 300},
        **{"command_line": ["main.py", "--index", "x" * 400], "attempts": [attempt]},
    }


class Cost(NamedTuple):
    """What a command took."""

    seconds: float
    cpu_seconds: float
    peak_mb: int


def measure(command: Sequence[str]) -> Cost:
    """What a command takes.

    Raises:
        ClickException: it fails.
    """
    started = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"{' '.join(command)}: exit code {process.returncode}")
    seconds = time.perf_counter() - started
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024)


def measurements(experiment: Experiment) -> Iterator[tuple[str, Cost]]:
    """Everything, in the order a user comes to it."""
    python, data = sys.executable, str(experiment.root / "data.h5")
    status = [python, str(ROOT / "schedule.py"), "--status", str(experiment.root.parent)]
    (experiment.runs / CACHE_NAME).unlink(missing_ok=True)
    yield "status, nothing cached", measure(status)
    yield "status, cached", measure(status)
    combine = [python, str(ROOT / "simple_combine.py"), str(experiment.root), data]
    yield "combine to data.h5", measure(combine)
    yield "combine again, unchanged", measure(combine)
    yield "open data.h5, table", measure([python, "-c", READ_TABLE, data])
    yield "open data.h5, scores", measure([python, "-c", READ_SCORES, data])
    best = [python, "-m", "nthrun", "best", data, "--resamples", str(RESAMPLES), "--no-write"]
    yield "best setting of data.h5", measure(best)
    plot = [python, str(ROOT / "utils/plot_sensitivity.py"), data]
    plot += ["--png-dir", str(experiment.root), "--pdf-dir", str(experiment.root)]
    yield "sensitivity of data.h5", measure(plot)
    yield "open the shards, table", measure([python, "-c", READ_TABLE, str(experiment.root)])


@click.command()
@click.option("--records", default=100_000, show_default=True, help="How many.")
@click.option("--width", default=100, show_default=True, help="Records in each shard.")
def main(records: int, width: int) -> None:
    """Print seconds and peak memory of every command on an experiment of many records."""
    with tempfile.TemporaryDirectory() as temporary:
        started = time.perf_counter()
        experiment = make_shards(Path(temporary) / EXPERIMENT, records, width)
        seconds = time.perf_counter() - started
        click.echo(machine())
        click.echo(f"{records} records in shards of {width}, made in {seconds:.0f} s\n")
        click.echo("what                       seconds  CPU seconds   peak MB")
        for what, cost in measurements(experiment):
            numbers = f"{cost.seconds:8.1f} {cost.cpu_seconds:12.1f} {cost.peak_mb:9d}"
            click.echo(f"{what:<25} {numbers}")
        size = (experiment.root / "data.h5").stat().st_size / 2**20
        click.echo(f"\ndata.h5: {size:.0f} MB")


if __name__ == "__main__":
    main()
