"""The runs of ranked settings that a figure shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nthrun.analysis.figures.saving import Shown
from nthrun.analysis.ranking import RankedSettings


def shown_of_settings(
    settings: RankedSettings, positions: Sequence[int] | np.ndarray, label: str
) -> list[Shown]:
    """The runs of the settings at some positions, by stage."""
    scores, shown = settings.scores, []
    for position in positions:
        rows = settings.rows[position]
        stages = scores.stages[rows]
        for stage in np.unique(stages).tolist():
            indices = tuple(scores.indices[rows[stages == stage]].tolist())
            number = int(settings.numbers[position])
            shown.append(Shown(scores.source, label, stage, number, indices))
    return shown
