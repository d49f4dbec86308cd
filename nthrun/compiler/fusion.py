"""Fusion: elementwise statements of one shape become one loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nthrun.compiler.pointwise import COMPARISONS
from nthrun.compiler.statements import Begin, Buffer, End, Number, Pointwise, Statement, View

Group = list[Statement]
"""Statements done together: elementwise ones of one shape, or a single other one."""


def inline_comparisons(statements: Sequence[Statement], results: Iterable[View]) -> list[Statement]:
    """Compare anew where a comparison is used, instead of keeping its result.

    A loop over numbers that also loads or stores booleans is far slower than one that compares.
    What the state holds or a loop carries may change meanwhile, so its comparisons stay where they
    are.
    """
    cheap = {
        statement.out.buffer: statement
        for statement in statements
        if isinstance(statement, Pointwise)
        and statement.operation in COMPARISONS
        and not any(v.buffer.place == "state" or v.buffer.carried for v in statement.reads)
    }
    used = {view.buffer for view in results}
    result: list[Statement] = []
    for statement in statements:
        if isinstance(statement, Pointwise):
            arguments = tuple(_inlined(argument, cheap) for argument in statement.arguments)
            inlined = Pointwise(statement.out, statement.operation, arguments, statement.compute)
            if statement.out.buffer in cheap:
                cheap[statement.out.buffer] = inlined
            statement = inlined  # noqa: PLW2901 - the same statement in another form
        used.update(view.buffer for view in statement.reads)
        result.append(statement)
    return [s for s in result if s.out.buffer not in cheap or s.out.buffer in used]


def _inlined(
    argument: View | Number | Pointwise, cheap: Mapping[Buffer, Pointwise]
) -> View | Number | Pointwise:
    """The comparison an argument is all of, if it is one."""
    if not isinstance(argument, View) or argument.buffer not in cheap:
        return argument
    comparison = cheap[argument.buffer]
    return comparison if argument.squeezed() == comparison.out.squeezed() else argument


def fuse(statements: Sequence[Statement]) -> list[Group]:
    """Group statements, keeping every value what it is; what a `repeat` does stays within it.

    A loop takes in each later statement whose needs are met, as long as what the loop's
    statements share lies at the same index for both.
    """
    groups: list[Group] = []
    straight: list[Statement] = []
    for statement in statements:
        if isinstance(statement, Begin | End):
            groups += [*_fused(straight), [statement]]
            straight = []
        else:
            straight.append(statement)
    return [*groups, *_fused(straight)]


def _fused(statements: Sequence[Statement]) -> list[Group]:
    """Groups of statements that are done one after the other."""
    before = _dependencies(statements)
    waiting = list(range(len(statements)))
    done: set[int] = set()
    groups: list[Group] = []
    while waiting:
        first = next(i for i in waiting if before[i] <= done)
        members = [first]
        if isinstance(statements[first], Pointwise):
            shape = statements[first].out.squeezed()[0]
            for i in waiting:
                if i != first and _joins(statements, before[i] - done, members, i, shape):
                    members.append(i)
        done.update(members)
        waiting = [i for i in waiting if i not in done]
        groups.append([statements[i] for i in members])
    return groups


def needed_outside(groups: Sequence[Group]) -> set[Buffer]:
    """Buffers that live in memory; the others are read only in the loop that computes them."""
    homes: dict[Buffer, set[int]] = {}
    for number, group in enumerate(groups):
        for statement in group:
            for view in (statement.out, *statement.reads):
                homes.setdefault(view.buffer.storage(), set()).add(number)
    loops = {n for n, group in enumerate(groups) if isinstance(group[0], Pointwise)}
    return {
        buffer
        for buffer, numbers in homes.items()
        if buffer.place != "scratch" or len(numbers) > 1 or not numbers <= loops
    }


def _dependencies(statements: Sequence[Statement]) -> list[set[int]]:
    """For each statement, the earlier ones that must come before it."""
    before: list[set[int]] = []
    writers: dict[Buffer, list[int]] = {}
    readers: dict[Buffer, list[int]] = {}
    for number, statement in enumerate(statements):
        target = statement.out.buffer.storage()
        needs = set(readers.get(target, ()))
        needs |= {w for w in writers.get(target, ()) if _overlap(statements[w].out, statement.out)}
        for view in statement.reads:
            storage = view.buffer.storage()
            needs |= {w for w in writers.get(storage, ()) if _overlap(statements[w].out, view)}
            readers.setdefault(storage, []).append(number)
        writers.setdefault(target, []).append(number)
        before.append(needs - {number})
    return before


def _overlap(one: View, other: View) -> bool:
    """Whether two views of one storage may share an element."""
    spans = [view.squeezed().span() for view in (one, other)]
    return spans[0][0] <= spans[1][1] and spans[1][0] <= spans[0][1]


def _joins(
    statements: Sequence[Statement],
    unmet: set[int],
    members: list[int],
    number: int,
    shape: tuple[int, ...],
) -> bool:
    statement = statements[number]
    if not isinstance(statement, Pointwise) or statement.out.squeezed()[0] != shape:
        return False
    if not unmet <= set(members):
        return False
    return all(_aligned(statements[member], statement) for member in unmet)


def _aligned(earlier: Statement, later: Statement) -> bool:
    """Whether what the two share lies at the same index of both."""
    pairs = [(earlier.out, view) for view in (*later.reads, later.out)]
    pairs += [(view, later.out) for view in earlier.reads]
    return all(
        one.squeezed() == other.squeezed()
        for one, other in pairs
        if one.buffer.storage() is other.buffer.storage()
    )
