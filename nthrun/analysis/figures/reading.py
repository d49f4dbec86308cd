"""What figures read of records besides scores: curves of any series, metrics, actions, costs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from nthrun.analysis.figures.resources import Costs
from nthrun.analysis.figures.saving import Shown
from nthrun.analysis.figures.series import SeriesOfRuns
from nthrun.analysis.returns import (
    EVALUATION_RETURN,
    TRAINING_RETURN,
    Arrays,
    Quantity,
    Series,
    common_grid,
    read_series,
    step_weighted_curve,
)
from nthrun.analysis.scores import ALL_STAGES, Stage, chosen_entries, read_scores
from nthrun.analysis.statistics import Curve, best_setting, mean_over_runs
from nthrun.errors import DataFileError
from nthrun.records.data import Data
from nthrun.records.entries import Entry, bulk_of

ACTIONS = "train_actions"


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


def metric_names(data: Data, entries: Sequence[Entry]) -> list[str]:
    """The series of `metrics` that the first run with any recorded.

    Raises:
        DataFileError: this is a data.json that leaves them out.
    """
    if not data.full:
        raise DataFileError(
            f"{data.source}: leaves out metrics and actions",
            "combine with --full, or read data.h5 or the experiment directory",
        )
    return next(
        (list(found) for found in (e.load(()).get("metrics") for e in entries) if found), []
    )


def series_of(data: Data, entries: Sequence[Entry], names: Sequence[str]) -> list[SeriesOfRuns]:
    """Series of `metrics`, by name, none being all; a run without one has an empty part.

    Raises:
        DataFileError: this is a data.json that leaves them out, or no run has one of the names.
    """
    known = metric_names(data, entries)
    names = list(names) or known
    found = bulk_of(entries, [f"metrics/{name}" for name in names]).ragged
    for name in names:
        if name not in known and not found[f"metrics/{name}"].values.size:
            number = entries[0].identity.setting_number
            raise DataFileError(
                f"{data.source}: no run of setting {number} has a series {name!r} of `metrics`",
                f"there are: {', '.join(known) or 'none'}; what is measured by evaluations is "
                "plotted by utils/plot_mse_data.py --metric",
            )
    lost = [entry.status != "completed" for entry in entries]
    return [
        SeriesOfRuns(name, [found[f"metrics/{name}"].part(n) for n in range(len(entries))], lost)
        for name in names
    ]


def actions_of(entries: Sequence[Entry]) -> list[np.ndarray]:
    """Every training action of each run that recorded them, `(num_steps, action_dim)`."""
    found = bulk_of(entries, (ACTIONS,)).ragged[ACTIONS]
    steps = bulk_of(entries).numbers["total_timesteps"].tolist()
    parts = [found.part(n) for n in range(len(entries))]
    return [part.reshape(n, -1) for part, n in zip(parts, steps, strict=True) if part.size]


def require_recorded(
    data: Data, series: Sequence[SeriesOfRuns], actions: Sequence[np.ndarray]
) -> None:
    """Check that there is something to show of updates or actions.

    Raises:
        DataFileError: nothing was recorded.
    """
    if not series and not actions:
        hint = 'name "metrics" or "train_actions" in "record" of the environment spec'
        raise DataFileError(f"{data.source}: no metrics or actions are recorded", hint)


def costs_of(data: Data, stage: Stage = None) -> Costs:
    """Time and memory of all runs of a stage."""
    times = [read_scores(data, name, stage=stage).values for name in ("train_time", "eval_time")]
    memory = read_scores(data, "peak_memory", stage=stage).values
    return Costs(times[0] + np.where(np.isfinite(times[1]), times[1], 0.0), memory)


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
