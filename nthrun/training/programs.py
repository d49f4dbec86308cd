"""Which program an experiment's packs are."""

from __future__ import annotations

from nthrun.planning.packs import Pack
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.training.hosted_program import HostedProgram
from nthrun.training.program import Program


def make_program(pack: Pack, spec: EnvironmentSpec, agent_program: str) -> Program:
    """The program of packs like one, in an environment of tensors or on the host."""
    made = HostedProgram if spec.declaration.on_host else Program
    return made(pack, spec, agent_program)
