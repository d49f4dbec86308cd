"""What a report says of one experiment: its runs, how they ended, and the setting they choose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nthrun.analysis.choice import Choice, choose
from nthrun.analysis.compatibility_checks import lengths_text
from nthrun.analysis.estimates import Estimate, estimate, estimate_of_chosen, sample
from nthrun.analysis.scores import WHOLE_RUN, Scores, read_scores
from nthrun.errors import DataFileError, NthrunError
from nthrun.index import MAX_INDICES, format_indices
from nthrun.planning.experiment_spec import ExperimentSpec, recorded_spec
from nthrun.records.data import Data
from nthrun.records.experiment import open_experiment
from nthrun.records.schema import STATUSES
from nthrun.specs.search.search_spec import BAYES, DRAWN, GRID

ORACLE_GAP = "oracle_gap"
MAX_REASONS = 10
"""Reasons for which runs did not complete that are listed of a stage."""


@dataclass(frozen=True, slots=True)
class Question:
    """The number that runs are compared by.

    Attributes:
        metric, last, direction: as `read_scores` takes them.
        stage: whose runs choose; None is the lowest recorded.
        up_to: the training step up to which runs count; None is all of them.
        importance: whether the importances of hyperparameters are asked for too.
    """

    metric: str = "return"
    last: float = WHOLE_RUN
    stage: int | None = None
    direction: str | None = None
    up_to: int | None = None
    importance: bool = False

    def scores(self, data: Data, stage: int | None) -> Scores:
        """The scores of an experiment's runs of a stage."""
        return read_scores(data, self.metric, self.last, stage, self.direction, self.up_to)


@dataclass(frozen=True, slots=True)
class StageCount:
    """The runs of one stage.

    Attributes:
        stage: its number.
        num_settings: settings to be run: in stage 0 those of a grid or a list, else those that any
            run was made of.
        num_repeats: runs of each setting to be made: as many as the most that any setting has.
        num_runs: recorded runs, of different identities.
        statuses: status -> number of runs.
        missing: indices that are not recorded, of settings times repeats, as text; "" where they
            cannot be told, or are of more than can be listed.
        num_missing: number of runs that are not recorded.
        reasons: why runs did not complete -> number of runs; the most frequent first.
        num_more_reasons: number of reasons that are not listed.
    """

    stage: int
    num_settings: int
    num_repeats: int
    num_runs: int
    statuses: Mapping[str, int]
    missing: str
    num_missing: int
    reasons: Mapping[str, int]
    num_more_reasons: int

    @property
    def num_expected(self) -> int:
        """Settings times repeats."""
        return self.num_settings * self.num_repeats


@dataclass(frozen=True)
class ExperimentSummary:
    """One experiment.

    Attributes:
        label: its name in the report.
        data: its runs.
        question: what they are compared by.
        scores: the runs' scores, of the stage that chooses.
        choice: the best setting; None where no run has a value.
        other_stages: stage -> how the chosen setting did in it, for every other stage; None where
            it has no runs there.
        counts: the runs of each stage recorded.
        spec: None where this version does not know the specs.
    """

    label: str
    data: Data
    question: Question
    scores: Scores
    choice: Choice | None
    other_stages: Mapping[int, Estimate | None]
    counts: Sequence[StageCount]
    spec: ExperimentSpec | None

    @property
    def stage(self) -> int:
        """The stage whose runs choose."""
        return int(self.scores.stages[0])

    @property
    def setting(self) -> int | None:
        """The number of the best setting."""
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
        """The agent's name."""
        return str(self.agent["agent_name"])

    @property
    def env_name(self) -> str:
        """The environment's name."""
        return str(self.environment["env_name"])

    @property
    def search(self) -> Mapping[str, Any]:
        """The search that made the settings, as the agent spec has it."""
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
            asked = replace(self.question, metric=ORACLE_GAP, direction=None)
            scores = asked.scores(self.data, self.stage)
        except DataFileError:  # another stage recorded it
            return None
        return estimate_of_chosen(scores, self.setting, len(scores.parameters))


def lengths_side_by_side(summaries: Sequence[ExperimentSummary]) -> Iterator[str]:
    """For each environment in which experiments of a report have runs of different lengths, that
    they have."""
    for environment in dict.fromkeys(each.env_name for each in summaries):
        lengths = {
            each.label: each.scores.compared_lengths
            for each in summaries
            if each.env_name == environment
        }
        if text := lengths_text(lengths, "--shortest compares what all have"):
            yield f"{environment}: {text}"


def summarise(label: str, data: Data, question: Question) -> ExperimentSummary:
    """Summarise an experiment.

    Raises:
        DataFileError: it holds no runs, none of the stage, or none with the metric.
        NthrunError: `last` or the direction does not fit the metric.
    """
    stages = sorted({entry.identity.stage for entry in data.entries})
    stage = stages[0] if question.stage is None and stages else question.stage
    scores = question.scores(data, stage)
    choice = choose(scores) if np.isfinite(scores.values).any() else None
    others = [other for other in stages if other != stage]
    other_stages = {}
    if choice is not None:
        other_stages = {s: _estimate(data, choice.settings[0], s, question) for s in others}
    spec = _spec(data)
    return ExperimentSummary(
        label, data, question, scores, choice, other_stages, count_stages(data, spec), spec
    )


def _estimate(data: Data, setting: int, stage: int, question: Question) -> Estimate | None:
    """How a setting did in a stage; None where it has no run there, or none with the metric."""
    if not any(entry.identity[:2] == (setting, stage) for entry in data.entries):
        return None
    try:
        scores = question.scores(data, stage)
    except DataFileError:
        return None
    return estimate(sample(scores, setting))


def _spec(data: Data) -> ExperimentSpec | None:
    """The spec that the data has; None where this version cannot read it without running what it
    names."""
    try:
        return recorded_spec(data["experiment"], str(data.source))
    except NthrunError:
        return None


def count_stages(data: Data, spec: ExperimentSpec | None) -> list[StageCount]:
    """The counts of each stage recorded, rising.

    Args:
        data: the experiment's runs.
        spec: the experiment's, which tells how many settings there are; None where it is not known.
    """
    columns = data.scalars()
    identities = np.stack([columns[n] for n in ("stage", "setting_number", "run_number")], axis=1)
    firsts = np.sort(np.unique(identities, axis=0, return_index=True)[1])
    columns = {name: column[firsts] for name, column in columns.items()}
    number = num_settings(columns["index"], columns["setting_number"], columns["run_number"], spec)
    number = number or _planned_settings(data)
    method = data["experiment"]["agent"].get("search", {}).get("method")
    swept = None if method in (*DRAWN, BAYES) else number
    return [
        _count(int(stage), columns, number, swept if stage == 0 else None)
        for stage in np.unique(columns["stage"])
    ]


def _planned_settings(data: Data) -> int | None:
    """Settings of the sweep by the experiment's manifest; None where there is none."""
    root = data.source if data.source.is_dir() else data.source.parent
    try:
        manifest = open_experiment(root).manifest
    except NthrunError:
        return None
    is_own = manifest.agent == data["experiment"]["agent"]
    return manifest.num_settings if is_own and manifest.num_settings <= MAX_INDICES else None


def num_settings(
    indices: np.ndarray, settings: np.ndarray, runs: np.ndarray, spec: ExperimentSpec | None
) -> int | None:
    """Settings of the sweep, by which indices are counted; None where it cannot be told.

    Args:
        indices, settings, runs: `(num_runs,)` of recorded runs: index = run S + setting.
        spec: the experiment's.
    """
    if spec is not None:
        return spec.sweep.num_settings
    later = runs > 0
    if not later.any():
        return None
    return int((indices[later][0] - settings[later][0]) // runs[later][0])


def _count(
    stage: int, columns: Mapping[str, np.ndarray], number: int | None, swept: int | None
) -> StageCount:
    own = columns["stage"] == stage
    settings, runs = columns["setting_number"][own], columns["run_number"][own]
    known = np.unique(settings)
    num_expected = len(known) if swept is None else max(swept, int(known[-1]) + 1)
    repeats = int(runs.max()) + 1
    missing = ""
    if number is not None and num_expected * repeats <= MAX_INDICES:
        expected = known if swept is None else np.arange(num_expected)
        absent = np.ones((repeats, num_expected), np.bool_)
        absent[runs, np.searchsorted(expected, settings)] = False
        missing = _indices_text(absent, number, expected)
    statuses = Counter(columns["status"][own].tolist())
    reasons = _reasons(columns["status"][own].tolist(), columns["reason"][own].tolist())
    return StageCount(
        stage=stage,
        num_settings=num_expected,
        num_repeats=repeats,
        num_runs=int(own.sum()),
        statuses={status: statuses[status] for status in STATUSES},
        missing=missing,
        num_missing=num_expected * repeats - int(own.sum()),
        reasons=dict(reasons.most_common(MAX_REASONS)),
        num_more_reasons=max(0, len(reasons) - MAX_REASONS),
    )


def _indices_text(chosen: np.ndarray, number: int, settings: np.ndarray) -> str:
    """The indices of some of `(num_repeats, num_settings)` runs of so many settings, as text."""
    runs, places = np.nonzero(chosen)
    return format_indices((runs * number + settings[places]).tolist())


def _reasons(statuses: Sequence[str], reasons: Sequence[str]) -> Counter[str]:
    """Reasons and how many runs have each; those that differ in numbers only are counted as one,
    with dots in place of the numbers."""
    counts = Counter(
        f"{status}: {why or 'no reason recorded'}"
        for status, why in zip(statuses, reasons, strict=True)
        if status != "completed"
    )
    kinds: dict[str, list[str]] = {}
    for text in counts:
        kinds.setdefault(re.sub(r"\d+", "…", text), []).append(text)
    return Counter(
        {
            kind if len(texts) > 1 else texts[0]: sum(counts[text] for text in texts)
            for kind, texts in kinds.items()
        }
    )
