"""Requests: what a command asks of each of its packs, and of a run that has no hope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.records.inventory import Inventory
from nthrun.records.schema import Run
from nthrun.training.progress import News, Recorded

PruningRule = Callable[[Sequence[int], int, Sequence[float]], Sequence[bool]]
"""A function of indices, the step they are at and the score of each; it says which to end there."""


@dataclass(frozen=True, slots=True)
class PackRequest:
    """What a command asks of each of its packs.

    Attributes:
        stage: of all runs.
        overwrite: whether recorded runs are trained again and replaced.
        retry_failed: whether failed runs are trained again.
        know: gives the specs with the settings of some indices, which a search may suggest now.
        announce: puts a recorded run into the news of it.
    """

    stage: int
    overwrite: bool
    retry_failed: bool
    know: Callable[[Sequence[int]], ExperimentSpec]
    announce: Callable[[Run], Recorded]

    def missing(self, indices: Sequence[int], inventory: Inventory) -> list[int]:
        """Those of some indices that are to be trained."""
        if self.overwrite:
            return list(indices)
        return inventory.missing(indices, self.stage, self.retry_failed)


def report_nothing(news: News) -> None:
    """Let news pass unheard."""


def write_freely() -> None:
    """Let every record be written."""
