"""Pruning: ending runs that have no hope beside others, at their evaluations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.records.experiment import Experiment
from nthrun.specs.search.search_spec import NO_PRUNER, SearchSpec
from nthrun.studies.journal import FORGOTTEN, REPORT, TELL, Journal, is_event

Reports = Mapping[int, Mapping[int, float]]
"""Index -> step -> value, higher is better."""


@dataclass
class Pruner:
    """Says which runs to end; what runs reported is shared through the journal.

    Attributes:
        journal: of the experiment.
        search: names the rule and its numbers.
        interval_steps: between evaluations.
    """

    journal: Journal
    search: SearchSpec
    interval_steps: int
    _reports: dict[int, dict[int, float]] = field(default_factory=dict)
    _read_up_to: int = 0

    def should_prune(
        self, indices: Sequence[int], step: int, values: Sequence[float]
    ) -> list[bool]:
        """Which of some runs to end.

        Args:
            indices: of the runs.
            step: of training, that all stand at.
            values: of each run, higher being better; NaN is worse than any other.

        Raises:
            StorageError: the journal cannot be written.
        """
        ranked = (-math.inf if math.isnan(value) else value for value in values)
        reports = zip(indices, ranked, strict=True)
        with self.journal.writing() as writer:
            writer.add({REPORT: index, "step": step, "value": value} for index, value in reports)
            events, self._read_up_to = self.journal.events_from(self._read_up_to)
        for event in filter(is_event, events):
            if event.get("status") == FORGOTTEN:
                self._reports.pop(event[TELL], None)
            elif REPORT in event:
                self._reports.setdefault(event[REPORT], {})[event["step"]] = event["value"]
        return [self._should_prune(index, step) for index in indices]

    def _should_prune(self, index: int, step: int) -> bool:
        evaluations = self.search.integer("pruner_warmup_evaluations") * self.interval_steps
        warmup = max(self.search.integer("pruner_warmup_timesteps"), evaluations)
        at_step = [of_run[step] for of_run in self._reports.values() if step in of_run]
        if len(at_step) <= self.search.integer("pruner_startup_runs"):
            return False
        if self.search.text("pruner") == "median":
            return step >= warmup and below_median(self._reports, index, step)
        reduction = self.search.integer("pruner_reduction")
        if step not in rungs(warmup or self.interval_steps, reduction, self.interval_steps, step):
            return False
        return not survives(self._reports[index][step], at_step, reduction)


def pruner_of(spec: ExperimentSpec, experiment: Experiment, stage: int) -> Pruner | None:
    """The pruner of an experiment's runs; None where none is asked for.

    Runs of other stages than 0 confirm a choice, and are never ended early.
    """
    search = spec.agent.search
    if stage or search.text("pruner") == NO_PRUNER:
        return None
    interval = spec.environment.integer("eval_interval_timesteps")
    return Pruner(Journal(experiment.root), search, interval)


def below_median(reports: Reports, index: int, step: int) -> bool:
    """The median stopping rule: the run's best value up to a step is below the median of what the
    other runs had at that step (Golovin et al., 2017, Google Vizier, section 3.2.2).

    Args:
        reports: of all runs.
        index: of the run.
        step: that it stands at.
    """
    others = [of_run[step] for i, of_run in reports.items() if i != index and step in of_run]
    best = max(value for at, value in reports[index].items() if at <= step)
    return bool(others) and best < float(np.median(others))


def rungs(first: int, reduction: int, interval: int, last: int) -> set[int]:
    """The evaluations at which successive halving compares: first · reduction^k steps, each at
    the next evaluation.

    Args:
        first: steps of the first rung, at least 1.
        reduction: factor between rungs, at least 2.
        interval: steps between evaluations.
        last: no rung beyond this step is needed.
    """
    steps: set[int] = set()
    rung = first
    while rung <= last:
        steps.add(-(-rung // interval) * interval)
        rung *= reduction
    return steps


def survives(value: float, at_rung: Iterable[float], reduction: int) -> bool:
    """Whether a run goes on from a rung: it is among the best 1/reduction of those that have
    reached it so far, or the best (Li et al., 2020, A system for massively parallel hyperparameter
    tuning, in its form without waiting).

    Args:
        value: of the run.
        at_rung: values of all runs there, this one among them.
        reduction: at least 2.
    """
    ranked = sorted(at_rung, reverse=True)
    return value >= ranked[max(len(ranked) // reduction, 1) - 1]
