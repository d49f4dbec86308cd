"""The elementwise functions are as exact as float32 allows, over the whole range."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from nthrun.compiler.kernel import Kernel

Function = Callable[[Tensor], Tensor]

FUNCTIONS: dict[str, tuple[Function, tuple[float, float], float]] = {
    "exp": (torch.exp, (-103.0, 88.7), 2.0),
    "log": (torch.log, (1e-44, 3e38), 2.0),
    "log1p": (torch.log1p, (-0.9999, 3e38), 3.0),
    "tanh": (torch.tanh, (-20.0, 20.0), 3.0),
    "sigmoid": (torch.sigmoid, (-80.0, 80.0), 4.0),
}
"""function, range, and the largest error in units in the last place."""

SPECIAL = [0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1.0, -1.0, 1e-45, 3.4e38, -3.4e38]


def points(low: float, high: float) -> Tensor:
    """Numbers of every magnitude within a range, of both signs where it has them."""
    sizes = np.geomspace(1e-44, max(abs(low), abs(high)), 40_000).astype(np.float32)
    spread = np.linspace(low, high, 40_000, dtype=np.float32)
    candidates = np.concatenate([sizes, -sizes, spread])
    return torch.from_numpy(candidates[(candidates >= low) & (candidates <= high)])


def compiled(function: Function, x: Tensor) -> Tensor:
    """The function of every element, by a kernel."""
    kernel = Kernel([lambda t: {"y": function(t["x"])}], {"x": x.view(1, -1)}, frozenset())
    shown = kernel({"lanes": torch.zeros(1)}, {"x": x.view(1, 1, -1)}, np.zeros(1, np.uint8), [0])
    return shown["y"].flatten()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors_stay_within_units_in_the_last_place(name: str) -> None:
    """Against float64, relative to the spacing of float32 numbers at the exact value."""
    function, limits, bound = FUNCTIONS[name]
    x = points(*limits)
    exact = function(x.double())
    spacing = torch.from_numpy(np.spacing(np.abs(exact.float().numpy()))).double()
    error = ((compiled(function, x).double() - exact).abs() / spacing).max()
    assert error <= bound


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values_are_as_in_torch(name: str) -> None:
    """Zeros, infinities, NaN and the ends of the range."""
    function, _, _ = FUNCTIONS[name]
    x = torch.tensor(SPECIAL)
    torch.testing.assert_close(
        compiled(function, x), function(x), equal_nan=True, rtol=1e-6, atol=1e-44
    )
