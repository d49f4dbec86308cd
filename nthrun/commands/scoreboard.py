"""The table above the bar while a sweep runs: done, running, failed, best so far."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from nthrun.analysis.scores import read_scores
from nthrun.errors import NthrunError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.records.data import Data
from nthrun.records.schema import Run
from nthrun.records.sources import Entry, MemorySource
from nthrun.specs.field import shown
from nthrun.specs.search.search_spec import GOALS, SearchSpec
from nthrun.training.progress import Began, Lost, News, Recorded

SHOWN_VALUES = 4


@dataclass
class Scoreboard:
    """Counts the runs of a command and remembers the best of them.

    Attributes:
        search: says what runs are compared by.
        num_runs: of the command.
        done, failed: how many of them are recorded; failed ones are not done.
        scores: index -> (score, what is swept in its setting), of runs that completed.
    """

    search: SearchSpec
    num_runs: int
    done: int = 0
    failed: int = 0
    scores: dict[int, tuple[float, str]] = field(default_factory=dict)
    _running: dict[int, set[int]] = field(default_factory=dict)

    def count(self, news: News, worker: int = 0) -> None:
        """Count what a worker reports."""
        match news:
            case Began(indices=indices):
                self._running[worker] = set(indices)
            case Lost():
                self._running.pop(worker, None)
            case Recorded(index=index, failed=failed, score=score, setting=setting):
                self._running.get(worker, set()).discard(index)
                self.done += not failed
                self.failed += failed
                if math.isfinite(score):
                    self.scores[index] = score, setting

    @property
    def running(self) -> int:
        """Runs in training."""
        return sum(map(len, self._running.values()))

    def best(self) -> tuple[int, float, str] | None:
        """(index, score, setting) of the best run; None before any completed."""
        sign = 1 if self.search.goal == GOALS[0] else -1
        ranked = max(self.scores, key=lambda index: sign * self.scores[index][0], default=None)
        return None if ranked is None else (ranked, *self.scores[ranked])

    def __rich__(self) -> Table:
        """The table."""
        table = Table(box=None, pad_edge=False)
        for name in ("runs", "done", "running", "failed", "best so far"):
            table.add_column(name, justify="left" if name.startswith("best") else "right")
        best = self.best()
        text = "" if best is None else f"index {best[0]}: {best[1]:.6g}  {best[2]}".rstrip()
        numbers = self.num_runs, self.done, self.running, self.failed
        table.add_row(*map(str, numbers), text)
        return table


def recorded_news(spec: ExperimentSpec, run: Run) -> Recorded:
    """The news that a run of an experiment is recorded."""
    return Recorded(
        run["index"],
        run["status"] == "failed",
        _summary(run),
        score_of(run, spec.agent.search),
        swept(run, spec.sweep.varying),
    )


def _summary(run: Run) -> str:
    """How a run ended, in a line."""
    text = f"index {run['index']}: {run['status']}, {run['total_timesteps']} steps"
    if run["reason"]:
        return f"{text}, {run['reason']}"
    last = run["train_episode_rewards"][-10:]
    if last.size:
        return f"{text}, mean return of the last {last.size} episodes {np.mean(last):.1f}"
    evaluated = run["eval_episode_rewards"][-1:]
    if evaluated.size:
        text += f", mean return of the last evaluation {np.mean(evaluated):.4g}"
    return text


def score_of(run: Run, search: SearchSpec) -> float:
    """A run's score by the metric of a search; NaN unless it completed and has one."""
    if run["status"] != "completed":
        return math.nan
    entry = Entry(run.identity, "", run["status"], MemorySource([run]), 0)
    try:
        data = Data(Path(), {}, [entry])
        scores = read_scores(data, search.text("metric"), direction=search.goal)
    except NthrunError:
        return math.nan
    return float(scores.values[0])


def swept(run: Run, varying: Collection[str]) -> str:
    """The first few of the hyperparameters that vary, as a table shows them."""
    setting: Mapping[str, Any] = run["agent_params"]
    return ", ".join(f"{n} {shown(setting[n])}" for n in list(varying)[:SHOWN_VALUES])
