"""How many runs there are, how they ended, and which are missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nthrun.index import format_indices
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.records.data import Data
from nthrun.records.schema import STATUSES
from nthrun.specs.search.search_spec import BAYES, DRAWN

MAX_REASONS = 10


@dataclass(frozen=True, slots=True)
class StageCount:
    """The runs of one stage.

    Attributes:
        stage: its number.
        num_settings: that are to be run: in stage 0 those of a grid or a list, else those that any
            run was made of.
        num_repeats: runs of each that are to be: as many as the most that any setting has.
        num_runs: recorded, of different identities.
        statuses: status -> how many of them.
        missing: indices that are not recorded, of settings times repeats, as text.
        num_missing: how many.
        reasons: why runs did not complete -> how many; the most frequent first.
        num_more_reasons: reasons that are not listed.
    """

    stage: int
    num_settings: int
    num_repeats: int
    num_runs: int
    statuses: Mapping[str, int]
    missing: str
    num_missing: int
    reasons: Mapping[str, int]
    num_more_reasons: int

    @property
    def num_expected(self) -> int:
        """Settings times repeats."""
        return self.num_settings * self.num_repeats


def count_stages(data: Data, spec: ExperimentSpec | None) -> list[StageCount]:
    """The counts of each stage recorded, rising.

    Args:
        data: of the experiment.
        spec: which tells how many settings there are; None where it is not known.
    """
    columns = data.scalars()
    identities = np.stack([columns[n] for n in ("stage", "setting_number", "run_number")], axis=1)
    firsts = np.sort(np.unique(identities, axis=0, return_index=True)[1])
    columns = {name: column[firsts] for name, column in columns.items()}
    number = num_settings(columns["index"], columns["setting_number"], columns["run_number"], spec)
    method = data["experiment"]["agent"].get("search", {}).get("method")
    swept = None if method in (*DRAWN, BAYES) else number
    return [
        _count(int(stage), columns, number, swept if stage == 0 else None)
        for stage in np.unique(columns["stage"])
    ]


def num_settings(
    indices: np.ndarray, settings: np.ndarray, runs: np.ndarray, spec: ExperimentSpec | None
) -> int | None:
    """Settings of the sweep, by which indices are counted; None where it cannot be told.

    Args:
        indices, settings, runs: `(num_runs,)` of recorded runs: index = run S + setting.
        spec: of the experiment.
    """
    if spec is not None:
        return spec.sweep.num_settings
    later = runs > 0
    if not later.any():
        return None
    return int((indices[later][0] - settings[later][0]) // runs[later][0])


def _count(
    stage: int, columns: Mapping[str, np.ndarray], number: int | None, swept: int | None
) -> StageCount:
    own = columns["stage"] == stage
    settings, runs = columns["setting_number"][own], columns["run_number"][own]
    expected = np.unique(settings) if swept is None else np.arange(swept)
    repeats = int(runs.max()) + 1
    absent = np.ones((repeats, len(expected)), np.bool_)
    absent[runs, np.searchsorted(expected, settings)] = False
    rows, places = np.nonzero(absent)
    indices = [] if number is None else (rows * number + expected[places]).tolist()
    statuses = Counter(columns["status"][own].tolist())
    reasons = _reasons(columns["status"][own].tolist(), columns["reason"][own].tolist())
    return StageCount(
        stage=stage,
        num_settings=len(expected),
        num_repeats=repeats,
        num_runs=int(own.sum()),
        statuses={status: statuses[status] for status in STATUSES},
        missing=format_indices(indices),
        num_missing=int(absent.sum()),
        reasons=dict(reasons.most_common(MAX_REASONS)),
        num_more_reasons=max(0, len(reasons) - MAX_REASONS),
    )


def _reasons(statuses: Sequence[str], reasons: Sequence[str]) -> Counter[str]:
    """Reasons; those that differ in numbers only are one, with dots in place of the numbers."""
    found = Counter(
        f"{status}: {why or 'no reason recorded'}"
        for status, why in zip(statuses, reasons, strict=True)
        if status != "completed"
    )
    kinds: dict[str, list[str]] = {}
    for reason in found:
        kinds.setdefault(re.sub(r"\d+", "…", reason), []).append(reason)
    told = {kind if len(each) > 1 else each[0]: each for kind, each in kinds.items()}
    return Counter({text: sum(found[one] for one in each) for text, each in told.items()})
