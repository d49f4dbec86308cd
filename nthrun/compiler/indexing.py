"""Rules for indexing by tensors, for running sums, and for sorting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from nthrun.compiler.lowering import Lowering, Rule, kind_of
from nthrun.compiler.statements import Number, Put, Scan, Sort, Take, View
from nthrun.compiler.views import last, view
from nthrun.errors import UnsupportedOperationError


def gather(at: Lowering, node: fx.Node, source: View, axis: int, index: View, **_: Any) -> View:
    """Elements named by an index tensor along one axis."""
    return _taken(at, source, axis, index)


def index_select(at: Lowering, node: fx.Node, source: View, axis: int, index: View) -> View:
    """Whole slices named by a list of indices."""
    axis %= len(source.shape)
    flat = at.reshaped(index, [index.size])
    return _taken(at, source, axis, _along(flat, axis, source.shape))


def index(at: Lowering, node: fx.Node, source: View, indices: Sequence[View | None]) -> View:
    """source[:, index, :], one index tensor of any shape."""
    axis, chosen = _only_index(indices)
    flat = at.reshaped(chosen, [chosen.size])
    taken = _taken(at, source, axis, _along(flat, axis, source.shape))
    return at.reshaped(taken, list(node.meta["val"].shape))


def index_put(
    at: Lowering,
    node: fx.Node,
    base: View,
    indices: Sequence[View | None],
    values: View,
    accumulate: bool = False,
) -> View:
    """base with base[:, index, :] replaced or added to."""
    axis, chosen = _only_index(indices)
    shape = [*base.shape[:axis], *chosen.shape, *base.shape[axis + 1 :]]
    flat_shape = [*base.shape[:axis], chosen.size, *base.shape[axis + 1 :]]
    source = at.reshaped(view("expand", values, shape), flat_shape)
    flat = _along(at.reshaped(chosen, [chosen.size]), axis, flat_shape)
    return _put(at, base, axis, flat, source, accumulate)


def scatter(
    at: Lowering, node: fx.Node, base: View, axis: int, index: View, source: View | Number
) -> View:
    """base with the elements an index tensor names along one axis replaced."""
    if not isinstance(source, View):
        source = at.filled(source, index.shape, base.dtype)
    return _put(at, base, axis, index, _cropped(source, index.shape), False)


def scatter_add(
    at: Lowering, node: fx.Node, base: View, axis: int, index: View, source: View
) -> View:
    """base with the elements an index tensor names along one axis added to."""
    return _put(at, base, axis, index, _cropped(source, index.shape), True)


def cumsum(at: Lowering, node: fx.Node, source: View, axis: int, **_: Any) -> View:
    """Running sums."""
    return _scanned(at, node, "sum", source, axis)


def cumprod(at: Lowering, node: fx.Node, source: View, axis: int, **_: Any) -> View:
    """Running products."""
    return _scanned(at, node, "prod", source, axis)


def sort(
    at: Lowering, node: fx.Node, source: View, dim: int = -1, descending: bool = False, **_: Any
) -> tuple[View, View]:
    """Values and positions; equal elements keep their order. Torch names these arguments."""
    positions = at.fresh(source.shape, torch.int64)
    ordered = [view("transpose", part, dim, -1) for part in (positions, source)]
    at.statements.append(Sort(ordered[0], source=ordered[1], descending=descending))
    return _taken(at, source, dim % len(source.shape), positions), positions


def topk(
    at: Lowering, node: fx.Node, source: View, count: int, axis: int = -1, *options: bool
) -> tuple[View, ...]:
    """The first of `sort`; options say whether the largest (default) and whether in order."""
    values = sort(at, node, source, axis, descending=options[0] if options else True)
    return tuple(view("slice", part, axis, 0, count) for part in values)


INDEXING: dict[str, Rule] = {
    "gather": gather,
    "index_select": index_select,
    "index": index,
    "index_put": index_put,
    "scatter": scatter,
    "scatter_add": scatter_add,
    "cumsum": cumsum,
    "cumprod": cumprod,
    "sort": sort,
    "topk": topk,
}


def _taken(at: Lowering, source: View, axis: int, index: View) -> View:
    out = at.fresh(index.shape, source.dtype)
    at.statements.append(Take(out, source, axis % len(source.shape), index))
    return out


def _put(at: Lowering, base: View, axis: int, index: View, source: View, accumulate: bool) -> View:
    out = at.contiguous(base)
    at.statements.append(Put(out, source, axis % len(base.shape), index, accumulate))
    return out


def _along(index: View, axis: int, shape: Sequence[int]) -> View:
    """A list of indices as an index tensor that names whole slices of a shape."""
    full = [*shape[:axis], index.size, *shape[axis + 1 :]]
    strides = tuple(index.strides[0] if d == axis else 0 for d in range(len(full)))
    return View(index.buffer, tuple(full), strides, index.offset)


def _only_index(indices: Sequence[View | None]) -> tuple[int, View]:
    found = [(axis, chosen) for axis, chosen in enumerate(indices) if chosen is not None]
    if len(found) != 1 or found[0][1].dtype == torch.bool:
        raise UnsupportedOperationError(
            "indexing by a mask or by several index tensors at once cannot be compiled"
        )
    return found[0]


def _cropped(source: View, shape: Sequence[int]) -> View:
    for axis, length in enumerate(shape):
        source = view("slice", source, axis, 0, length)
    return source


def _scanned(at: Lowering, node: fx.Node, kind: str, source: View, axis: int) -> View:
    shape, dtype = kind_of(node)
    if source.dtype != dtype:
        source = at.pointwise("same", [source], shape, dtype)
    out = at.fresh(shape, dtype)
    ordered = [last(part, axis % max(1, len(shape))) for part in (out, source)]
    at.statements.append(Scan(ordered[0], kind, ordered[1]))
    return out
