"""What a kernel cannot do is refused, in words; memory is never written beyond its bounds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from nthrun.compiler.kernel import Kernel
from nthrun.compiler.tracing import Tensors
from nthrun.errors import UnsupportedOperationError

LANES, STEPS = 3, 2
EXAMPLES = {
    "a": torch.zeros(1, 4),
    "b": torch.zeros(1, 4),
    "place": torch.zeros(1, 1, dtype=torch.int64),
}


def step(tensors: Tensors) -> Tensors:
    """Counts in `a` at a place, and divides by it."""
    a, place = tensors["a"], tensors["place"]
    return {
        "a": a.scatter_add(1, place, torch.ones(1, 1)) + tensors["b"],
        "b": tensors["b"] * 1,
        "shown": 12 // (place + 1),
    }


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    """A kernel of `step` with the states `a` and `b`."""
    return Kernel([step], EXAMPLES, frozenset(("a", "b")))


def state() -> Tensors:
    """A fresh state of all lanes."""
    return {"a": torch.zeros(LANES, 4), "b": torch.zeros(LANES, 4)}


def places(value: int = 1) -> Tensors:
    """Inputs of all lanes and steps."""
    return {"place": torch.full((LANES, STEPS, 1), value)}


def call(kernel: Kernel, given: Tensors, inputs: Tensors) -> Tensors:
    """Run all lanes for all steps."""
    return kernel(given, inputs, np.zeros(STEPS, np.uint8), range(LANES))


STATES: dict[str, tuple[Callable[[], Tensor], str]] = {
    "fewer lanes": (lambda: torch.zeros(LANES - 1, 4), "b is"),
    "another shape": (lambda: torch.zeros(LANES, 5), "b is"),
    "another type": (lambda: torch.zeros(LANES, 4, dtype=torch.float64), "b is"),
    "not contiguous": (lambda: torch.zeros(4, LANES).t(), "b is not contiguous"),
    "expanded": (lambda: torch.zeros(1, 4).expand(LANES, 4), "b is not contiguous"),
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_of_another_form_is_refused(kernel: Kernel, name: str) -> None:
    """Lanes, shape, type and layout must be what the code was written for."""
    make, message = STATES[name]
    with pytest.raises(ValueError, match=message):
        call(kernel, state() | {"b": make()}, places())


def test_states_that_share_memory_are_refused(kernel: Kernel) -> None:
    """Changing one in place would change the other."""
    both = torch.zeros(LANES + 1, 4)
    for other in (both[:LANES], both[1:]):
        with pytest.raises(ValueError, match="share memory"):
            call(kernel, {"a": both[:LANES], "b": other}, places())


@pytest.mark.parametrize("shape", [(LANES, STEPS + 1, 1), (LANES, STEPS), (LANES - 1, STEPS, 1)])
def test_inputs_of_another_form_are_refused(kernel: Kernel, shape: tuple[int, ...]) -> None:
    """Above all those of another number of steps."""
    with pytest.raises(ValueError, match="place is"):
        call(kernel, state(), {"place": torch.zeros(shape, dtype=torch.int64)})


def test_lanes_and_variants_that_are_not_there_are_refused(kernel: Kernel) -> None:
    """Beyond either end."""
    steps = np.zeros(STEPS, np.uint8)
    for lanes in ([LANES], [-1], [0, 7]):
        with pytest.raises(ValueError, match="lanes are"):
            kernel(state(), places(), steps, lanes)
    with pytest.raises(ValueError, match="variants are"):
        kernel(state(), places(), steps + 1, [0])


def test_no_lanes_and_no_steps_are_no_work(kernel: Kernel) -> None:
    """Nothing changes, and outputs are empty or zero."""
    assert not kernel(state(), places(), np.zeros(STEPS, np.uint8), [])["shown"].any()
    none = {"place": torch.zeros(LANES, 0, 1, dtype=torch.int64)}
    assert kernel(state(), none, np.zeros(0, np.uint8), [0])["shown"].shape == (LANES, 0, 1)


@pytest.mark.parametrize("place", [4, -5, 2**40])
def test_an_index_out_of_range_is_an_error(kernel: Kernel, place: int) -> None:
    """As in torch; nothing outside the tensor is written, and the next call works."""
    given = state()
    with pytest.raises(IndexError, match="not there"):
        call(kernel, given, places(place))
    assert not given["b"].any()
    assert call(kernel, state(), places())["shown"].unique().tolist() == [6]


def test_division_of_integers_by_zero_is_an_error(kernel: Kernel) -> None:
    """As in torch; it does not end the process."""
    with pytest.raises(ZeroDivisionError, match="by zero"):
        call(kernel, state(), places(-1))


def _in_place(tensors: Tensors) -> Tensors:
    tensors["a"].add_(1)
    return {"shown": tensors["a"] * 2}


STEPS_REFUSED: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "a state of another shape": (lambda t: {"a": t["a"][:, :2]}, "a cannot be both"),
    "a state of another type": (lambda t: {"a": t["a"].double()}, "a cannot be both"),
    "an input that is set": (lambda t: {"place": t["place"] + 1}, "place is an input"),
    "a change that is lost": (_in_place, "a is changed in place but not returned"),
    "a branch": (lambda t: {"a": t["a"] if t["a"].sum() > 0 else t["b"]}, "branches or slices"),
    "another storage": (lambda t: {"o": t["a"].as_strided((1, 2), (1, 2))}, "as_strided"),
    "other bits": (lambda t: {"o": t["a"].view(torch.int32)}, "view"),
    "decimals": (lambda t: {"o": t["a"].round(decimals=2)}, "round"),
    "half precision": (lambda t: {"o": t["a"].half()}, "float16"),
    "a mask": (lambda t: {"o": t["a"][t["a"] > 0].sum(0, keepdim=True)}, "mask"),
}


@pytest.mark.parametrize("name", STEPS_REFUSED)
def test_a_step_that_cannot_be_compiled_is_refused(name: str) -> None:
    """Rather than compiled to something else."""
    function, message = STEPS_REFUSED[name]
    with pytest.raises(UnsupportedOperationError, match=message):
        Kernel([function], EXAMPLES, frozenset(("a", "b")))
