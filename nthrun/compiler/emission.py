"""Emission: groups of statements as C++."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

from nthrun.compiler.fusion import Group
from nthrun.compiler.loops import emit_loop
from nthrun.compiler.memory import Memory
from nthrun.compiler.statements import (
    C_TYPES,
    Pointwise,
    Product,
    Put,
    Reduction,
    Scan,
    Sort,
    Statement,
    Take,
    View,
)

VECTOR_BOUND = 16
"""The most elements of a vector register, on any machine."""


def emit_group(group: Group, memory: Memory) -> Iterator[str]:
    """One group as one block."""
    yield "{"
    if isinstance(group[0], Pointwise):
        yield from emit_loop([s for s in group if isinstance(s, Pointwise)], memory)
    else:
        yield from EMITTERS[type(group[0])](group[0], memory)
    yield "}"


def _product(statement: Product, memory: Memory) -> Iterator[str]:
    out, left, right = statement.out, statement.left, statement.right
    batch, rows, columns = out.shape
    steps = (left.strides[1:], right.strides[1:], out.strides[1:])
    sizes = ", ".join(map(str, (rows, columns, left.shape[2], *sum(steps, ()))))
    pointers = ", ".join(
        f"{memory.address(view)} + b * {view.strides[0]}" for view in (left, right, out)
    )
    yield f"for (int b = 0; b < {batch}; ++b)"
    yield f"  product<{C_TYPES[out.dtype]}, {sizes}>({pointers}, arena + {memory.product_scratch});"


def product_scratch_bytes(statement: Product) -> int:
    """Memory that `product` may need to lay a side and the result out anew."""
    (rows, columns), depth = statement.out.shape[1:], statement.left.shape[2]
    straight = (depth + rows) * (columns + VECTOR_BOUND)
    turned = (depth + columns) * (rows + VECTOR_BOUND)
    return max(straight, turned) * statement.out.dtype.itemsize


def _reduction(statement: Reduction, memory: Memory) -> Iterator[str]:
    source, out = statement.source, statement.out
    kept = len(source.shape) - statement.axes
    shape, strides = source.shape, source.strides
    yield f"const {C_TYPES[source.dtype]}* source = {memory.address(source)};"
    yield f"{C_TYPES[out.dtype]}* out = {memory.address(out)};"
    if _sums_columns(statement):
        yield from _column_sums(statement, kept)
        return
    yield from _open_loops("k", shape[:kept])
    place = f"source + {_named_index('k', strides[:kept])}"
    target = f"out[{_named_index('k', out.strides)}]"
    if statement.kind == "sum" and strides[kept:] == (1,) and source.dtype is torch.float32:
        yield f"{target} = sum<{shape[-1]}>({place});"
    else:
        yield f"{statement.kind.capitalize()}<{C_TYPES[source.dtype]}> total;"
        yield from _open_loops("r", shape[kept:])
        yield f"total.take(({place})[{_named_index('r', strides[kept:])}]);"
        yield "}" * statement.axes
        yield f"{target} = total.result();"
    yield "}" * kept


def _sums_columns(statement: Reduction) -> bool:
    """Whether neighbours in memory belong to different sums."""
    kept = len(statement.source.shape) - statement.axes
    strides = statement.source.strides
    return (
        statement.kind == "sum"
        and kept > 0
        and strides[kept - 1] == 1
        and statement.out.strides[-1] == 1
        and statement.source.shape[kept - 1] > 1
    )


def _column_sums(statement: Reduction, kept: int) -> Iterator[str]:
    """Sums over rows, a whole row of sums at a time."""
    shape, strides, out = statement.source.shape, statement.source.strides, statement.out
    width = shape[kept - 1]
    yield from _open_loops("k", shape[: kept - 1])
    start = _named_index("k", strides[: kept - 1])
    place = _named_index("k", out.strides[:-1])
    yield f"for (int j = 0; j < {width}; ++j) out[{place} + j] = 0;"
    yield from _open_loops("r", shape[kept:])
    yield "#pragma GCC ivdep"
    step = _named_index("r", strides[kept:])
    yield f"for (int j = 0; j < {width}; ++j) out[{place} + j] += source[{start} + {step} + j];"
    yield "}" * (statement.axes + kept - 1)


def _open_loops(name: str, shape: Sequence[int]) -> Iterator[str]:
    for axis, length in enumerate(shape):
        yield f"for (int {name}{axis} = 0; {name}{axis} < {length}; ++{name}{axis}) {{"


def _named_index(name: str, strides: Sequence[int], offset: Mapping[int, str] | None = None) -> str:
    chosen = offset or {}
    terms = [
        f"{chosen.get(axis, f'{name}{axis}')} * {stride}"
        for axis, stride in enumerate(strides)
        if stride
    ]
    return " + ".join(terms) or "0"


def _take(statement: Take, memory: Memory) -> Iterator[str]:
    yield from _indexed(statement, statement.source, statement.out, memory)
    there = _named_index("k", statement.source.strides, {statement.axis: "chosen"})
    here = _named_index("k", statement.out.strides)
    yield f"out[{here}] = source[{there}];"
    yield "}" * len(statement.index.shape)


def _put(statement: Put, memory: Memory) -> Iterator[str]:
    yield from _indexed(statement, statement.source, statement.out, memory)
    there = _named_index("k", statement.out.strides, {statement.axis: "chosen"})
    here = _named_index("k", statement.source.strides)
    sign = "+=" if statement.accumulate else "="
    yield f"out[{there}] {sign} source[{here}];"
    yield "}" * len(statement.index.shape)


def _indexed(statement: Take | Put, source: View, out: View, memory: Memory) -> Iterator[str]:
    """Open the loops over an index tensor, with `chosen` the wrapped index."""
    index = statement.index
    length = (source if isinstance(statement, Take) else out).shape[statement.axis]
    yield f"const {C_TYPES[source.dtype]}* source = {memory.address(source)};"
    yield f"{C_TYPES[out.dtype]}* out = {memory.address(out)};"
    yield f"const {C_TYPES[index.dtype]}* index = {memory.address(index)};"
    yield from _open_loops("k", index.shape)
    yield f"int64_t chosen = index[{_named_index('k', index.strides)}];"
    yield f"if (chosen < 0) chosen += {length};"
    yield f"if (chosen < 0 || chosen >= {length}) chosen = fail(INDEX_OUT_OF_RANGE);"


def _rowwise(statement: Scan | Sort, memory: Memory, call: str) -> Iterator[str]:
    source, out = statement.reads[0], statement.out
    yield f"const {C_TYPES[source.dtype]}* source = {memory.address(source)};"
    yield f"{C_TYPES[out.dtype]}* out = {memory.address(out)};"
    yield from _open_loops("k", source.shape[:-1])
    length, step, out_step = source.shape[-1], source.strides[-1], out.strides[-1]
    place, out_place = (_named_index("k", view.strides[:-1]) for view in (source, out))
    yield f"{call}<{length}, {step}, {out_step}>(source + {place}, out + {out_place});"
    yield "}" * (len(source.shape) - 1)


def _scan(statement: Scan, memory: Memory) -> Iterator[str]:
    return _rowwise(statement, memory, f"scan_{statement.kind}")


def _sort(statement: Sort, memory: Memory) -> Iterator[str]:
    return _rowwise(statement, memory, "sort_down" if statement.descending else "sort_up")


EMITTERS: dict[type[Statement], Callable[..., Iterator[str]]] = {
    Product: _product,
    Reduction: _reduction,
    Take: _take,
    Put: _put,
    Scan: _scan,
    Sort: _sort,
}
