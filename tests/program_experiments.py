"""Experiments of programs: specs in a folder of their own, run by `main.py` in this process."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from in_process import Outcome, ended

from nthrun.commands.run import run
from nthrun.records.data import open_data
from nthrun.records.schema import Run

ENVIRONMENT = {"total_timesteps": 100, "checkpoint_interval_seconds": 0.05}


class ProgramExperiment:
    """The specs of a program in a folder, and the commands about it.

    Args:
        folder: for specs and results.
        agent: the agent spec, or the name of a function of `lab`.
        environment: fields of the environment spec.
    """

    def __init__(
        self, folder: Path, agent: Mapping[str, Any] | str, environment: Mapping[str, Any] = {}
    ) -> None:
        named = {"agent_name": f"lab:{agent}"} if isinstance(agent, str) else dict(agent)
        self.folder = folder
        (folder / "agent.json").write_text(json.dumps(named))
        (folder / "environment.json").write_text(json.dumps({**ENVIRONMENT, **environment}))
        self.specs = [
            *("--agent-json", str(folder / "agent.json")),
            *("--env-json", str(folder / "environment.json")),
            *("--save-dir", str(folder / "out")),
        ]

    @property
    def root(self) -> Path:
        """The experiment's directory, which is the only one."""
        [root] = (self.folder / "out").iterdir()
        return root

    def run(self, *words: str) -> Outcome:
        """Call `main.py` about it."""
        with signals_kept():
            return ended(run, *self.specs, *words)

    def records(self) -> dict[int, Run]:
        """Index -> record."""
        runs = [entry.load(()) for entry in open_data(self.root).entries]
        return {each["index"]: each for each in runs}


@contextmanager
def signals_kept() -> Iterator[None]:
    """What signals do is afterwards what it was before."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
