"""Progress of training: the news of it, and the bar that shows them.

The bar is on stderr: live on a terminal, silence elsewhere. News are plain data, so that they
reach the bar from the process that trains, whichever that is.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rich.console import Console, RenderableType, RichCast
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from nthrun.index import format_indices
from nthrun.terminal import note, printable, show

SHOWN_PACKS = 4


@dataclass(frozen=True, slots=True)
class Began:
    """A pack is being trained, of whose run-steps earlier attempts have done some."""

    indices: tuple[int, ...]
    done_run_steps: int


@dataclass(frozen=True, slots=True)
class Advanced:
    """Run-steps were done; the return of the last finished episode (NaN is none)."""

    run_steps: int
    last_return: float


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run of the pack is recorded.

    Attributes:
        index, failed: which, and whether it failed.
        summary: a line for whoever waits.
    """

    index: int
    failed: bool
    summary: str


@dataclass(frozen=True, slots=True)
class Noted:
    """Something to know that stops nothing."""

    line: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The process that trained the pack is gone, and its steps since the last checkpoint."""


News = Began | Advanced | Recorded | Noted | Lost
Report = Callable[[News], None]


@dataclass(slots=True)
class _PackInTraining:
    indices: str
    done_before: int
    done_now: int = 0


class _BarBelow(Progress):
    """Bars with something above them."""

    def __init__(self, above: RichCast | None, *columns: ProgressColumn, **options: Any) -> None:
        self._above = above
        super().__init__(*columns, **options)

    def get_renderables(self) -> Iterable[RenderableType]:
        if self._above is not None:
            yield self._above
        yield from super().get_renderables()


class TrainingProgress:
    """One bar for all packs of a command: steps, speed, last return, time left.

    Args:
        total_steps: run-steps (lanes times steps) still to be done.
        above: what is shown above the bar, besides.
    """

    def __init__(self, total_steps: int, above: RichCast | None = None) -> None:
        console = Console(file=sys.stderr)
        self._above_bar = console.is_terminal and sys.stdout.isatty()
        self._bar = _BarBelow(
            above,
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
        self._packs: dict[int, _PackInTraining] = {}

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

    @property
    def live(self) -> bool:
        """Whether anybody sees the bar."""
        return not self._bar.disable

    def show(self, news: News, worker: int = 0) -> None:
        """Show what a worker reports."""
        match news:
            case Began(indices, done_run_steps):
                self._packs[worker] = _PackInTraining(format_indices(indices), done_run_steps)
                self._describe()
                self._leave_out(done_run_steps)
            case Advanced(run_steps, last_return):
                self._packs[worker].done_now += run_steps
                self.advance(run_steps, last_return)
            case Recorded(summary=line):
                self._packs.pop(worker, None)
                self._describe()
                self.say(line)
            case Noted(line):
                note(line)
            case Lost():
                if pack := self._packs.pop(worker, None):
                    self._bar.advance(self._task, -pack.done_now)
                    self._leave_out(-pack.done_before)

    def say(self, line: str) -> None:
        """Print a line on stdout; where that is the bar's terminal, above the bar."""
        if self._above_bar:
            text = printable(line)
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
            return
        try:
            show(line)
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

    def _describe(self) -> None:
        """Say what is being trained, or was last."""
        if not self._packs:
            return
        packs = [self._packs[worker].indices for worker in sorted(self._packs)]
        more = " | ..." if len(packs) > SHOWN_PACKS else ""
        text = f"index {' | '.join(packs[:SHOWN_PACKS])}{more}"
        if len(packs) > 1:
            text = f"{len(packs)} workers: {text}"
        self._bar.update(self._task, description=text)

    def _leave_out(self, run_steps: int) -> None:
        """Take steps that an earlier attempt has done off those to be done."""
        total = self._bar.tasks[0].total or 0
        self._bar.update(self._task, total=total - run_steps)
