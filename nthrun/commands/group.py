"""Training one group of indices: looked up, packed, trained, recorded. Any process may do it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nthrun.commands.scoreboard import score_of, swept
from nthrun.errors import NotReplayedError, NthrunError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import Pack, PlannedRun, packs_of_runs, plan_run
from nthrun.records.durable_file import modified, storage_error
from nthrun.records.experiment import Experiment
from nthrun.records.schema import Run
from nthrun.studies.pruning import pruner_of
from nthrun.studies.study import with_suggested_settings
from nthrun.training.backends import prepare_torch
from nthrun.training.checkpoint_index import (
    CheckpointFile,
    abandon_checkpoints,
    drop_checkpoints,
    find_checkpoints,
)
from nthrun.training.context import TrainingContext
from nthrun.training.loop import Training
from nthrun.training.progress import Advanced, Began, Noted, Recorded, Report
from nthrun.training.provenance import attempt, provenance
from nthrun.training.recording import LaneRecorder
from nthrun.training.source import code_hash, git_state
from nthrun.training.stopping import StopRequest

if TYPE_CHECKING:
    from nthrun.commands.request import Request


def surroundings(
    spec: ExperimentSpec, experiment: Experiment, keep: bool = True
) -> TrainingContext:
    """Where packs of an experiment are trained; `keep` False leaves no files."""
    manifest = experiment.manifest
    prepare_torch(manifest.threads)
    around = TrainingContext(
        spec,
        experiment if keep else None,
        manifest.device,
        manifest.backend,
        manifest.threads,
        StopRequest(),
    )
    git_state(), code_hash(around.place.programs)  # both remember what they find before training
    return around


def train_group(
    group: list[int], around: TrainingContext, request: Request, report: Report
) -> None:
    """Train and record the indices of a group that are still missing.

    It is looked up anew what other processes have recorded meanwhile and where checkpoints stand.

    Args:
        group: indices of equal static hyperparameters, as many as a pack may have.
        around: where; told of each block here.
        request: stage, and which records count.
        report: told what happens.

    Raises:
        NthrunError: a full disk, or an interruption.
    """
    around.on_block = lambda steps, last_return: report(Advanced(steps, last_return))
    around.note = lambda line: report(Noted(line))
    assert around.experiment is not None
    missing = _still_missing(group, around.experiment, request)
    around.spec = with_suggested_settings(around.spec, around.experiment, missing, request.stage)
    resume = _checkpoints(missing, around, request.stage, report)
    pruner = pruner_of(around.spec, around.experiment, request.stage)
    around.hopeless = None if pruner is None else pruner.should_prune
    names = around.spec.agent.declaration.static_names()
    runs = (plan_run(around.spec, i, request.stage, _step(resume[i])) for i in resume)
    for pack in packs_of_runs(runs, names, len(group)):
        indices = tuple(run.index for run in pack.runs)
        report(Began(indices, pack.start_step * len(indices)))
        for run in _train_and_record(pack, around, resume, request):
            search, varying = around.spec.agent.search, around.spec.sweep.varying
            told = _summary(run), score_of(run, search), swept(run, varying)
            report(Recorded(run["index"], run["status"] == "failed", *told))


def _still_missing(group: list[int], experiment: Experiment, request: Request) -> list[int]:
    """Those of a group that are not recorded by now."""
    if request.overwrite:
        return group
    return experiment.inventory().missing(group, request.stage, request.retry_failed)


def _checkpoints(
    indices: list[int], around: TrainingContext, stage: int, report: Report
) -> dict[int, CheckpointFile | None]:
    """Index -> its newest checkpoint."""
    assert around.experiment is not None
    directory = around.experiment.checkpoints
    found, refused = find_checkpoints(directory, stage, indices, around.facts())
    for line in refused:
        report(Noted(line))
    return {index: found.get(index) for index in indices}


def _step(checkpoint: CheckpointFile | None) -> int:
    """The step a checkpoint stands at; 0 without one."""
    return 0 if checkpoint is None else checkpoint.step


def _train_and_record(
    pack: Pack,
    around: TrainingContext,
    resume: dict[int, CheckpointFile | None],
    request: Request,
) -> list[Run]:
    experiment = around.experiment
    assert experiment is not None
    runs = list(_train(pack, around, resume))
    around.before_writing()
    experiment.write(
        request.stage, runs, replace=request.overwrite, before_naming=around.before_writing
    )
    entries = experiment.inventory().entries

    def written(index: int) -> float:
        return max((modified(e.path) for e in entries.get((request.stage, index), ())), default=-1)

    drop_checkpoints(experiment.checkpoints, request.stage, written)
    return runs


def _train(
    pack: Pack, around: TrainingContext, resume: dict[int, CheckpointFile | None]
) -> Iterator[Run]:
    """The records of a pack, from step 0 where an environment does not get where it was.

    Raises:
        StorageError: the file system failed.
    """
    try:
        yield from _continued(pack, around, resume)
        return
    except NotReplayedError as error:
        around.note(f"{error.message}; its runs start from step 0")
    assert around.experiment is not None
    indices = [run.index for run in pack.runs]
    abandon_checkpoints(around.experiment.checkpoints, pack.stage, indices)
    anew = tuple(replace(run, start_step=0) for run in pack.runs)
    yield from _continued(Pack(anew, pack.statics), around, {})


def _continued(
    pack: Pack, around: TrainingContext, resume: dict[int, CheckpointFile | None]
) -> Iterator[Run]:
    """The records of a pack. If an exception ends it, each run is tried alone, so that a run
    fails only by itself.

    Raises:
        NotReplayedError: an environment does not get where it was.
        StorageError: the file system failed.
    """
    training: Training | None = None
    try:
        training = Training(pack, around, {i: file for i, file in resume.items() if file})
        yield from training.run()
    except (NthrunError, KeyboardInterrupt):
        raise
    except OSError as error:
        place = around.experiment.root if around.experiment else Path()
        raise storage_error(place, error) from error
    except Exception as error:
        if len(pack.runs) > 1:
            for run in pack.runs:
                yield from _train_alone(run, pack.statics, around)
        elif training is None:
            yield _not_started(pack, around, _reason(error))
        else:
            yield from training.failed(_reason(error))


def _train_alone(
    run: PlannedRun, statics: Mapping[str, Any], around: TrainingContext
) -> Iterator[Run]:
    """The record of one run, from where its newest checkpoint stands by now."""
    experiment = around.experiment
    assert experiment is not None
    found, _ = find_checkpoints(experiment.checkpoints, run.stage, [run.index], around.facts())
    step = _step(found.get(run.index))
    yield from _train(Pack((replace(run, start_step=step),), statics), around, dict(found))


def _not_started(pack: Pack, around: TrainingContext, reason: str) -> Run:
    """The record of a pack of one whose training could not even begin."""
    made = provenance(around.place, pack_width=1)
    recorder = LaneRecorder()
    extra = recorder.outcome(reason) | {
        "learned_params": {},
        "train_time": 0.0,
        "eval_time": 0.0,
        "provenance": made | {"attempts": [attempt(pack.start_step)]},
    }
    return recorder.record(pack.runs[0], around.spec.environment, extra)


def _reason(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{text} ({place.name}, line {place.lineno} of {Path(place.filename).name})"


def _summary(run: Run) -> str:
    text = f"index {run['index']}: {run['status']}, {run['total_timesteps']} steps"
    if run["reason"]:
        return f"{text}, {run['reason']}"
    last = run["train_episode_rewards"][-10:]
    if last.size:
        return f"{text}, mean return of the last {last.size} episodes {np.mean(last):.1f}"
    evaluated = run["eval_episode_rewards"][-1:]
    if evaluated.size:
        text += f", mean return of the last evaluation {np.mean(evaluated):.4g}"
    return text
