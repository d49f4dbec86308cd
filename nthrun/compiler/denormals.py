"""Denormal numbers: taken for zero while steps run, and at no other time.

A float32 below 1.2e-38 is denormal. Some processors take a hundred times as long for an operation
on one, and of Adam's moments a few in a hundred come to be so small. Two flags of the processor
have denormal inputs and results be zero, for one thread; steppers set them round their steps and
put them back, so that compiled code and torch's own operations both find them.
"""

from __future__ import annotations

from functools import cache
from types import TracebackType

import torch

_DENORMAL = 5e-324


class Flushing:
    """While it lasts, denormal numbers are zero in this thread, if its processor can do that."""

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = is_flushing()
        torch.set_flush_denormal(True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        torch.set_flush_denormal(self._before)


def is_flushing() -> bool:
    """Whether this thread takes denormal numbers for zero now."""
    return _DENORMAL * 1.0 == 0.0


@cache
def can_flush() -> bool:
    """Whether this processor can take denormal numbers for zero."""
    with Flushing():
        return is_flushing()
