"""Operations of unusual arguments, types and sizes give what torch gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from nthrun.compiler.kernel import Kernel
from nthrun.compiler.tracing import Tensors

Operation = Callable[[Tensors], Tensor]
LARGE = 2**60 + 1

INTEGERS: dict[str, Operation] = {
    "inverted": lambda t: ~t["n"] * 3,
    "inverted mask": lambda t: ~t["b"] & (t["n"] > 2),
    "bits": lambda t: (t["n"] & 6) | (t["n"] ^ 3),
    "powers": lambda t: (t["n"].abs() + 1) ** 13 + torch.full_like(t["n"], 3) ** 39,
    "large quotients": lambda t: (t["n"] + LARGE) // 3 - (t["n"] - LARGE) // 7,
    "truncated": lambda t: torch.div(t["n"] * LARGE, 3, rounding_mode="trunc"),
    "large remainders": lambda t: (t["n"] - LARGE) % 7 + torch.fmod(t["n"] - LARGE, 5),
    "signs of divisors": lambda t: t["n"] // -3 + t["n"] % -3 + torch.fmod(t["n"], -3),
    "the least": lambda t: torch.where(t["b"], torch.iinfo(torch.int64).min, t["n"]),
    "above the least": lambda t: t["n"] > torch.iinfo(torch.int64).min,
    "short": lambda t: (t["n"].int() * 3 - 7) % 4 + t["n"].int().clamp(-2, 3),
    "short extremes": lambda t: torch.maximum(t["n"].int(), torch.tensor(2, dtype=torch.int32)),
    "short sums": lambda t: t["n"].int().sum(1) + t["n"].int().prod(1),
    "sums of booleans": lambda t: t["b"].sum(1) + t["b"].cumsum(1)[:, -1] + t["b"].prod(1),
    "extremes of booleans": lambda t: t["b"].amax(1) ^ t["b"].amin(1),
    "mixed comparison": lambda t: (t["n"] < 0.5) ^ (t["b"] < t["n"]) ^ (t["n"] <= t["x"]),
    "sorted along an axis": lambda t: t["n"].sort(dim=1, stable=True).values,
    "ranked along an axis": lambda t: torch.argsort(t["n"], dim=1, descending=True, stable=True),
    "one hot": lambda t: torch.nn.functional.one_hot(t["n"].abs() % 4, 4),
    "product": lambda t: torch.bmm(t["n"], t["n"].transpose(1, 2)),
}
FLOATS: dict[str, Operation] = {
    "sign of NaN": lambda t: (t["x"] / 0 * 0).sign() + t["x"].sign(),
    "floored": lambda t: t["x"] // 0.1 + t["d"] // 0.1 + t["x"] // -0.25,
    "floored tenths": lambda t: torch.tensor([[1.0, 0.3, 0.7]], dtype=torch.float64) // 0.1,
    "truncated": lambda t: torch.div(t["x"], 0.1, rounding_mode="trunc"),
    "divided by zero": lambda t: t["x"] // 0 + (t["x"] * 0) / 0,
    "selected last": lambda t: t["x"].index_select(-1, t["order"][0]),
    "selected one": lambda t: t["x"].index_select(1, t["order"][0, 0]),
    "from the end": lambda t: t["x"][:, t["order"][0] - 3],
    "alpha of a number": lambda t: t["x"].add(2, alpha=3) + torch.rsub(t["x"], 1, alpha=2),
    "bounds between": lambda t: t["n"].clamp(-0.5, 2.5) + t["x"].clamp(max=t["d"].float()),
    "nothing in front": lambda t: torch.cat((torch.empty(0), t["x"], t["x"][:, :0]), 1),
    "no rows": lambda t: t["x"][:, :0].sum(1) + t["x"][:, :0].mean(1).nan_to_num(3.0),
    "no depth": lambda t: torch.bmm(t["x"][:, :, :0], t["x"][:, :0]),
    "no result": lambda t: torch.bmm(t["x"][:, :0], t["d"].float().transpose(1, 2)),
    "one number": lambda t: _one(t["x"][0, 1, 1]).view(1),
    "own diagonal": lambda t: _written(t["x"].clone()),
    "windows": lambda t: t["x"].unfold(1, 2, 1) * 2,
    "double": lambda t: t["d"].sigmoid() + t["d"].relu() + t["d"].abs().rsqrt() + (t["x"] > t["d"]),
}


def _one(x: Tensor) -> Tensor:
    return x.sum(0) + x.amax(0) + x.max(0).values + x.cumsum(0) + x.mean()


def _written(x: Tensor) -> Tensor:
    x.diagonal(0, 1, 2).mul_(2)
    x[..., -1] = x[..., 0].clone()
    return x


def test_results_are_those_of_torch() -> None:
    """Integers and booleans exactly, the rest to rounding; shapes and types always."""
    draw = torch.Generator().manual_seed(1)
    given = {
        "x": torch.randn(1, 5, 4, generator=draw),
        "d": torch.randn(1, 5, 4, generator=draw, dtype=torch.float64),
        "n": torch.randint(-9, 10, (1, 5, 4), generator=draw),
        "b": torch.randint(0, 2, (1, 5, 4), generator=draw) > 0,
        "order": torch.tensor([[2, 0, 1]]),
    }
    operations = {f"integers: {n}": o for n, o in INTEGERS.items()}
    operations |= {f"floats: {n}": o for n, o in FLOATS.items()}

    def step(tensors: Tensors) -> Tensors:
        return {name: operation(tensors) for name, operation in operations.items()}

    kernel = Kernel([step], given, frozenset(given))
    state = {name: tensor.clone() for name, tensor in given.items()}
    shown = kernel(state, {}, np.zeros(1, np.uint8), [0])
    for name, operation in operations.items():
        torch.testing.assert_close(
            shown[name].squeeze(1),
            operation(given),
            equal_nan=True,
            msg=lambda m, n=name: f"{n}: {m}",
        )
