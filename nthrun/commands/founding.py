"""Founding an experiment: device and backend are chosen once, by what this machine can do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nthrun.errors import MissingCompilerError, UnsupportedOperationError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import planned_setting, static_groups
from nthrun.planning.width import planned_width, workers_here
from nthrun.records.experiment import Manifest
from nthrun.specs.fingerprint import fingerprint
from nthrun.specs.solver_limits import tried_backend
from nthrun.training.backends import prepare_torch, resolve_device, try_compiled
from nthrun.training.progress import note

if TYPE_CHECKING:
    from nthrun.commands.request import Request

THREADS = 1


def new_manifest(spec: ExperimentSpec, request: Request) -> Manifest:
    """What a new experiment is about, and how its runs are made.

    Raises:
        DeviceError: this machine lacks the device that is asked for.
        PlanError: not even one run fits in memory.
        CompileError: `compile` is asked for and not possible, or the compiler failed.
    """
    agent, environment = spec.agent.as_document(), spec.environment.as_document()
    device = resolve_device(request.device)
    return Manifest(
        fingerprint=fingerprint(agent, environment),
        num_settings=spec.sweep.num_settings,
        agent=agent,
        environment=environment,
        device=device,
        backend=_new_backend(spec, request, device),
        threads=THREADS,
    )


def _new_backend(spec: ExperimentSpec, request: Request, device: str) -> str:
    """The backend of a new experiment; `auto` compiles where that is possible, and says if not.

    Raises:
        PlanError: not even one run fits in memory.
        CompileError: `compile` is asked for and not possible, or the compiler failed.
    """
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
        try_compiled(spec, device)
    except (MissingCompilerError, UnsupportedOperationError) as error:
        if request.backend == "compile":
            raise
        note(f"steps are not compiled but run operation by operation (eager): {error.message}")
        return "eager"
    return "compile"
