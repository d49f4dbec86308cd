"""What best responses to recorded runs of a game gained, by case and over parents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from nthrun.analysis.intervals import student_interval
from nthrun.analysis.scores import ALL_STAGES, chosen_entries
from nthrun.errors import DataFileError
from nthrun.planning.experiment_spec import recorded_spec
from nthrun.records.data import Data
from nthrun.records.schema import Run
from nthrun.records.sources import Entry
from nthrun.specs.trust import Trust

AGENT = "best_response"
COMPLETED = "completed"
ASKED = ("parent", "parent_index", "parent_stage", "parent_step", "role", "deviators")
"""Hyperparameters of best responses that say what is asked, and not how it is answered."""
WHO = {"type": "all agents together", "one": "one agent alone"}
"""Who deviates, in words."""


@dataclass(frozen=True, order=True, slots=True)
class Checkpoint:
    """What was responded to, whichever run of an experiment had learned it.

    Attributes:
        directory: of the experiment, as the setting names it; "" where there is no parent.
        deviators: "type" or "one".
        role: who responds.
        step: training steps that the parent had taken; -1 where there is none.
        answer: which of the ways to respond that the experiment has, from 0.
    """

    directory: str
    deviators: str
    role: str
    step: int
    answer: int


@dataclass(frozen=True, order=True, slots=True)
class Case:
    """What is repeated with other seeds.

    Attributes:
        parent: the run that is responded to, in words.
        stage: of the responses.
        checkpoint: what was responded to.
        setting: number of the setting.
    """

    parent: str
    stage: int
    checkpoint: Checkpoint
    setting: int


@dataclass(frozen=True, slots=True)
class Responses:
    """What agents earned in a step, on average, in each repetition, `(runs,)`.

    Attributes:
        before, after: learning.
    """

    before: np.ndarray
    after: np.ndarray

    @property
    def gain(self) -> np.ndarray:
        """After less before."""
        return np.asarray(self.after - self.before)

    def line(self, step: int) -> str:
        """The original's line, its last parenthesis closed."""
        parts = {
            f"mean reward (std) on rollout {step}: before BR training": self.before,
            "after BR training": self.after,
            "mean improvement": self.gain,
        }
        return ", ".join(f"{name} {v.mean()} ({v.std()})" for name, v in parts.items())


def best_responses_of(data: Data) -> dict[Case, Responses]:
    """What is recorded of an experiment, by case, in order.

    Raises:
        DataFileError: the records are not of best responses, or none is complete.
    """
    agent = data["experiment"]["agent"].get("agent_name")
    if agent != AGENT:
        problem = f"{data.source}: runs of {agent}, allowed: of {AGENT}"
        raise DataFileError(problem, f"train {AGENT} with that experiment as its parent first")
    found: dict[Case, list[tuple[float, float]]] = {}
    answers: dict[str, int] = {}
    for entry in chosen_entries(data, ALL_STAGES):
        if entry.status == COMPLETED:
            for case, pair in _of_run(data, entry, answers):
                found.setdefault(case, []).append(pair)
    if not found:
        raise DataFileError(f"{data.source}: no run is complete that was evaluated")
    each = {case: np.array(pairs) for case, pairs in sorted(found.items())}
    return {case: Responses(pairs[:, 0], pairs[:, 1]) for case, pairs in each.items()}


def over_parents(cases: Mapping[Case, Responses]) -> dict[Checkpoint, Responses]:
    """The same by checkpoint, as if parents were runs of one setting: a number for each parent,
    the mean over its runs; of one parent alone its runs."""
    parts: dict[Checkpoint, dict[str, list[Responses]]] = {}
    for case, found in cases.items():
        parts.setdefault(case.checkpoint, {}).setdefault(case.parent, []).append(found)
    return {checkpoint: _joined([*each.values()]) for checkpoint, each in sorted(parts.items())}


def mean_text(values: np.ndarray) -> str:
    """A mean with Student's interval of 95 %, where there is one."""
    low, high = student_interval(values[:, None])
    text = f"{values.mean():.4g}"
    return text if np.isnan(low[0]) else f"{text} [{low[0]:.4g}, {high[0]:.4g}]"


def _joined(parents: list[list[Responses]]) -> Responses:
    pairs = [
        (np.concatenate([r.before for r in each]), np.concatenate([r.after for r in each]))
        for each in parents
    ]
    if len(pairs) == 1:
        return Responses(*pairs[0])
    means = np.array([(before.mean(), after.mean()) for before, after in pairs])
    return Responses(means[:, 0], means[:, 1])


def _of_run(
    data: Data, entry: Entry, answers: dict[str, int]
) -> Iterator[tuple[Case, tuple[float, float]]]:
    """What an agent of each role earned in a step before learning began and after it ended.

    Args:
        answers: numbers of the ways to respond that were met, which grows.
    """
    record = entry.load(())
    parent, metrics = record["provenance"].get("parent"), record.get("eval_metrics", {})
    setting = record["agent_params"]
    name, directory, step = "none", "", -1
    if parent:
        directory, step = parent["directory"], parent["step"]
        name = f"{directory} index {parent['index']}"
        name += f" stage {parent['stage']}" if parent["stage"] else ""
    how = repr(sorted((key, value) for key, value in setting.items() if key not in ASKED))
    answer = answers.setdefault(how, len(answers))
    steps = _steps(data, record)
    for key in metrics:
        role = key.removeprefix("before_")
        if role != key:
            checkpoint = Checkpoint(directory, setting["deviators"], role, step, answer)
            case = Case(name, entry.identity.stage, checkpoint, entry.identity.setting_number)
            earned = (metrics[key][-1], metrics[f"after_{role}"][-1])
            yield case, (float(earned[0]) / steps, float(earned[1]) / steps)


def _steps(data: Data, record: Run) -> int:
    """Steps of an episode, which all are of one length."""
    played = np.asarray(record.get("eval_episode_steps", ()))
    if played.size:
        return int(played.flat[0])
    spec = recorded_spec(data["experiment"], str(data.source), Trust.READ)
    return spec.environment.interface.horizon_steps or 1
