"""Backends: which stepper runs a program, and what `auto` means on this machine."""

from __future__ import annotations

import numpy as np

from nthrun.errors import NthrunError, UnsupportedOperationError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.footprint import BLOCK_STEPS
from nthrun.planning.packs import PlannedRun, plan_packs
from nthrun.specs.declaration import Setting
from nthrun.specs.seeds import random_seed
from nthrun.training.compiled import CompiledStepper
from nthrun.training.graphed import GraphedStepper
from nthrun.training.hosted import HostedStepper
from nthrun.training.hosted_functions import CompiledFunctions, EagerFunctions
from nthrun.training.hosted_program import HostedProgram, placed
from nthrun.training.noise import Streams
from nthrun.training.program import Program
from nthrun.training.programs import make_program
from nthrun.training.stepping import EagerStepper, Stepper


def make_stepper(program: Program, backend: str, device: str) -> Stepper:
    """The stepper of a backend, "eager" or "compile"."""
    if isinstance(program, HostedProgram):
        compiled = backend == "compile"
        return HostedStepper(program, (CompiledFunctions if compiled else EagerFunctions)(program))
    if backend == "eager":
        return EagerStepper(program)
    if device == "cuda":
        return GraphedStepper(program, BLOCK_STEPS)
    return CompiledStepper(program)


def try_compiled(spec: ExperimentSpec, device: str) -> None:
    """Build the compiled steps of one setting for each form that a program takes, and take a step.

    Hyperparameters that are words or yes-or-no choose what a step is made of; numbers only size it.

    Raises:
        CompileError: a step cannot be compiled, or not on this machine.
    """
    if spec.environment.declaration.on_host and device != "cpu":
        raise UnsupportedOperationError(
            f"{spec.environment.env_name} steps on the host, between operations of the GPU",
            "use --backend eager, or --device cpu",
        )
    static = [field for field in spec.agent.declaration.hyperparameters if field.static]
    names = [field.name for field in static if field.kind in ("str", "bool", "strs")]
    forms: dict[tuple[object, ...], Setting] = {}
    for setting in spec.sweep.examples(spec.agent.declaration.static_names()):
        forms.setdefault(tuple(setting[name] for name in names), setting)
    for form in forms.values():
        try:
            _take_compiled_step(spec, form, device)
        except NthrunError:
            raise
        except Exception as error:  # whatever else an agent or environment may raise
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise UnsupportedOperationError(
                f"the first step failed ({reason})", "use --backend eager"
            ) from error


def _take_compiled_step(spec: ExperimentSpec, setting: Setting, device: str) -> None:
    run = PlannedRun(0, 0, 0, 0, random_seed(0, 0), setting)
    (pack,) = plan_packs([run], spec.agent.declaration.static_names(), 1)
    program = make_program(pack, spec)
    initial = program.initial_state(pack)
    state = placed(initial, device)
    draws = Streams([run.random_seed], program.noise_sizes()).draw(1)
    stepper = make_stepper(program, "compile", device)
    stepper.prepare(state)
    stepper.train(state, program.noise(draws, 0, device), 0, np.array([True]), [0])
