"""Opening an experiment for training; a new one has its device and backend chosen once.

Torch is imported only where the experiment is new or trained on a GPU.
"""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from nthrun.errors import (
    DeviceError,
    MissingCompilerError,
    MissingExtraError,
    UnsupportedOperationError,
    require_extra,
)
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.machine import compiler, visible_gpu
from nthrun.planning.packs import planned_setting, static_groups
from nthrun.planning.parents import require_parents
from nthrun.planning.width import planned_width, workers_here
from nthrun.records.durable_file import require_writable
from nthrun.records.experiment import (
    Experiment,
    Manifest,
    continue_experiment,
    create_experiment,
    is_experiment,
)
from nthrun.records.listing import require_inside
from nthrun.specs.directory import save_directory
from nthrun.specs.fingerprint import fingerprint
from nthrun.specs.solver_limits import tried_backend
from nthrun.studies.study import with_known_settings
from nthrun.terminal import note

if TYPE_CHECKING:
    from nthrun.commands.request import Request


THREADS = 1


def open_for(spec: ExperimentSpec, request: Request, root: Path | None = None) -> Experiment:
    """The experiment directory of a request, created if need be.

    Args:
        spec: of the experiment.
        request: what is asked of it.
        root: the directory; None is where the request's save dir has it.

    Raises:
        FingerprintError: it belongs to other specs.
        DeviceError: this machine cannot provide what the manifest says.
        MissingExtraError: torch, or a package that logs are written with, is not installed.
        ParentError: what its runs are to start from is not there.
        StorageError: nothing can be written there.
    """
    require_torch(spec)
    root = root or spec.directory(request.save_dir)
    require_inside(root)
    _prepare_logs(spec, root)
    if is_experiment(root):
        agent, environment = spec.agent.as_document(), spec.environment.as_document()
        experiment = continue_experiment(root, agent, environment, spec.agent.defaults)
    else:
        require_parents(spec, request.indices, root.parent)
        require_writable(root)
        if not spec.agent.declaration.declared:
            note(f"{spec.agent.agent_name}: declares no hyperparameters: ranges are not checked")
        experiment = create_experiment(root, new_manifest(spec, request))
    require_fixed(spec, experiment, request)
    return experiment


def require_torch(spec: ExperimentSpec) -> None:
    """Check that torch is installed, where an agent is to be trained; programs need none. It is not
    imported, as what is recorded already needs none either.

    Raises:
        MissingExtraError: it is not.
    """
    if spec.agent.program is not None:
        return
    found = find_spec("torch")
    if found is None or found.origin is None:  # a folder here may have its name
        message = f"{spec.agent.agent_name}: agents need torch, which is not installed"
        raise MissingExtraError(message, 'pip install "nthrun[torch]"')


def _prepare_logs(spec: ExperimentSpec, root: Path) -> None:
    """Check that what `log` asks for can be written; say how W&B gets what it asks for.

    Raises:
        MissingExtraError: a package that logs are written with is not installed.
    """
    loggers = spec.environment.items("log")
    if "tensorboard" in loggers:
        require_extra("tensorboard", "log: tensorboard")
    if "wandb" in loggers:
        command = f"python -m nthrun export wandb {shlex.quote(str(root))}"
        note(f"log: wandb: W&B's runs are written from the records, by {command}")


def require_fixed(spec: ExperimentSpec, experiment: Experiment, request: Request) -> None:
    """Check that the runs of an experiment are made, and can be made here, as asked.

    Raises:
        DeviceError: they are made on another device or with another backend, or this machine
            lacks the device.
    """
    manifest = experiment.manifest
    pairs = (
        ("device", request.device, manifest.device),
        ("backend", request.backend, manifest.backend),
    )
    for option, asked, fixed in pairs:
        if asked not in ("auto", fixed):
            raise DeviceError(
                f"--{option} {asked}: the runs of {experiment.root} are made with {fixed}, "
                f"and one experiment keeps to one {option}",
                f"give another --save-dir, or leave --{option} out",
            )
    if manifest.device == "cpu" and manifest.backend == "compile" and compiler() is None:
        raise DeviceError(
            f"the runs of {experiment.root} are made with compiled steps, and no C++ compiler was "
            "found (looked for $CXX, g++, c++, clang++)",
            "load one, for example `module load gcc`, or give another --save-dir",
        )
    if manifest.device == "cuda" and _device(spec, "auto") != "cuda":
        raise DeviceError(
            f"the runs of {experiment.root} are made on cuda, and this machine has no GPU",
            "run on a machine with a GPU, or give another --save-dir",
        )


def with_suggestions(spec: ExperimentSpec, save_dir: str) -> ExperimentSpec:
    """The specs with the settings that their search has suggested so far.

    Raises:
        FingerprintError: the directory belongs to other specs.
    """
    root = spec.directory(save_dir)
    if not is_experiment(root):
        return spec
    agent, environment = spec.agent.as_document(), spec.environment.as_document()
    experiment = continue_experiment(root, agent, environment, spec.agent.defaults)
    experiment.keeps_cache = False  # nothing is touched before it is known that something is to be
    return with_known_settings(spec, experiment)


def new_manifest(spec: ExperimentSpec, request: Request) -> Manifest:
    """What a new experiment is about, and how its runs are made.

    Raises:
        DeviceError: this machine lacks the device that is asked for.
        PlanError: not even one run fits in memory.
        CompileError: `compile` is asked for and not possible, or the compiler failed.
    """
    agent, environment = spec.agent.as_document(), spec.environment.as_document()
    device = _device(spec, request.device)
    return Manifest(
        fingerprint=fingerprint(agent, environment),
        num_settings=spec.sweep.num_settings,
        agent=agent,
        environment=environment,
        device=device,
        backend="eager" if spec.agent.program else _new_backend(spec, request, device),
        threads=THREADS,
    )


def _device(spec: ExperimentSpec, asked: str) -> str:
    """The device that a name stands for; whether a program can use a GPU, it knows alone.

    Raises:
        DeviceError: this machine lacks it.
    """
    if spec.agent.program is None:
        from nthrun.training.backends import resolve_device  # noqa: PLC0415 - imports torch

        return resolve_device(asked)
    found = "cuda" if asked != "cpu" and visible_gpu() else "cpu"
    if asked == "cuda" != found:
        raise DeviceError("--device cuda: this machine has no GPU", "give --device cpu")
    return found


def _new_backend(spec: ExperimentSpec, request: Request, device: str) -> str:
    """The backend of a new experiment; `auto` compiles where that is possible, and says if not.

    Raises:
        PlanError: not even one run fits in memory.
        CompileError: `compile` is asked for and not possible, or the compiler failed.
    """
    from nthrun.training.backends import prepare_torch, try_compiled  # noqa: PLC0415

    asked = tried_backend(spec.agent.declaration, request.backend)
    workers = workers_here(device, asked, request.workers)
    width = planned_width(spec, workers, len(request.indices), request.pack)
    for group in static_groups(spec, request.indices):
        width(planned_setting(spec, group[0]))
    prepare_torch(THREADS)
    if asked == "eager":
        return asked
    if sys.stderr.isatty():
        note("compiling the step for this processor")
    try:
        try_compiled(spec, device, save_directory(request.save_dir))
    except (MissingCompilerError, UnsupportedOperationError) as error:
        if request.backend == "compile":
            raise
        note(f"steps are not compiled but run operation by operation (eager): {error.message}")
        return "eager"
    return "compile"
