"""The summary of a search: how its settings stand, the best first, and what failed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nthrun.analysis.estimates import Estimate, estimate, sample
from nthrun.analysis.ranking import RunsBySetting, as_recorded, runs_by_setting
from nthrun.analysis.scores import Scores, read_scores
from nthrun.records.data import Data
from nthrun.records.schema import STATUSES

NUM_SHOWN = 5
MAX_REASONS = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """One setting.

    Attributes:
        setting: its number.
        parameters: its hyperparameters.
        value: mean of its completed runs; NaN without any.
        num_runs, num_lost: of it; the lost are among the runs.
    """

    setting: int
    parameters: Mapping[str, Any]
    value: float
    num_runs: int
    num_lost: int


@dataclass(frozen=True, slots=True)
class Summary:
    """How a search stands.

    Attributes:
        agent, environment: the specs as documents.
        metric, higher_is_better, stage: what settings are compared by.
        standings: of every setting with a run, the best first, see `ranking`.
        top: the estimates of the first few of them.
        statuses: status -> number of runs.
        reasons: why runs failed or diverged -> how many; the most frequent first.
        varying: hyperparameters whose recorded values differ.
    """

    agent: Mapping[str, Any]
    environment: Mapping[str, Any]
    metric: str
    higher_is_better: bool
    stage: int
    standings: tuple[Standing, ...]
    top: tuple[Estimate, ...]
    statuses: Mapping[str, int]
    reasons: Mapping[str, int]
    varying: tuple[str, ...]

    @property
    def best(self) -> Standing | None:
        """The best setting; None while no run has completed with a value."""
        return next((one for one in self.standings if math.isfinite(one.value)), None)

    def as_document(self) -> dict[str, Any]:
        """As plain data; what is not a finite number is None."""
        best = self.best
        return {
            "search_config": {
                "agent_name": self.agent["agent_name"],
                "env_name": self.environment["env_name"],
                "search": self.agent.get("search", {"method": "grid"}),
                "metric": self.metric,
                "goal": "maximize" if self.higher_is_better else "minimize",
                "stage": self.stage,
                "runs": dict(self.statuses),
            },
            "search_space": self.agent["parameters"],
            "best_config": None if best is None else dict(best.parameters),
            "best_return": None if best is None else best.value,
            "results": [_result(standing) for standing in self.standings],
        }


def summarise(data: Data, stage: int = 0) -> Summary:
    """The summary of an experiment, by the metric of its search.

    Args:
        data: an opened experiment directory, data.json or data.h5.
        stage: whose runs.

    Raises:
        DataFileError: the stage has no runs, or none has the metric.
    """
    documents = data["experiment"]
    scores = read_scores(data, stage=stage)
    standings = _standings(scores)
    statuses = Counter(scores.statuses.tolist())
    return Summary(
        agent=documents["agent"],
        environment=documents["environment"],
        metric=scores.metric,
        higher_is_better=scores.higher_is_better,
        stage=stage,
        standings=standings,
        top=tuple(estimate(sample(scores, one.setting)) for one in standings[:NUM_SHOWN]),
        statuses={name: statuses[name] for name in STATUSES if statuses[name]},
        reasons=_reasons(data, stage),
        varying=_varying(list(scores.parameters.values())),
    )


def _standings(scores: Scores) -> tuple[Standing, ...]:
    runs = runs_by_setting(scores)
    share, mean = as_recorded(runs)
    sign = 1.0 if scores.higher_is_better else -1.0
    lost = np.where(np.isfinite(mean), share, np.inf)
    order = np.lexsort((runs.numbers, -mean, lost))
    return tuple(_standing(runs, scores, place, sign * float(mean[place])) for place in order)


def _standing(runs: RunsBySetting, scores: Scores, place: int, value: float) -> Standing:
    number, size = int(runs.numbers[place]), int(runs.sizes[place])
    num_lost = int(runs.lost[place][:size].sum())
    return Standing(
        setting=number,
        parameters=scores.parameters[number],
        value=value if num_lost < size and math.isfinite(value) else math.nan,
        num_runs=size,
        num_lost=num_lost,
    )


def _reasons(data: Data, stage: int) -> dict[str, int]:
    """Why runs were lost -> how many."""
    columns = data.scalars()
    own = (columns["stage"] == stage) & np.isin(columns["status"], ("failed", "diverged"))
    pairs = zip(columns["status"][own].tolist(), columns["reason"][own].tolist(), strict=True)
    return dict(Counter(f"{status}: {reason}" for status, reason in pairs).most_common(MAX_REASONS))


def _varying(settings: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    names = dict.fromkeys(name for setting in settings for name in setting)
    first = settings[0]
    return tuple(n for n in names if any(one.get(n) != first.get(n) for one in settings[1:]))


def _result(standing: Standing) -> dict[str, Any]:
    value = standing.value if math.isfinite(standing.value) else None
    return {
        "trial_num": standing.setting,
        "hyperparameters": dict(standing.parameters),
        "metrics": {
            "best_return": value,
            "num_runs": standing.num_runs,
            "num_lost": standing.num_lost,
        },
        "success": standing.num_lost < standing.num_runs,
    }
