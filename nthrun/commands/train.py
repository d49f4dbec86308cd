"""Training from the command line: what is missing, in packs, each recorded when it ends."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nthrun.errors import DeviceError, NthrunError, RunFailedError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import DEFAULT_WIDTH, Pack, plan_packs, plan_run
from nthrun.records.experiment import Experiment, Manifest, create_experiment
from nthrun.records.schema import Run
from nthrun.specs.fingerprint import fingerprint
from nthrun.specs.indices import format_indices
from nthrun.training.device import prepare_torch, resolve_device
from nthrun.training.loop import Training
from nthrun.training.monitor import Monitor
from nthrun.training.progress import TrainingProgress
from nthrun.training.provenance import attempt, provenance
from nthrun.training.recorder import LaneRecorder
from nthrun.training.resuming import CheckpointFile, drop_checkpoints, find_checkpoints
from nthrun.training.surroundings import StopRequest, Surroundings

if TYPE_CHECKING:
    from nthrun.commands.run import Request

BACKEND = "eager"
THREADS = 1


def train(spec: ExperimentSpec, request: Request) -> int:
    """Train every index asked for that is not recorded yet.

    Returns:
        0, or 1 if a run failed.

    Raises:
        NthrunError: bad input, a full disk, or an interruption.
    """
    experiment = open_for(spec, request)
    missing = _missing(experiment, request)
    if not missing:
        return 0
    around = surroundings(spec, experiment)
    around.stop.install()
    if request.monitor_after is not None:
        around.on_step = Monitor(spec.environment, request.monitor_after).show
    resume, refused = find_checkpoints(
        experiment.checkpoints, request.stage, missing, around.facts()
    )
    for line in refused:
        _note(line)
    packs = _packs(spec, request, missing, resume)
    total = spec.environment.total_timesteps
    left = sum(len(pack.runs) * (total - pack.start_step) for pack in packs)
    failed: list[int] = []
    with TrainingProgress(left) as progress:
        around.on_block = progress.advance
        for number, pack in enumerate(packs, 1):
            progress.describe(f"index {format_indices(run.index for run in pack.runs)}")
            runs = _train_pack(pack, around, resume)
            experiment.write(request.stage, runs, replace=request.overwrite)
            _drop_finished(experiment, request.stage, packs[number:])
            for run in runs:
                progress.say(_summary(run))
            failed += [run["index"] for run in runs if run["status"] == "failed"]
    if failed:
        raise RunFailedError(
            f"failed: index {format_indices(failed)}",
            "the reason is above and in the record; --retry-failed runs them again",
        )
    return 0


def open_for(spec: ExperimentSpec, request: Request) -> Experiment:
    """The experiment directory of a request, created if need be.

    Raises:
        FingerprintError: it belongs to other specs.
        DeviceError: this machine cannot provide what the manifest says.
    """
    agent, environment = spec.agent.as_document(), spec.environment.as_document()
    manifest = Manifest(
        fingerprint=fingerprint(agent, environment),
        num_settings=spec.sweep.num_settings,
        agent=agent,
        environment=environment,
        device=resolve_device(request.device),
        backend=BACKEND,
        threads=THREADS,
    )
    experiment = create_experiment(spec.directory(request.save_dir), manifest)
    fixed = experiment.manifest.device
    if request.device not in ("auto", fixed):
        raise DeviceError(
            f"--device {request.device}: the runs of {experiment.root} are made on {fixed}, "
            "and one experiment keeps to one device",
            "leave --device out, or give another --save-dir",
        )
    resolve_device(fixed)
    return experiment


def surroundings(spec: ExperimentSpec, experiment: Experiment, keep: bool = True) -> Surroundings:
    """Where packs of an experiment are trained; `keep` False leaves no files."""
    manifest = experiment.manifest
    prepare_torch(manifest.threads)
    return Surroundings(
        spec,
        experiment if keep else None,
        manifest.device,
        manifest.backend,
        manifest.threads,
        StopRequest(),
    )


def _missing(experiment: Experiment, request: Request) -> list[int]:
    inventory = experiment.inventory()
    for path, problem in inventory.unreadable:
        _note(f"{path}: {problem}; not counted as recorded")
    if request.overwrite:
        return list(request.indices)
    missing = inventory.missing(request.indices, request.stage, request.retry_failed)
    statuses = inventory.statuses(request.stage)
    skipped: dict[str, list[int]] = {}
    for index in sorted(set(request.indices).difference(missing)):
        skipped.setdefault(statuses[index], []).append(index)
    for status, indices in skipped.items():
        option = (
            "--retry-failed runs them again" if status == "failed" else "--overwrite replaces them"
        )
        _note(f"index {format_indices(indices)}: recorded as {status}, skipped; {option}")
    return missing


def _packs(
    spec: ExperimentSpec, request: Request, missing: list[int], resume: dict[int, CheckpointFile]
) -> list[Pack]:
    runs = (
        plan_run(spec, index, request.stage, resume[index].step if index in resume else 0)
        for index in missing
    )
    names = spec.agent.declaration.static_names()
    return list(plan_packs(runs, names, request.pack or DEFAULT_WIDTH))


def _train_pack(pack: Pack, around: Surroundings, resume: dict[int, CheckpointFile]) -> list[Run]:
    """The records of a pack; an exception of the agent or the environment fails all its runs."""
    try:
        return Training(pack, around, resume).run()
    except (NthrunError, KeyboardInterrupt):
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{reason} ({place.name}, line {place.lineno} of {place.filename})"
        return list(_failed(pack, around, reason))


def _failed(pack: Pack, around: Surroundings, reason: str) -> Iterator[Run]:
    made = provenance(around.device, around.backend, around.threads, len(pack.runs))
    for run in pack.runs:
        extra: dict[str, Any] = {
            "status": "failed",
            "reason": reason,
            "learned_params": {},
            "train_time": 0.0,
            "eval_time": 0.0,
            "provenance": made | {"attempts": [attempt(pack.start_step)]},
        }
        yield LaneRecorder().record(run, around.spec.environment, extra)


def _drop_finished(experiment: Experiment, stage: int, to_come: list[Pack]) -> None:
    """Delete the checkpoints of recorded indices, but for those still to be run again."""
    recorded = experiment.inventory().recorded(stage)
    recorded -= {run.index for pack in to_come for run in pack.runs}
    drop_checkpoints(experiment.checkpoints, stage, recorded)


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
