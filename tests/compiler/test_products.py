"""Matrix products of every size and layout are as exact as rounding allows."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from nthrun.compiler import library
from nthrun.compiler.kernel import Kernel
from nthrun.compiler.tracing import Tensors

SIZES = (1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 32, 33, 64, 100)
STORED: dict[str, Callable[[Tensor], Tensor]] = {
    "straight": lambda matrix: matrix,
    "transposed": lambda matrix: matrix.transpose(-1, -2).contiguous(),
    "strided": lambda matrix: matrix.repeat_interleave(2, -1).roll(1, -2),
    "shared": lambda matrix: matrix[:, :1].contiguous(),
}
"""How an operand `(1, batch, rows, columns)` lies in memory."""
SEEN: dict[str, Callable[[Tensor, int], Tensor]] = {
    "straight": lambda stored, batch: stored[0],
    "transposed": lambda stored, batch: stored[0].transpose(1, 2),
    "strided": lambda stored, batch: stored[0, :, :, ::2],
    "shared": lambda stored, batch: stored[0].expand(batch, -1, -1),
}
"""The operand `(batch, rows, columns)` again, without moving it."""


@dataclass(frozen=True)
class Case:
    """One product (batch, m, k) by (batch, k, n), and where its result goes."""

    sizes: tuple[int, int, int]
    batch: int
    layouts: tuple[str, str]
    beside: bool

    def operands(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Random operands as they are stored."""
        m, n, k = self.sizes
        draw = torch.Generator().manual_seed(m * 10_000 + n * 100 + k)
        shapes = ((1, self.batch, m, k), (1, self.batch, k, n))
        left, right = (torch.randn(shape, generator=draw, dtype=dtype) for shape in shapes)
        return STORED[self.layouts[0]](left), STORED[self.layouts[1]](right)

    def result(self, left: Tensor, right: Tensor) -> Tensor:
        """The product in a row, behind and before other numbers if it goes beside them."""
        seen = [
            SEEN[layout](x, self.batch)
            for layout, x in zip(self.layouts, (left, right), strict=True)
        ]
        row = torch.bmm(*seen).reshape(1, -1)
        other = right.reshape(1, -1)[:, :1] + 1
        return torch.cat((other, row, other), 1) if self.beside else row


def cases() -> list[Case]:
    """Every pair of sizes in every place, each with one of the layouts."""
    places = range(len(SIZES))
    grid = [p for p in product(places, repeat=3) if sum(p) % len(SIZES) == 0]
    layouts = list(product(STORED, repeat=2))
    return [
        Case((SIZES[m], SIZES[n], SIZES[k]), 1 + c // 3 % 2, layouts[c % len(layouts)], c % 5 < 2)
        for c, (m, n, k) in enumerate(grid)
    ]


def check(chosen: list[Case], dtype: torch.dtype) -> None:
    """All products by one kernel, against float64."""
    names = [f"{number}" for number in range(len(chosen))]
    stored = {}
    for name, case in zip(names, chosen, strict=True):
        stored[f"l{name}"], stored[f"r{name}"] = case.operands(dtype)

    def step(given: Tensors) -> Tensors:
        pairs = zip(names, chosen, strict=True)
        return {n: case.result(given[f"l{n}"], given[f"r{n}"]) for n, case in pairs}

    kernel = Kernel([step], stored, frozenset(stored))
    shown = kernel(stored, {}, np.zeros(1, np.uint8), [0])
    rounding = 2.0 * torch.finfo(dtype).eps
    for name, case in zip(names, chosen, strict=True):
        exact = case.result(*(stored[side + name].double() for side in "lr"))
        bound = rounding * (4 + case.sizes[2])
        torch.testing.assert_close(
            shown[name][:, 0].double(),
            exact,
            rtol=bound,
            atol=bound,
            msg=lambda m, c=case: f"{c}: {m}",
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("part", range(2))
def test_products_are_as_exact_as_rounding_allows(part: int, dtype: torch.dtype) -> None:
    """Some pairs of sizes, each layout among them."""
    check(cases()[part::11], dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("part", range(2, 11))
def test_all_products_are_as_exact_as_rounding_allows(part: int, dtype: torch.dtype) -> None:
    """The other pairs of sizes."""
    check(cases()[part::11], dtype)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the flags are of x86")
@pytest.mark.parametrize("target", ["x86-64", "haswell"])
def test_products_hold_for_shorter_vectors(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code for processors with vectors of 4 and 8 numbers, too."""
    flags = tuple(f"-march={target}" if "march" in flag else flag for flag in library.FLAGS)
    monkeypatch.setattr(library, "FLAGS", flags)
    check(cases()[5::22], torch.float32)
    check(cases()[9::22], torch.float64)
