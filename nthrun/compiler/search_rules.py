"""Rules of the operations that look up where numbers lie among edges."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from nthrun.compiler.lowering import Lowering, Rule, kind_of
from nthrun.compiler.statements import Reduction, View, view


def bucketize(
    at: Lowering, node: fx.Node, source: View, edges: View, *, right: bool = False, **_: Any
) -> View:
    """How many edges lie below, or with `right` not above; all, for what is no number."""
    return _searched(at, node, edges, source, right)


def searchsorted(
    at: Lowering, node: fx.Node, edges: View, source: View, *, right: bool = False, **more: Any
) -> View:
    """The same of edges that each row of the source has of its own, or that all share."""
    if len(edges.shape) > 1:
        edges = view("unsqueeze", edges, -2)
    return _searched(at, node, edges, source, right or more.get("side") == "right")


def _searched(at: Lowering, node: fx.Node, edges: View, source: View, right: bool) -> View:
    shape, dtype = kind_of(node)
    each, full = view("unsqueeze", source, -1), (*shape, edges.shape[-1])
    common = torch.promote_types(source.dtype, edges.dtype)
    beyond = at.pointwise("gt" if right else "ge", [edges, each], full, torch.bool, common)
    passed = at.pointwise(
        "same", [at.pointwise("logical_not", [beyond], full, torch.bool)], full, dtype
    )
    out = at.fresh(shape, dtype)
    at.statements.append(Reduction(out, "sum", passed, 1))
    return out


SEARCH_RULES: dict[str, Rule] = {"bucketize": bucketize, "searchsorted": searchsorted}
"""torch's name of an operation -> its rule."""
