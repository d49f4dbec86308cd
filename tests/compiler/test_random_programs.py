"""Whatever a step function is made of, its kernel does what torch does."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch
from programs import SIZES, Tensors, function_of, inputs_of, state_of, step_source
from torch import Tensor

from nthrun.compiler.kernel import Kernel

LANES, STEPS = 3, 3
CLEARING = """
def step(given):
    n, e, xe = given["n"], given["e"], given["xe"]
    halves = e // 0.5
    differs = (xe != given["i"]).all(2)
    highest = halves.amax(2)
    halves[:, 2:] += 1
    state = {name: given[name] for name in ("f", "f2", "g", "d", "e", "e2", "t", "b")}
    shown = {"a1": halves, "a2": differs, "a6": n, "a7": given["b"]}
    return {**state, "n": n ^ n, **shown}
"""


def program(seed: int) -> tuple[list[str], int, int]:
    """One or two step functions as text, and the rows and columns of their state."""
    random = Random(seed)
    rows, columns = random.choice(SIZES), random.choice(SIZES)
    columns = random.choice((rows, columns))  # transposes fit a square
    state, inputs = state_of(1, rows, columns, 1), inputs_of(1, 1, rows, columns, 2)
    step_inputs = {name: part[:, 0] for name, part in inputs.items()}
    prefixes = random.choice(("a", "a", "ab"))
    sources = [step_source(random, prefix, state, step_inputs) for prefix in prefixes]
    return sources, rows, columns


def clones(tensors: Tensors, lanes: list[int]) -> Tensors:
    """Copies of some lanes, in that order."""
    return {name: tensor[lanes].clone() for name, tensor in tensors.items()}


def by_torch(
    sources: list[str], state: Tensors, inputs: Tensors, variants: np.ndarray
) -> tuple[Tensors, list[Tensors]]:
    """One lane's state after all steps, and what each step shows.

    A kernel's state is always contiguous; were it not here, `reshape` would copy instead of view.
    """
    functions = [function_of(source) for source in sources]
    shown = []
    for step, variant in enumerate(variants):
        before = clones(state, [0])
        now = {name: part[:, step].clone() for name, part in inputs.items()}
        results = functions[variant](before | now)
        outputs = {n: v.clone(memory_format=torch.contiguous_format) for n, v in results.items()}
        state = {name: outputs.pop(name) for name in state}
        shown.append(outputs)
    return state, shown


def assert_like(found: Tensor, expected: Tensor, name: str) -> None:
    """Equal; floating-point numbers to rounding."""
    torch.testing.assert_close(
        found, expected, rtol=3e-4, atol=3e-4, equal_nan=True, msg=lambda m: f"{name}: {m}"
    )


def check(sources: list[str], rows: int, columns: int) -> None:
    """The laws below, for these functions."""
    state, inputs = state_of(LANES, rows, columns, 3), inputs_of(LANES, STEPS, rows, columns, 4)
    variants = np.arange(STEPS) % len(sources)
    examples = clones(state, [0]) | {n: part[:1, 0] for n, part in inputs.items()}
    kernel = Kernel([function_of(s) for s in sources], examples, frozenset(state))
    moved = clones(state, [0, 1, 2])
    shown = kernel(moved, inputs, variants, [0, 2])
    for lane in (0, 2):
        expected, steps = by_torch(sources, clones(state, [lane]), clones(inputs, [lane]), variants)
        for name, value in expected.items():
            assert_like(moved[name][[lane]], value, name)
        for step, outputs in enumerate(steps):
            for name, value in outputs.items():
                assert_like(shown[name][[lane], step], value, f"{name} at step {step}")
    for name, start in state.items():
        assert torch.equal(moved[name][1], start[1]), name
    assert not any(part[1].any() for part in shown.values())
    for order in ([2], [1, 2, 0]):
        other = clones(state, order)
        place = order.index(2)
        again = kernel(other, clones(inputs, order), variants, range(len(order)))
        for name in state:
            assert same_bits(other[name][place], moved[name][2]), name
        for name, part in shown.items():
            assert same_bits(again[name][place], part[2]), name


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal to the last bit, NaN included."""
    return one.numpy().tobytes() == other.numpy().tobytes()


@pytest.mark.parametrize("seed", range(10))
def test_kernels_do_what_torch_does(seed: int) -> None:
    """States and outputs as by torch, other lanes untouched, and the same bits on any lane."""
    check(*program(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 425))
def test_many_kernels_do_what_torch_does(seed: int) -> None:
    """The same law, for many more programs."""
    check(*program(seed))


def test_what_is_cleared_can_still_be_shown() -> None:
    """gcc 12 would split this program's loop so that `n` is cleared before it is read."""
    check([CLEARING], 5, 2)
