"""The context that all runs of a program in one process are trained in; it never changes."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.machine import cpu_model
from nthrun.programs.command_line import command_hash
from nthrun.records.experiment import Experiment
from nthrun.specs.algorithm_spec import version
from nthrun.specs.program_spec import ALGORITHM, ProgramSpec
from nthrun.training.code_state import code_state
from nthrun.training.progress import Noted, Report
from nthrun.training.requests import PruningRule, report_nothing, write_freely
from nthrun.training.source import program_hash
from nthrun.training.stopping import GRACE_SECONDS, StopRequest

PACKAGES = ("numpy", "h5py")


@dataclass(frozen=True, slots=True)
class ProgramContext:
    """What runs of a program are trained in.

    Attributes:
        spec: of the experiment.
        device: "cpu" or "cuda".
        experiment: where records and scratch directories go; None keeps none (verifying).
        stop: set by a signal.
        report: called with what happens.
        should_prune: says at evaluations which runs to end; None ends none.
        before_writing: called before a record is written; raises where this process may not.
        grace_seconds: what a program has between SIGTERM and its end by force.
        threads: for the libraries of a program that read it from variables; 0 says nothing.
    """

    spec: ExperimentSpec
    device: str
    experiment: Experiment | None = None
    stop: StopRequest = field(default_factory=StopRequest)
    report: Report = report_nothing
    should_prune: PruningRule | None = None
    before_writing: Callable[[], None] = write_freely
    grace_seconds: float = GRACE_SECONDS
    threads: int = 0

    @property
    def program(self) -> ProgramSpec:
        """What the spec says of the program."""
        assert self.spec.agent.program is not None
        return self.spec.agent.program

    @property
    def is_command(self) -> bool:
        """Whether it is an executable, and not a function."""
        return bool(self.program.command)

    @property
    def function(self) -> str:
        """The function that is called, "package.module:function"; "" of a command."""
        if self.spec.agent.declaration.kind == ALGORITHM:
            return "nthrun.programs.stable_baselines:train"
        return "" if self.is_command else self.spec.agent.agent_name

    @property
    def code(self) -> str:
        """The hash of a function's code; of a command as it is now that of the files which its
        command line names, "" where it names none."""
        if self.spec.agent.declaration.kind == ALGORITHM:
            return f"stable_baselines3 {version()}"
        if self.is_command:
            return command_hash(self.program.command)
        return program_hash(self.spec.agent.agent_name)

    def note(self, line: str) -> None:
        """Report what a user should know."""
        self.report(Noted(line))

    def made(self) -> Mapping[str, Any]:
        """Provenance that all runs share."""
        return {
            **code_state(),
            "kind": self.spec.agent.declaration.kind,
            "device": self.device,
            "versions": versions(),
            "host": platform.node(),
            "cpu": cpu_model(),
            "pack_width": 1,
            "command_line": sys.argv,
            "working_directory": str(Path.cwd()),
        }


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that records are written with."""
    return {"python": platform.python_version()} | {p: metadata.version(p) for p in PACKAGES}
