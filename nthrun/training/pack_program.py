"""Which of the programs a pack has."""

from __future__ import annotations

from pathlib import Path

from nthrun.agents.parents import Parents
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import Pack
from nthrun.training.hosted_program import HostedProgram
from nthrun.training.program import Program
from nthrun.training.solver_program import SolverProgram


def make_program(pack: Pack, spec: ExperimentSpec, root: Path = Path()) -> Program:
    """The program of packs like one: of an agent in an environment of tensors or on the host, or of
    a solver. The experiment's directory is in the folder `root`."""
    agent = spec.agent.declaration
    made = HostedProgram if spec.environment.declaration.on_host else Program
    made = SolverProgram if agent.solves else made
    return made(pack, spec.environment, agent.program, Parents(spec.environment, agent, root))
