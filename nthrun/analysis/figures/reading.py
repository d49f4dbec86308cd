"""What figures read of records besides scores: the runs of a setting, and curves of any series."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from nthrun.analysis.curves import (
    Curve,
    best_setting,
    common_grid,
    mean_over_runs,
    step_weighted_curve,
)
from nthrun.analysis.figures.saving import Shown
from nthrun.analysis.returns import (
    EVALUATION_RETURN,
    TRAINING_RETURN,
    Arrays,
    Quantity,
    Series,
    read_series,
)
from nthrun.analysis.scores import ALL_STAGES, Stage, chosen_entries
from nthrun.errors import DataFileError
from nthrun.records.data import Data
from nthrun.records.entries import Entry, bulk_of


def _steps_of_episodes(arrays: Arrays) -> Series:
    steps = arrays["train_episode_steps"]
    return Series(steps.values.astype(np.float64), steps.values, steps.offsets)


EPISODE_STEPS = Quantity(
    "episode_steps", "steps of an episode", None, ("train_episode_steps",), _steps_of_episodes
)


def return_of(entries: Sequence[Entry]) -> Quantity:
    """The return of training episodes, or of evaluations where no run has one."""
    trained = bulk_of(entries).numbers["total_train_episodes"].any()
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
        number = best_setting(data, of).setting_number if len(numbers) > 1 else min(numbers)
    found = [entry for entry in entries if entry.identity.setting_number == number]
    if not found:
        raise DataFileError(
            f"{data.source}: no run of setting {number}", f"there are: {_few(entries)}"
        )
    return found


def _few(entries: Sequence[Entry]) -> str:
    """The first settings that have runs."""
    numbers = sorted({entry.identity.setting_number for entry in entries})
    return ", ".join(map(str, numbers[:10])) + ", …" * (len(numbers) > 10)


def curve_of(data: Data, quantity: Quantity, entries: Sequence[Entry]) -> Curve:
    """The curve of any quantity over training steps, of runs of one setting; its band is NaN, and
    left to who draws it.

    Raises:
        DataFileError: no run has a value of it.
    """
    series = read_series(entries, quantity)
    parts = [slice(*pair) for pair in pairwise(series.offsets.tolist())]
    grid = common_grid(series.steps[part] for part in parts)
    if not len(grid):
        raise DataFileError(f"{data.source}: no run has a value of {quantity.name!r}")
    runs = np.stack(
        [step_weighted_curve(series.values[part], series.steps[part], grid) for part in parts]
    )
    return Curve(
        source=str(data.source),
        stage=entries[0].identity.stage,
        setting_number=entries[0].identity.setting_number,
        indices=tuple(bulk_of(entries).numbers["index"].tolist()),
        statuses=tuple(entry.status for entry in entries),
        grid=grid,
        runs=runs,
        mean=mean_over_runs(runs),
        low=np.full(len(grid), np.nan),
        high=np.full(len(grid), np.nan),
        quantity=quantity.label,
    )


def shown_of_entries(data: Data, entries: Sequence[Entry], label: str) -> list[Shown]:
    """The runs that some entries are, by setting and stage."""
    found: dict[tuple[int, int], list[int]] = {}
    for entry, index in zip(entries, bulk_of(entries).numbers["index"].tolist(), strict=True):
        key = entry.identity.stage, entry.identity.setting_number
        found.setdefault(key, []).append(index)
    return [
        Shown(str(data.source), label, stage, number, tuple(indices))
        for (stage, number), indices in found.items()
    ]
