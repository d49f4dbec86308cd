"""What a log is told of the run that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Row = tuple[int, Mapping[str, float]]
"""A training step and what became known after it, by name."""


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """A run that is logged.

    Attributes:
        logs: directory of the experiment's logs.
        fingerprint: of the experiment.
        index, stage, setting_number, run_number: which run.
        params: its hyperparameters, as JSON has them.
        environment: its environment spec, as JSON has it.
        agent_name: of its agent.
    """

    logs: Path
    fingerprint: str
    index: int
    stage: int
    setting_number: int
    run_number: int
    params: Mapping[str, Any]
    environment: Mapping[str, Any]
    agent_name: str


class RunLog(Protocol):
    """One run's log, for the viewer of one package."""

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows of rising steps."""

    def close(self, step: int, outcome: Mapping[str, str]) -> None:
        """Append how the run ended: status and reason."""
