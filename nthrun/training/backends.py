"""Backends: which stepper runs a program, and what `auto` means on this machine."""

from __future__ import annotations

import numpy as np

from nthrun.errors import NthrunError, UnsupportedOperationError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.footprint import BLOCK_STEPS
from nthrun.planning.packs import plan_packs, plan_run, static_groups
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
    forms: dict[tuple[object, ...], int] = {}
    for group in static_groups(spec, range(spec.sweep.num_settings)):
        setting = spec.sweep.setting(group[0])
        forms.setdefault(tuple(setting[name] for name in names), group[0])
    for index in forms.values():
        try:
            _take_compiled_step(spec, index, device)
        except NthrunError:
            raise
        except Exception as error:  # whatever else an agent or environment may raise
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise UnsupportedOperationError(
                f"the first step failed ({reason})", "use --backend eager"
            ) from error


def _take_compiled_step(spec: ExperimentSpec, index: int, device: str) -> None:
    run = plan_run(spec, index, stage=0)
    (pack,) = plan_packs([run], spec.agent.declaration.static_names(), 1)
    program = make_program(pack, spec)
    initial = program.initial_state(pack)
    state = placed(initial, device)
    draws = Streams([run.random_seed], program.noise_sizes()).draw(1)
    stepper = make_stepper(program, "compile", device)
    stepper.prepare(state)
    stepper.train(state, program.noise(draws, 0, device), 0, np.array([True]), [0])
