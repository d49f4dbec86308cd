"""What a pack is trained within: specs, directory, device, signals, and who is told of progress."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from nthrun.agents.base import State
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.records.experiment import Experiment
from nthrun.specs.declaration import Setting
from nthrun.training.backends import make_stepper
from nthrun.training.program import Program
from nthrun.training.provenance import code_hash, comparable
from nthrun.training.recorder import requested_series
from nthrun.training.stepping import Stepper


class StopRequest:
    """Set by a signal; the loop checkpoints and stops at the end of its block."""

    def __init__(self) -> None:
        self.signal_number = 0

    def install(self, signals: Iterable[int] = (signal.SIGINT, signal.SIGTERM)) -> None:
        """Catch these signals; a second one takes its ordinary course."""
        for number in signals:
            signal.signal(number, self._catch)

    def _catch(self, number: int, frame: object) -> None:
        self.signal_number = number
        signal.signal(
            number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        )


@dataclass
class Surroundings:
    """What a pack is trained within.

    Attributes:
        spec: of the experiment.
        experiment: where checkpoints and snapshots go; None keeps neither (verifying).
        device, backend, threads: of this process, as the manifest has them.
        stop: looked at between blocks.
        on_block: called with (run-steps done, last return) after each block.
        on_step: called with the state after each step (rendering).
    """

    spec: ExperimentSpec
    experiment: Experiment | None
    device: str
    backend: str
    threads: int
    stop: StopRequest = field(default_factory=StopRequest)
    on_block: Callable[[int, float], None] = lambda steps, last_return: None
    on_step: Callable[[State, int], None] | None = None
    _steppers: dict[tuple[object, ...], Stepper] = field(default_factory=dict)

    def stepper(self, statics: Setting, program: Program) -> Stepper:
        """The stepper of a program, made once for all packs of its static hyperparameters."""
        key = tuple(statics.items())
        if key not in self._steppers:
            self._steppers[key] = make_stepper(program, self.backend, self.device)
        return self._steppers[key]

    def facts(self) -> dict[str, Any]:
        """What a process that continues a checkpoint must share."""
        record = sorted(requested_series(self.spec.environment.items("record")))
        manifest = self.experiment.manifest.fingerprint if self.experiment else ""
        shared = comparable(self.device, self.backend, self.threads)
        return shared | {"fingerprint": manifest, "code": code_hash(), "record list": record}
