"""Findings: what a report says of one experiment, before any of it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nthrun.analysis.choice import Choice, choose
from nthrun.analysis.estimates import Estimate, estimate, sample
from nthrun.analysis.report.counting import StageCount, count_stages
from nthrun.analysis.scores import WHOLE_RUN, Scores, read_scores
from nthrun.errors import DataFileError, SpecError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.data import Data
from nthrun.specs.search.search_spec import GRID

ORACLE_GAP = "oracle_gap"


@dataclass(frozen=True, slots=True)
class Question:
    """What runs are compared by.

    Attributes:
        metric, last, direction: as `read_scores` takes them.
        stage: whose runs choose; None is the lowest recorded.
    """

    metric: str = "return"
    last: float = WHOLE_RUN
    stage: int | None = None
    direction: str | None = None


@dataclass(frozen=True)
class Findings:
    """One experiment.

    Attributes:
        label: its name in the report.
        data: its runs.
        question: what they are compared by.
        scores: of the stage that chooses.
        choice: None where no run has a value.
        elsewhere: stage -> how the chosen setting did in it, for every other stage; None where it
            has no runs there.
        counts: of each stage recorded.
        spec: None where this version does not know the specs.
    """

    label: str
    data: Data
    question: Question
    scores: Scores
    choice: Choice | None
    elsewhere: Mapping[int, Estimate | None]
    counts: Sequence[StageCount]
    spec: ExperimentSpec | None

    @property
    def stage(self) -> int:
        """Whose runs choose."""
        return int(self.scores.stages[0])

    @property
    def setting(self) -> int | None:
        """The best one's number."""
        return None if self.choice is None else self.choice.settings[0]

    @property
    def agent(self) -> Mapping[str, Any]:
        """The agent spec as a document."""
        document: Mapping[str, Any] = self.data["experiment"]["agent"]
        return document

    @property
    def environment(self) -> Mapping[str, Any]:
        """The environment spec as a document."""
        document: Mapping[str, Any] = self.data["experiment"]["environment"]
        return document

    @property
    def agent_name(self) -> str:
        """Of the agent spec."""
        return str(self.agent["agent_name"])

    @property
    def env_name(self) -> str:
        """Of the environment spec."""
        return str(self.environment["env_name"])

    @property
    def search(self) -> Mapping[str, Any]:
        """How settings were found."""
        search: Mapping[str, Any] = self.agent.get("search") or {"method": GRID}
        return search

    @cached_property
    def has_oracle_gap(self) -> bool:
        """Whether any run recorded its distance from an exact solution."""
        return bool(self.data.ragged(f"eval_metrics/{ORACLE_GAP}").values.size)

    def gap(self) -> Estimate | None:
        """The oracle gap of the best setting, in the stage that chooses."""
        if not self.has_oracle_gap or self.setting is None:
            return None
        try:
            scores = read_scores(self.data, ORACLE_GAP, self.question.last, self.stage)
        except DataFileError:  # another stage recorded it
            return None
        return estimate(sample(scores, self.setting))


def find(label: str, data: Data, question: Question) -> Findings:
    """What there is to say of an experiment.

    Raises:
        DataFileError: it holds no runs, none of the stage, or none with the metric.
        NthrunError: `last` or the direction does not fit the metric.
    """
    stages = sorted({entry.identity.stage for entry in data.entries})
    stage = stages[0] if question.stage is None and stages else question.stage
    scores = read_scores(data, question.metric, question.last, stage, question.direction)
    choice = choose(scores) if np.isfinite(scores.values).any() else None
    others = [other for other in stages if other != stage]
    elsewhere = {}
    if choice is not None:
        elsewhere = {s: _estimate(data, choice.settings[0], s, question) for s in others}
    spec = _spec(data)
    return Findings(
        label, data, question, scores, choice, elsewhere, count_stages(data, spec), spec
    )


def _estimate(data: Data, setting: int, stage: int, question: Question) -> Estimate | None:
    """None where the setting has no run of the stage, or they have nothing of the metric."""
    if not any(entry.identity[:2] == (setting, stage) for entry in data.entries):
        return None
    try:
        scores = read_scores(data, question.metric, question.last, stage, question.direction)
    except DataFileError:
        return None
    return estimate(sample(scores, setting))


def _spec(data: Data) -> ExperimentSpec | None:
    experiment = data["experiment"]
    try:
        return experiment_spec_of(experiment["environment"], experiment["agent"], str(data.source))
    except SpecError:
        return None
