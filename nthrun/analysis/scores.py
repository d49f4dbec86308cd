"""Scores: one number a run, by a named metric.

    score = sum_i w_i v_i / sum_i w_i

over the values v_i of the run's series, see `returns`, where w_i is how many of the steps that v_i
counts for lie within the last so many percent of all steps that are counted for. Of training
episodes the one that the run's end cut off counts too, with its steps and its return so far.

Runs that were pruned are no worse than what they had until then: where there are any, all runs are
scored by what they had up to the last evaluation that every run reached which was not lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nthrun.analysis.returns import (
    EVALUATED_AT,
    EVALUATION_RETURN,
    NAMED,
    TRAINING_RETURN,
    WITH_UNFINISHED,
    Quantity,
    Series,
    evaluation_metric,
    read_series,
    update_metric,
)
from nthrun.errors import DataFileError, NthrunError
from nthrun.records.data import Data
from nthrun.records.episodes import UnfinishedSteps, unfinished_steps
from nthrun.records.schema import OMITTED_FROM_JSON
from nthrun.records.sources import Entry, read_table

DIRECTIONS = ("maximize", "minimize")
ALL_STAGES: Literal["all"] = "all"
WHOLE_RUN = 100.0
COMPARED = ("completed", "pruned")
"""Statuses of runs that are not lost."""
OF_RESPONSES, RESPONSE = ("exploitability", "nash_conv"), "best_response"
"""Metrics of how far a game is from an equilibrium, and the agent whose evaluations have them."""
MAX_SEARCHED = 1000  # runs whose metrics are listed where none has the one asked for

Stage = int | Literal["all"] | None
"""Whose runs: of one stage, of `ALL_STAGES` mixed on purpose, of the only one there is (None)."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """One number of each of an experiment's runs, sorted by (setting, stage, run number).

    Attributes:
        source: the file or directory the runs were read from.
        metric: its name.
        label: of an axis.
        higher_is_better: which runs are good.
        settings, stages, run_numbers, indices: `(num_runs,)` int64, which runs they are.
        statuses: `(num_runs,)` texts.
        values: `(num_runs,)` float64, NaN where a run has no finite value.
        lost: `(num_runs,)` bool, runs that diverged or failed or have no finite value.
        parameters: setting number -> hyperparameters.
        unfinished: steps of the runs in episodes that had not ended; None where the scores are not
            of training episodes.
        up_to: the training step up to which every run counts; None is all of each.
        lengths: steps of runs that completed, each once, rising.
    """

    source: str
    metric: str
    label: str
    higher_is_better: bool
    settings: np.ndarray
    stages: np.ndarray
    run_numbers: np.ndarray
    indices: np.ndarray
    statuses: np.ndarray
    values: np.ndarray
    lost: np.ndarray
    parameters: Mapping[int, Mapping[str, Any]]
    unfinished: UnfinishedSteps | None = None
    up_to: int | None = None
    lengths: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def compared_lengths(self) -> tuple[int, ...]:
        """The different numbers of steps that count of runs that completed, rising."""
        return self.lengths if self.up_to is None else (self.up_to,)

    @property
    def pruned(self) -> np.ndarray:
        """`(num_runs,)` bool, runs that were ended early and have a value up to there."""
        return np.asarray((self.statuses == "pruned") & ~self.lost)


def read_scores(
    data: Data,
    metric: str | None = None,
    last: float = WHOLE_RUN,
    stage: Stage = None,
    direction: str | None = None,
    up_to: int | None = None,
) -> Scores:
    """The scores of an experiment's runs; of several records of one run the first counts.

    Args:
        data: an opened shard, experiment directory, data.json or data.h5.
        metric: None is what the experiment's search goes by, else "return", that of training
            episodes, or of evaluations where no run has finished one; "episodes" is the mean over
            training episodes, each counting alike; "evaluation" is the mean over evaluations, each
            counting for the steps since the one before; "final_evaluation" the last one's; any
            other of `eval_metrics`, such as "oracle_gap", likewise, or of `metrics`, each update
            counting alike; "train_time", "eval_time" (seconds), "peak_memory" (MB).
        last: percent of the run's counted steps, in (0, 100].
        stage: whose runs.
        direction: "maximize" or "minimize"; None is what is known of the metric.
        up_to: the training step up to which runs count; None is all of them, or where some were
            pruned the last evaluation that all of them reached. Never more than that.

    Raises:
        DataFileError: there are no such runs, several stages and none was chosen, or no run has
            the metric.
        NthrunError: `last` or the direction does not fit the metric.
    """
    if metric is None:
        metric, direction = _searched(data, direction)
    entries = chosen_entries(data, stage)
    columns = read_table(entries, ("agent_params",))
    trained = bool(columns.numbers["total_train_episodes"].any())
    quantity = find_quantity(data, entries, metric, trained)
    _require_fitting(quantity, last)
    better = _higher_is_better(quantity, direction)
    statuses = np.array(columns.texts["status"], dtype=np.str_)
    if (statuses == "pruned").any():
        up_to = _earlier(common_step(entries), up_to)
    quantity, series = _scored_series(entries, quantity, metric, up_to)
    values = mean_of_last(series, last)
    settings = columns.numbers["setting_number"]
    parameters = zip(settings.tolist(), columns.documents("agent_params"), strict=True)
    return Scores(
        source=str(data.source),
        metric=metric,
        label=quantity.label,
        higher_is_better=better,
        settings=settings.copy(),
        stages=columns.numbers["stage"].copy(),
        run_numbers=columns.numbers["run_number"].copy(),
        indices=columns.numbers["index"].copy(),
        statuses=statuses,
        values=np.where(np.isfinite(values), values, np.nan),
        lost=~np.isin(statuses, COMPARED) | ~np.isfinite(values),
        parameters=dict(parameters),
        unfinished=_unfinished(entries) if quantity is TRAINING_RETURN else None,
        up_to=up_to,
        lengths=lengths_of(entries),
    )


def _searched(data: Data, direction: str | None) -> tuple[str, str | None]:
    """The metric that an experiment's search goes by, and its direction unless one is given."""
    search = data["experiment"]["agent"].get("search", {})
    return search.get("metric", TRAINING_RETURN.name), direction or search.get("goal")


def lengths_of(entries: Sequence[Entry]) -> tuple[int, ...]:
    """The steps of runs that completed, each once, rising."""
    completed = [entry for entry in entries if entry.status == "completed"]
    return tuple(np.unique(read_table(completed).numbers["total_timesteps"]).tolist())


def _scored_series(
    entries: Sequence[Entry], quantity: Quantity, metric: str, up_to: int | None
) -> tuple[Quantity, Series]:
    """What scores are of, and its values.

    Of training returns those of episodes that were cut off count too. Where evaluations were to
    stand in for finished episodes and there are none, such episodes are all there is.

    Args:
        entries: the runs.
        quantity: that was found for a metric.
        metric: its name.
        up_to: the training step up to which runs count; None is all of them.
    """
    if quantity is not TRAINING_RETURN:
        series = read_series(entries, quantity, up_to)
        if len(series.values) or metric != TRAINING_RETURN.name:
            return quantity, series
    return TRAINING_RETURN, read_series(entries, WITH_UNFINISHED, up_to)


def _unfinished(entries: Sequence[Entry]) -> UnfinishedSteps:
    return unfinished_steps(read_table(entries, ("train_episode_steps",)))


def common_step(entries: Sequence[Entry]) -> int | None:
    """The last evaluation that every run reached, in training steps, those that were lost or never
    took a step aside; None where there are no others.

    A run that was not evaluated after a step of training counts with all its steps.
    """
    compared = [entry for entry in entries if entry.status in COMPARED]
    table = read_table(compared, (EVALUATED_AT,))
    steps, at = table.numbers["total_timesteps"].copy(), table.ragged(EVALUATED_AT)
    some = at.sizes > 0
    last = at.values[at.offsets[1:][some] - 1]
    steps[some] = np.where(last > 0, last, steps[some])
    return min(steps[steps > 0].tolist(), default=None)


def _earlier(one: int | None, other: int | None) -> int | None:
    """The earlier of two steps, of which there may be one or none."""
    return min((step for step in (one, other) if step is not None), default=None)


def mean_of_last(series: Series, last: float = WHOLE_RUN) -> np.ndarray:
    """Step-weighted mean over the last percent of each run's counted steps.

    Args:
        series: of `num_runs` runs.
        last: percent, in (0, 100]; a value that straddles the boundary counts for its steps within.

    Returns:
        `(num_runs,)` float64, NaN of a run without values.
    """
    sizes = np.diff(series.offsets)
    filled = sizes > 0
    means = np.full(len(sizes), np.nan)
    if not filled.any():
        return means
    starts = series.offsets[:-1][filled]
    until = np.cumsum(series.steps)
    totals = np.add.reduceat(series.steps, starts)
    boundaries = until[starts] - series.steps[starts] + totals * (1 - last / 100)
    weights = np.clip(until - np.repeat(boundaries, sizes[filled]), 0, series.steps)
    with np.errstate(invalid="ignore"):  # of infinite values, whose mean is none
        products = np.where(weights > 0, weights * series.values, 0.0)
        means[filled] = np.add.reduceat(products, starts) / np.add.reduceat(weights, starts)
    return means


def find_quantity(data: Data, entries: Sequence[Entry], metric: str, trained: bool) -> Quantity:
    """A metric by name, see `read_scores`.

    Args:
        data: where the runs are from.
        entries: those that are to show it.
        metric: its name.
        trained: whether any run that they are compared with has a training episode.

    Raises:
        DataFileError: none of them has it.
    """
    if metric == TRAINING_RETURN.name and not trained:
        return EVALUATION_RETURN
    if metric in NAMED:
        return NAMED[metric]
    makers = (evaluation_metric, update_metric) if data.full else (evaluation_metric,)
    for quantity in (make(metric) for make in makers):
        if len(read_table(entries, quantity.arrays[:1]).ragged(quantity.arrays[0]).values):
            return quantity
    raise _unknown(data, entries, metric)


def chosen_entries(data: Data, stage: Stage = None) -> list[Entry]:
    """The runs of a stage, the first record of each.

    Raises:
        DataFileError: as `require_stage`.
    """
    firsts = {entry.identity: entry for entry in reversed(data.entries)}
    stages = require_stage(data, stage)
    return [firsts[identity] for identity in sorted(firsts) if identity.stage in stages]


def require_stage(data: Data, stage: Stage) -> frozenset[int]:
    """The stages whose runs are asked for.

    Raises:
        DataFileError: it is not recorded, or none is asked for and there are several: runs that
            chose a setting are not to be mixed with those that confirm it.
    """
    stages = sorted({entry.identity.stage for entry in data.entries})
    recorded = ", ".join(map(str, stages))
    if not stages:
        raise DataFileError(f"{data.source}: holds no runs", "train some, see main.py --help")
    if stage is None and len(stages) > 1:
        raise DataFileError(
            f"{data.source}: stage: runs of stages {recorded} are recorded, allowed: one of them",
            "give --stage: 0 is the sweep, others confirm; --stage all mixes them on purpose",
        )
    if stage is None or stage == ALL_STAGES:
        return frozenset(stages)
    if stage not in stages:
        raise DataFileError(
            f"{data.source}: no run of stage {stage}", f"stages with runs: {recorded}"
        )
    return frozenset([stage])


def _require_fitting(quantity: Quantity, last: float) -> None:
    if not 0 < last <= WHOLE_RUN:
        raise NthrunError(f"last: got {last:g} percent, allowed: above 0, at most 100")
    if quantity.one_number and last != WHOLE_RUN:
        raise NthrunError(
            f"last: got {last:g} percent of {quantity.name}, which is one number a run",
            "leave --last out",
        )


def _higher_is_better(quantity: Quantity, direction: str | None) -> bool:
    allowed = " or ".join(DIRECTIONS)
    if direction is None and quantity.higher_is_better is None:
        problem = f"direction: not known of metric {quantity.name!r}, allowed: {allowed}"
        raise NthrunError(problem, "give --direction")
    if direction is None:
        return bool(quantity.higher_is_better)
    if direction not in DIRECTIONS:
        raise NthrunError(f"direction: got {direction!r}, allowed: {allowed}")
    return direction == DIRECTIONS[0]


def _unknown(data: Data, entries: Sequence[Entry], metric: str) -> DataFileError:
    """The error of a metric that no run has; named are those of some of the runs."""
    names = set(NAMED)
    bulky = [name for name in OMITTED_FROM_JSON if name != "metrics"]
    for entry in entries[:: len(entries) // MAX_SEARCHED + 1]:
        run = entry.load(bulky)
        names.update(run.get("eval_metrics", {}), run.get("metrics", {}))
    more = "" if data.full else "; those of `metrics` need data.h5 or the experiment directory"
    if metric in OF_RESPONSES and data.agent_name == RESPONSE:
        more += f"; {metric} is of runs whose role is all"
    elif metric in OF_RESPONSES:
        more += f"; {metric} is what {RESPONSE} finds of these runs, with them as its parent"
    listed = ", ".join(sorted(names))
    return DataFileError(
        f"{data.source}: no run has metric {metric!r}", f"there are: {listed}{more}"
    )
