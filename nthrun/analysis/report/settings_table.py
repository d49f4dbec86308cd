"""The table of settings: how each did, and the hyperparameters they differ in, the best first."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nthrun.analysis.choice import Choice
from nthrun.analysis.estimates import typical_deviation
from nthrun.analysis.hyperparameters import is_number, plain_text
from nthrun.analysis.intervals import CONFIDENCE, for_each, student_interval
from nthrun.analysis.ranking import RankedSettings, ranked_settings
from nthrun.analysis.scores import Scores

Cell = float | int | str | None

ROWS_PER_PAGE = 50
"""Settings that the page shows at a time, and all that it shows without its script."""
NUMBERS = ("rank", "setting", "mean", "low", "high", "runs", "lost", "pruned")
CHOSEN_AGAIN = "chosen_again"
PREFIX = "parameter."


@dataclass(frozen=True, slots=True)
class SettingsTable:
    """The table.

    Attributes:
        columns: their names, those of hyperparameters last.
        hyperparameters: those that settings differ in.
        rows: a setting each, the best first; None where there is no number.
        positions: the position in `RankedSettings` of each row.
    """

    columns: tuple[str, ...]
    hyperparameters: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    positions: Sequence[int]

    @property
    def numbers(self) -> dict[str, Any]:
        """The numbers that a script sorts and filters."""
        return {"columns": self.columns, "rows": self.rows, "page": ROWS_PER_PAGE}


def settings_table(
    settings: RankedSettings, choice: Choice | None, names: Sequence[str] | None = None
) -> SettingsTable:
    """All settings, with Student's intervals of their means, at least 95 % for all at once.

    Args:
        settings: of one stage.
        choice: made from the same runs; how often it would choose each setting again is shown where
            that is known.
        names: the hyperparameters that are shown; None for those that settings differ in.
    """
    names = settings.varying() if names is None else names
    likely = _probabilities(choice)
    low, high = _intervals(settings)
    positions = settings.order.tolist()
    rows = []
    for rank, at in enumerate(positions):
        number = int(settings.numbers[at])
        parameters = settings.scores.parameters[number]
        own = [rank + 1, number, *map(rounded, (settings.means[at], low[at], high[at]))]
        counts = [
            int(number[at])
            for number in (settings.num_runs, settings.num_lost, settings.num_pruned)
        ]
        chance = [] if likely is None else [rounded(likely.get(number, 0.0))]
        rows.append([*own, *counts, *chance, *(cell_of(parameters, name) for name in names)])
    own_columns = (*NUMBERS, *(() if likely is None else (CHOSEN_AGAIN,)))
    return SettingsTable((*own_columns, *names), tuple(names), rows, positions)


def as_csv(scores: Sequence[Scores], choices: Sequence[Choice]) -> str:
    """All settings of some experiments with all of their hyperparameters, a row each, as CSV.

    A hyperparameter that is named as one of the other columns has `PREFIX` before its name.

    Args:
        scores: of each experiment.
        choices: made from each by itself, or one from all together.
    """
    known = [each.parameters.values() for each in scores]
    names = list(dict.fromkeys(name for settings in known for each in settings for name in each))
    apart: Sequence[Choice | None] = (
        choices if len(choices) == len(scores) else (None,) * len(scores)
    )
    tables = [
        settings_table(ranked_settings(each), choice, names)
        for each, choice in zip(scores, apart, strict=True)
    ]
    columns = ["experiment", *NUMBERS, CHOSEN_AGAIN]
    num_own = len(columns)
    for name in names:
        column = name
        while column in columns:
            column = f"{PREFIX}{column}"
        columns.append(column)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for each, table in zip(scores, tables, strict=True):
        for row in table.rows:
            first = len(row) - len(names)
            own = [each.source, *row[:first]]
            writer.writerow([*own, *[""] * (num_own - len(own)), *row[first:]])
    return buffer.getvalue().rstrip("\n")


def rounded(number: float, digits: int = 6) -> float | None:
    """A number with so many digits; None where it is not finite."""
    return float(f"{number:.{digits}g}") if math.isfinite(number) else None


def cell_of(parameters: Mapping[str, Any], name: str) -> Cell:
    """A hyperparameter's value as a cell: numbers stay, others become text."""
    if name not in parameters:
        return None
    value = parameters[name]
    if is_number(value) and math.isfinite(value):
        number: Cell = value
        return number
    return plain_text(value)


def _probabilities(choice: Choice | None) -> dict[int, float] | None:
    """Setting -> how likely it would be chosen again; None where nothing tells."""
    if choice is None or choice.num_settings in (1, choice.num_unsure):
        return None
    return {each.settings[0]: each.probability for each in choice.contenders}


def _intervals(settings: RankedSettings) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of each mean, both `(num_settings,)`; NaN where there is no interval."""
    number = len(settings.numbers)
    confidence = for_each(CONFIDENCE, number)
    least = typical_deviation(settings.scores) if number > 1 else 0.0
    low, high = np.full((2, len(settings.numbers)), np.nan)
    kept = settings.num_runs - settings.num_lost
    for size in np.unique(kept[kept > 1]).tolist():
        positions = np.flatnonzero(kept == size)
        values = np.stack([settings.kept(at) for at in positions.tolist()], axis=1)
        low[positions], high[positions] = student_interval(
            values, confidence, least_deviation=least
        )
    return low, high
