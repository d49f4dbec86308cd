"""Logs for TensorBoard, one a run, written while a pack trains.

Logs are fed the events that recorders and checkpoints are, and only look. A run that is continued
is logged anew from its first step, in place of what earlier attempts logged, so that no point is
there twice. What goes wrong is noted once and ends that log; it ends no run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nthrun.planning.packs import Pack, PlannedRun
from nthrun.records.experiment import Experiment
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.field import plain
from nthrun.training.logged_points import MAX_EPISODES, MAX_UPDATES, Thinning
from nthrun.training.recording import MEASURES, Event, LaneRecorder

if TYPE_CHECKING:
    from nthrun.training.tensorboard_log import TensorboardLog

TENSORBOARD = "tensorboard"
WRITE_SECONDS = 1.0
MAX_SHARE = 0.02
"""Largest share of the time that writing may take while training goes on."""
UPDATES = "updates/metrics/"


class PackLogs:
    """The logs of a pack's runs; none where none are asked for.

    Args:
        experiment: in whose directory they lie; None logs nothing.
        pack: whose runs.
        spec: of the environment, whose `log` asks for them.
        note: called with what a user should know.
    """

    def __init__(
        self,
        experiment: Experiment | None,
        pack: Pack,
        spec: EnvironmentSpec,
        note: Callable[[str], None],
    ) -> None:
        self._lanes: list[_LaneLog] = []
        self._step = 0
        self._due = time.monotonic() + WRITE_SECONDS
        if experiment is not None and TENSORBOARD in spec.items("log"):
            folder = experiment.root / "logs" / TENSORBOARD / f"stage{pack.stage}"
            self._lanes = [_LaneLog(run, folder, spec, note) for run in pack.runs]

    def take(self, event: Event, recorders: Sequence[LaneRecorder]) -> None:
        """Log an event that every lane's recorder has added."""
        if not self._lanes:
            return
        lanes = list(zip(self._lanes, recorders, strict=True))
        if "reward" in event:
            for lane, (log, recorder) in enumerate(lanes):
                log.add_episodes(recorder)
                log.add_updates(event, lane, self._step, recorder.num_steps)
            self._step += event["reward"].shape[1]
        elif "eval_returns" in event:
            for lane, (log, recorder) in enumerate(lanes):
                ended = recorder.diverged or event["eval_step"][lane] > recorder.num_steps
                if not ended:
                    log.add_evaluation(event, lane)
        if time.monotonic() >= self._due:
            self._write()

    def close(self, outcomes: Sequence[Mapping[str, str]]) -> None:
        """Write what is left, and how each run ended: status and reason."""
        for log, outcome in zip(self._lanes, outcomes, strict=bool(self._lanes)):
            log.write(None)
            log.close(outcome)

    def _write(self) -> None:
        began = time.monotonic()
        for log in self._lanes:
            log.write(self._step)
        now = time.monotonic()
        self._due = now + max(WRITE_SECONDS, (now - began) / MAX_SHARE)


class _LaneLog:
    """The log of one run.

    Args:
        run: which.
        folder: of the logs of its stage.
        spec: of the environment.
        note: called with what a user should know.
    """

    def __init__(
        self,
        run: PlannedRun,
        folder: Path,
        spec: EnvironmentSpec,
        note: Callable[[str], None],
    ) -> None:
        self._run = run
        self._folder = folder
        self._note = note
        self._log: TensorboardLog | None = None
        self._broken = False
        self._rows: dict[int, dict[str, float]] = {}
        self._episodes = 0
        self._last_step = 0
        self._shown_episodes = Thinning(spec.total_timesteps, MAX_EPISODES)
        self._shown_updates = Thinning(spec.total_timesteps, MAX_UPDATES)

    def add_episodes(self, recorder: LaneRecorder) -> None:
        """Take the training episodes that have ended since the last time."""
        for score, length, end in recorder.episodes_from(self._episodes):
            self._episodes += 1
            if self._shown_episodes.takes(end):
                self._row(end).update({"train/return": score, "train/length": length})
        self._last_step = max(self._last_step, recorder.num_steps)

    def add_updates(self, event: Event, lane: int, first: int, last: int) -> None:
        """Take the metrics of some updates of a block that begins after step `first`, the last of
        those after a step.

        Args:
            event: the block.
            lane: whose part of it.
            first: steps before the block.
            last: the last step that counts.
        """
        names = [name for name in event if name.startswith(UPDATES)]
        counts = event["learned"][lane].astype(np.int64) if names else np.empty(0, np.int64)
        num_worlds = event["reward"].shape[1] // event["learned"].shape[1]
        for place, end in enumerate(np.cumsum(counts).tolist()):
            step = first + (place + 1) * num_worlds
            if step <= last and counts[place] and self._shown_updates.takes(step):
                row = {n.removeprefix("updates/"): float(event[n][lane, end - 1]) for n in names}
                self._row(step).update(row)

    def add_evaluation(self, event: Event, lane: int) -> None:
        """Take an evaluation."""
        step = int(event["eval_step"][lane])
        row = {"eval/return": float(event["eval_returns"][lane].mean())}
        for name in event:
            if name.startswith(MEASURES):
                row["eval_metrics/" + name.removeprefix(MEASURES)] = float(event[name][lane])
        self._row(step).update(row)
        self._last_step = max(self._last_step, step)

    def write(self, before: int | None) -> None:
        """Write the rows of steps before one, which has all it will have; None is all."""
        steps = sorted(s for s in self._rows if before is None or s < before)
        rows = [(step, self._rows.pop(step)) for step in steps]
        self._attempt(lambda log: log.write(rows))

    def close(self, outcome: Mapping[str, str]) -> None:
        """Write how the run ended."""
        self._attempt(lambda log: log.close(self._last_step, outcome))

    def _row(self, step: int) -> dict[str, float]:
        return self._rows.setdefault(step, {})

    def _attempt(self, act: Callable[[TensorboardLog], None]) -> None:
        """Do something with the log, which is opened for it the first time, unless it is broken."""
        if self._broken:
            return
        try:
            if self._log is None:
                from nthrun.training.tensorboard_log import TensorboardLog  # noqa: PLC0415

                params = {name: plain(value) for name, value in self._run.setting.items()}
                self._log = TensorboardLog(self._folder, self._run.index, params)
            act(self._log)
        except Exception as error:  # whatever TensorBoard's package raises, the run goes on
            self._broken = True
            text = " ".join(f"{type(error).__name__}: {error}".split())
            self._note(f"index {self._run.index}: logged no further for {TENSORBOARD}: {text}")
