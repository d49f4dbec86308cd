"""Backends: which stepper runs a program, and what `auto` means on this machine."""

from __future__ import annotations

import numpy as np

from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.footprint import BLOCK_STEPS
from nthrun.planning.packs import plan_packs, plan_run
from nthrun.training.compiled import CompiledStepper
from nthrun.training.graphed import GraphedStepper
from nthrun.training.noise import Streams
from nthrun.training.program import Program
from nthrun.training.stepping import EagerStepper, Stepper


def make_stepper(program: Program, backend: str, device: str) -> Stepper:
    """The stepper of a backend, "eager" or "compile"."""
    if backend == "eager":
        return EagerStepper(program)
    if device == "cuda":
        return GraphedStepper(program, BLOCK_STEPS)
    return CompiledStepper(program)


def try_compiled(spec: ExperimentSpec, device: str) -> None:
    """Build the compiled step of the first setting and take one step with it.

    Raises:
        CompileError: the step cannot be compiled, or not on this machine.
    """
    run = plan_run(spec, 0, stage=0)
    (pack,) = plan_packs([run], spec.agent.declaration.static_names(), 1)
    program = Program(pack, spec.environment, spec.agent.declaration.program)
    state = {name: part.to(device) for name, part in program.initial_state(pack).items()}
    draws = Streams([run.random_seed], program.noise_sizes()).draw(1)
    stepper = make_stepper(program, "compile", device)
    stepper.train(state, program.noise(draws, 0, device), 0, np.array([True]), [0])
