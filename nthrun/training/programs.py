"""Which program an experiment's packs are."""

from __future__ import annotations

from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import Pack
from nthrun.training.hosted_program import HostedProgram
from nthrun.training.program import Program
from nthrun.training.solver_program import SolverProgram


def make_program(pack: Pack, spec: ExperimentSpec) -> Program:
    """The program of packs like one: of an agent in an environment of tensors or on the host, or of
    a solver."""
    agent = spec.agent.declaration
    if agent.solves:
        return SolverProgram(pack, spec.environment, agent.program)
    made = HostedProgram if spec.environment.declaration.on_host else Program
    return made(pack, spec.environment, agent.program)
