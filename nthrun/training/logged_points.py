"""Logged points: what logs and exports show of a run, and at which of its steps.

train/return, train/length    each finished training episode, at the step it ended with
eval/return                   mean return of each evaluation, at its step
eval_metrics/<name>           what else is known of an evaluation
metrics/<name>                what is recorded of updates
"""

from __future__ import annotations

from collections.abc import Mapping

MAX_EPISODES = 2000
MAX_UPDATES = 1000
"""Steps at which episodes, and metrics of updates, are shown at most."""

Row = tuple[int, Mapping[str, float]]
"""A training step and what became known after it, by name."""


class Thinning:
    """Shows the first step of each of `most` equal stretches of a run."""

    def __init__(self, total: int, most: int) -> None:
        self._length = -(-total // most)
        self._next = 0

    def takes(self, step: int) -> bool:
        """Whether a step, later than those before, is the first of its stretch."""
        if step < self._next:
            return False
        self._next = ((step - 1) // self._length + 1) * self._length + 1
        return True
