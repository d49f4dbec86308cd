"""Rules for operations that are neither elementwise nor views: what each becomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from nthrun.compiler.indexing import INDEXING
from nthrun.compiler.lowering import Lowering, Rule, kind_of
from nthrun.compiler.reducing import REDUCING
from nthrun.compiler.statements import Product, View
from nthrun.compiler.views import view


def clamp(at: Lowering, node: fx.Node, source: View, low: Any = None, high: Any = None) -> View:
    """min(max(source, low), high)."""
    for bound, number, tensor in ((low, "at_least", "maximum"), (high, "at_most", "minimum")):
        if bound is not None:
            operation = tensor if isinstance(bound, View) else number
            source = at.pointwise(operation, [source, bound], *kind_of(node))
    return source


def full(at: Lowering, node: fx.Node, *arguments: Any, **options: Any) -> View:
    """full, full_like and scalar_tensor: the last number among the arguments."""
    numbers = [a for a in arguments if isinstance(a, (bool, int, float))]
    return at.filled(numbers[-1], *kind_of(node))


def zeros(at: Lowering, node: fx.Node, *arguments: Any, **options: Any) -> View:
    """zeros and empty alike."""
    return at.filled(0, *kind_of(node))


def ones(at: Lowering, node: fx.Node, *arguments: Any, **options: Any) -> View:
    """Ones."""
    return at.filled(1, *kind_of(node))


def arange(at: Lowering, node: fx.Node, *arguments: Any, **options: Any) -> View:
    """arange.start_step."""
    dtype = node.meta["val"].dtype
    return at.constant(torch.arange(*arguments, dtype=dtype))


def copy(at: Lowering, node: fx.Node, target: View, source: View) -> View:
    """The source's elements, broadcast and converted to the target's shape and type."""
    return at.pointwise("same", [source], *kind_of(node))


def cat(at: Lowering, node: fx.Node, parts: Sequence[View], axis: int = 0) -> View:
    """Parts one behind another."""
    out = at.fresh(*kind_of(node))
    start = 0
    for part in parts:
        if part.shape == (0,):  # torch takes it beside parts of any shape
            continue
        length = part.shape[axis]
        at.copy(view("slice", out, axis, start, start + length), part)
        start += length
    return out


def slice_scatter(at: Lowering, node: fx.Node, base: View, part: View, *where: Any) -> View:
    """base with a slice replaced."""
    return _replaced(at, "slice", base, part, where)


def select_scatter(at: Lowering, node: fx.Node, base: View, part: View, *where: Any) -> View:
    """base with one index of an axis replaced."""
    return _replaced(at, "select", base, part, where)


def diagonal_scatter(at: Lowering, node: fx.Node, base: View, part: View, *where: Any) -> View:
    """base with a diagonal replaced."""
    return _replaced(at, "diagonal", base, part, where)


def bmm(at: Lowering, node: fx.Node, left: View, right: View) -> View:
    """Matrix products side by side."""
    out = at.fresh(*kind_of(node))
    at.statements.append(Product(out, left, right))
    return out


def mm(at: Lowering, node: fx.Node, left: View, right: View) -> View:
    """One matrix product."""
    out = at.fresh(*kind_of(node))
    batched = [view("unsqueeze", part, 0) for part in (out, left, right)]
    at.statements.append(Product(*batched))
    return out


RULES: dict[str, Rule] = {
    "clamp": clamp,
    "full": full,
    "full_like": full,
    "scalar_tensor": full,
    "new_full": full,
    "zeros": zeros,
    "zeros_like": zeros,
    "empty": zeros,
    "empty_like": zeros,
    "ones": ones,
    "ones_like": ones,
    "arange": arange,
    "copy": copy,
    "cat": cat,
    "slice_scatter": slice_scatter,
    "select_scatter": select_scatter,
    "diagonal_scatter": diagonal_scatter,
    "bmm": bmm,
    "mm": mm,
    **REDUCING,
    **INDEXING,
}
"""torch's name of an operation -> its rule."""


def _replaced(at: Lowering, name: str, base: View, part: View, where: Sequence[Any]) -> View:
    out = at.contiguous(base)
    at.copy(view(name, out, *where), part)
    return out
