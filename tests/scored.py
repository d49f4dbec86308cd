"""Scores and samples made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nthrun.analysis.estimates import Sample, sample
from nthrun.analysis.scores import Scores

NAN = float("nan")
"""The value of a run that diverged."""


def make_scores(
    values: Sequence[Sequence[float | None]],
    higher_is_better: bool = True,
    parameters: Mapping[int, Mapping[str, Any]] | None = None,
) -> Scores:
    """Scores of some settings.

    Args:
        values: of the runs of each setting, by run number; NaN of one that diverged, None of one
            that is not there.
        higher_is_better: as in `Scores`.
        parameters: None is one hyperparameter, "lr", the setting's number.
    """
    rows = [(s, r, v) for s, runs in enumerate(values) for r, v in enumerate(runs) if v is not None]
    settings, numbers, found = (np.array(column) for column in zip(*rows, strict=True))
    lost = np.isnan(found.astype(float))
    return Scores(
        *("made", "return", "return", higher_is_better, settings, np.zeros_like(settings), numbers),
        indices=numbers * len(values) + settings,
        statuses=np.where(lost, "diverged", "completed"),
        values=found.astype(float),
        lost=lost,
        parameters=parameters or {number: {"lr": number} for number in range(len(values))},
    )


def make_sample(values: Sequence[float | None], higher_is_better: bool = True) -> Sample:
    """The runs of one setting, as in `make_scores`."""
    return sample(make_scores([values], higher_is_better), 0)
