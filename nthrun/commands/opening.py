"""Opening an experiment for training: its directory, its device, its surroundings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nthrun.errors import DeviceError, MissingCompilerError, UnsupportedOperationError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.machine import compiler
from nthrun.planning.packs import static_groups
from nthrun.planning.width import planned_width, workers_here
from nthrun.records.experiment import Experiment, Manifest, create_experiment, is_experiment
from nthrun.specs.fingerprint import fingerprint
from nthrun.training.backends import try_compiled
from nthrun.training.device import prepare_torch, resolve_device
from nthrun.training.progress import note
from nthrun.training.provenance import code_hash, git_state
from nthrun.training.surroundings import StopRequest, Surroundings

if TYPE_CHECKING:
    from nthrun.commands.request import Request

THREADS = 1


def open_for(spec: ExperimentSpec, request: Request) -> Experiment:
    """The experiment directory of a request, created if need be.

    Raises:
        FingerprintError: it belongs to other specs.
        DeviceError: this machine cannot provide what the manifest says.
    """
    agent, environment = spec.agent.as_document(), spec.environment.as_document()
    root = spec.directory(request.save_dir)
    device = resolve_device(request.device)
    backend = "" if is_experiment(root) else _new_backend(spec, request, device)
    manifest = Manifest(
        fingerprint=fingerprint(agent, environment),
        num_settings=spec.sweep.num_settings,
        agent=agent,
        environment=environment,
        device=device,
        backend=backend,
        threads=THREADS,
    )
    experiment = create_experiment(root, manifest)
    require_fixed(experiment, request)
    return experiment


def require_fixed(experiment: Experiment, request: Request) -> None:
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
    if manifest.device == "cuda" and resolve_device("auto") != "cuda":
        raise DeviceError(
            f"the runs of {experiment.root} are made on cuda, and this machine has no GPU",
            "run on a machine with a GPU, or give another --save-dir",
        )


def _new_backend(spec: ExperimentSpec, request: Request, device: str) -> str:
    """The backend of a new experiment; `auto` compiles where that is possible, and says if not.

    Raises:
        PlanError: not even one run fits in memory.
        CompileError: `compile` is asked for and not possible, or the compiler failed.
    """
    asked = "compile" if request.backend == "auto" else request.backend
    workers = workers_here(device, asked, request.workers)
    width = planned_width(spec, workers, len(request.indices), request.pack)
    for group in static_groups(spec, request.indices):
        width(spec.sweep.setting(spec.sweep.locate(group[0])[0]))
    prepare_torch(THREADS)
    if asked == "eager":
        return asked
    if sys.stderr.isatty():
        note("compiling the step for this processor")
    try:
        try_compiled(spec, device)
    except (MissingCompilerError, UnsupportedOperationError) as error:
        if request.backend == "compile":
            raise
        note(f"steps are not compiled but run operation by operation (eager): {error.message}")
        return "eager"
    return "compile"


def surroundings(spec: ExperimentSpec, experiment: Experiment, keep: bool = True) -> Surroundings:
    """Where packs of an experiment are trained; `keep` False leaves no files."""
    manifest = experiment.manifest
    prepare_torch(manifest.threads)
    git_state(), code_hash()  # both remember what they find before training starts
    return Surroundings(
        spec,
        experiment if keep else None,
        manifest.device,
        manifest.backend,
        manifest.threads,
        StopRequest(),
    )
