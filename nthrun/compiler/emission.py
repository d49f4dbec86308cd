"""Emission: groups of statements as C++, and where their buffers lie when it runs.

Elementwise statements of one shape become one loop nest, another statement a block of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from nthrun.compiler.fusion import Group
from nthrun.compiler.pointwise import EXPRESSIONS
from nthrun.compiler.statements import (
    C_TYPES,
    Buffer,
    Number,
    Pointwise,
    Product,
    Put,
    Reduction,
    Region,
    Scan,
    Sort,
    Statement,
    Take,
    View,
)

VECTOR_BOUND = 16
"""The most elements of a vector register, on any machine."""
Key = tuple[Buffer, Region]
"""A place in memory: storage, and where in it."""


@dataclass(frozen=True)
class Memory:
    """Where buffers lie when the code runs.

    Attributes:
        pointers: C++ expression of each state, input and output buffer's address.
        arena: byte offset of each scratch buffer.
        kept: buffers that live in memory at all.
        product_scratch: byte offset of memory for products.
    """

    pointers: Mapping[Buffer, str]
    arena: Mapping[Buffer, int]
    kept: set[Buffer]
    product_scratch: int

    def address(self, view: View) -> str:
        """C++ expression of the address of a view's first element."""
        storage = view.buffer.storage()
        moved = (f" + time_{move.loop} * {move.stride}" for move in view.moves)
        offset = f"{view.offset + view.buffer.offset()}{''.join(moved)}"
        if storage.place == "constant":
            return f"{storage.name} + {offset}"
        if storage.place == "scratch":
            place = f"arena + {self.arena[storage]}"
            return f"reinterpret_cast<{C_TYPES[storage.dtype]}*>({place}) + {offset}"
        return f"{self.pointers[storage]} + {offset}"


def emit_constants(buffers: Sequence[Buffer]) -> Iterator[str]:
    """Definitions of constant buffers."""
    for buffer in buffers:
        values = ", ".join(literal(value, buffer.dtype) for value in buffer.values)
        kind = C_TYPES[buffer.dtype]
        yield f"alignas(64) static const {kind} {buffer.name}[] = {{{values}}};"


def literal(value: Number, dtype: torch.dtype) -> str:
    """A number as C++ of a type."""
    if dtype is torch.bool:
        return "true" if value else "false"
    if not dtype.is_floating_point:
        kind = C_TYPES[dtype]
        lowest = int(value) == torch.iinfo(torch.int64).min  # C++ has no literal of it
        return f"{kind}(INT64_MIN)" if lowest else f"{kind}({int(value)})"
    suffix = "f" if dtype is torch.float32 else ""
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return f"{float(value)!r}{suffix}"


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


def emit_loop(statements: Sequence[Pointwise], memory: Memory) -> Iterator[str]:
    """A loop nest over all indices; values used only inside it stay in registers."""
    views = _distinct(statements, memory)
    shape, strides = _collapsed([view for _, view in views])
    for number, (written, view) in enumerate(views):
        kind = f"{'' if written else 'const '}{C_TYPES[view.dtype]}* __restrict"
        yield f"{kind} p{number} = {memory.address(view)};"
    for axis, length in enumerate(shape):
        if axis == len(shape) - 1:
            yield "#pragma GCC ivdep"
        yield f"for (int i{axis} = 0; i{axis} < {length}; ++i{axis}) {{"
    places = {
        (view.buffer.storage(), view.squeezed()): f"p{number}[{_named_index('i', strides[number])}]"
        for number, (_, view) in enumerate(views)
    }
    local: dict[Key, str] = {}
    for number, statement in enumerate(statements):
        key = (statement.out.buffer.storage(), statement.out.squeezed())
        expression = _expression(statement, local, places)
        yield f"const {C_TYPES[statement.out.dtype]} v{number} = {expression};"
        local[key] = f"v{number}"
        if key[0] in memory.kept:
            yield f"{places[key]} = v{number};"
    yield "}" * len(shape)


def _expression(statement: Pointwise, local: Mapping[Key, str], places: Mapping[Key, str]) -> str:
    """The value of a statement at the loop's indices."""
    arguments = []
    for position, argument in enumerate(statement.arguments):
        is_condition = statement.operation == "where" and position == 0
        kind = torch.bool if is_condition else statement.compute
        if isinstance(argument, Pointwise):
            value, dtype = _expression(argument, local, places), argument.out.dtype
        elif isinstance(argument, View):
            key = (argument.buffer.storage(), argument.squeezed())
            value, dtype = local.get(key) or places[key], argument.dtype
        else:
            value, dtype = literal(argument, kind), kind
        cast = "" if dtype is kind else f"static_cast<{C_TYPES[kind]}>"
        arguments.append(f"{cast}({value})")
    return EXPRESSIONS[statement.operation].format(*arguments)


def _distinct(statements: Sequence[Pointwise], memory: Memory) -> list[tuple[bool, View]]:
    """(whether it is written, view) of every place in memory that a loop touches."""
    places: dict[Key, tuple[bool, View]] = {}
    for statement in statements:
        for written, view in [(False, v) for v in statement.reads] + [(True, statement.out)]:
            storage = view.buffer.storage()
            if storage not in memory.kept and storage.place == "scratch":
                continue
            key = (storage, view.squeezed())
            places[key] = (written or places.get(key, (False, view))[0], view)
    return list(places.values())


def _collapsed(views: Sequence[View]) -> tuple[list[int], list[list[int]]]:
    """The shape and each view's strides with neighbouring axes joined where all views allow."""
    shape = list(views[0].squeezed()[0])
    strides = [list(view.squeezed()[1]) for view in views]
    axis = len(shape) - 1
    while axis > 0:
        if all(s[axis - 1] == s[axis] * shape[axis] for s in strides):
            shape[axis - 1 : axis + 1] = [shape[axis - 1] * shape[axis]]
            for s in strides:
                del s[axis - 1]
        axis -= 1
    return shape, strides
