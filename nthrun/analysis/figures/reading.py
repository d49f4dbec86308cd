"""What figures read of records: the runs of a setting, and the scores of the best one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nthrun.analysis.compatibility_checks import require_one_metric
from nthrun.analysis.curves import best_setting
from nthrun.analysis.figures.saving import PlottedRuns
from nthrun.analysis.ranking import RankedSettings, ranked_settings
from nthrun.analysis.returns import (
    EVALUATION_RETURN,
    TRAINING_RETURN,
    Arrays,
    Quantity,
    Series,
)
from nthrun.analysis.scores import ALL_STAGES, Scores, Stage, chosen_entries, read_scores
from nthrun.errors import DataFileError, NthrunError
from nthrun.records.data import Data
from nthrun.records.sources import Entry, read_table


def _steps_of_episodes(arrays: Arrays) -> Series:
    steps = arrays["train_episode_steps"]
    return Series(steps.values.astype(np.float64), steps.values, steps.offsets)


EPISODE_STEPS = Quantity(
    "episode_steps", "steps of an episode", None, ("train_episode_steps",), _steps_of_episodes
)


def return_of(entries: Sequence[Entry]) -> Quantity:
    """The return of training episodes, or of evaluations where no run has one."""
    trained = read_table(entries).numbers["total_train_episodes"].any()
    return TRAINING_RETURN if trained else EVALUATION_RETURN


def entries_of(data: Data, setting: int | None = None, stage: Stage = None) -> list[Entry]:
    """The runs of one setting; None is the best, by the metric of the experiment's search.

    Raises:
        DataFileError: there are none.
    """
    entries = chosen_entries(data, stage)
    number = setting
    if number is None:
        numbers = {entry.identity.setting_number for entry in entries}
        of = stage if stage == ALL_STAGES else entries[0].identity.stage
        number = best_setting(data, of) if len(numbers) > 1 else min(numbers)
    chosen = [entry for entry in entries if entry.identity.setting_number == number]
    if not chosen:
        raise DataFileError(
            f"{data.source}: no run of setting {number}", f"there are: {_few(entries)}"
        )
    return chosen


def _few(entries: Sequence[Entry]) -> str:
    """The first settings that have runs."""
    numbers = sorted({entry.identity.setting_number for entry in entries})
    return ", ".join(map(str, numbers[:10])) + ", …" * (len(numbers) > 10)


def runs_of_entries(data: Data, entries: Sequence[Entry], label: str) -> list[PlottedRuns]:
    """The runs that some entries are, by setting and stage."""
    groups: dict[tuple[int, int], list[int]] = {}
    for entry, index in zip(entries, read_table(entries).numbers["index"].tolist(), strict=True):
        key = entry.identity.stage, entry.identity.setting_number
        groups.setdefault(key, []).append(index)
    return [
        PlottedRuns(str(data.source), label, stage, number, tuple(indices))
        for (stage, number), indices in groups.items()
    ]


def runs_of_settings(
    settings: RankedSettings, positions: Sequence[int] | np.ndarray, label: str
) -> list[PlottedRuns]:
    """The runs of the settings at some positions, by stage."""
    scores, plotted = settings.scores, []
    for position in positions:
        rows = settings.rows[position]
        stages = scores.stages[rows]
        for stage in np.unique(stages).tolist():
            indices = tuple(scores.indices[rows[stages == stage]].tolist())
            number = int(settings.numbers[position])
            plotted.append(PlottedRuns(scores.source, label, stage, number, indices))
    return plotted


@dataclass(frozen=True, slots=True, eq=False)
class BestScores:
    """One setting of each of several data.

    Attributes:
        scores: label -> all its scores.
        settings: label -> the setting's number.
        values: label -> `(num_runs,)` of that setting, NaN of lost runs.
        shown: the runs.
        label: of an axis.
        higher_is_better: which runs are good.
    """

    scores: Mapping[str, Scores]
    settings: Mapping[str, int]
    values: Mapping[str, np.ndarray]
    shown: Sequence[PlottedRuns]
    label: str
    higher_is_better: bool


def scores_of_best(
    labelled: Mapping[str, Data], setting: int | None = None, **scored: Any
) -> BestScores:
    """The scores of the best setting of each data, or of one by number.

    Args:
        labelled: label -> data.
        setting: its number; None is the best of each.
        scored: what stands for a run, as `read_scores` takes it.

    Raises:
        NthrunError: there are no such runs, no run has the metric, or data without one asked for
            go by different ones.
    """
    scores = {label: read_scores(data, **scored) for label, data in labelled.items()}
    numbers: dict[str, int] = {}
    values: dict[str, np.ndarray] = {}
    plotted: list[PlottedRuns] = []
    for label, of_runs in scores.items():
        settings = ranked_settings(of_runs)
        position = settings.best(_positions(settings, setting))
        numbers[label] = int(settings.numbers[position])
        values[label] = np.where(of_runs.lost, np.nan, of_runs.values)[settings.rows[position]]
        plotted += runs_of_settings(settings, [position], label)
    require_one_metric(scores.values())
    first = next(iter(scores.values()))
    return BestScores(scores, numbers, values, plotted, first.label, first.higher_is_better)


def _positions(settings: RankedSettings, number: int | None) -> np.ndarray:
    """The position of a setting, or of all where none is asked for.

    Raises:
        NthrunError: it has no run.
    """
    positions = np.arange(len(settings.numbers))
    if number is not None:
        positions = np.flatnonzero(settings.numbers == number)
    if not len(positions):
        known = f"{settings.numbers[0]} to {settings.numbers[-1]}"
        raise NthrunError(
            f"{settings.scores.source}: no run of setting {number}", f"settings with runs: {known}"
        )
    return positions
