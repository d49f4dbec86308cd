"""The table above the bar while a sweep runs: done, running, failed, the best setting so far."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from nthrun.analysis.hyperparameters import setting_text
from nthrun.analysis.ranking import RankedSettings, ranked_settings
from nthrun.analysis.scores import Scores, read_scores
from nthrun.errors import NthrunError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.records.data import Data, open_directory
from nthrun.records.experiment import Experiment
from nthrun.records.schema import Run
from nthrun.records.sources import Entry, MemorySource
from nthrun.specs.search.search_spec import SearchSpec
from nthrun.terminal import printable
from nthrun.training.progress import Began, Lost, News, Recorded

SHOWN_VALUES = 4
PAUSES = 50
"""How many times as long as looking takes the table waits before it looks again."""


@dataclass
class Scoreboard:
    """Counts the runs of a command, and shows which setting of its experiment is the best so far.

    Settings are ranked as at the end, by `ranked_settings`, of all runs that are recorded.

    Attributes:
        experiment, stage: whose runs.
        num_runs: of the command.
        done, failed: how many of them are recorded; failed ones are not done.
        best: the best setting, in words; empty before any has a score.
    """

    experiment: Experiment
    stage: int
    num_runs: int
    done: int = 0
    failed: int = 0
    best: str = ""
    _running: dict[int, set[int]] = field(default_factory=dict)
    _looks_again: float = 0.0

    def count(self, news: News, worker: int = 0) -> None:
        """Count what a worker reports."""
        match news:
            case Began(indices=indices):
                self._running[worker] = set(indices)
            case Lost():
                self._running.pop(worker, None)
            case Recorded(index=index, failed=failed):
                self._running.get(worker, set()).discard(index)
                self.done += not failed
                self.failed += failed

    @property
    def running(self) -> int:
        """Runs in training."""
        return sum(map(len, self._running.values()))

    def look(self, at_once: bool = False) -> None:
        """Look which setting is the best; not so often that it would slow training down.

        Args:
            at_once: whether to look however short ago it last did.
        """
        begun = time.monotonic()
        if begun < self._looks_again and not at_once:
            return
        try:
            scores = read_scores(open_directory(self.experiment), stage=self.stage)
            self.best = _best_text(ranked_settings(scores))
        except NthrunError:  # nothing to compare yet, or not to be read now; the end says why
            self.best = ""
        ended = time.monotonic()
        self._looks_again = ended + PAUSES * (ended - begun)

    def __rich__(self) -> Table:
        """The table."""
        table = Table(box=None, pad_edge=False)
        for name in ("runs", "done", "running", "failed", "best setting so far"):
            table.add_column(name, justify="left" if name.startswith("best") else "right")
        numbers = self.num_runs, self.done, self.running, self.failed
        table.add_row(*map(str, numbers), Text(printable(self.best)))
        return table


def _best_text(settings: RankedSettings) -> str:
    """The best setting with the mean of its runs; empty where no run has a value."""
    best = settings.best()
    if not np.isfinite(settings.means[best]):
        return ""
    scores, number = settings.scores, int(settings.numbers[best])
    num_runs, equals = len(settings.kept(best)), len(settings.equals())
    text = f"{number}: {scores.metric} {settings.means[best]:.6g}, mean of {num_runs} run"
    text += "s" * (num_runs != 1) + (f", as {equals} other{'s' * (equals > 1)}" if equals else "")
    values = setting_text(scores.parameters[number], settings.varying()[:SHOWN_VALUES])
    return f"{text}  {values}".rstrip()


def recorded_news(spec: ExperimentSpec, run: Run) -> Recorded:
    """The news that a run of an experiment is recorded."""
    return Recorded(run["index"], run["status"] == "failed", _summary(spec.agent.search, run))


def _summary(search: SearchSpec, run: Run) -> str:
    """How a run ended, in a line, with its score, which counts for its setting."""
    text = f"index {run['index']}: {run['status']}, {run['total_timesteps']} steps"
    if run["reason"]:
        text += f", {run['reason']}"
    scores = _scores(search, run)
    if scores is None or scores.lost[0]:
        return text
    return f"{text}, {scores.metric} {scores.values[0]:.6g} of setting {run['setting_number']}"


def _scores(search: SearchSpec, run: Run) -> Scores | None:
    """The score of one run by the metric of a search; None where it has none."""
    entry = Entry(run.identity, "", run["status"], MemorySource([run]), 0)
    data = Data(Path(), {}, [entry])
    try:
        return read_scores(data, search.text("metric"), direction=search.goal)
    except NthrunError:
        return None
