"""What a spec may not ask of a solver, which takes no steps in the environment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nthrun.errors import Fault, SpecError, UnsupportedOperationError
from nthrun.specs.declaration import AgentDeclaration
from nthrun.specs.documents import Override, read_document
from nthrun.specs.environment_spec import SHIFT, EnvironmentSpec

SOLVER_SERIES = ("metrics", "eval_states")
"""The entries of `record` that are not of training steps."""


def require_solvable(
    agent: AgentDeclaration,
    environment: EnvironmentSpec,
    files: Sequence[str],
    overrides: Sequence[Override] = (),
) -> None:
    """Check that nothing is asked of an agent that it lacks as a solver.

    Args:
        files, overrides: what the environment's spec was read from.

    Raises:
        SpecError: everything of the environment's spec that a solver lacks.
    """
    if not agent.solves:
        return
    document = read_document(files, overrides)
    faults = [
        Fault(document.origin(key), key, f"{problem} (with {agent.name})", hint)
        for key, problem, hint in _unsupported_keys(environment)
    ]
    if faults:
        raise SpecError(faults)


def tried_backend(agent: AgentDeclaration, asked: str) -> str:
    """What is tried for a backend asked for: `auto` compiles agents; solvers and programs run as
    they are, a solver unless `compile` is asked for."""
    if asked == "auto":
        return "eager" if agent.solves or agent.is_program else "compile"
    return asked


def require_compilable(
    agent: AgentDeclaration, environment: EnvironmentSpec, backend: str, device: str
) -> None:
    """Check that a device can run steps that are to be compiled.

    Args:
        backend: that is asked for, or tried.
        device: "cpu" or "cuda".

    Raises:
        UnsupportedOperationError: `compile` is for this machine's processor alone here.
    """
    if backend != "compile" or device == "cpu":
        return
    hint = "use --backend eager, or --device cpu"
    if environment.declaration.on_host:
        raise UnsupportedOperationError(
            f"{environment.env_name} steps on the host, between operations of the GPU", hint
        )
    if agent.solves:
        raise UnsupportedOperationError(
            f"{agent.name} is a solver, whose iterations are compiled for a CPU alone", hint
        )


def _unsupported_keys(environment: EnvironmentSpec) -> Iterator[tuple[str, str, str]]:
    """Key, problem and hint of what a solver lacks."""
    if series := [name for name in environment.items("record") if name not in SOLVER_SERIES]:
        problem = f"got {', '.join(series)}, allowed for a solver: {', '.join(SOLVER_SERIES)}"
        yield "record", problem, "a solver takes no training steps in the environment"
    if environment.values["overwrite_rewards"]:
        problem = "got true, allowed for a solver: false"
        yield "overwrite_rewards", problem, "a solver simulates with the environment's own rewards"
    if shift := environment.values[SHIFT]:
        problem = f"got {shift}, allowed for a solver: 0"
        yield SHIFT, problem, "a solver simulates with the environment's own rewards"
    if environment.declaration.on_host:
        problem = f"{environment.env_name} steps on the host, where no solver can simulate it"
        yield "env_name", problem, "choose another agent, or an environment of tensors"
