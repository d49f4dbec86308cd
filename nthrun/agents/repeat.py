"""Repeated parts of a step, such as the periods of a simulation.

They all go through `repeat`, so that whatever runs steps can see where the same computation comes
again: it is a Python loop, but for a compiler, which makes a loop of its program of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from torch import Tensor

Carry = TypeVar("Carry", bound=tuple[Tensor, ...])
PerStep = TypeVar("PerStep", bound=tuple[Tensor, ...])
Shown = TypeVar("Shown", bound=tuple[Tensor, ...])
Looped = Callable[[Callable[..., Any], Any, Any, int], tuple[Any, Any]]
"""What does as `repeat` does, for two times at least."""

_looped: ContextVar[Looped | None] = ContextVar("looped", default=None)


@contextmanager
def repeating_by(looped: Looped) -> Iterator[None]:
    """Have something else than a Python loop repeat, while a compiler looks at what a step does."""
    token = _looped.set(looped)
    try:
        yield
    finally:
        _looped.reset(token)


def repeat(
    body: Callable[[Carry, PerStep], tuple[Carry, Shown]],
    carry: Carry,
    per_step: PerStep,
    axis: int = 0,
) -> tuple[Carry, Shown]:
    """Call `body` again and again, each time with what it gave the time before.

    Gradients flow through it. A named tuple stays one of its kind.

    Args:
        body: from what is carried and the numbers of this time, to what is carried on, of the same
            shapes, and what is shown of this time. It looks at no tensor's value, and has no other
            effect.
        carry: what the first time begins with.
        per_step: tensors whose axis `axis` is the times; without that axis they are the numbers of
            one time. A number of times alone is `(torch.arange(times),)`.
        axis: of `per_step`, and of what is shown.

    Returns:
        what the last time carried on, and what was shown, each stacked along `axis`.

    Raises:
        ValueError: there is no time at all, or the tensors of `per_step` differ in their number.
    """
    times = list(zip(*(tensor.unbind(axis) for tensor in per_step), strict=True))
    if not times:
        raise ValueError("repeat: per_step has no tensor, or one without any times")
    looped = _looped.get()
    if looped is not None and len(times) > 1:
        return looped(body, carry, per_step, axis)
    shown: list[Shown] = []
    for now in times:
        carry, part = body(carry, _like(per_step, now))
        shown.append(part)
    stacked = (torch.stack(parts, axis) for parts in zip(*shown, strict=True))
    return carry, _like(shown[0], stacked)


def _like(kind: Any, tensors: Iterable[Tensor]) -> Any:
    """Tensors as a tuple of the kind of another."""
    make = getattr(kind, "_make", tuple)
    return make(tensors)
