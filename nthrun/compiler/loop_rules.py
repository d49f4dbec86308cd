"""Rules of the two operations between which a trace has the body of a loop (`loops`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx

from nthrun.compiler.loops import LIBRARY, lengthened
from nthrun.compiler.lowering import Lowering, Rule
from nthrun.compiler.statements import (
    Begin,
    Buffer,
    End,
    Move,
    Statement,
    View,
    view,
    whole,
)
from nthrun.errors import UnsupportedOperationError


@dataclass(frozen=True)
class OpenLoop:
    """A loop whose end is yet to come.

    Attributes:
        number: of the loop.
        start: how many statements come before it.
        carried: what is carried from time to time.
    """

    number: int
    start: int
    carried: tuple[View, ...]


def begin_turn(
    at: Lowering, node: fx.Node, carry: Sequence[View], per_step: Sequence[View], *order: Any
) -> tuple[View, ...]:
    """What is carried, in memory of its own, and the numbers of one time; see
    `loops.begin_turn`."""
    axis, backwards = order
    loop = at.number()
    carried = []
    for part in carry:
        own = at.contiguous(part)
        own.buffer.carried = True
        carried.append(own)
    at.open_loops.append(OpenLoop(loop, len(at.statements), tuple(carried)))
    return (*carried, *(at_one_time(part, axis, loop, backwards) for part in per_step))


def end_turn(
    at: Lowering,
    node: fx.Node,
    begun: Sequence[View],
    after: Sequence[View],
    shown: Sequence[View],
    *order: Any,
) -> tuple[View, ...]:
    """What was carried on from the last time, and what all have shown; see `loops.end_turn`."""
    times, axis, backwards = order
    loop: OpenLoop = at.open_loops.pop()
    if tuple(begun[: len(loop.carried)]) != loop.carried:
        raise UnsupportedOperationError("loops that overlap cannot be compiled")
    stacked = []
    for part in shown:
        shape = lengthened(view("unsqueeze", part, axis).shape, axis, times)
        stacked.append(at.fresh(shape, part.dtype))
        at.copy(at_one_time(stacked[-1], axis, loop.number, backwards), part)
    _carry_on(at, loop.carried, after)
    nothing = whole(Buffer(f"loop_{loop.number}", torch.bool, (0,), "scratch"))
    before, within = _split(at.statements[loop.start :], loop)
    at.statements[loop.start :] = [
        *before,
        Begin(nothing, loop.number, times),
        *within,
        End(nothing, loop.number),
    ]
    return (*loop.carried, *stacked)


def at_one_time(part: View, axis: int, loop: int, backwards: bool) -> View:
    """What a view holds of one time of a loop, which the last one comes first of if `backwards`."""
    times, stride = part.shape[axis], part.strides[axis]
    first: View = view("select", part, axis, times - 1 if backwards else 0)
    move = Move(loop, -stride if backwards else stride, times)
    return replace(first, moves=(*first.moves, move))


def _carry_on(at: Lowering, carried: Sequence[View], after: Sequence[View]) -> None:
    """Put what is carried on where the next time finds it, all at once."""
    owned = {part.buffer for part in carried}
    changed = [(own, new) for own, new in zip(carried, after, strict=True) if own != new]
    for own, new in changed:
        if (own.shape, own.dtype) != (new.shape, new.dtype):
            raise UnsupportedOperationError("a loop carries on what is of another shape or type")
    aside = [at.contiguous(new) if new.buffer in owned else new for _, new in changed]
    for (own, _), new in zip(changed, aside, strict=True):
        at.copy(own, new)


def _split(statements: Sequence[Statement], loop: OpenLoop) -> tuple[list[Statement], ...]:
    """Statements that are the same at every time, which come before the loop, and the others."""
    chosen = _inner(statements)
    varied = {part.buffer for part in loop.carried}
    varied |= {statements[place].out.buffer for place in chosen}
    while True:
        more = {
            place
            for place, statement in enumerate(statements)
            if place not in chosen and _varies(statement, varied, loop.number)
        }
        if not more:
            break
        chosen |= more
        varied |= {statements[place].out.buffer for place in more}
    before = [s for place, s in enumerate(statements) if place not in chosen]
    return before, [s for place, s in enumerate(statements) if place in chosen]


def _varies(statement: Statement, varied: set[Buffer], loop: int) -> bool:
    """Whether a statement reads or writes what differs from time to time."""
    views = (statement.out, *statement.reads)
    return any(v.buffer in varied or any(m.loop == loop for m in v.moves) for v in views)


def _inner(statements: Sequence[Statement]) -> set[int]:
    """Places of the statements of loops within, which stay where they are."""
    depth = 0
    found: set[int] = set()
    for place, statement in enumerate(statements):
        depth += isinstance(statement, Begin)
        if depth:
            found.add(place)
        depth -= isinstance(statement, End)
    return found


LOOP_RULES: dict[str, Rule] = {
    f"{LIBRARY}::begin_turn": begin_turn,
    f"{LIBRARY}::end_turn": end_turn,
}
"""torch's name of an operation -> its rule."""
