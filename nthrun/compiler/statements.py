"""What a traced function becomes: statements over views of buffers, all shapes known.

What torch's view operations make of a view is found without copying, on the meta device.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from nthrun.errors import UnsupportedOperationError

C_TYPES = {
    torch.float32: "float",
    torch.float64: "double",
    torch.int64: "int64_t",
    torch.int32: "int32_t",
    torch.bool: "bool",
}

Place = Literal["state", "input", "output", "constant", "scratch"]
Number = bool | int | float
VIEWS = frozenset(
    ("view", "unsqueeze", "squeeze", "expand", "permute", "transpose", "t", "slice", "select")
) | frozenset(("split", "split_with_sizes", "unbind", "diagonal", "unfold"))
SAME = frozenset(("clone", "detach", "alias", "lift_fresh", "contiguous"))


@dataclass(eq=False)
class Buffer:
    """Memory for one tensor of one lane.

    Attributes:
        name: unique, a C++ identifier.
        dtype: of an element.
        shape: of the tensor, its lane axis of 1 first.
        place: state lives between steps; inputs and outputs have one row a step; constants hold
            `values`; scratch lives within a step.
        values: of a constant, flattened.
        host: the buffer and the offset at which this one lies, where it has been placed in another.
        carried: whether a loop writes it anew at the end of each time.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    place: Place
    values: tuple[Number, ...] = ()
    host: tuple[Buffer, int] | None = None
    carried: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in C_TYPES:
            raise UnsupportedOperationError(f"tensors of {self.dtype} cannot be compiled")

    @property
    def size(self) -> int:
        """Number of elements."""
        return torch.Size(self.shape).numel()

    def storage(self) -> Buffer:
        """The buffer whose memory this one uses."""
        return self if self.host is None else self.host[0].storage()

    def offset(self) -> int:
        """Where in its storage it begins, in elements."""
        return 0 if self.host is None else self.host[0].offset() + self.host[1]


class Move(NamedTuple):
    """How a view moves from one time of a loop to the next.

    Attributes:
        loop: its number.
        stride: in elements.
        times: of the loop.
    """

    loop: int
    stride: int
    times: int


class Region(NamedTuple):
    """Where the elements of a view lie in a storage; equal regions are the same elements."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    moves: tuple[Move, ...]

    def span(self) -> tuple[int, int]:
        """The first element and the last, at any time."""
        steps = [(n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True)]
        steps += [(move.times - 1) * move.stride for move in self.moves]
        low, high = (sum(step for step in steps if (step > 0) == up) for up in (False, True))
        return self.offset + low, self.offset + high


@dataclass(frozen=True)
class View:
    """Elements of a buffer by index: `offset + Σ index[d] strides[d]`, and in loops
    `+ Σ time[loop] stride` of each move."""

    buffer: Buffer
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    moves: tuple[Move, ...] = ()

    @property
    def dtype(self) -> torch.dtype:
        """Type of an element."""
        return self.buffer.dtype

    @property
    def size(self) -> int:
        """Number of indices."""
        return torch.Size(self.shape).numel()

    def squeezed(self) -> Region:
        """The elements without axes of length 1, within the buffer's storage."""
        axes = [d for d, length in enumerate(self.shape) if length != 1]
        shape = tuple(self.shape[d] for d in axes)
        strides = tuple(self.strides[d] for d in axes)
        return Region(shape, strides, self.offset + self.buffer.offset(), self.moves)

    def is_whole(self) -> bool:
        """Whether it is all of its buffer, in order."""
        contiguous = contiguous_strides(self.shape)
        same = all(
            length == 1 or a == b
            for length, a, b in zip(self.shape, self.strides, contiguous, strict=True)
        )
        return same and self.offset == 0 and self.size == self.buffer.size and not self.moves


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of a row-major tensor."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


def whole(buffer: Buffer) -> View:
    """All of a buffer, in order."""
    return View(buffer, buffer.shape, contiguous_strides(buffer.shape))


@dataclass(eq=False)
class Statement:
    """One thing to do. It writes `out` and reads `reads`.

    Attributes:
        out: what it writes; no element twice.
        reads: what it reads.
    """

    out: View
    reads: tuple[View, ...] = field(default=(), kw_only=True)


@dataclass(eq=False)
class Pointwise(Statement):
    """out[i] = operation(arguments[i]).

    Attributes:
        operation: a key of `pointwise.EXPRESSIONS`.
        arguments: views of out's shape, numbers, or statements of that shape to be computed here
            and not stored.
        compute: the type the arguments are converted to first.
    """

    operation: str
    arguments: tuple[View | Number | Pointwise, ...]
    compute: torch.dtype

    def __post_init__(self) -> None:
        self.reads = tuple(_views(self.arguments))


def _views(arguments: Iterable[View | Number | Pointwise]) -> Iterator[View]:
    for argument in arguments:
        if isinstance(argument, View):
            yield argument
        elif isinstance(argument, Pointwise):
            yield from argument.reads


@dataclass(eq=False)
class Reduction(Statement):
    """out = kind of source over its last `axes` axes (sum, prod, amax, amin, argmax, argmin)."""

    kind: str
    source: View
    axes: int

    def __post_init__(self) -> None:
        self.reads = (self.source,)


@dataclass(eq=False)
class Product(Statement):
    """out (batch, m, n) = left (batch, m, k) times right (batch, k, n)."""

    left: View
    right: View

    def __post_init__(self) -> None:
        self.reads = (self.left, self.right)


@dataclass(eq=False)
class Take(Statement):
    """out[i] = source[i but for axis `axis`, where it is index[i]]."""

    source: View
    axis: int
    index: View

    def __post_init__(self) -> None:
        self.reads = (self.source, self.index)


@dataclass(eq=False)
class Put(Statement):
    """base[i but for axis `axis`, where it is index[i]] = source[i], or += it, in order of i.

    `out` is all of base, which is changed in place.
    """

    source: View
    axis: int
    index: View
    accumulate: bool

    def __post_init__(self) -> None:
        self.reads = (self.source, self.index, self.out)


@dataclass(eq=False)
class Scan(Statement):
    """out = running kind ("sum" or "prod") of source along its last axis."""

    kind: str
    source: View

    def __post_init__(self) -> None:
        self.reads = (self.source,)


@dataclass(eq=False)
class Sort(Statement):
    """out = positions that sort source along its last axis, equal elements in order."""

    source: View
    descending: bool

    def __post_init__(self) -> None:
        self.reads = (self.source,)


@dataclass(eq=False)
class Begin(Statement):
    """Where a time of a loop begins; `out` is nothing, as of `End`.

    Attributes:
        loop: its number.
        times: how often what follows is done, up to the `End` of the same loop.
    """

    loop: int
    times: int


@dataclass(eq=False)
class End(Statement):
    """Where a time of a loop ends."""

    loop: int


def view(name: str, source: View, *arguments: Any, overload: str = "", **options: Any) -> Any:
    """What torch's view operation of that name makes of a view.

    Raises:
        RuntimeError: strides cannot say it.
    """
    packet = getattr(torch.ops.aten, name)
    operation = getattr(packet, overload) if overload else packet
    memory = torch.empty(max(1, source.buffer.size), device="meta")
    stand_in = torch.as_strided(memory, source.shape, source.strides, source.offset)
    result = operation(stand_in, *arguments, **options)
    if isinstance(result, Tensor):
        return _like(source, result)
    return tuple(_like(source, part) for part in result)


def last(source: View, axis: int) -> View:
    """A view with an axis moved behind the others."""
    if not source.shape:
        source = view("unsqueeze", source, 0)
    kept = [d for d in range(len(source.shape)) if d != axis]
    moved: View = view("permute", source, [*kept, axis])
    return moved


def _like(source: View, shown: Tensor) -> View:
    offset = int(shown.storage_offset())
    return View(source.buffer, tuple(shown.shape), shown.stride(), offset, source.moves)
