"""Storage: which values share memory, so that updates happen in place and parts need no copying."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nthrun.compiler.statements import (
    Begin,
    Buffer,
    End,
    Pointwise,
    Region,
    Statement,
    View,
    contiguous_strides,
    whole,
)

ALIGNMENT_BYTES = 64


def place(
    statements: Sequence[Statement], results: Mapping[str, View], shared: Mapping[str, Buffer]
) -> list[Statement]:
    """Statements that leave every result in its shared buffer.

    Where all reads of a buffer's old value come before the first write of the new one, the new one
    is computed in place; elsewhere it is copied at the end.
    """
    placed = list(statements)
    _place_parts(placed)
    moved = {n: v for n, v in results.items() if not (v.buffer is shared[n] and v.is_whole())}
    read_last = {value.buffer for value in moved.values()}
    copies: list[Statement] = []
    for name, value in moved.items():
        target = shared[name]
        may_move = _can_move(value) and target not in read_last
        if may_move and _overwrites_safely(placed, target, value):
            value.buffer.host = (target, 0)
        else:
            copies.append(Pointwise(whole(target), "same", (value,), target.dtype))
    return [s for s in _with_sources_kept(placed, copies) if not _is_self_copy(s)]


def assign_arena(groups: Sequence[Sequence[Statement]]) -> tuple[dict[Buffer, int], int]:
    """Byte offsets of scratch buffers; those never needed at the same time share memory.

    Returns:
        offset by storage, and the arena's size in bytes.
    """
    lifetimes: dict[Buffer, list[int]] = {}
    for moment, group in enumerate(groups):
        for statement in group:
            for view in (statement.out, *statement.reads):
                storage = view.buffer.storage()
                if storage.place == "scratch":
                    lifetimes.setdefault(storage, []).append(moment)
    _keep_through_loops(lifetimes.values(), groups)
    offsets: dict[Buffer, int] = {}
    taken: list[tuple[int, int, int, int]] = []  # first and last moment, begin and end byte
    for storage, moments in sorted(lifetimes.items(), key=lambda item: -_bytes(item[0])):
        first, last = min(moments), max(moments)
        begin = 0
        for _, _, other, end in sorted(
            (t for t in taken if t[0] <= last and first <= t[1]), key=lambda t: t[2]
        ):
            if begin + _bytes(storage) <= other:
                break
            begin = max(begin, end)
        offsets[storage] = begin
        taken.append((first, last, begin, begin + _bytes(storage)))
    return offsets, max((end for *_, end in taken), default=0)


def _keep_through_loops(
    lifetimes: Iterable[list[int]], groups: Sequence[Sequence[Statement]]
) -> None:
    """Have what is needed both in a loop and outside live as long as the loop: all its times."""
    for begin, end in _loops(groups):
        for moments in lifetimes:
            inside = [begin <= moment <= end for moment in moments]
            if any(inside) and not all(inside):
                moments += [begin, end]


def _loops(groups: Sequence[Sequence[Statement]]) -> list[tuple[int, int]]:
    """The moments at which loops begin and end, inner ones first."""
    began: list[int] = []
    found: list[tuple[int, int]] = []
    for moment, (first, *_) in enumerate(groups):
        if isinstance(first, Begin):
            began.append(moment)
        elif isinstance(first, End):
            found.append((began.pop(), moment))
    return found


def _bytes(buffer: Buffer) -> int:
    size = buffer.size * buffer.dtype.itemsize
    return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def _place_parts(statements: list[Statement]) -> None:
    """Compute a part of a concatenation where it belongs, instead of copying it there."""
    writers = _writers(statements)
    for statement in list(statements):
        if not _is_part(statement, writers):
            continue
        source = statement.reads[0].buffer
        source.host = (statement.out.buffer, statement.out.offset)
        statements.remove(statement)


def _is_part(statement: Statement, writers: Mapping[Buffer, list[Statement]]) -> bool:
    """Whether a copy moves a whole value into a contiguous region that nothing else writes.

    What a loop carries stays apart: it is written anew at the end of each time, its copy is not.
    """
    if not isinstance(statement, Pointwise) or statement.operation != "same":
        return False
    source, target = statement.arguments[0], statement.out
    if not isinstance(source, View) or source.dtype != target.dtype or target.is_whole():
        return False
    region = target.squeezed()
    if region.moves or region.strides != contiguous_strides(region.shape):
        return False
    if not _can_move(source) or source.buffer.carried:
        return False
    begin, end = target.offset, target.offset + target.size
    others = [other.out for other in writers[target.buffer] if other is not statement]
    return all(end <= _extent(other)[0] or _extent(other)[1] <= begin for other in others)


def _extent(view: View) -> tuple[int, int]:
    first, last = Region(view.shape, view.strides, view.offset, view.moves).span()
    return first, last + 1


def _can_move(value: View) -> bool:
    """Whether a value is all of scratch memory that has no place yet."""
    return value.buffer.place == "scratch" and value.buffer.host is None and value.is_whole()


def _writers(statements: Sequence[Statement]) -> dict[Buffer, list[Statement]]:
    writers: dict[Buffer, list[Statement]] = {}
    for statement in statements:
        writers.setdefault(statement.out.buffer, []).append(statement)
    return writers


def _overwrites_safely(statements: Sequence[Statement], target: Buffer, value: View) -> bool:
    """Whether writing `value` into `target` as it is computed leaves every read as it was."""
    storage = value.buffer
    first = next(
        i for i, statement in enumerate(statements) if statement.out.buffer.storage() is storage
    )
    first = _outermost(statements, first)
    if any(s.out.buffer.storage() is target for s in statements):
        return False
    for statement in statements[first + 1 :]:
        if any(view.buffer.storage() is target for view in statement.reads):
            return False
    own = [view for view in statements[first].reads if view.buffer.storage() is target]
    at = statements[first].out.squeezed()
    return not own or (
        isinstance(statements[first], Pointwise) and all(v.squeezed() == at for v in own)
    )


def _outermost(statements: Sequence[Statement], number: int) -> int:
    """Where the outermost loop that a statement lies in begins; the statement's own place if it
    lies in none."""
    began: list[int] = []
    for place, statement in enumerate(statements[:number]):
        if isinstance(statement, Begin):
            began.append(place)
        elif isinstance(statement, End):
            began.pop()
    return began[0] if began else number


def _with_sources_kept(statements: list[Statement], copies: list[Statement]) -> list[Statement]:
    """Append the final copies; a source that an earlier copy overwrites is set aside first."""
    overwritten = {copy.out.buffer.storage() for copy in copies}
    aside: list[Statement] = []
    for number, copy in enumerate(copies):
        assert isinstance(copy, Pointwise)
        (source,) = copy.reads
        if source.buffer.storage() in overwritten:
            name = f"aside{number}_{source.buffer.name}"
            kept = whole(Buffer(name, source.dtype, source.shape, "scratch"))
            aside.append(Pointwise(kept, "same", (source,), source.dtype))
            copies[number] = Pointwise(copy.out, "same", (kept,), copy.compute)
    return [*statements, *aside, *copies]


def _is_self_copy(statement: Statement) -> bool:
    """Whether a copy has become one of a place onto itself."""
    if not isinstance(statement, Pointwise) or statement.operation != "same":
        return False
    (source,) = statement.arguments
    return (
        isinstance(source, View)
        and source.buffer.storage() is statement.out.buffer.storage()
        and source.squeezed() == statement.out.squeezed()
    )
