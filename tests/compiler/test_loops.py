"""What `repeat` repeats becomes a loop of the program, with the numbers that torch gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import gradient
from nthrun.agents.repeat import repeat
from nthrun.compiler.kernel import Kernel
from nthrun.compiler.program_text import write_program
from nthrun.compiler.tracing import Function, Tensors

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


CASES: dict[str, Callable[[Tensors], Tensors]] = {
    "swaps": swaps,
    "nested": nested,
    "slopes": slopes,
    "kept": kept,
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
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name][:, 0], tensor, rtol=1e-5, atol=1e-5)


def test_state_is_what_it_was_until_a_loop_is_over() -> None:
    """What is state is changed in place by a step, and a loop in it looks at the old value."""
    given = inputs()
    expected = kept({name: tensor.clone() for name, tensor in given.items()})
    kernel = Kernel([kept], given, frozenset(expected))
    state = {name: given.pop(name).clone() for name in expected}
    steps = {name: tensor.unsqueeze(1).contiguous() for name, tensor in given.items()}
    kernel(state, steps, np.zeros(1, np.uint8), [0])
    for name, tensor in expected.items():
        torch.testing.assert_close(state[name], tensor, rtol=1e-5, atol=1e-5)


def test_a_loop_is_not_unrolled() -> None:
    """A program has as many lines for a hundred times as for five, forwards and backwards."""
    for case in CASES:
        lines = [
            write_program([named(case)], inputs(times), frozenset()).source.count("\n")
            for times in (TIMES, 100)
        ]
        assert lines[0] == lines[1], case
