"""The run that a function is given: its setting, seed and environment, and what it reports.

    def train(run):
        for step in range(run.saved.step, run.total_timesteps):
            ...
            run.episode(episode_return, steps)
            run.evaluation(step, returns)
            run.metric(step, loss=loss)
            if run.time_to_save:
                run.save(step + 1, {"weights": weights})
        run.learned_params = {"weights": weights}

It lives in the process of the function. What it is told goes as report lines to the process that
keeps the record, see `nthrun.programs.report_lines`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from nthrun.programs.report_lines import (
    ARTIFACT,
    ATTEMPT,
    CONTINUE,
    EPISODE,
    EPISODE_STEPS,
    EVALUATION,
    EVALUATION_STEPS,
    LEARNED,
    LINES,
    MEASURES,
    METRICS,
    STEP,
    ReportError,
    checked_line,
    required_mapping,
)

FLUSH_SECONDS = 0.2
PROGRESS_SECONDS = 0.1
GO_ON, END = b".", b"x"
WAITING = b"?"
"""What the two processes say to each other at an evaluation after which a run may be ended."""


class RunEnded(BaseException):
    """Ends a run from within: it was asked to stop and has saved, or it has no hope."""


@dataclass(frozen=True, slots=True)
class Saved(Mapping[str, Any]):
    """What the last attempt at a run has saved, by name; empty where there was none.

    Attributes:
        step: training steps that it had taken; 0 without one.
        state: what was saved.
    """

    step: int = 0
    state: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.state[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.state)

    def __len__(self) -> int:
        return len(self.state)


@dataclass(frozen=True, slots=True)
class RunJob:
    """What a function's process is told of its run, all of it plain data.

    Attributes:
        function: "package.module:function".
        agent_name: of the agent's spec.
        index, stage, setting_number, run_number: which run.
        seed: below 2**31; see `nthrun.index.program_seed`.
        random_seed: the seed that the record has, for a `numpy.random.SeedSequence`.
        setting: hyperparameters by name.
        environment: the environment's spec.
        device: "cpu" or "cuda".
        scratch: the run's own directory.
        own: the directory beside it in which this process and its parent keep their files.
        attempt: its number, from 0.
        save_seconds: least time between saved states.
        code: hash of the function's code.
        pruned: whether the run may be ended at evaluations.
        path: where modules are looked for.
    """

    function: str
    agent_name: str
    index: int
    stage: int
    setting_number: int
    run_number: int
    seed: int
    random_seed: int
    setting: Mapping[str, Any]
    environment: Mapping[str, Any]
    device: str
    scratch: str
    own: str
    attempt: int
    save_seconds: float
    code: str
    pruned: bool
    path: tuple[str, ...]

    @property
    def report(self) -> Path:
        """The file that the lines of this attempt go to."""
        return Path(self.own) / f"report-{self.attempt}.jsonl"

    @property
    def saved(self) -> Path:
        """The file of the saved state."""
        return Path(self.own) / "saved"

    @property
    def learned(self) -> Path:
        """The file of the learned parameters."""
        return Path(self.own) / "learned"


class Run:
    """One run of a function.

    Args:
        job: which.
        control: connected to the parent where the run may be ended at evaluations; else None.

    Attributes:
        agent_name: of the agent's spec.
        index, stage, setting_number, run_number: which run.
        seed: an integer below 2**31, for whatever takes one.
        random_seed: the seed of the record, for a `numpy.random.SeedSequence`.
        setting: hyperparameters by name, as the spec wrote them.
        environment: the environment's spec as a mapping.
        device: "cpu" or "cuda".
        scratch: a directory of the run's own, which lasts until it is recorded.
    """

    def __init__(self, job: RunJob, control: IO[bytes] | None = None) -> None:
        self._job = job
        self._control = control
        self._process = os.getpid()
        self.agent_name = job.agent_name
        self.index, self.stage = job.index, job.stage
        self.setting_number, self.run_number = job.setting_number, job.run_number
        self.seed, self.random_seed = job.seed, job.random_seed
        self.setting = dict(job.setting)
        self.environment = dict(job.environment)
        self.device = job.device
        self.scratch = Path(job.scratch)
        self._learned: Mapping[str, Any] = {}
        self._file = open(job.report, "ab")  # noqa: SIM115 - open as long as the process
        self._lines: list[bytes] = []
        self._num_lines = 0
        self._last_step = self._untold_step = 0
        self._flush_due = self._progress_due = 0.0
        self._save_due = time.monotonic() + job.save_seconds
        self._saved: Saved | None = None
        self._asked_to_stop = False
        self.heeded_stop = False

    @property
    def total_timesteps(self) -> int:
        """Training steps that the environment's spec asks for.

        Raises:
            ReportError: it asks for none.
        """
        steps = self.environment.get("total_timesteps")
        if steps is None:
            raise ReportError("the environment's spec has no total_timesteps: write it there")
        return int(steps)

    @property
    def learned_params(self) -> Mapping[str, Any]:
        """Name -> array of what was learned, set by the function; kept in the record.

        Raises:
            ReportError: it is set to something else.
        """
        return self._learned

    @learned_params.setter
    def learned_params(self, params: Mapping[str, Any]) -> None:
        self._learned = required_mapping(LEARNED, params)

    @property
    def saved(self) -> Saved:
        """What the last attempt saved; asked for before anything is reported.

        Raises:
            ReportError: something was reported before an earlier attempt is gone on from.
        """
        if self._saved is None:
            self._saved = self._read_saved()
        return self._saved

    @property
    def should_stop(self) -> bool:
        """Whether the run is to save and return: its time is up, or somebody stopped it."""
        self.heeded_stop = self.heeded_stop or self._asked_to_stop
        return self._asked_to_stop

    @property
    def time_to_save(self) -> bool:
        """Whether a state is to be saved now: a while has passed, or the run is to stop."""
        return self.should_stop or time.monotonic() >= self._save_due

    def seeds(self, number: int) -> list[int]:
        """That many seeds below 2**31, each for something of its own; they grow from the run's."""
        from numpy.random import SeedSequence  # noqa: PLC0415 - not every function needs numpy

        from nthrun.index import Purpose  # noqa: PLC0415

        sequence = SeedSequence(self.random_seed, spawn_key=(Purpose.PROGRAM,))
        return [int(word) >> 1 for word in sequence.generate_state(number)]

    def episode(self, episode_return: float, steps: int) -> None:
        """Report a finished training episode.

        Args:
            episode_return: its undiscounted return.
            steps: that it took.
        """
        self._report({EPISODE: episode_return, EPISODE_STEPS: steps})

    def evaluation(self, step: int, returns: Any, steps: Any = None, **measures: float) -> None:
        """Report an evaluation; it may end a run that has no hope beside others.

        Args:
            step: training steps before it.
            returns: of its episodes, or one number.
            steps: of its episodes, where they are known.
            measures: what else is known of it.
        """
        line = {STEP: step, EVALUATION: _listed(returns)}
        line |= {} if steps is None else {EVALUATION_STEPS: _listed(steps)}
        self._report(line | ({MEASURES: measures} if measures else {}))
        if self._control is not None:
            self._flush()
            self._control.write(WAITING)
            if self._control.read(1) != GO_ON:
                raise RunEnded

    def metric(self, step: int, **metrics: float) -> None:
        """Report numbers of an update, such as losses; names are yours."""
        self.metrics(step, metrics)

    def metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """As `metric`, of names that are no Python names, such as "losses/policy"."""
        self._report({STEP: step, METRICS: metrics})

    def progress(self, step: int) -> None:
        """Tell how far the run is, for whoever waits; it may be called at every step."""
        now = time.monotonic()
        if now >= self._progress_due:
            self._progress_due = now + PROGRESS_SECONDS
            self._report({STEP: step})
        else:
            self._untold_step = step

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Save a state, from which a later attempt goes on; it ends a run that is to stop.

        Args:
            step: training steps taken.
            state: name -> array, number, text, bytes, or lists and mappings of them.

        Raises:
            TypeError: the state holds something else.
            StorageError: it could not be written.
        """
        from nthrun.programs.saved_state import write_state  # noqa: PLC0415 - imports h5py

        self._report({STEP: step})
        self._flush()
        about = {ATTEMPT: self._job.attempt, LINES: self._num_lines, "code": self._job.code}
        write_state(self._job.saved, self._last_step, state, about)
        self._save_due = time.monotonic() + self._job.save_seconds
        if self.should_stop:
            raise RunEnded

    def artifact(self, path: str | Path) -> None:
        """Keep a file with the record: it is copied into the experiment when the run has ended.

        Args:
            path: of a file; a relative one is looked for in `scratch`, then where the run began.
        """
        named = self.scratch / path
        found = named if named.exists() else Path(path).absolute()
        if not found.is_file():
            raise ReportError(f"artifact: there is no file {path}")
        self._report({ARTIFACT: str(found)})

    def finish(self) -> None:
        """Write what is left to be written, the last step and learned parameters too."""
        if self._untold_step > self._last_step:
            self._report({STEP: self._untold_step})
        if self._learned:
            from nthrun.programs.saved_state import write_state  # noqa: PLC0415

            write_state(self._job.learned, self._last_step, self._learned, {})
        self._flush()

    def stop(self) -> None:
        """Ask the run to stop; from a signal's handler."""
        self._asked_to_stop = True

    def _read_saved(self) -> Saved:
        if not self._job.saved.exists():
            return Saved()
        from nthrun.programs.saved_state import read_state  # noqa: PLC0415 - imports h5py

        if self._num_lines:
            raise ReportError("run.saved: look at it before anything is reported")
        step, state, about = read_state(self._job.saved)
        self._report({CONTINUE: step, ATTEMPT: about[ATTEMPT], LINES: about[LINES]})
        self._last_step = step
        return Saved(step, state)

    def _report(self, line: Mapping[str, Any]) -> None:
        """Write a line.

        Raises:
            ReportError: it says what cannot be, or another process than the run's own says it.
        """
        if os.getpid() != self._process:
            raise ReportError("a run is reported by the process that it was given to alone")
        checked = checked_line(line)
        step = checked.get(STEP, self._last_step)
        if step < self._last_step:
            raise ReportError(f"step {step} comes after step {self._last_step}: steps never fall")
        self._last_step = step
        self._lines.append(json.dumps(checked).encode() + b"\n")
        self._num_lines += 1
        now = time.monotonic()
        if now >= self._flush_due:
            self._flush_due = now + FLUSH_SECONDS
            self._flush()

    def _flush(self) -> None:
        self._file.write(b"".join(self._lines))
        self._lines.clear()
        self._file.flush()


def _listed(values: Any) -> Any:
    """Numbers of any kind as a list."""
    given = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(given, (list, tuple)) or not hasattr(given, "__iter__"):
        return given
    return list(given)
