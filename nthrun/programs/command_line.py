"""The command line of a run: placeholders filled, and the variables that a program is given."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nthrun.index import program_seed
from nthrun.planning.packs import PlannedRun
from nthrun.programs.descendants import SCRATCH_VARIABLE
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.field import plain
from nthrun.specs.program_spec import PLACEHOLDER, is_of_environment

PYTHON = "python"
LARGEST_FILE_BYTES = 2**26
"""Of the files that a command line names: a larger one holds data."""


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
        """Arguments with what their placeholders stand for; `python` is this one where the system
        knows no other.

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
        filled = [PLACEHOLDER.sub(lambda match: self._value(match[0], values), w) for w in words]
        if filled[0] == PYTHON and shutil.which(PYTHON) is None:
            filled[0] = sys.executable
        return filled

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


def command_hash(words: Sequence[str]) -> str:
    """SHA-256 of what a command line runs, as it is now: the executable, if it is named by its
    path, and the first file that an argument names, which is its script; "" where it names none.

    Args:
        words: of the command line, with placeholders.
    """
    paths = [word for word in words if not PLACEHOLDER.search(word)]
    executable = paths[:1] if "/" in words[0] else []
    script = [path for path in paths[1:] if os.path.isfile(path)][:1]
    contents = [content for path in executable + script if (content := _content_of(path))]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest() if digests else ""


def _content_of(path: str) -> bytes:
    """What a file holds that may be a program; nothing where there is no such file."""
    try:
        size = os.path.getsize(path) if os.path.isfile(path) else 0
        return Path(path).read_bytes() if 0 < size <= LARGEST_FILE_BYTES else b""
    except OSError:
        return b""
