"""Training a pack: what is missing of it is trained and recorded. Any process may do it."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nthrun.errors import NotReplayedError, NthrunError, described
from nthrun.planning.packs import Pack, PlannedRun, packs_of_runs, plan_run
from nthrun.records.durable_file import modified
from nthrun.records.inventory import Inventory
from nthrun.records.schema import Run
from nthrun.specs.user_class import raised_by
from nthrun.training.checkpoint_index import (
    CheckpointFile,
    abandon_checkpoints,
    drop_checkpoints,
    find_checkpoints,
)
from nthrun.training.context import TrainingContext
from nthrun.training.lanes import Lanes
from nthrun.training.loop import Training
from nthrun.training.progress import Began
from nthrun.training.provenance import provenance
from nthrun.training.requests import PackRequest

Checkpoints = Mapping[int, CheckpointFile]
"""Index -> its newest checkpoint, where there is one."""


def train_pack(
    indices: Sequence[int],
    context: TrainingContext,
    request: PackRequest,
    inventory: Inventory | None = None,
) -> Inventory:
    """Train and record the indices of a pack that are still missing.

    What other processes have recorded meanwhile is left out, and runs whose checkpoints stand at
    different steps are trained one step after the other.

    Args:
        indices: of equal static hyperparameters, as many as may train together.
        context: what they are trained in; it has an experiment.
        request: what is asked of them.
        inventory: what this process last knew to be recorded; None where it knows nothing.

    Returns:
        what is recorded now, for the next pack.

    Raises:
        NthrunError: a full disk, or an interruption.
    """
    experiment = context.experiment
    assert experiment is not None
    inventory = experiment.inventory(earlier=inventory)
    missing = request.missing(indices, inventory)
    spec = request.know(missing)
    planned = [plan_run(spec, index, request.stage) for index in missing]
    checkpoints = _checkpoints(planned, context)
    runs = [replace(run, start_step=_step(checkpoints.get(run.index))) for run in planned]
    for pack in packs_of_runs(runs, spec.agent.declaration.static_names(), len(indices)):
        lanes = tuple(run.index for run in pack.runs)
        context.report(Began(lanes, pack.start_step * len(lanes)))
        records = trained(pack, context, checkpoints)
        inventory = _record(records, context, request, inventory)
        for record in records:
            context.report(request.announce(record))
    return inventory


def _checkpoints(runs: Sequence[PlannedRun], context: TrainingContext) -> Checkpoints:
    """The newest usable checkpoints; why others cannot be used is noted."""
    checkpoints, refused = _found(runs, context)
    for line in refused:
        context.note(line)
    return checkpoints


def _found(runs: Sequence[PlannedRun], context: TrainingContext) -> tuple[Checkpoints, list[str]]:
    """The newest usable checkpoints of runs of one stage, and why others cannot be used."""
    if context.experiment is None or not runs:
        return {}, []
    indices = [run.index for run in runs]
    parents = context.parents.of([run.setting for run in runs])
    directory = context.experiment.checkpoints
    starts = dict(zip(indices, parents, strict=True))
    return find_checkpoints(directory, runs[0].stage, indices, context.facts(), starts)


def _step(checkpoint: CheckpointFile | None) -> int:
    """The step a checkpoint stands at; 0 without one."""
    return 0 if checkpoint is None else checkpoint.step


def trained(pack: Pack, context: TrainingContext, checkpoints: Checkpoints) -> list[Run]:
    """The records of a pack, from step 0 where an environment does not get where it was.

    If an exception ends the pack, each run is tried alone, so that a run fails only by itself.
    Whatever an agent or an environment raises is such an exception, one that would end a process
    or speak of a disk too: what is written here raises errors of its own.

    Raises:
        NthrunError: the file system failed, or a signal came.
    """
    training: Training | None = None
    try:
        training = Training(pack, context, checkpoints)
        return training.run()
    except NotReplayedError as error:
        if not pack.start_step:
            raise
        context.note(f"{error.message}; its runs start from step 0")
        return trained(_from_the_start(pack, context), context, {})
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, NthrunError) and not raised_by(error, context.setup.programs):
            raise
        if len(pack.runs) > 1:
            return [record for run in pack.runs for record in _trained_alone(run, pack, context)]
        if training is not None:
            return training.failed(_reason(error))
        return _not_begun(pack, context, _reason(error))


def _from_the_start(pack: Pack, context: TrainingContext) -> Pack:
    """A pack whose runs start at step 0; their checkpoints are made unusable."""
    assert context.experiment is not None
    directory = context.experiment.checkpoints
    abandon_checkpoints(directory, pack.stage, [run.index for run in pack.runs])
    return Pack(tuple(replace(run, start_step=0) for run in pack.runs), pack.statics)


def _trained_alone(run: PlannedRun, pack: Pack, context: TrainingContext) -> list[Run]:
    """The record of one run of a pack, from where its newest checkpoint stands by now."""
    checkpoints, _ = _found([run], context)
    alone = replace(run, start_step=_step(checkpoints.get(run.index)))
    return trained(Pack((alone,), pack.statics), context, checkpoints)


def _not_begun(pack: Pack, context: TrainingContext, reason: str) -> list[Run]:
    """The records of a pack whose training could not even begin."""
    lanes = Lanes(pack)
    lanes.begin(pack.start_step)
    made = provenance(context.setup, len(lanes))
    return lanes.records(
        context.spec.environment, made, [{} for _ in pack.runs], lanes.outcomes(reason)
    )


def _reason(error: BaseException) -> str:
    """An exception and where it was raised, in one line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = described(error)
    return f"{text} ({frame.name}, line {frame.lineno} of {Path(frame.filename).name})"


def _record(
    runs: Sequence[Run], context: TrainingContext, request: PackRequest, inventory: Inventory
) -> Inventory:
    """Write the records of a pack, and drop the checkpoints that nothing needs any more.

    Returns:
        what is recorded then.

    Raises:
        StorageError: they could not be written.
    """
    experiment = context.experiment
    assert experiment is not None
    context.before_writing()
    experiment.write(
        request.stage,
        runs,
        replace=request.overwrite,
        before_naming=context.before_writing,
        earlier=inventory,
    )
    inventory = experiment.inventory(earlier=inventory)
    records = inventory.entries

    def written(index: int) -> float:
        """When the newest record of an index was written."""
        times = (modified(record.path) for record in records.get((request.stage, index), ()))
        return max(times, default=-1)

    drop_checkpoints(experiment.checkpoints, request.stage, written)
    return inventory
