"""Rules for operations that are neither elementwise nor views: what each becomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from nthrun.compiler.loop_rules import LOOP_RULES
from nthrun.compiler.lowering import Lowering, Rule, kind_of
from nthrun.compiler.search_rules import SEARCH_RULES
from nthrun.compiler.statements import (
    Number,
    Product,
    Put,
    Reduction,
    Scan,
    Sort,
    Take,
    View,
    last,
    view,
)
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
    return View(index.buffer, tuple(full), strides, index.offset, index.moves)


def _only_index(indices: Sequence[View | None]) -> tuple[int, View]:
    given = [(axis, chosen) for axis, chosen in enumerate(indices) if chosen is not None]
    if len(given) != 1 or given[0][1].dtype == torch.bool:
        raise UnsupportedOperationError(
            "indexing by a mask or by several index tensors at once cannot be compiled"
        )
    return given[0]


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
    results = []
    for kind, dtype in ((f"a{name}", values.dtype), (f"arg{name}", positions.dtype)):
        out = at.fresh(ordered.shape[:-1], dtype)
        at.statements.append(Reduction(out, kind, ordered, 1))
        results.append(at.reshaped(out, shape))
    return tuple(results)


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
    **SEARCH_RULES,
    **LOOP_RULES,
}
"""torch's name of an operation -> its rule."""


def _replaced(at: Lowering, name: str, base: View, part: View, where: Sequence[Any]) -> View:
    out = at.contiguous(base)
    at.copy(view(name, out, *where), part)
    return out
