"""The context that a pack is trained in: specs, directory, device, signals, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nthrun.agents.base import State
from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.records.experiment import Experiment
from nthrun.specs.declaration import Setting, load_program
from nthrun.specs.environment_spec import requested_series
from nthrun.training.backends import make_stepper
from nthrun.training.program import Program
from nthrun.training.provenance import Place, comparable
from nthrun.training.steppers.eager import Stepper
from nthrun.training.stopping import StopRequest


@dataclass
class Surroundings:
    """What a pack is trained within.

    Attributes:
        spec: of the experiment.
        experiment: where checkpoints and snapshots go; None keeps neither (verifying).
        device, backend, threads: of this process, as the manifest has them.
        stop: looked at between blocks.
        on_block: called with (run-steps done, last return) after each block.
        note: called with what a user should know.
        on_step: called with the state after each step (rendering).
        hopeless: told indices, their step and what each is judged by at an evaluation, says which
            of them to end there; None ends none.
        before_writing: called before a record is written; raises where this process may not.
    """

    spec: ExperimentSpec
    experiment: Experiment | None
    device: str
    backend: str
    threads: int
    stop: StopRequest = field(default_factory=StopRequest)
    on_block: Callable[[int, float], None] = lambda steps, last_return: None
    note: Callable[[str], None] = lambda line: None
    on_step: Callable[[State, int], None] | None = None
    hopeless: Callable[[Sequence[int], int, Sequence[float]], Sequence[bool]] | None = None
    before_writing: Callable[[], None] = lambda: None
    _steppers: dict[tuple[object, ...], Stepper] = field(default_factory=dict)

    def stepper(self, statics: Setting, program: Program) -> Stepper:
        """The stepper of a program, made once for all packs of its static hyperparameters."""
        key = tuple(statics.items())
        if key not in self._steppers:
            self._steppers[key] = make_stepper(program, self.backend, self.device)
        return self._steppers[key]

    @cached_property
    def best_return(self) -> float | None:
        """The highest mean return to expect of an evaluation, where it is known; finding it may
        take seconds, and all packs share it."""
        environment = self.spec.environment
        oracle = environment.declaration.oracle
        if not oracle or environment.values["overwrite_rewards"]:
            return None
        try:
            best: float | None = load_program(oracle)(environment)
        except SpecError:  # simulated it can be, and solved it cannot
            return None
        return best

    @property
    def place(self) -> Place:
        """Where and with what this process trains."""
        agent, environment = self.spec.agent.declaration, self.spec.environment.declaration
        return Place(
            self.device,
            self.backend,
            self.threads,
            (agent.program, environment.program, environment.oracle, environment.name),
            environment.on_host,
        )

    def facts(self) -> dict[str, Any]:
        """What a process that continues a checkpoint must share."""
        record = sorted(requested_series(self.spec.environment.items("record")))
        manifest = self.experiment.manifest.fingerprint if self.experiment else ""
        return comparable(self.place) | {
            "fingerprint": manifest,
            "code": self.place.code,
            "record list": record,
        }
