"""How long a pack takes to start, when nothing is recorded yet and after thousands of packs.

python benchmarks/pack_start.py [--packs 10000]

A pack starts with a look at what is recorded and at the checkpoints, which ends where training
begins. One process trains one-run packs, and in between another process is imitated, which records
all but the last of them.
"""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.commands.scoreboard import recorded_news
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.planning.machine import cpu_model
from nthrun.planning.packs import plan_run
from nthrun.records.data import open_directory
from nthrun.records.experiment import Experiment, Manifest, create_experiment
from nthrun.records.inventory import Inventory
from nthrun.records.schema import Run
from nthrun.records.shard import ShardHeader, new_shard_id, write_shard
from nthrun.specs.fingerprint import fingerprint
from nthrun.training.context import TrainingContext, make_context
from nthrun.training.pack_training import train_pack
from nthrun.training.progress import Began, News
from nthrun.training.requests import PackRequest

ENVIRONMENT = {
    "env_name": "Pendulum-v1",
    "total_timesteps": 10,
    "steps_per_episode": 10,
    "eval_interval_timesteps": 10,
    "eval_episodes": 0,
}
STARTS = 9
"""Packs of which the one that waited least for other processes is told."""


def make_experiment(root: Path, spec: ExperimentSpec) -> Experiment:
    """A new experiment, trained operation by operation on the CPU."""
    agent, environment = spec.agent.as_document(), spec.environment.as_document()
    name = fingerprint(agent, environment)
    num_settings = spec.sweep.num_settings
    return create_experiment(
        root, Manifest(name, num_settings, agent, environment, "cpu", "eager", 1)
    )


class Starts:
    """Trains packs of one run each and takes the time until each begins."""

    def __init__(self, context: TrainingContext) -> None:
        self._context = replace(context, report=self._report)
        self._request = PackRequest(
            0, False, False, lambda _: context.spec, lambda run: recorded_news(context.spec, run)
        )
        self._began = 0.0
        self.inventory: Inventory | None = None

    def milliseconds(self, indices: Sequence[int]) -> float:
        """The least over the packs of some indices."""
        taken = []
        for index in indices:
            started = time.perf_counter()
            self.inventory = train_pack([index], self._context, self._request, self.inventory)
            taken.append(1000 * (self._began - started))
        return min(taken)

    def _report(self, news: News) -> None:
        if isinstance(news, Began):
            self._began = time.perf_counter()


def record(experiment: Experiment, spec: ExperimentSpec, index: int, like: Run) -> None:
    """Record an index as another process would, with the numbers of another run."""
    planned = plan_run(spec, index, 0)
    run = Run(like | {"index": index, "run_number": planned.run_number})
    run["random_seed"] = planned.random_seed
    header = ShardHeader(new_shard_id(), experiment.manifest.fingerprint, 0, replaces={})
    write_shard(experiment.runs, header, experiment.specs, [run])


@click.command()
@click.option("--packs", default=10_000, show_default=True, help="One-run packs before the last.")
def main(packs: int) -> None:
    """Print milliseconds before the first packs and before the last ones."""
    spec = experiment_spec_of(ENVIRONMENT, {"agent_name": "random", "parameters": {}}, "benchmark")
    click.echo(f"{cpu_model()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        experiment = make_experiment(Path(folder) / "experiment", spec)
        starts = Starts(replace(make_context(spec), experiment=experiment))
        starts.milliseconds([0])
        first = starts.milliseconds(range(1, 1 + STARTS))
        like = open_directory(experiment).entries[0].load(())
        for index in range(1 + STARTS, packs):
            record(experiment, spec, index, like)
        starts.milliseconds([packs])
        last = starts.milliseconds(range(packs + 1, packs + 1 + STARTS))
    click.echo(f"  before each of the first packs  {first:8.2f} ms")
    click.echo(f"  after {packs:>9,} packs            {last:8.2f} ms")
    click.echo(f"  difference                      {last - first:8.2f} ms")


if __name__ == "__main__":
    main()
