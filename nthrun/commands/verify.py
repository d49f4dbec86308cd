"""`--verify`: run recorded indices again and compare every bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nthrun.commands.train import surroundings
from nthrun.errors import IndexSpecError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import DEFAULT_WIDTH, plan_packs, plan_run
from nthrun.records.data import open_directory
from nthrun.records.experiment import open_experiment, require_fingerprint
from nthrun.records.schema import Run, first_difference
from nthrun.specs.indices import format_indices
from nthrun.training.loop import Training
from nthrun.training.progress import TrainingProgress
from nthrun.training.provenance import comparable

if TYPE_CHECKING:
    from nthrun.commands.run import Request

EQUAL, DIFFERS, NOT_COMPARABLE = 0, 1, 3


def verify(spec: ExperimentSpec, request: Request) -> int:
    """Run every index asked for again and say whether its record is reproduced.

    Returns:
        0 if all are equal, 1 if any differs, else 3 if any was made on another kind of machine
        or with other versions, whose bits may rightly differ.

    Raises:
        IndexSpecError: an index is not recorded.
    """
    experiment = open_experiment(spec.directory(request.save_dir))
    require_fingerprint(experiment, spec.agent.as_document(), spec.environment.as_document())
    recorded: dict[int, list[Run]] = {}
    data = open_directory(experiment)
    for entry in data.entries:
        index = spec.sweep.index(entry.identity.setting_number, entry.identity.run_number)
        if entry.identity.stage == request.stage and index in set(request.indices):
            run = entry.load(())
            if run["status"] != "failed":
                recorded.setdefault(index, []).append(run)
    if absent := set(request.indices).difference(recorded):
        raise IndexSpecError(
            f"index {format_indices(absent)}: not recorded in {experiment.root}, nothing to verify"
        )
    around = surroundings(spec, experiment, keep=False)
    here = comparable(around.device, around.backend, around.threads)
    codes = {EQUAL}
    fit = [i for i in request.indices if _is_comparable(i, recorded[i], here, codes)]
    runs = [plan_run(spec, index, request.stage) for index in fit]
    names = spec.agent.declaration.static_names()
    with TrainingProgress(len(runs) * spec.environment.total_timesteps) as progress:
        around.on_block = progress.advance
        around.stop.install()
        for pack in plan_packs(runs, names, request.pack or DEFAULT_WIDTH):
            for again in Training(pack, around).run():
                key = _difference(again, recorded[again["index"]])
                codes.add(DIFFERS if key else EQUAL)
                said = f"differs, first in {key}" if key else "equal"
                progress.say(f"index {again['index']}: {said}")
    return DIFFERS if DIFFERS in codes else max(codes)


def _is_comparable(index: int, runs: list[Run], here: dict[str, object], codes: set[int]) -> bool:
    made = runs[0]["provenance"]
    different = [name for name, value in here.items() if made.get(name) != value]
    if different:
        codes.add(NOT_COMPARABLE)
        click.echo(f"index {index}: not comparable, made with other {', '.join(different)}")
    return not different


def _difference(again: Run, recorded: list[Run]) -> str | None:
    """The first key in which any record of a run differs from running it again."""
    keys = (first_difference(run, again) for run in recorded)
    return next((key for key in keys if key is not None), None)
