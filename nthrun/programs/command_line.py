"""The command line of a run: placeholders filled, and the variables that a program is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nthrun.index import program_seed
from nthrun.planning.packs import PlannedRun
from nthrun.programs.scratch import SCRATCH_VARIABLE
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.field import plain
from nthrun.specs.program_spec import PLACEHOLDER, is_of_environment


class PlaceholderError(ValueError):
    """A placeholder for which a run has no value; the message is one line."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a run of a program is given.

    Attributes:
        run: which run.
        environment: its spec.
        device: "cpu" or "cuda".
        scratch: its directory.
        report: where its report lines go.
    """

    run: PlannedRun
    environment: EnvironmentSpec
    device: str
    scratch: Path
    report: Path

    @property
    def seed(self) -> int:
        """The program's seed.

        Raises:
            IndexSpecError: there is none.
        """
        return program_seed(self.run.stage, self.run.run_number)

    @property
    def setting(self) -> dict[str, Any]:
        """The hyperparameters as the spec wrote them."""
        return {name: plain(value) for name, value in self.run.setting.items()}

    def variables(self) -> dict[str, str]:
        """The variables that every process of the run has beside those of this one."""
        return {
            "NTHRUN_INDEX": str(self.run.index),
            "NTHRUN_STAGE": str(self.run.stage),
            "NTHRUN_RUN_NUMBER": str(self.run.run_number),
            "NTHRUN_SEED": str(self.seed),
            "NTHRUN_SETTING": json.dumps(self.setting),
            "NTHRUN_ENVIRONMENT": json.dumps(self.environment.as_document()),
            "NTHRUN_DEVICE": self.device,
            SCRATCH_VARIABLE: str(self.scratch),
            "NTHRUN_REPORT": str(self.report),
        }

    def filled(self, words: tuple[str, ...]) -> list[str]:
        """Arguments with what their placeholders stand for.

        Raises:
            PlaceholderError: the run has no value for one.
        """
        values = {
            **self.setting,
            "seed": self.seed,
            "index": self.run.index,
            "stage": self.run.stage,
            "run_number": self.run.run_number,
            "device": self.device,
            "scratch": str(self.scratch),
            "report": str(self.report),
            "setting": self.setting,
        }
        return [PLACEHOLDER.sub(lambda match: self._value(match[0], values), w) for w in words]

    def _value(self, written: str, values: Mapping[str, Any]) -> str:
        name = written[1:-1]
        if written in ("{{", "}}"):
            return written[0]
        if name in values:
            return text_of(values[name])
        if not is_of_environment(name):
            raise PlaceholderError(f"{written}: this run's setting has no {name}")
        value: Any = self.environment.as_document()
        for key in name.split(".")[1:]:
            if not isinstance(value, Mapping) or key not in value:
                raise PlaceholderError(f"{written}: the environment's spec has no such field")
            value = value[key]
        return text_of(value)


def text_of(value: Any) -> str:
    """A value as an argument: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)
