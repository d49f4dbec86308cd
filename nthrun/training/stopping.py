"""Stopping: a signal asks for it, and it happens at the end of a block, with a checkpoint."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable

LOOK_SECONDS = 0.5
GRACE_SECONDS = 20.0
"""What a program has between SIGTERM and its end by force, where nothing else is said."""


class StopRequest:
    """Set by a signal; the loop checkpoints and stops at the end of its block."""

    def __init__(self) -> None:
        self.signal_number = 0

    def install(self, signals: Iterable[int] = (signal.SIGINT, signal.SIGTERM)) -> None:
        """Catch these signals; a second one takes its ordinary course."""
        for number in signals:
            signal.signal(number, self._catch)

    def install_for_good(self, signals: Iterable[int]) -> None:
        """Catch these signals however often they come: Slurm may send SIGTERM twice."""
        for number in signals:
            signal.signal(number, self._note)

    def wait(self, seconds: float) -> None:
        """Wait, but not when a signal came."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.signal_number:
            time.sleep(LOOK_SECONDS)

    def _note(self, number: int, frame: object) -> None:
        self.signal_number = number

    def _catch(self, number: int, frame: object) -> None:
        self.signal_number = number
        signal.signal(
            number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        )
