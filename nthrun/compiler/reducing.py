"""Rules for reductions: many elements to one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from nthrun.compiler.lowering import Lowering, Rule, kind_of
from nthrun.compiler.statements import Reduction, View
from nthrun.compiler.views import last, view


def reduction(kind: str) -> Rule:
    """The rule of a plain reduction; torch's sums of booleans and integers are int64."""

    def rule(
        at: Lowering, node: fx.Node, source: View, axes: Any = None, *_: Any, **__: Any
    ) -> View:
        return _reduced(at, node, kind, source, axes)

    return rule


def mean(
    at: Lowering, node: fx.Node, source: View, axes: Any = None, keepdim: bool = False, **_: Any
) -> View:
    """sum / count."""
    summed = _reduced(at, node, "sum", source, axes)
    return at.pointwise("div", [summed, source.size // max(1, summed.size)], *kind_of(node))


def any_of(
    at: Lowering, node: fx.Node, source: View, axes: Any = None, keepdim: bool = False
) -> View:
    """Whether one is not zero."""
    return _reduced(
        at,
        node,
        "amax",
        at.pointwise("ne", [source, 0], source.shape, torch.bool, source.dtype),
        axes,
    )


def max_along(at: Lowering, node: fx.Node, source: View, *axes: Any) -> Any:
    """max.dim: values and positions; max.default: the value."""
    return _extreme(at, node, "max", source, axes)


def min_along(at: Lowering, node: fx.Node, source: View, *axes: Any) -> Any:
    """min.dim: values and positions; min.default: the value."""
    return _extreme(at, node, "min", source, axes)


def softmax(at: Lowering, node: fx.Node, source: View, axis: int, _: bool) -> View:
    """exp(x - max) / Σ exp(x - max)."""
    exponentials, summed, _shifted = _exponentials(at, source, axis)
    return at.pointwise("div", [exponentials, summed], *kind_of(node))


def log_softmax(at: Lowering, node: fx.Node, source: View, axis: int, _: bool) -> View:
    """x - max - log Σ exp(x - max)."""
    _exponential, summed, shifted = _exponentials(at, source, axis)
    logarithm = at.pointwise("log", [summed], summed.shape, summed.dtype)
    return at.pointwise("sub", [shifted, logarithm], *kind_of(node))


REDUCING: dict[str, Rule] = {
    "sum": reduction("sum"),
    "mean": mean,
    "amax": reduction("amax"),
    "amin": reduction("amin"),
    "prod": reduction("prod"),
    "any": any_of,
    "argmax": reduction("argmax"),
    "argmin": reduction("argmin"),
    "max": max_along,
    "min": min_along,
    "_softmax": softmax,
    "_log_softmax": log_softmax,
}


def _reduced(at: Lowering, node: fx.Node, kind: str, source: View, axes: Any) -> View:
    """Reduce over axes (None or empty: all), into the shape the node has."""
    shape, dtype = kind_of(node)
    axes = [axes] if isinstance(axes, int) else axes
    rank = len(source.shape)
    gone = sorted(axis % rank for axis in axes) if axes and rank else list(range(rank))
    kept = [axis for axis in range(rank) if axis not in gone]
    if kind not in ("argmax", "argmin") and source.dtype != dtype:
        source = at.pointwise("same", [source], source.shape, dtype)
    ordered = view("permute", source, [*kept, *gone])
    out = at.fresh([source.shape[axis] for axis in kept], dtype)
    at.statements.append(Reduction(out, kind, ordered, len(gone)))
    return at.reshaped(out, list(shape))


def _extreme(at: Lowering, node: fx.Node, name: str, source: View, axes: Sequence[Any]) -> Any:
    if not axes:
        return _reduced(at, node, f"a{name}", source, None)
    axis, *_ = axes
    values, positions = node.meta["val"]
    shape = list(values.shape)
    axis %= max(1, len(source.shape))
    ordered = last(source, axis)
    found = []
    for kind, dtype in ((f"a{name}", values.dtype), (f"arg{name}", positions.dtype)):
        out = at.fresh(ordered.shape[:-1], dtype)
        at.statements.append(Reduction(out, kind, ordered, 1))
        found.append(at.reshaped(out, shape))
    return tuple(found)


def _exponentials(at: Lowering, source: View, axis: int) -> tuple[View, View, View]:
    """exp(x - max), its sum along the axis (kept), and x - max."""
    axis %= len(source.shape)
    ordered = last(source, axis)
    shape, dtype = source.shape, source.dtype
    kept = [1 if d == axis else length for d, length in enumerate(shape)]
    top = at.fresh(ordered.shape[:-1], dtype)
    at.statements.append(Reduction(top, "amax", ordered, 1))
    shifted = at.pointwise("sub", [source, at.reshaped(top, kept)], shape, dtype)
    exponentials = at.pointwise("exp", [shifted], shape, dtype)
    summed = at.fresh(ordered.shape[:-1], dtype)
    at.statements.append(Reduction(summed, "sum", last(exponentials, axis), 1))
    return exponentials, at.reshaped(summed, kept), shifted
