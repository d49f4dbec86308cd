"""Attempts at packs that are interrupted and continued, in this process."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from packs import surroundings

from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import plan_packs, plan_run
from nthrun.records.experiment import Experiment, Manifest, create_experiment
from nthrun.records.schema import Run
from nthrun.specs.fingerprint import fingerprint
from nthrun.training.checkpoint_index import find_checkpoints
from nthrun.training.context import Surroundings
from nthrun.training.loop import Training


def experiment_in(tmp_path: Path, spec: ExperimentSpec) -> Experiment:
    """An experiment directory for a spec."""
    agent, environment = spec.agent.as_document(), spec.environment.as_document()
    manifest = Manifest(
        fingerprint(agent, environment),
        spec.sweep.num_settings,
        agent,
        environment,
        "cpu",
        "eager",
        1,
    )
    return create_experiment(tmp_path, manifest)


def stopped_at(step: int) -> Callable[[Surroundings], None]:
    """Makes a pack's training stop at the end of the block that reaches `step` steps a lane."""

    def arrange(around: Surroundings) -> None:
        done = 0

        def on_block(run_steps: int, last_return: float) -> None:
            nonlocal done
            done += run_steps
            if done >= step:
                around.stop.signal_number = signal.SIGTERM

        around.on_block = on_block

    return arrange


def attempt(
    spec: ExperimentSpec,
    experiment: Experiment,
    indices: list[int],
    stop_after: int | None,
    backend: str = "eager",
) -> list[Run]:
    """One process's attempt at some indices, packed anew from what checkpoints there are."""
    around = surroundings(spec, backend)
    around.experiment = experiment
    found, refused = find_checkpoints(experiment.checkpoints, 0, indices, around.facts())
    assert not refused
    runs = [plan_run(spec, i, 0, found[i].step if i in found else 0) for i in indices]
    records: list[Run] = []
    for pack in plan_packs(runs, spec.agent.declaration.static_names(), 8):
        if stop_after is not None:
            stopped_at(stop_after * len(pack.runs))(around)
        records += Training(pack, around, found).run()
    return records
