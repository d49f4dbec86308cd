"""How much memory a piece of work takes, by torch's own account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.profiler import ProfilerActivity, profile


def peak_bytes(work: Callable[[], Any]) -> int:
    """The most that a piece of work holds at once of the memory it takes."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    held = most = 0
    for event in seen.profiler.kineto_results.events():  # type: ignore[union-attr]
        held += event.nbytes() if event.name() == "[memory]" else 0
        most = max(most, held)
    return most
