"""Loops: elementwise statements of one shape as one loop nest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch

from nthrun.compiler.memory import Memory, literal
from nthrun.compiler.pointwise import EXPRESSIONS
from nthrun.compiler.statements import C_TYPES, Buffer, Pointwise, View

Key = tuple[Buffer, tuple[tuple[int, ...], tuple[int, ...], int]]
"""A place in memory: storage, and shape, strides and offset."""


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
        (view.buffer.storage(), view.squeezed()): f"p{number}[{_index(strides[number])}]"
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
    found: dict[Key, tuple[bool, View]] = {}
    for statement in statements:
        for written, view in [(False, v) for v in statement.reads] + [(True, statement.out)]:
            storage = view.buffer.storage()
            if storage not in memory.kept and storage.place == "scratch":
                continue
            key = (storage, view.squeezed())
            found[key] = (written or found.get(key, (False, view))[0], view)
    return list(found.values())


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


def _index(strides: Sequence[int]) -> str:
    terms = [f"i{axis} * {stride}" for axis, stride in enumerate(strides) if stride]
    return " + ".join(terms) or "0"
