"""Loops: what `nthrun.agents.repeat.repeat` becomes in a trace.

The body of a loop is traced once, between two operations of the library `nthrun`: `begin_turn`
gives what is carried and the numbers of one time, `end_turn` takes what is carried on and shown,
and gives what the loop as a whole gives. What lies between the two and is the same at every time
comes before the loop.

A loop that gradients flow through keeps what every time began with. Its slope is a second loop,
from the last time to the first, that takes each time again and goes back through it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from nthrun.compiler.effects import OwnTensorsOnly

Tuples = tuple[Tensor, ...]
Body = Callable[[Tuples, Tuples], tuple[Tuples, Tuples]]
LIBRARY = "nthrun"


def looped(body: Callable[..., Any], carry: Any, per_step: Any, axis: int) -> tuple[Any, Any]:
    """See `repeat`, of which this is the form in a trace; there are two times at least."""
    kind, given = _kind(carry), _kind(per_step)
    shown_as: list[Any] = []

    def plain(carried: Tuples, now: Tuples) -> tuple[Tuples, Tuples]:
        with OwnTensorsOnly():
            after, shown = body(kind(carried), given(now))
        shown_as[:] = [_kind(shown)]
        return tuple(after), tuple(shown)

    learned = _leaves(plain, tuple(carry), tuple(per_step), axis)
    if learned or (torch.is_grad_enabled() and any(t.requires_grad for t in (*carry, *per_step))):
        sizes = (len(carry), len(per_step))
        tensors = (*carry, *per_step, *learned)
        told = _Differentiable.apply(plain, sizes, axis, *tensors)  # type: ignore[no-untyped-call]
        after, shown = told[: len(carry)], told[len(carry) :]
    else:
        after, shown = _loop(plain, tuple(carry), tuple(per_step), axis)
    return kind(after), shown_as[0](shown)


def _kind(parts: Any) -> Callable[[Any], Any]:
    """What makes a tuple of the kind of another."""
    return getattr(parts, "_make", tuple)


def _loop(
    body: Body, carry: Tuples, per_step: Tuples, axis: int, backwards: bool = False
) -> tuple[Tuples, Tuples]:
    """A loop between its two operations; what is shown lies along the axis in the order of times,
    whichever comes first."""
    begin, end = _operations()
    begun = begin(list(carry), list(per_step), axis, backwards)
    after, shown = body(tuple(begun[: len(carry)]), tuple(begun[len(carry) :]))
    times = per_step[0].shape[axis]
    told = end(begun, list(after), list(shown), times, axis, backwards)
    return tuple(told[: len(carry)]), tuple(told[len(carry) :])


def _leaves(body: Body, carry: Tuples, per_step: Tuples, axis: int) -> list[Tensor]:
    """The learned tensors that a body looks at beside what it is given."""
    if not torch.is_grad_enabled():
        return []
    now = tuple(part.select(axis, 0).detach() for part in per_step)
    after, shown = body(tuple(part.detach() for part in carry), now)
    waiting = [part.grad_fn for part in (*after, *shown) if part.grad_fn is not None]
    found: dict[int, Tensor] = {}
    seen: set[Any] = set()
    for node in waiting:
        if node in seen:
            continue
        seen.add(node)
        if (leaf := getattr(node, "variable", None)) is not None:
            found[id(leaf)] = leaf
        waiting += [following for following, _ in node.next_functions if following is not None]
    return list(found.values())


class _Differentiable(torch.autograd.Function):
    """A loop that gradients flow through."""

    @staticmethod
    def forward(ctx: Any, body: Body, sizes: tuple[int, int], axis: int, *tensors: Tensor) -> Any:
        carry, per_step = tensors[: sizes[0]], tensors[sizes[0] : sum(sizes)]

        def kept(carried: Tuples, now: Tuples) -> tuple[Tuples, Tuples]:
            after, shown = body(carried, now)
            return after, (*shown, *carried)

        after, shown = _loop(kept, carry, per_step, axis)
        cut = len(shown) - len(carry)
        ctx.body, ctx.sizes, ctx.axis = body, sizes, axis
        ctx.save_for_backward(*shown[cut:], *tensors[sizes[0] :])
        told = (*after, *shown[:cut])
        ctx.mark_non_differentiable(*(part for part in told if not part.is_floating_point()))
        return told

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        num_carried, num_given = ctx.sizes
        kept = ctx.saved_tensors
        learned = kept[num_carried + num_given :]
        back = _Back(ctx.body, ctx.sizes, learned)
        carry = [*slopes[:num_carried], *map(torch.zeros_like, learned)]
        per_step = (*kept[: num_carried + num_given], *slopes[num_carried:])
        after, shown = _loop(back, tuple(carry), tuple(per_step), ctx.axis, backwards=True)
        found = iter(after)
        of_carry = [next(found) for _ in range(num_carried)]
        return None, None, None, *of_carry, *shown, *found


class _Back:
    """One time of a loop gone back through.

    Args:
        body: of the loop.
        sizes: how much is carried, and given of a time.
        learned: that the body looks at.
    """

    def __init__(self, body: Body, sizes: tuple[int, int], learned: Sequence[Tensor]) -> None:
        self._body, self._sizes, self._learned = body, sizes, learned

    def __call__(self, carry: Tuples, now: Tuples) -> tuple[Tuples, Tuples]:
        """From the slopes of what was carried on, and sums of those of what is learned, to those of
        what was carried to this time; shown are those of what was given of it.

        Args:
            carry: those slopes, and sums.
            now: what was carried to this time, what was given of it, and slopes of what it showed.
        """
        count, total = self._sizes[0], sum(self._sizes)
        with torch.enable_grad():
            own = [_free(part) for part in now[:total]]
            after, shown = self._body(tuple(own[:count]), tuple(own[count:]))
            told = zip((*after, *shown), (*carry[:count], *now[total:]), strict=True)
            pairs = [(part, slope) for part, slope in told if part.requires_grad]
            wanted = [part for part in own if part.requires_grad]
            found = iter(_slopes(pairs, (*wanted, *self._learned)))
        slopes = [next(found) if part.requires_grad else None for part in own]
        filled = [_or_zero(slope, part) for slope, part in zip(slopes, own, strict=True)]
        sums = [
            total if slope is None else total + slope
            for total, slope in zip(carry[count:], found, strict=True)
        ]
        return (*filled[:count], *sums), tuple(filled[count:])


def _slopes(
    pairs: Sequence[tuple[Tensor, Tensor]], sources: Sequence[Tensor]
) -> Sequence[Tensor | None]:
    """Slopes of what is given with its own, by each source; None where nothing depends on it."""
    if not pairs:
        return [None] * len(sources)
    given, weights = zip(*pairs, strict=True)
    return torch.autograd.grad(given, sources, weights, True, allow_unused=True)


def lengthened(shape: Sequence[int], axis: int, length: int) -> list[int]:
    """A shape with another length along one axis, which may be counted from the last."""
    lengths = list(shape)
    lengths[axis] = length
    return lengths


def _free(part: Tensor) -> Tensor:
    """A tensor by itself, with a gradient of its own where it may have one."""
    return part.detach().requires_grad_(part.is_floating_point())


def _or_zero(slope: Tensor | None, part: Tensor) -> Tensor:
    return torch.zeros_like(part) if slope is None else slope


@cache
def _operations() -> tuple[Any, Any]:
    """The two operations, of which nothing but the shapes is ever computed."""

    @torch.library.custom_op(f"{LIBRARY}::begin_turn", mutates_args=())
    def begin_turn(
        carry: list[Tensor], per_step: list[Tensor], axis: int, backwards: bool
    ) -> list[Tensor]:
        raise NotImplementedError

    @begin_turn.register_fake
    def _begun(
        carry: list[Tensor], per_step: list[Tensor], axis: int, backwards: bool
    ) -> list[Tensor]:
        now = (part.new_empty(part.select(axis, 0).shape) for part in per_step)
        return [*(part.new_empty(part.shape) for part in carry), *now]

    @torch.library.custom_op(f"{LIBRARY}::end_turn", mutates_args=())
    def end_turn(
        begun: list[Tensor],
        after: list[Tensor],
        shown: list[Tensor],
        times: int,
        axis: int,
        backwards: bool,
    ) -> list[Tensor]:
        raise NotImplementedError

    @end_turn.register_fake
    def _ended(
        begun: list[Tensor],
        after: list[Tensor],
        shown: list[Tensor],
        times: int,
        axis: int,
        backwards: bool,
    ) -> list[Tensor]:
        wider = (part.unsqueeze(axis).shape for part in shown)
        shapes = [*(part.shape for part in after), *(lengthened(s, axis, times) for s in wider)]
        both = zip((*after, *shown), shapes, strict=True)
        return [part.new_empty(shape) for part, shape in both]

    return begin_turn, end_turn
