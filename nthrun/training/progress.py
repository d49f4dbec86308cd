"""Progress of training, on stderr: a live bar on a terminal, silence elsewhere."""

from __future__ import annotations

import math
import os
import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)


class TrainingProgress:
    """One bar for all packs of a command: steps, speed, last return, time left.

    Args:
        total_steps: run-steps (lanes times steps) still to be done.
    """

    def __init__(self, total_steps: int) -> None:
        console = Console(file=sys.stderr)
        self._above_bar = console.is_terminal and sys.stdout.isatty()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TextColumn("{task.fields[speed]}"),
            TextColumn("{task.fields[last_return]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            redirect_stdout=False,
        )
        self._task = self._bar.add_task("training", total=total_steps, speed="", last_return="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def describe(self, text: str) -> None:
        """Say what is being trained."""
        self._bar.update(self._task, description=text)

    def skip(self, run_steps: int) -> None:
        """Leave out steps that an earlier attempt has done."""
        total = self._bar.tasks[0].total or 0
        self._bar.update(self._task, total=total - run_steps)

    def say(self, line: str) -> None:
        """Print a line on stdout; where that is the bar's terminal, above the bar."""
        if self._above_bar:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
            return
        try:
            print(line, flush=True)
        except BrokenPipeError:  # whoever read stdout has gone; training goes on
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - open until the process ends

    def advance(self, run_steps: int, last_return: float) -> None:
        """Count steps done and show the last finished episode's return (NaN is none)."""
        speed = self._bar.tasks[0].speed
        self._bar.update(
            self._task,
            advance=run_steps,
            speed=f"{speed:,.0f}/s" if speed else "",
            last_return="" if math.isnan(last_return) else f"return {last_return:.1f}",
        )
