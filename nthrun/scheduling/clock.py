"""The clock of a task: how long it may still run, by Slurm's word."""

from __future__ import annotations

import time
from collections.abc import Callable

from nthrun.scheduling.run_time import START_SECONDS

ASK_SECONDS = 20.0
"""Between two questions to Slurm, which asks not to be polled."""


class Clock:
    """Tells when a task must save and make room.

    Slurm sends its warning up to a minute early, and not at all where a site or a wrapper gets in
    the way; a time limit can also be changed while the task runs. So the warning only means: ask.

    Args:
        ask: seconds left; None where nobody tells.
        limit_seconds: what holds until somebody tells, from now on; None is no limit.
        lead_seconds: how long before the end the task must begin to save.
    """

    def __init__(
        self, ask: Callable[[], float | None], limit_seconds: float | None, lead_seconds: float
    ) -> None:
        self._ask = ask
        self._lead = lead_seconds
        self._end = float("inf") if limit_seconds is None else time.monotonic() + limit_seconds
        self._asked = 0.0
        self._warned = False
        self._update()

    @property
    def seconds_left(self) -> float:
        """Until the task is ended; infinite without a limit."""
        return self._end - time.monotonic()

    def warn(self) -> None:
        """Take note of Slurm's warning."""
        self._warned = True

    def is_up(self) -> bool:
        """Whether the task must save now."""
        if self._warned:
            self._warned = False
            told = self._update()
            return not told or self.seconds_left <= self._lead
        if self.seconds_left > self._lead:
            return False
        if time.monotonic() - self._asked > ASK_SECONDS:
            self._update()
        return self.seconds_left <= self._lead

    def has_time_for_pack(self) -> bool:
        """Whether a pack begun now could do something before it must be saved."""
        needed = self._lead + START_SECONDS
        if self.seconds_left <= needed and time.monotonic() - self._asked > ASK_SECONDS:
            self._update()  # a time limit may have been raised
        return self.seconds_left > needed

    def _update(self) -> bool:
        """Ask; returns whether somebody told."""
        self._asked = time.monotonic()
        left = self._ask()
        if left is not None:
            self._end = time.monotonic() + left
        return left is not None
