"""A trial: one setting of a study, and what is known of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nthrun.index import split_index

FORGOTTEN = "forgotten"
ASK, TELL, REPORT = "ask", "tell", "report"
"""Events of a journal, each under its key:

    ask: setting number; setting; attributes that the sampler wants back
    tell: index; shard of its record; status, `FORGOTTEN` once it was removed; value, null where
        there is none
    report: index; step, value: how a run stood at an evaluation, higher being better
"""


@dataclass
class Trial:
    """One setting.

    Attributes:
        setting_number: which.
        setting: its hyperparameters, as JSON has them.
        attributes: that the sampler wants back.
        told: index -> (shard, status, value) of its runs' records.
        reports: step -> value, of its first run.
    """

    setting_number: int
    setting: Mapping[str, Any]
    attributes: Mapping[str, Any]
    told: dict[int, tuple[str, str, float | None]] = field(default_factory=dict)
    reports: dict[int, float] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """How it ended: "completed", "pruned", "diverged" or "failed"; "" while nothing has.

        A run that diverged says that of its setting. One that failed says nothing of it, where
        others did not.
        """
        statuses = {status for _, status, _ in self.told.values()}
        order = ("diverged", "completed", "pruned", "failed")
        return next((status for status in order if status in statuses), "")

    @property
    def value(self) -> float | None:
        """Mean over its completed runs; None without any."""
        values = [v for _, status, v in self.told.values() if status == "completed"]
        known = [value for value in values if value is not None and math.isfinite(value)]
        return math.fsum(known) / len(known) if known else None


def trials_of(events: Iterable[Mapping[str, Any]], num_settings: int) -> dict[int, Trial]:
    """Setting number -> trial, in the order they were suggested.

    Args:
        events: of a journal. Of two suggestions for one setting the first counts, and of two
            results of one run the last.
        num_settings: of the search.
    """
    trials: dict[int, Trial] = {}
    for event in events:
        if ASK in event:
            number = event[ASK]
            trials.setdefault(number, Trial(number, event["setting"], event["attributes"]))
            continue
        index = event[TELL] if TELL in event else event[REPORT]
        number, run_number = split_index(index, num_settings)
        trial = trials.get(number)
        if trial is not None and event.get("status") == FORGOTTEN:
            trial.told.pop(index, None)
            if run_number == 0:
                trial.reports.clear()
        elif trial is not None and TELL in event:
            trial.told[index] = event["shard"], event["status"], event["value"]
        elif trial is not None and run_number == 0:
            trial.reports[event["step"]] = event["value"]
    return trials
