"""Report lines: what a program says of its training, as JSON, a line at a time.

    {"step": 200, "episode_return": 21.5, "episode_steps": 200}
    {"step": 1000, "evaluation": [180.0, 200.0], "measures": {"success": 0.5}}
    {"step": 1000, "metrics": {"loss": 0.02}}
    {"artifact": "policy.pt"}                   a file to keep, in the scratch directory
    {"continue": 1000}                          first of all, where an earlier attempt is continued

`step` counts training steps since the run began and never falls. An episode without `episode_steps`
has those since the last one's end, and one without `step` ends so many steps behind that.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

STEP, CONTINUE, ARTIFACT = "step", "continue", "artifact"
EPISODE, EPISODE_STEPS = "episode_return", "episode_steps"
EVALUATION, EVALUATION_STEPS, MEASURES = "evaluation", "evaluation_steps", "measures"
METRICS = "metrics"
ATTEMPT, LINES = "attempt", "lines"
"""Keys that a function's process adds to `continue`: what it goes on from, line for line."""
KEYS = (
    *(STEP, EPISODE, EPISODE_STEPS, EVALUATION, EVALUATION_STEPS, MEASURES, METRICS, ARTIFACT),
    CONTINUE,
)
LEARNED = "learned_params"
MAX_STEP = 10**15
MAX_LINE_BYTES = 2**20
MAX_SHOWN = 60
PART = r"(?!\.{1,2}(/|$))(?![<>|][a-z]\d+(/|$))[^\x00-\x1f\x7f/\ud800-\udfff]{1,200}"
NAME = re.compile(f"{PART}(/{PART}){{0,19}}")
"""Of a metric, a measure or a learned parameter; parts between slashes are no dots, and no types of
numpy's, such as `<f8`, under which a record has the values."""


class ReportError(ValueError):
    """A report that says what cannot be; the message is one line."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation.

    Attributes:
        step: training steps before it.
        returns: of its episodes.
        steps: of its episodes; empty where they are not known.
        measures: what else is known of it, by name.
    """

    step: int
    returns: tuple[float, ...]
    steps: tuple[int, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Reports:
    """What a run has reported so far, line after line.

    Attributes:
        step: the last one reported.
        episode_end: the step at which the last episode ended.
        returns, lengths: of finished training episodes.
        evaluations: in order.
        metrics: name -> values.
        artifacts: names of files, each once.
        num_lines: taken in, those of earlier attempts that count included.
    """

    step: int = 0
    episode_end: int = 0
    returns: list[float] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    artifacts: dict[str, None] = field(default_factory=dict)
    num_lines: int = 0

    @property
    def last_step(self) -> int:
        """Training steps that are known to have been taken."""
        return max(self.step, self.episode_end)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was reported that a record would hold."""
        return not (
            self.last_step or self.returns or self.evaluations or self.metrics or self.artifacts
        )

    def add(self, line: Mapping[str, Any]) -> None:
        """Take in a line that `parse_line` has read.

        Raises:
            ReportError: it does not go with the lines before it.
        """
        step = line.get(STEP)
        if step is not None:
            if step < self.step:
                raise ReportError(f"step {step} comes after step {self.step}: steps never fall")
            self.step = step
        if EPISODE in line:
            self._add_episode(line)
        if EVALUATION in line:
            self._add_evaluation(line)
        for name, value in line.get(METRICS, {}).items():
            self.metrics.setdefault(name, []).append(value)
        if ARTIFACT in line:
            self.artifacts[line[ARTIFACT]] = None
        self.num_lines += 1

    def _add_episode(self, line: Mapping[str, Any]) -> None:
        steps, step = line.get(EPISODE_STEPS), line.get(STEP)
        if steps is None:
            if step is None:
                raise ReportError(f"{EPISODE} needs {STEP} or {EPISODE_STEPS} beside it")
            steps = max(step - self.episode_end, 0)
        self.episode_end = self.episode_end + steps if step is None else step
        self.returns.append(line[EPISODE])
        self.lengths.append(steps)

    def _add_evaluation(self, line: Mapping[str, Any]) -> None:
        if STEP not in line:
            raise ReportError(f"{EVALUATION} needs {STEP} beside it")
        returns, steps = tuple(line[EVALUATION]), tuple(line.get(EVALUATION_STEPS, ()))
        evaluation = Evaluation(line[STEP], returns, steps, line.get(MEASURES, {}))
        if steps and len(steps) != len(returns):
            raise ReportError(f"{EVALUATION_STEPS}: got {len(steps)}, allowed: {len(returns)}")
        first = self.evaluations[0] if self.evaluations else evaluation
        if len(returns) != len(first.returns):
            episodes = f"{len(first.returns)} returns, as the first had"
            raise ReportError(f"{EVALUATION}: got {len(returns)} returns, allowed: {episodes}")
        if bool(steps) != bool(first.steps) or evaluation.measures.keys() != first.measures.keys():
            raise ReportError(f"{EVALUATION}: has other {MEASURES} or steps than the first had")
        if self.evaluations and evaluation.step <= self.evaluations[-1].step:
            raise ReportError(f"{EVALUATION}: a second one at step {evaluation.step}")
        self.evaluations.append(evaluation)


def parse_line(text: str | bytes) -> dict[str, Any]:
    """A line as a mapping whose values are what they have to be.

    Raises:
        ReportError: it is no JSON, or says what no line may.
    """
    if len(text) > MAX_LINE_BYTES:
        raise ReportError(f"a line of {len(text):,} bytes, allowed: {MAX_LINE_BYTES:,}")
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        raise ReportError(f"no JSON: {_shown(text)}") from None
    if not isinstance(line, dict):
        raise ReportError(f"got {_shown(text)}, allowed: a mapping such as {{{STEP!r}: 0}}")
    return checked_line(line)


def checked_line(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line whose values are what they have to be, in Python's own types.

    Raises:
        ReportError: a key is not known, or a value is not allowed.
    """
    return {key: _checked(key, value) for key, value in line.items()}


def _checked(key: str, value: Any) -> Any:
    if key in (STEP, EPISODE_STEPS, CONTINUE, ATTEMPT, LINES):
        return _whole(key, value)
    if key == EPISODE:
        return _number(key, value)
    if key == EVALUATION:
        values = value if isinstance(value, (list, tuple)) else [value]
        if not values:
            raise ReportError(f"{EVALUATION}: got no returns, allowed: at least one")
        return [_number(key, each) for each in values]
    if key == EVALUATION_STEPS:
        return [_whole(key, each) for each in _list(key, value)]
    if key in (MEASURES, METRICS):
        named = required_mapping(key, value).items()
        return {required_name(key, name): _number(f"{key}.{name}", each) for name, each in named}
    if key == ARTIFACT:
        if not isinstance(value, str) or not value or "\0" in value:
            raise ReportError(f"{ARTIFACT}: got {_shown(value)}, allowed: the name of a file")
        return value
    raise ReportError(f"unknown key {_shown(key)}, allowed: {', '.join(KEYS)}")


def _list(key: str, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ReportError(f"{key}: got {_shown(value)}, allowed: a list")
    return list(value)


def required_mapping(key: str, value: Any) -> Mapping[Any, Any]:
    """A value that is a mapping.

    Raises:
        ReportError: it is none.
    """
    if not isinstance(value, Mapping):
        raise ReportError(f"{key}: got {_shown(value)}, allowed: a mapping of names to numbers")
    return value


def required_name(key: str, name: Any) -> str:
    """A name that a record can have of an array, nested by slashes.

    Raises:
        ReportError: it is none.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ReportError(f"{key}: got the name {_shown(name)}, allowed: a short text")
    return name


def _whole(key: str, value: Any) -> int:
    number = _number(key, value)
    if number != int(number) or not 0 <= number <= MAX_STEP:
        raise ReportError(f"{key}: got {_shown(value)}, allowed: a whole number from 0")
    return int(number)


def _number(key: str, value: Any) -> float:
    """A number of Python's, numpy's or any other kind that says so."""
    if isinstance(value, (bool, str, bytes, list, tuple, dict)) or value is None:
        raise ReportError(f"{key}: got {_shown(value)}, allowed: a number")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise ReportError(f"{key}: got {_shown(value)}, allowed: a number") from None
    if not math.isfinite(number):
        raise ReportError(f"{key}: got {number}, allowed: finite numbers")
    return number


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        value = value[: 4 * MAX_SHOWN].decode(errors="replace")
    text = value if isinstance(value, str) and value.isprintable() else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
