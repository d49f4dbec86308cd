"""Attempts at packs that are interrupted and continued, in this process."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import packs_of_runs, plan_run
from nthrun.records.experiment import Experiment, Manifest, create_experiment
from nthrun.records.schema import Run
from nthrun.specs.fingerprint import fingerprint
from nthrun.training.checkpoint_index import find_checkpoints
from nthrun.training.context import TrainingContext, make_context
from nthrun.training.loop import Training
from nthrun.training.progress import Advanced, News
from nthrun.training.stopping import StopRequest


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


def stopped_at(context: TrainingContext, step: int) -> TrainingContext:
    """A context in which a pack's training stops at the end of the block that reaches `step`
    run-steps."""
    done = 0
    stop = StopRequest()

    def report(news: News) -> None:
        nonlocal done
        context.report(news)
        if isinstance(news, Advanced):
            done += news.run_steps
            if done >= step:
                stop.signal_number = signal.SIGTERM

    return replace(context, stop=stop, report=report)


def attempt(
    spec: ExperimentSpec,
    experiment: Experiment,
    indices: list[int],
    stop_after: int | None,
    backend: str = "eager",
) -> list[Run]:
    """One process's attempt at some indices, packed anew from what checkpoints there are."""
    context = replace(
        make_context(spec, backend), experiment=experiment, root=experiment.root.parent
    )
    found, refused = find_checkpoints(experiment.checkpoints, 0, indices, context.facts())
    assert not refused
    runs = [plan_run(spec, i, 0, found[i].step if i in found else 0) for i in indices]
    records: list[Run] = []
    for pack in packs_of_runs(runs, spec.agent.declaration.static_names(), 8):
        here = context
        if stop_after is not None:
            here = stopped_at(context, stop_after * len(pack.runs))
        records += Training(pack, here, found).run()
    return records
