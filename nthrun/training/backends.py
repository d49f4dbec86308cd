"""Devices and backends: what `auto` means on this machine, and the stepper of each backend."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from nthrun.errors import DeviceError, UnsupportedOperationError
from nthrun.index import random_seed
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import Pack, PlannedRun, packs_of_runs
from nthrun.specs.declaration import AgentDeclaration, Setting
from nthrun.specs.solver_limits import require_compilable
from nthrun.specs.user_class import failing_as
from nthrun.training.block_updates import block_updates
from nthrun.training.contract import check_contract
from nthrun.training.hosted_program import HostedProgram, placed
from nthrun.training.noise import Streams
from nthrun.training.pack_program import make_program
from nthrun.training.program import Program
from nthrun.training.steppers.agent_functions import CompiledFunctions, EagerFunctions
from nthrun.training.steppers.compiled import CompiledStepper
from nthrun.training.steppers.eager import EagerStepper, Stepper
from nthrun.training.steppers.graphed import GraphedStepper
from nthrun.training.steppers.hosted import HostedStepper


def resolve_device(name: str) -> str:
    """`auto` as `cuda` where there is a GPU, else `cpu`; other names as they are.

    Raises:
        DeviceError: `cuda` is asked for and there is none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("--device cuda: this machine shows no CUDA GPU, allowed: cpu or auto")
    return name


def prepare_torch(threads: int) -> None:
    """Fix what would change bits from run to run: threads, TF32, non-deterministic kernels.

    cuBLAS is given so little working memory that it never splits a sum over blocks; it looks at
    that setting when it is first used.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    # The same for TorchInductor is set where it is used (graphed.py), as importing it takes long.
    torch.set_deterministic_debug_mode("error")
    # Filling every new tensor would show reads of unset memory, at a sixth of the speed.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def make_stepper(program: Program, backend: str, device: str) -> Stepper:
    """The stepper of a backend, "eager" or "compile"."""
    if isinstance(program, HostedProgram):
        compiled = backend == "compile"
        return HostedStepper(program, (CompiledFunctions if compiled else EagerFunctions)(program))
    if backend == "eager":
        return EagerStepper(program)
    if device == "cuda":
        return GraphedStepper(program, program.longest_block)
    return CompiledStepper(program)


class Steppers:
    """The steppers of a process: one for all packs of equal static hyperparameters.

    A stepper is made and kept when it is first asked for, so that this object changes while the
    `TrainingContext` that holds it stays as it is. No number depends on what has been made.

    Args:
        backend: "eager" or "compile".
        device: "cpu" or "cuda".
        agent: what is declared of the programs' agent.
    """

    def __init__(self, backend: str, device: str, agent: AgentDeclaration) -> None:
        self._backend = backend
        self._device = device
        self._agent = agent
        self._made: dict[tuple[object, ...], Stepper] = {}

    def stepper(self, pack: Pack, program: Program) -> Stepper:
        """The stepper of a pack's program.

        Raises:
            ContractError: it is the first of its kind, and its classes break their contract.
        """
        key = tuple(pack.statics.items())
        if key not in self._made:
            check_contract(program, pack, self._agent)
            self._made[key] = make_stepper(program, self._backend, self._device)
        return self._made[key]


def try_compiled(spec: ExperimentSpec, device: str, root: Path = Path()) -> None:
    """Build the compiled steps of one setting for each form that a program takes, and take a step.

    Hyperparameters that are words or yes-or-no choose what a step is made of; numbers size it, or
    leave a part of it out where they have their default.

    Args:
        spec, device: of the experiment.
        root: the folder that holds its directory.

    Raises:
        CompileError: a step cannot be compiled, or not on this machine.
    """
    require_compilable(spec.agent.declaration, spec.environment, "compile", device)
    static = [field for field in spec.agent.declaration.hyperparameters if field.static]
    names = [field.name for field in static if field.kind in ("str", "bool", "strs")]
    forms: dict[tuple[object, ...], Setting] = {}
    for setting in spec.sweep.examples(spec.agent.declaration.static_names()):
        forms.setdefault(tuple(setting[name] for name in names), setting)
    problem, hint = "the first step failed", "use --backend eager"
    for form in forms.values():
        with failing_as(UnsupportedOperationError, problem, spec.programs(), hint):
            _take_compiled_step(spec, form, device, root)


def _take_compiled_step(spec: ExperimentSpec, setting: Setting, device: str, root: Path) -> None:
    run = PlannedRun(0, 0, 0, 0, random_seed(0, 0), setting)
    (pack,) = packs_of_runs([run], spec.agent.declaration.static_names(), 1)
    program = make_program(pack, spec, root)
    check_contract(program, pack, spec.agent.declaration)
    initial = program.initial_state(pack)
    state = placed(initial, device)
    kind = program.updates
    step = kind.first() if kind.permuted else 0
    count = np.array([kind.after(step) if kind.permuted else 1])
    sizes = program.noise_sizes(), program.update_sizes()
    draws, later = Streams([run.random_seed], *sizes).draw_with_updates(count)
    apart = kind.are_apart
    updates = block_updates(later, step, count, program, device) if apart else None
    variants = program.variants(step, count)
    stepper = make_stepper(program, "compile", device)
    stepper.prepare(state)
    stepper.train(state, program.noise(draws, step, device), step, variants, [0], updates)
