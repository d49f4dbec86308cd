"""Runs of a program: what is missing is run and recorded, one after the other."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nthrun.errors import DataFileError, IndexSpecError
from nthrun.planning.packs import PlannedRun, plan_run
from nthrun.programs.attempt import ProgramAttempt
from nthrun.programs.context import ProgramContext
from nthrun.programs.process import Ending
from nthrun.programs.program_record import learned_arrays, program_record
from nthrun.programs.saved_state import read_state
from nthrun.programs.scratch import Scratch, scratch_of
from nthrun.records.artifacts import ARTIFACTS, Staged, remove_artifacts, stage_artifacts
from nthrun.records.inventory import Inventory
from nthrun.records.schema import OUTPUT, Run
from nthrun.training.requests import PackRequest


def run_programs(
    indices: Sequence[int],
    context: ProgramContext,
    request: PackRequest,
    inventory: Inventory | None = None,
) -> Inventory:
    """Run and record those of some indices that are still missing, one after the other.

    Args:
        indices: which.
        context: what they are run in; it has an experiment.
        request: what is asked of them.
        inventory: what this process last knew to be recorded; None where it knows nothing.

    Returns:
        what is recorded now.

    Raises:
        InterruptedRunError: a signal came.
        NthrunError: a full disk.
    """
    experiment = context.experiment
    assert experiment is not None
    inventory = experiment.inventory(earlier=inventory)
    for index in request.missing(indices, inventory):
        run = plan_run(request.know([index]), index, request.stage)
        scratch = scratch_of(experiment.checkpoints, run.stage, index)
        with scratch.held() as is_ours:
            if not is_ours:
                context.note(f"index {index}: another process runs it, so that it is left to that")
                continue
            inventory = experiment.inventory(earlier=inventory)
            if not request.missing([index], inventory):
                scratch.remove()
                continue
            record, staged = _run(run, context, scratch)
            inventory = _record(record, staged, context, request, inventory)
            scratch.remove()
        context.report(request.announce(record))
    return inventory


def run_again(run: PlannedRun, context: ProgramContext) -> Run:
    """The record of a run that is run to be compared, and kept nowhere.

    Raises:
        InterruptedRunError: a signal came.
    """
    with tempfile.TemporaryDirectory(prefix="nthrun-") as folder:
        scratch = scratch_of(Path(folder), run.stage, run.index)
        with scratch.held():
            record, staged = _run(run, context, scratch)
        if staged is not None:
            staged.discard()
    return record


def _run(run: PlannedRun, context: ProgramContext, scratch: Scratch) -> tuple[Run, Staged | None]:
    """The record of a run, and copies of what it keeps."""
    attempt = ProgramAttempt(run, context, scratch)
    status, reason, ending = attempt.train()
    learned: Mapping[str, np.ndarray] = {}
    staged: Staged | None = None
    if status != "failed":
        root = scratch.path if context.experiment is None else context.experiment.root
        try:
            files = [_artifact(name, context, scratch) for name in attempt.reports.artifacts]
            learned = _learned(scratch)
            staged = stage_artifacts(root, run.stage, run.index, files) if files else None
        except (DataFileError, ValueError) as error:
            status, reason, learned = "failed", str(error), {}
    extra = {
        "status": status,
        "reason": " ".join(reason.split()),
        "learned_params": learned,
        "train_time": attempt.seconds,
        "eval_time": 0.0,
        OUTPUT: np.frombuffer(attempt.output.kept, np.uint8),
        "provenance": _provenance(attempt, context, ending, staged),
    }
    return program_record(run, context.spec.environment, attempt.reports, extra), staged


def _artifact(name: str, context: ProgramContext, scratch: Scratch) -> Path:
    """The file that is to be kept.

    Raises:
        DataFileError: a command names one that lies elsewhere than in its scratch directory.
    """
    path = scratch.path / name
    if context.is_command:
        place, folder = (Path(os.path.realpath(each)) for each in (path, scratch.path))
        if folder not in place.parents or Path(os.path.realpath(scratch.own)) in place.parents:
            allowed = "a file in the scratch directory"
            raise DataFileError(f"artifact: {name} lies elsewhere, allowed: {allowed}")
    return path


def _learned(scratch: Scratch) -> dict[str, np.ndarray]:
    """The learned parameters that a function left; none of a command."""
    path = scratch.own / "learned"
    if not path.exists():
        return {}
    _, state, _ = read_state(path, tensors=False)
    return learned_arrays(state)


def _provenance(
    attempt: ProgramAttempt, context: ProgramContext, ending: Ending | None, staged: Staged | None
) -> dict[str, Any]:
    made: dict[str, Any] = {**context.made(), "code": attempt.code, "attempts": attempt.attempts}
    try:
        made["seed"] = attempt.given.seed
        if context.is_command:
            made["command"] = attempt.given.filled(context.program.command)
    except (IndexSpecError, ValueError):
        pass
    made["last_line"] = attempt.last_line()
    made["peak_memory_mb"] = 0 if ending is None else ending.peak_memory_bytes // 2**20
    if ending is not None:
        made |= {"exit_code": ending.code, "cpu_seconds": round(ending.cpu_seconds, 3)}
    if attempt.interruption:
        made["interruption"] = attempt.interruption
    if staged is not None:
        made[ARTIFACTS] = staged.known
    return made


def _record(
    record: Run,
    staged: Staged | None,
    context: ProgramContext,
    request: PackRequest,
    inventory: Inventory,
) -> Inventory:
    """Write a record; returns what is recorded then.

    Raises:
        StorageError: it could not be written.
    """
    experiment = context.experiment
    assert experiment is not None

    def before_naming() -> None:
        context.before_writing()
        if staged is not None:
            staged.publish()

    try:
        experiment.write(
            request.stage,
            [record],
            replace=request.overwrite,
            before_naming=before_naming,
            earlier=inventory,
        )
        if staged is None and record["status"] != "failed":
            remove_artifacts(experiment.root, request.stage, [record["index"]])
    finally:
        if staged is not None:
            staged.discard()
    return experiment.inventory(earlier=inventory)
