"""What `repeat` repeats becomes a loop of the program, with the numbers that torch gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from nthrun.agents.base import gradient
from nthrun.agents.repeat import repeat
from nthrun.compiler.kernel import Kernel
from nthrun.compiler.program_text import write_program
from nthrun.compiler.tracing import Function, Tensors
from nthrun.errors import UnsupportedOperationError

Pair = tuple[Tensor, Tensor]
TIMES, ROWS, WIDTH = 5, 4, 3


def inputs(times: int = TIMES) -> Tensors:
    """Random inputs of one lane."""
    draw = torch.Generator().manual_seed(1)
    shapes = {
        "weight": (1, WIDTH * WIDTH),
        "start": (1, ROWS, WIDTH),
        "other": (1, ROWS, WIDTH),
        "push": (1, times, ROWS, WIDTH),
    }
    given = {name: torch.randn(*shape, generator=draw) for name, shape in shapes.items()}
    return given | {"count": torch.tensor([[3]]), "place": torch.tensor([[0, 2, 1]])}


def swaps(t: Tensors) -> Tensors:
    """What is carried changes places, is compared, counted and partly written."""

    def body(carry: tuple[Tensor, ...], now: tuple[Tensor]) -> tuple[tuple[Tensor, ...], Pair]:
        one, other, count, higher = carry
        above = one > other
        moved = torch.cat((one[:, 1:] * 0.5, now[0][:, :1]), 1)
        placed = torch.zeros_like(one).scatter(1, t["place"].unsqueeze(1), now[0][:, :1])
        shown = torch.where(above & (higher > 0), placed, moved)
        return (other + t["start"].exp(), one, count + 1, above.float()), (shown, count * 2)

    carry = (t["start"], t["other"], t["count"], torch.ones_like(t["start"]))
    after, shown = repeat(body, carry, (t["push"],), 1)
    names = ("one", "other.next", "count.next", "higher", "shown", "counts")
    return dict(zip(names, (*after, *shown), strict=True))


def nested(t: Tensors) -> Tensors:
    """A loop in a loop, whose numbers are those of the outer one's time."""

    def inner(carry: tuple[Tensor], now: tuple[Tensor]) -> tuple[tuple[Tensor], tuple[Tensor]]:
        level = torch.tanh(carry[0] + now[0] * t["other"].mean((1, 2), keepdim=True))
        return (level,), (level.sum(2),)

    def outer(carry: tuple[Tensor], now: tuple[Tensor]) -> tuple[tuple[Tensor], tuple[Tensor]]:
        numbers = now[0].unsqueeze(1) * torch.ones(1, 3, 1, 1)
        after, shown = repeat(inner, carry, (numbers,), 1)
        return after, (shown[0].sum(1),)

    after, shown = repeat(outer, (t["start"],), (t["push"],), 1)
    return {"after": after[0], "shown": shown[0]}


def slopes(t: Tensors) -> Tensors:
    """Gradients through what is carried, by what is learned and what is given of each time."""

    def loss(parameters: Tensor) -> Pair:
        scaled = 0.5 * parameters.view(1, WIDTH, WIDTH)

        def body(carry: Pair, now: tuple[Tensor]) -> tuple[Pair, Pair]:
            hidden = torch.tanh(torch.bmm(carry[0], scaled) + now[0] * parameters[:, None, :WIDTH])
            return (hidden, carry[1] + 1), (hidden * carry[1], hidden.detach() * carry[1])

        pushed = t["push"] * parameters[:, None, None, WIDTH : 2 * WIDTH]
        begun = t["start"] * parameters.mean()
        after, shown = repeat(body, (begun, t["count"]), (pushed,), 1)
        return (after[0].square().sum((1, 2)) + (shown[0] + shown[1]).mean((1, 2, 3))), shown[0]

    value, shown, slope = gradient(loss, t["weight"])
    return {"value": value, "shown": shown, "slope": slope}


def kept(t: Tensors) -> Tensors:
    """State that a loop looks at every time is as it was until the loop is over."""
    t["other"].mul_(2.0)

    def body(carry: tuple[Tensor], now: tuple[Tensor]) -> tuple[tuple[Tensor], tuple[Tensor]]:
        return (carry[0] + t["start"] * now[0] + t["other"],), (carry[0],)

    after, _ = repeat(body, (t["start"],), (t["push"],), 1)
    return {"start": after[0] * 1.5, "other": t["other"]}


def joined(t: Tensors) -> Tensors:
    """What is carried is part of a concatenation, which is carried on when it has changed."""

    def summed(carry: Pair, now: tuple[Tensor]) -> tuple[Pair, tuple[Tensor]]:
        both = torch.cat((carry[0], now[0][:, :1]), 1)
        return (carry[0] * 0.5 + 1, both), (both.sum((1, 2)),)

    def compared(carry: Pair, now: tuple[Tensor]) -> tuple[Pair, tuple[()]]:
        both = torch.cat((carry[0], now[0][:, :1]), 1)
        return (-carry[0], both[:, :ROWS] > 0), ()

    longer = torch.cat((t["other"], t["start"][:, :1]), 1)
    after, shown = repeat(summed, (t["start"], longer), (t["push"],), 1)
    last, _ = repeat(compared, (t["start"], t["start"] > 9), (t["push"],), 1)
    return {"one": after[0], "both": after[1], "sum": shown[0], "sign": last[0], "above": last[1]}


def steady(t: Tensors) -> Tensors:
    """A comparison of what is carried is carried on itself, after the other has changed."""

    def body(carry: Pair, now: tuple[Tensor]) -> tuple[Pair, tuple[Tensor]]:
        above = carry[0] > 0
        return (now[0] - carry[0], above), (above.float(),)

    after, shown = repeat(body, (t["start"], t["other"] > 0), (t["push"],), 1)
    return {"after": after[0], "above": after[1], "shown": shown[0]}


def chained(t: Tensors) -> Tensors:
    """Gradients through a loop that goes on with what another, with loops in it, has left."""

    def loss(parameters: Tensor) -> Pair:
        scale = parameters[:, :WIDTH].unsqueeze(1)

        def inner(carry: tuple[Tensor], now: tuple[Tensor]) -> tuple[tuple[Tensor], tuple[Tensor]]:
            level = torch.tanh(carry[0] * scale + now[0])
            return (level,), (torch.cat((level, carry[0]), 1).square().sum(2),)

        def outer(carry: tuple[Tensor], now: tuple[Tensor]) -> tuple[tuple[Tensor], tuple[Tensor]]:
            numbers = now[0].unsqueeze(1) * parameters[:, :3, None, None]
            after, shown = repeat(inner, carry, (numbers,), 1)
            return after, (shown[0].mean(1),)

        after, first = repeat(outer, (t["start"],), (t["push"],), 1)
        after, second = repeat(inner, after, (first[0].unsqueeze(-1)[:, :, :ROWS],), 1)
        return after[0].sum((1, 2)) + second[0].mean((1, 2)), first[0]

    value, shown, slope = gradient(loss, t["weight"])
    return {"value": value, "shown": shown, "slope": slope}


def last_axis(t: Tensors) -> Tensors:
    """Times along the last axis, whatever the number of axes."""

    def body(carry: tuple[Tensor], now: Pair) -> tuple[tuple[Tensor], Pair]:
        level = 0.5 * carry[0] + now[0] * now[1].unsqueeze(1)
        return (level,), (level, level.sum(1))

    def loss(parameters: Tensor) -> Pair:
        begun = t["start"][:, :, 0] * parameters[:, :1]
        after, shown = repeat(body, (begun,), (t["other"], t["start"][:, 0]), -1)
        return after[0].sum(1) + shown[0].square().sum((1, 2)), shown[1]

    value, shown, slope = gradient(loss, t["weight"])
    return {"value": value, "shown": shown, "slope": slope}


def detached(t: Tensors) -> Tensors:
    """Nothing flows back through a body whose numbers are all detached."""

    def body(carry: tuple[Tensor], now: tuple[Tensor]) -> tuple[tuple[Tensor], tuple[Tensor]]:
        level = (carry[0] * 0.5 + now[0]).detach()
        return (level,), (level.sum(2),)

    def loss(parameters: Tensor) -> Pair:
        after, shown = repeat(body, (t["start"] * parameters.mean(),), (t["push"],), 1)
        return (after[0] * parameters.square().sum()).sum((1, 2)), shown[0]

    value, shown, slope = gradient(loss, t["weight"])
    return {"value": value, "shown": shown, "slope": slope}


def seen(t: Tensors) -> Tensors:
    """State that a loop looks at while it shows what the state will be."""

    def body(carry: tuple[Tensor], now: tuple[Tensor]) -> tuple[tuple[Tensor], tuple[Tensor]]:
        looked = (t["push"] * carry[0][:, None, :1]).sum((1, 2))
        return (carry[0] + 0.1 * now[0] * looked.unsqueeze(1),), (carry[0],)

    _, shown = repeat(body, (t["start"],), (t["push"],), 1)
    return {"push": shown[0]}


CASES: dict[str, Callable[[Tensors], Tensors]] = {
    "swaps": swaps,
    "nested": nested,
    "slopes": slopes,
    "kept": kept,
    "joined": joined,
    "steady": steady,
    "chained": chained,
    "last_axis": last_axis,
    "detached": detached,
}


def named(case: str) -> Function:
    """A case whose outputs have its name before theirs, but for the state."""

    def function(t: Tensors) -> Tensors:
        own = {name: tensor.clone() for name, tensor in t.items()}
        return {f"{case}.{name}": tensor for name, tensor in CASES[case](own).items()}

    return function


def test_loops_give_what_torch_gives() -> None:
    """What loops carry and show, loops in loops, and gradients through them, to rounding."""
    given = inputs()

    def every(t: Tensors) -> Tensors:
        return {name: out for case in CASES for name, out in named(case)(t).items()}

    expected = every(given)
    state = {"unused": torch.zeros(1, 1)}
    kernel = Kernel([every], given | state, frozenset(state))
    steps = {name: tensor.unsqueeze(1).contiguous() for name, tensor in given.items()}
    found = kernel(state, steps, np.zeros(1, np.uint8), [0])
    assert expected["slopes.slope"].abs().min() > 1e-3
    assert expected["chained.slope"][:, :WIDTH].abs().min() > 1e-3
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name][:, 0], tensor, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("step", [kept, seen])
def test_state_is_what_it_was_until_a_loop_is_over(step: Callable[[Tensors], Tensors]) -> None:
    """What is state is changed in place by a step, and a loop in it looks at the old value."""
    given = inputs()
    expected = step({name: tensor.clone() for name, tensor in given.items()})
    kernel = Kernel([step], given, frozenset(expected))
    state = {name: given.pop(name).clone() for name in expected}
    steps = {name: tensor.unsqueeze(1).contiguous() for name, tensor in given.items()}
    kernel(state, steps, np.zeros(1, np.uint8), [0])
    for name, tensor in expected.items():
        torch.testing.assert_close(state[name], tensor, rtol=1e-5, atol=1e-5)


def test_a_loop_is_not_unrolled() -> None:
    """A program has as many lines for a hundred times as for five, forwards and backwards."""
    for case in ("swaps", "nested", "slopes"):
        lines = [
            write_program([named(case)], inputs(times), frozenset()).source.count("\n")
            for times in (TIMES, 100)
        ]
        assert lines[0] == lines[1], case


@pytest.mark.parametrize("changed", ["count", "carried", "a part"])
def test_a_body_that_changes_what_it_has_not_made_is_refused(changed: str) -> None:
    """A body is traced once, so that what it does to tensors beside it would be done once."""

    def step(t: Tensors) -> Tensors:
        def body(carry: tuple[Tensor], now: tuple[Tensor]) -> tuple[tuple[Tensor], tuple[Tensor]]:
            made = torch.zeros_like(carry[0])
            made[:, 0] += now[0][:, 0]
            changes = {"count": t["count"], "carried": carry[0], "a part": t["other"][:, 0]}
            changes.get(changed, made).add_(1)
            return (carry[0] + made,), (made,)

        after, _ = repeat(body, (t["start"],), (t["push"],), 1)
        return {"after": after[0], "count": t["count"], "other": t["other"]}

    with pytest.raises(UnsupportedOperationError, match="the body of a repeat changes in place"):
        write_program([step], inputs(), frozenset(("count", "other")))
