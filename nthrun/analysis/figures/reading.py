"""What figures read of records besides scores: the runs of a setting, and curves of any series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nthrun.analysis.curves import best_setting
from nthrun.analysis.figures.saving import Shown
from nthrun.analysis.returns import (
    EVALUATION_RETURN,
    TRAINING_RETURN,
    Arrays,
    Quantity,
    Series,
)
from nthrun.analysis.scores import ALL_STAGES, Stage, chosen_entries
from nthrun.errors import DataFileError
from nthrun.records.data import Data
from nthrun.records.sources import Entry, bulk_of


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
        number = best_setting(data, of) if len(numbers) > 1 else min(numbers)
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
