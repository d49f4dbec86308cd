"""The repeated parts of a step."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from nthrun import repeat


class Seen(NamedTuple):
    """What a time shows."""

    total: Tensor
    added: Tensor


def running_total(
    carry: tuple[Tensor, ...], now: tuple[Tensor, ...]
) -> tuple[tuple[Tensor, ...], Seen]:
    """Add what is new to a decaying total."""
    total = 0.5 * carry[0] + now[0]
    return (total,), Seen(total, now[0])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_each_time_begins_where_the_one_before_ended(axis: int) -> None:
    """What a time carries on is what the next begins with, and all that is shown is stacked along
    the axis of the times."""
    numbers = torch.arange(1.0, 7.0).view(2, 3)
    (total,), seen = repeat(running_total, (torch.zeros(()),), (numbers[0],), 0)
    assert (float(total), seen.total.tolist()) == (4.25, [1.0, 2.5, 4.25])
    per_step = numbers.movedim(1, axis)
    (total,), seen = repeat(running_total, (torch.zeros(2),), (per_step,), axis)
    assert total.tolist() == [4.25, 4.0 / 4 + 5.0 / 2 + 6.0]
    assert seen.added.equal(per_step)
    assert isinstance(seen, Seen)
    assert seen.total.select(axis, -1).equal(total)


def test_gradients_flow_through_all_times() -> None:
    """The slope of what the last time carries on counts each time before it."""
    start, numbers = torch.tensor(1.0, requires_grad=True), torch.ones(4, requires_grad=True)
    (total,), _ = repeat(running_total, (start,), (numbers,))
    total.backward()
    assert start.grad is not None
    assert numbers.grad is not None
    assert float(start.grad) == 0.5**4
    assert numbers.grad.tolist() == [0.125, 0.25, 0.5, 1.0]


def test_a_carried_named_tuple_and_several_numbers_arrive_as_such() -> None:
    """A body is given named tuples of the kinds that the caller had."""

    def body(carry: Seen, now: Seen) -> tuple[Seen, tuple[Tensor, ...]]:
        return Seen(carry.total + now.added, now.total), (carry.added,)

    numbers = Seen(torch.tensor([1.0, 2.0]), torch.tensor([10.0, 20.0]))
    last, (shown,) = repeat(body, Seen(torch.zeros(()), torch.zeros(())), numbers)
    assert (float(last.total), float(last.added)) == (30.0, 2.0)
    assert shown.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("per_step", [(), (torch.zeros(0, 3),), (torch.zeros(2), torch.zeros(3))])
def test_a_number_of_times_is_needed(per_step: tuple[Tensor, ...]) -> None:
    """No times at all, and tensors that differ in their number, are refused."""
    with pytest.raises(ValueError):
        repeat(running_total, (torch.zeros(3),), per_step)
