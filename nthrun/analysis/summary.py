"""The summary of a search: how its settings stand, the best first, and what failed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nthrun.analysis.estimates import Estimate, estimate_of_chosen
from nthrun.analysis.ranking import RankedSettings, ranked_settings
from nthrun.analysis.scores import read_scores
from nthrun.analysis.unfinished import unfinished_notes
from nthrun.records.data import Data
from nthrun.records.schema import STATUSES

NUM_SHOWN = 5
MAX_REASONS = 5


@dataclass(frozen=True, slots=True)
class Summary:
    """How a search stands.

    Attributes:
        agent, environment: the specs as documents.
        stage: whose runs.
        settings: every setting with a run, ranked by the metric of the search.
        top: the estimates of the best few of them, the best first, whose intervals hold for all
            the settings at once.
        statuses: status -> number of runs.
        reasons: why runs failed or diverged -> how many; the most frequent first.
    """

    agent: Mapping[str, Any]
    environment: Mapping[str, Any]
    stage: int
    settings: RankedSettings
    top: tuple[Estimate, ...]
    statuses: Mapping[str, int]
    reasons: Mapping[str, int]

    def as_document(self) -> dict[str, Any]:
        """The summary as plain data; what is not a finite number is None."""
        scores, settings = self.settings.scores, self.settings
        results = [self._result(position) for position in settings.order.tolist()]
        best = next((each for each in results if each["success"]), None)
        return {
            "search_config": {
                "agent_name": self.agent["agent_name"],
                "env_name": self.environment["env_name"],
                "search": self.agent.get("search", {"method": "grid"}),
                "metric": scores.metric,
                "goal": "maximize" if scores.higher_is_better else "minimize",
                "stage": self.stage,
                "runs": dict(self.statuses),
                "compared_up_to": scores.up_to,
            },
            "search_space": self.agent["parameters"],
            "best_config": best["hyperparameters"] if best else None,
            "best_return": best["metrics"]["best_return"] if best else None,
            "best_interval": _interval(self.top[0]) if best else None,
            "same_mean_as_best": settings.equals() if best else [],
            "results": results,
            "notes": list(unfinished_notes([scores])),
        }

    def _result(self, position: int) -> dict[str, Any]:
        """One setting; its value is the mean of its runs not lost, None without any."""
        settings = self.settings
        number = int(settings.numbers[position])
        num_runs, num_lost, num_pruned = (
            int(column[position])
            for column in (settings.num_runs, settings.num_lost, settings.num_pruned)
        )
        compared = num_lost < num_runs
        return {
            "trial_num": number,
            "hyperparameters": dict(settings.scores.parameters[number]),
            "metrics": {
                "best_return": float(settings.means[position]) if compared else None,
                "num_runs": num_runs,
                "num_lost": num_lost,
                "num_pruned": num_pruned,
            },
            "success": compared,
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
    settings = ranked_settings(scores)
    best = settings.numbers[settings.order[:NUM_SHOWN]].tolist()
    statuses = Counter(scores.statuses.tolist())
    return Summary(
        agent=documents["agent"],
        environment=documents["environment"],
        stage=stage,
        settings=settings,
        top=tuple(estimate_of_chosen(scores, number, len(settings.numbers)) for number in best),
        statuses={name: statuses[name] for name in STATUSES if statuses[name]},
        reasons=_reasons(data, stage),
    )


def _interval(estimate: Estimate) -> dict[str, Any] | None:
    """The interval of the best setting's mean, and what it is; None where there is none, or none
    of numbers that JSON has."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return None
    return {
        "low": estimate.low,
        "high": estimate.high,
        "what": estimate.interval_name(),
        "biased": estimate.num_settings > 1,
    }


def _reasons(data: Data, stage: int) -> dict[str, int]:
    """Why runs were lost -> how many."""
    columns = data.scalars()
    own = (columns["stage"] == stage) & np.isin(columns["status"], ("failed", "diverged"))
    pairs = zip(columns["status"][own].tolist(), columns["reason"][own].tolist(), strict=True)
    return dict(Counter(f"{status}: {reason}" for status, reason in pairs).most_common(MAX_REASONS))
