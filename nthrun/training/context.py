"""The context that all packs of a process are trained in: it is passed on and never changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from nthrun.agents.base import State
from nthrun.agents.parents import Parents
from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.records.experiment import Experiment
from nthrun.specs.declaration import load_program
from nthrun.specs.environment_spec import EnvironmentSpec, requested_series
from nthrun.training.backends import Steppers, prepare_torch
from nthrun.training.code_state import code_state
from nthrun.training.progress import Noted, Report
from nthrun.training.provenance import Setup, comparable, environment_packages
from nthrun.training.requests import PruningRule, report_nothing, write_freely
from nthrun.training.stopping import StopRequest

OnStep = Callable[[State, int], None]
"""A function that is called with the state of a pack and the step it is at."""


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """What packs are trained in, the same for all packs of a process.

    No field is replaced once it is made. Two change within: `steppers` keeps the stepper of each
    group of static hyperparameters once its first pack is trained, and a signal sets `stop`.

    Attributes:
        spec: of the experiment.
        setup: with what this process trains.
        steppers: of the experiment's programs.
        best_return: gives the highest mean return to expect of an evaluation, None where it is not
            known; its first call may take seconds.
        experiment: where records, checkpoints and snapshots go; None keeps none (verifying).
        root: the folder that holds the directory of the experiment, and of others beside it.
        stop: checked between blocks.
        report: called with what happens.
        on_step: called with the state after each step (rendering).
        should_prune: says at evaluations which runs to end; None ends none.
        before_writing: called before a record is written; raises where this process may not.
    """

    spec: ExperimentSpec
    setup: Setup
    steppers: Steppers
    best_return: Callable[[], float | None]
    experiment: Experiment | None = None
    root: Path = Path()
    stop: StopRequest = field(default_factory=StopRequest)
    report: Report = report_nothing
    on_step: OnStep | None = None
    should_prune: PruningRule | None = None
    before_writing: Callable[[], None] = write_freely

    @property
    def parents(self) -> Parents:
        """Where runs are recorded that those of this experiment start from."""
        return Parents(self.spec.environment, self.spec.agent.declaration, self.root)

    def note(self, line: str) -> None:
        """Report what a user should know."""
        self.report(Noted(line))

    def facts(self) -> dict[str, Any]:
        """What a process that continues a checkpoint must share."""
        record = sorted(requested_series(self.spec.environment.items("record")))
        manifest = self.experiment.manifest.fingerprint if self.experiment else ""
        return comparable(self.setup) | {
            "fingerprint": manifest,
            "code": self.setup.code,
            "record list": record,
        }


def make_context(
    spec: ExperimentSpec, backend: str = "eager", device: str = "cpu", threads: int = 1
) -> TrainingContext:
    """A context that keeps no files and reports to nobody; torch is prepared for it.

    Args:
        spec: of the experiment.
        backend, device, threads: as the experiment's manifest has them.
    """
    prepare_torch(threads)
    agent, environment = spec.agent.declaration, spec.environment.declaration
    packages = environment_packages((environment.program, environment.name, *spec.wrappers))
    setup = Setup(device, backend, threads, spec.programs(), environment.on_host, packages)
    code_state(setup.programs), setup.code  # both remember what they find before training
    return TrainingContext(
        spec,
        setup,
        Steppers(backend, device, agent),
        cache(partial(_best_return, spec.environment)),
    )


def _best_return(environment: EnvironmentSpec) -> float | None:
    """The highest mean return to expect, by the environment's oracle."""
    oracle = environment.declaration.oracle
    if not oracle or not environment.has_own_rewards:
        return None
    try:
        best: float | None = load_program(oracle)(environment)
    except SpecError:  # the environment can be simulated but not solved
        return None
    return best
