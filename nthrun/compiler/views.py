"""Views: what torch's view operations make of a view, without copying."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nthrun.compiler.statements import View

VIEWS = frozenset(
    ("view", "unsqueeze", "squeeze", "expand", "permute", "transpose", "t", "slice", "select")
) | frozenset(("split", "split_with_sizes", "unbind", "diagonal", "unfold"))
SAME = frozenset(("clone", "detach", "alias", "lift_fresh", "contiguous"))


def view(name: str, source: View, *arguments: Any, overload: str = "", **options: Any) -> Any:
    """What torch's view operation of that name makes of a view.

    Raises:
        RuntimeError: strides cannot say it.
    """
    packet = getattr(torch.ops.aten, name)
    operation = getattr(packet, overload) if overload else packet
    memory = torch.empty(max(1, source.buffer.size), device="meta")
    stand_in = torch.as_strided(memory, source.shape, source.strides, source.offset)
    result = operation(stand_in, *arguments, **options)
    if isinstance(result, Tensor):
        return _like(source, result)
    return tuple(_like(source, part) for part in result)


def last(source: View, axis: int) -> View:
    """A view with an axis moved behind the others."""
    if not source.shape:
        source = view("unsqueeze", source, 0)
    kept = [d for d in range(len(source.shape)) if d != axis]
    moved: View = view("permute", source, [*kept, axis])
    return moved


def _like(source: View, shown: Tensor) -> View:
    return View(source.buffer, tuple(shown.shape), shown.stride(), int(shown.storage_offset()))
