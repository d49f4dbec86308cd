"""Logging a pack while it trains: one log a run and logger, for viewers of other packages.

Logs are fed the events that recorders and checkpoints are, and only look. A run that is continued
is logged anew from its first step, in place of what earlier attempts logged, so that no point is
there twice. What goes wrong is noted once and ends that log; it ends no run.

    train/return, train/length    each finished training episode, at the step it ended with; no
                                  more than MAX_EPISODES, evenly over the run's steps
    eval/return                   mean return of each evaluation, at its step
    eval_metrics/<name>           what else is known of an evaluation
    metrics/<name>                what is recorded of updates, at MAX_UPDATES steps at most
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from nthrun.planning.packs import Pack, PlannedRun
from nthrun.records.experiment import Experiment
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.field import plain
from nthrun.training.logged_run import LoggedRun, Row, RunLog
from nthrun.training.recording import MEASURES, Event, LaneRecorder

MAX_EPISODES = 2000
MAX_UPDATES = 1000
WRITE_SECONDS = 1.0
MAX_SHARE = 0.02
"""Of the time may be spent on writing while training goes on."""
UPDATES = "updates/metrics/"


class PackLogs:
    """The logs of a pack's runs; none where none are asked for.

    Args:
        experiment: in whose directory they lie; None logs nothing.
        pack: whose runs.
        spec: of the environment, whose `log` names the loggers.
        note: called with what a user should know.
    """

    def __init__(
        self,
        experiment: Experiment | None,
        pack: Pack,
        spec: EnvironmentSpec,
        note: Callable[[str], None],
    ) -> None:
        names = spec.items("log")
        self._lanes: list[_LaneLog] = []
        self._step = 0
        self._due = time.monotonic() + WRITE_SECONDS
        if experiment is not None and names:
            about = [_about(run, experiment) for run in pack.runs]
            total = spec.total_timesteps
            self._lanes = [_LaneLog(run, names, total, note) for run in about]

    def take(self, event: Event, recorders: Sequence[LaneRecorder]) -> None:
        """Look at an event that every lane's recorder has taken in."""
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
    """The logs of one run.

    Args:
        run: which.
        names: of the loggers.
        total: steps of the run.
        note: called with what a user should know.
    """

    def __init__(
        self, run: LoggedRun, names: Sequence[str], total: int, note: Callable[[str], None]
    ) -> None:
        self._run = run
        self._names = names
        self._note = note
        self._logs: dict[str, RunLog] = {}
        self._broken: set[str] = set()
        self._rows: dict[int, dict[str, float]] = {}
        self._episodes = 0
        self._ended_at = 0
        self._last_step = 0
        self._episode_places = _Places(total, MAX_EPISODES)
        self._update_places = _Places(total, MAX_UPDATES)

    def add_episodes(self, recorder: LaneRecorder) -> None:
        """Take the training episodes that have ended since the last time."""
        for score, length in recorder.episodes_from(self._episodes):
            self._episodes += 1
            self._ended_at += length
            if self._episode_places.takes(self._ended_at):
                self._row(self._ended_at).update({"train/return": score, "train/length": length})
        self._last_step = max(self._last_step, recorder.num_steps)

    def add_updates(self, event: Event, lane: int, first: int, last: int) -> None:
        """Take the metrics of some updates of a block that begins after step `first`.

        Args:
            event: the block.
            lane: whose part of it.
            first: steps before the block.
            last: the last step that counts.
        """
        names = [name for name in event if name.startswith(UPDATES)]
        steps = first + 1 + np.flatnonzero(event["learned"][lane]) if names else np.empty(0)
        for place, step in enumerate(steps[steps <= last].tolist()):
            if self._update_places.takes(step):
                found = {n.removeprefix("updates/"): float(event[n][lane, place]) for n in names}
                self._row(step).update(found)

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
        rows = sorted(s for s in self._rows if before is None or s < before)
        found: list[Row] = [(step, self._rows.pop(step)) for step in rows]
        for name in self._names:
            self._tried(name, lambda log: log.write(found))

    def close(self, outcome: Mapping[str, str]) -> None:
        """Write how the run ended."""
        for name in self._names:
            self._tried(name, lambda log: log.close(self._last_step, outcome))

    def _row(self, step: int) -> dict[str, float]:
        return self._rows.setdefault(step, {})

    def _tried(self, name: str, act: Callable[[RunLog], None]) -> None:
        """Do something with a log, which is opened for it the first time, unless it is broken."""
        if name in self._broken:
            return
        try:
            if name not in self._logs:
                self._logs[name] = _opened(name, self._run)
            act(self._logs[name])
        except Exception as error:  # whatever a logger's package raises, the run goes on
            self._broken.add(name)
            text = " ".join(f"{type(error).__name__}: {error}".split())
            self._note(f"index {self._run.index}: logged no further for {name}: {text}")


class _Places:
    """Chooses the first of each of `most` equal stretches of steps."""

    def __init__(self, total: int, most: int) -> None:
        self._length = -(-total // most)
        self._next = 0

    def takes(self, step: int) -> bool:
        """Whether a step, 1 or more and later than those before, is the first of its stretch."""
        if step < self._next:
            return False
        self._next = ((step - 1) // self._length + 1) * self._length + 1
        return True


def _opened(name: str, run: LoggedRun) -> RunLog:
    """A new log, its package imported only now."""
    if name == "wandb":
        from nthrun.training.wandb_log import WandbLog  # noqa: PLC0415

        return WandbLog(run)
    from nthrun.training.tensorboard_log import TensorboardLog  # noqa: PLC0415

    return TensorboardLog(run)


def _about(run: PlannedRun, experiment: Experiment) -> LoggedRun:
    return LoggedRun(
        logs=experiment.root / "logs",
        fingerprint=experiment.manifest.fingerprint,
        index=run.index,
        stage=run.stage,
        setting_number=run.setting_number,
        run_number=run.run_number,
        params={name: plain(value) for name, value in run.setting.items()},
        environment=experiment.manifest.environment,
        agent_name=experiment.manifest.agent["agent_name"],
    )
