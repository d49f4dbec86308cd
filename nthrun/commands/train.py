"""Training from the command line: what is missing, in packs, each recorded when it ends."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nthrun.commands.opening import open_for, surroundings
from nthrun.errors import NthrunError, RunFailedError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import DEFAULT_WIDTH, Pack, plan_groups, plan_packs, plan_run
from nthrun.records.experiment import Experiment
from nthrun.records.schema import Run
from nthrun.records.sealed import storage_error
from nthrun.specs.indices import format_indices
from nthrun.training.loop import Training
from nthrun.training.monitor import Monitor
from nthrun.training.progress import TrainingProgress
from nthrun.training.provenance import attempt, provenance
from nthrun.training.recorder import LaneRecorder
from nthrun.training.resuming import CheckpointFile, drop_checkpoints, find_checkpoints
from nthrun.training.surroundings import Surroundings

if TYPE_CHECKING:
    from nthrun.commands.run import Request


def train(spec: ExperimentSpec, request: Request) -> int:
    """Train every index asked for that is not recorded yet.

    Returns:
        0.

    Raises:
        RunFailedError: a run failed, now or before.
        NthrunError: bad input, a full disk, or an interruption.
    """
    experiment = open_for(spec, request)
    missing, failed = _missing(experiment, request)
    if missing:
        around = surroundings(spec, experiment)
        around.stop.install()
        if request.monitor_after is not None:
            around.on_step = Monitor(spec.environment, request.monitor_after).show
        failed += _train_missing(spec, request, around, missing)
    if failed:
        raise RunFailedError(
            f"failed: index {format_indices(failed)}",
            "their records hold the reason; --retry-failed runs them again",
        )
    return 0


def _missing(experiment: Experiment, request: Request) -> tuple[list[int], list[int]]:
    """The indices to train, and those skipped because they failed before."""
    inventory = experiment.inventory()
    for path, problem in inventory.unreadable:
        _note(f"{path}: {problem}; not counted as recorded")
    if request.overwrite:
        return list(request.indices), []
    missing = inventory.missing(request.indices, request.stage, request.retry_failed)
    statuses = inventory.statuses(request.stage)
    skipped: dict[str, list[int]] = {}
    for index in sorted(set(request.indices).difference(missing)):
        skipped.setdefault(statuses[index], []).append(index)
    for status, indices in skipped.items():
        option = "--retry-failed" if status == "failed" else "--overwrite"
        names = format_indices(indices)
        _note(f"index {names}: recorded as {status}, skipped; {option} runs them again")
    return missing, skipped.get("failed", [])


def _train_missing(
    spec: ExperimentSpec, request: Request, around: Surroundings, missing: list[int]
) -> list[int]:
    """Train and record indices, a group at a time; returns those that failed.

    Before each group it is looked up anew what other processes have recorded meanwhile and
    where checkpoints stand.
    """
    failed: list[int] = []
    names = spec.agent.declaration.static_names()
    width = request.pack or DEFAULT_WIDTH
    with TrainingProgress(len(missing) * spec.environment.total_timesteps) as progress:
        around.on_block = progress.advance
        for group in plan_groups(spec, missing, width):
            resume = _still_missing(request, around, group)
            runs = (plan_run(spec, i, request.stage, found_step(resume[i])) for i in resume)
            for pack in plan_packs(runs, names, width):
                progress.describe(f"index {format_indices(run.index for run in pack.runs)}")
                progress.skip(pack.start_step * len(pack.runs))
                for run in _train_and_record(pack, around, resume, request):
                    progress.say(_summary(run))
                    failed += [run["index"]] if run["status"] == "failed" else []
    return failed


def found_step(checkpoint: CheckpointFile | None) -> int:
    """The step a checkpoint stands at; 0 without one."""
    return 0 if checkpoint is None else checkpoint.step


def _still_missing(
    request: Request, around: Surroundings, group: list[int]
) -> dict[int, CheckpointFile | None]:
    """Index -> its newest checkpoint, for those of a group that are not recorded by now."""
    experiment = around.experiment
    assert experiment is not None
    if not request.overwrite:
        group = experiment.inventory().missing(group, request.stage, request.retry_failed)
    found, refused = find_checkpoints(experiment.checkpoints, request.stage, group, around.facts())
    for line in refused:
        _note(line)
    return {index: found.get(index) for index in group}


def _train_and_record(
    pack: Pack,
    around: Surroundings,
    resume: dict[int, CheckpointFile | None],
    request: Request,
) -> list[Run]:
    experiment = around.experiment
    assert experiment is not None
    runs = list(_train(pack, around, resume))
    experiment.write(request.stage, runs, replace=request.overwrite)
    written = {
        index: max(_modified(entry.path) for entry in entries)
        for (stage, index), entries in experiment.inventory().entries.items()
        if stage == request.stage
    }
    drop_checkpoints(experiment.checkpoints, request.stage, written)
    return runs


def _train(
    pack: Pack, around: Surroundings, resume: dict[int, CheckpointFile | None]
) -> Iterator[Run]:
    """The records of a pack. If an exception ends it, each run is tried alone, so that a run
    fails only by itself.

    Raises:
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
                yield from _train(Pack((run,), pack.statics), around, resume)
        elif training is None:
            yield _not_started(pack, around, _reason(error))
        else:
            yield from training.failed(_reason(error))


def _not_started(pack: Pack, around: Surroundings, reason: str) -> Run:
    """The record of a pack of one whose training could not even begin."""
    made = provenance(around.device, around.backend, around.threads, pack_width=1)
    extra = {
        "status": "failed",
        "reason": reason,
        "learned_params": {},
        "train_time": 0.0,
        "eval_time": 0.0,
        "provenance": made | {"attempts": [attempt(pack.start_step)]},
    }
    return LaneRecorder().record(pack.runs[0], around.spec.environment, extra)


def _reason(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{text} ({place.name}, line {place.lineno} of {Path(place.filename).name})"


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _summary(run: Run) -> str:
    text = f"index {run['index']}: {run['status']}, {run['total_timesteps']} steps"
    if run["reason"]:
        return f"{text}, {run['reason']}"
    last = run["train_episode_rewards"][-10:]
    if last.size:
        text += f", mean return of the last {last.size} episodes {np.mean(last):.1f}"
    return text


def _note(line: str) -> None:
    print(f"note: {line}", file=sys.stderr)
