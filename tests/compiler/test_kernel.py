"""Kernels give what torch gives, whatever operations and memory they are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from nthrun.compiler.kernel import Kernel
from nthrun.compiler.tracing import Tensors
from nthrun.errors import UnsupportedOperationError

LANES = 3
Operation = Callable[[Tensors], Tensor]

FLOATS: dict[str, Operation] = {
    "arithmetic": lambda t: (t["x"] + 2 * t["y"]) / (t["y"] - 7.5) - 1 / (t["x"].abs() + 1),
    "alpha": lambda t: torch.add(t["x"], t["y"], alpha=3) - torch.sub(t["x"], t["y"], alpha=0.5),
    "rsub": lambda t: 1.0 - t["x"],
    "square root": lambda t: t["x"].abs().sqrt() + t["y"].abs().add(1).rsqrt(),
    "exp": lambda t: t["x"].exp() + torch.expm1(t["y"]) + torch.sigmoid(t["x"] * t["y"]),
    "log": lambda t: t["x"].abs().log() + t["y"].abs().log1p() + (t["x"].abs() + 1).log2(),
    "circle": lambda t: t["x"].sin() * t["y"].cos() + torch.atan2(t["x"], t["y"]) + t["x"].atan(),
    "hyperbolic": lambda t: t["x"].tanh() + t["y"].sinh() - t["x"].cosh(),
    "erf": lambda t: torch.erf(t["x"]) + torch.lgamma(t["y"].abs() + 0.5),
    "power": lambda t: t["x"].abs() ** 1.7 + t["y"] ** 3 + t["x"] ** 2,
    "remainder": lambda t: torch.remainder(t["x"], 0.7) + torch.remainder(t["y"], t["x"]),
    "rounding": lambda t: t["x"].floor() + t["y"].ceil() + t["x"].trunc() + (4 * t["y"]).round(),
    "bounds": lambda t: t["x"].clamp(-0.5, 0.5) + t["y"].clamp(min=t["x"]) + t["y"].relu(),
    "extremes": lambda t: torch.maximum(t["x"], t["y"]) * torch.minimum(t["x"], t["y"]),
    "where": lambda t: torch.where((t["x"] > 0) & (t["y"] <= 0.3), t["x"], -t["y"]),
    "sign": lambda t: t["x"].sign() * t["y"],
    "masked fill": lambda t: t["x"].masked_fill(t["y"] > 0, 5.0),
    "lerp": lambda t: torch.lerp(t["x"], t["y"], 0.3) + t["x"].addcmul(t["y"], t["y"], value=-2),
    "broadcast": lambda t: t["x"] * t["row"] + t["x"].mean(2, keepdim=True),
    "transposed": lambda t: t["x"].transpose(1, 2) * t["y"].transpose(1, 2) + 1,
    "view of a transpose": lambda t: t["x"].transpose(1, 2).reshape(1, -1) + 1,
    "slices": lambda t: t["x"][:, 1:, :-1:2] - t["y"][:, :-1, 1::2],
    "concatenation": lambda t: torch.cat((t["x"] * 2, t["y"][:, :2], t["x"]), 1),
    "flat concatenation": lambda t: torch.cat(((t["x"] * 2).flatten(1), t["y"].flatten(1)), 1),
    "stack": lambda t: torch.stack((t["x"], t["y"]), 1).sum((1, 3)),
    "slice assignment": lambda t: _assigned(t["x"], t["y"]),
    "sums": lambda t: t["x"].sum() + t["y"].sum(1) + t["x"].sum(2).sum(1, keepdim=True),
    "sum over outer axes": lambda t: (t["x"] * t["y"]).sum((0, 1)).unsqueeze(0),
    "means": lambda t: t["x"].mean((1, 2)) + t["y"].mean(),
    "products of elements": lambda t: t["x"].prod(2),
    "largest": lambda t: t["x"].amax(2) + t["y"].amin((1, 2)).unsqueeze(1),
    "largest with position": lambda t: t["x"].max(1).values + t["y"].min(1).values,
    "softmax": lambda t: torch.softmax(t["x"], 2) + torch.log_softmax(t["y"], 1),
    "logsumexp": lambda t: torch.logsumexp(t["x"], 2),
    "running sums": lambda t: t["x"].cumsum(2) + t["y"].cumsum(1) + t["x"].cumprod(2),
    "sorted": lambda t: t["x"].sort(2, descending=True).values + t["y"].sort(1).values,
    "best": lambda t: t["x"].topk(2, 2).values,
    "product": lambda t: torch.bmm(t["x"], t["y"].transpose(1, 2)),
    "other product": lambda t: torch.bmm(t["x"].transpose(1, 2), t["y"]),
    "biased product": lambda t: torch.baddbmm(t["row"], t["x"], t["square"]),
    "product of a vector": lambda t: (t["x"][0] @ t["y"][0, 0]).unsqueeze(0),
    "gather": lambda t: t["x"].gather(2, t["place"]),
    "index select": lambda t: t["x"].index_select(1, t["place"][0, 0]),
    "index": lambda t: t["x"][:, t["place"][0]],
    "scatter": lambda t: t["x"].scatter(2, t["place"][:, :, :1], t["y"]),
    "scatter add": lambda t: t["x"].scatter_add(2, t["place"], t["y"]),
    "index put": lambda t: _put(t["x"], t["place"][0, 0, :1], t["y"][:, :1]),
    "gradient": lambda t: _gradient(t["x"], t["y"]),
}
OTHERS: dict[str, Operation] = {
    "comparison": lambda t: (t["x"] > t["y"]) | (t["x"] < -1) ^ (t["y"] != 0.0),
    "not": lambda t: ~(t["x"] > 0) & torch.isfinite(t["y"]),
    "any": lambda t: (t["x"] > 0.8).any(2),
    "integers": lambda t: (t["place"] * 3 - 7) % 4 + t["place"] // 2,
    "largest position": lambda t: t["x"].argmax(2) * 10 + t["y"].argmin(2),
    "buckets": lambda t: torch.bucketize(t["x"], t["row"][0, 0].sort().values),
    "buckets to the right": lambda t: torch.searchsorted(
        t["row"].sort(2).values, t["x"][:, :1], right=True
    ),
    "order": lambda t: torch.argsort(t["x"], dim=2, stable=True),
    "count": lambda t: (t["x"] > 0).sum(2),
    "converted": lambda t: (t["x"] * 3).long() + (t["y"] > 0).long(),
}


def _assigned(x: Tensor, y: Tensor) -> Tensor:
    target = x * 1
    target[:, 0] = y[:, 1]
    target[:, :, 1:3] += 10
    return target


def _put(x: Tensor, rows: Tensor, values: Tensor) -> Tensor:
    target = x.clone()
    target[:, rows] = values
    return target


def _gradient(x: Tensor, y: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        hidden = torch.bmm(torch.tanh(leaf), y.transpose(1, 2)).relu()
        loss = (hidden * hidden).sum(-1).min(1).values + torch.softmax(leaf, 2).log().mean((1, 2))
        return torch.autograd.grad(loss.sum(), leaf)[0]


def inputs(rows: int, columns: int) -> Tensors:
    """Random inputs of a few lanes."""
    draw = torch.Generator().manual_seed(rows * 100 + columns)
    return {
        "x": torch.randn(LANES, rows, columns, generator=draw),
        "y": torch.randn(LANES, rows, columns, generator=draw),
        "row": torch.randn(LANES, 1, columns, generator=draw),
        "square": torch.randn(LANES, columns, columns, generator=draw),
        "place": torch.randint(0, min(rows, columns), (LANES, rows, columns), generator=draw),
    }


def one_step(operations: dict[str, Operation], given: Tensors) -> Tensors:
    """What a kernel gives for one step of all lanes."""

    def function(tensors: Tensors) -> Tensors:
        return {name: operation(tensors) for name, operation in operations.items()}

    kernel = Kernel([function], {n: t[:1] for n, t in given.items()}, frozenset())
    steps = {name: tensor.unsqueeze(1) for name, tensor in given.items()}
    state = {"lanes": torch.zeros(LANES)}
    shown = kernel(state, steps, np.zeros(1, np.uint8), range(LANES))
    return {name: tensor.squeeze(1) for name, tensor in shown.items()}


@pytest.mark.parametrize(
    ("rows", "columns"),
    [(5, 4), *(pytest.param(*sizes, marks=pytest.mark.slow) for sizes in ((32, 17), (8, 64)))],
)
def test_operations_give_what_torch_gives(rows: int, columns: int) -> None:
    """Every operation on every lane, to rounding; integers and booleans exactly."""
    given = inputs(rows, columns)
    found = one_step(FLOATS | OTHERS, given)
    for name, operation in (FLOATS | OTHERS).items():
        for lane in range(LANES):
            alone = {key: tensor[lane : lane + 1] for key, tensor in given.items()}
            expected = operation(alone)
            lane_found = found[name][lane].reshape(expected.shape)
            assert lane_found.dtype == expected.dtype, name
            torch.testing.assert_close(
                lane_found, expected, rtol=2e-5, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}"
            )


def test_what_is_not_finite_is_as_in_torch() -> None:
    """NaN and infinities pass through elementwise operations and reductions as in torch."""
    names = [
        *("arithmetic", "square root", "exp", "log", "hyperbolic", "remainder", "bounds"),
        *("extremes", "where", "sums", "largest", "largest with position", "softmax"),
        *("comparison", "not", "largest position", "order"),
    ]
    given = inputs(4, 4)
    special = torch.tensor([float("nan"), float("inf"), float("-inf"), 0.0])
    given["x"][0] = special
    given["y"][1, 2] = special
    chosen = {name: (FLOATS | OTHERS)[name] for name in names}
    found = one_step(chosen, given)
    for name, operation in chosen.items():
        for lane in range(LANES):
            expected = operation({key: tensor[lane : lane + 1] for key, tensor in given.items()})
            lane_found = found[name][lane].reshape(expected.shape)
            torch.testing.assert_close(
                lane_found,
                expected,
                rtol=2e-5,
                atol=2e-5,
                equal_nan=True,
                msg=lambda m, n=name: f"{n}: {m}",
            )


def test_double_precision_is_kept() -> None:
    """float64 tensors are computed in float64."""
    draw = torch.Generator().manual_seed(1)
    given = {"x": torch.randn(LANES, 6, 5, generator=draw, dtype=torch.float64)}
    operations: dict[str, Operation] = {
        "elements": lambda t: t["x"].exp() + t["x"].tanh() + t["x"].abs().log1p() * 0.1,
        "product": lambda t: torch.bmm(t["x"], t["x"].transpose(1, 2)),
        "sum": lambda t: t["x"].sum(2),
    }
    found = one_step(operations, given)
    for name, operation in operations.items():
        torch.testing.assert_close(found[name], operation(given), rtol=1e-12, atol=1e-12)


def moved(tensors: Tensors) -> Tensors:
    """A step full of hazards: swaps, old values read late, buffers written in part."""
    a, b, ring = tensors["a"], tensors["b"], tensors["ring"]
    ring.index_copy_(1, tensors["t"] % 4, (a + tensors["noise"]).unsqueeze(1))
    total = tensors["total"]
    old = total.clone()
    total.add_(ring.sum((1, 2)).unsqueeze(1))
    return {
        "a": b,
        "b": a + 1,
        "ring": ring,
        "total": total,
        "shifted": torch.cat((tensors["shifted"][:, 1:], a[:, :1]), 1),
        "kept": tensors["kept"],
        "late": old + tensors["shifted"][:, :1],
    }


def moving_state(lanes: int) -> Tensors:
    """A state for `moved`."""
    return {
        "a": torch.arange(2.0 * lanes).view(lanes, 2),
        "b": torch.arange(2.0 * lanes).view(lanes, 2) * 10,
        "ring": torch.zeros(lanes, 4, 2),
        "total": torch.zeros(lanes, 1),
        "shifted": torch.arange(5.0 * lanes).view(lanes, 5),
        "kept": torch.full((lanes, 3), 7.0),
    }


def test_the_state_moves_as_in_torch_and_other_lanes_stay() -> None:
    """In-place updates, swaps and late reads of old values; lanes left out are not touched."""
    steps, noise = 9, torch.randn(LANES, 9, 2)
    clock = torch.arange(steps).expand(LANES, -1)
    state, expected = moving_state(LANES), moving_state(LANES)
    examples = {name: part[:1] for name, part in state.items()}
    examples |= {"noise": noise[:1, 0], "t": clock[:1, 0]}
    kernel = Kernel([moved], examples, frozenset(state))
    shown = kernel(state, {"noise": noise, "t": clock}, np.zeros(steps, np.uint8), [0, 2])
    for step in range(steps):
        late = moved(expected | {"noise": noise[:, step], "t": clock[:1, step]})
        expected = {name: late[name].clone() for name in expected}
        torch.testing.assert_close(shown["late"][[0, 2], step], late["late"][[0, 2]])
    for name, start in moving_state(LANES).items():
        torch.testing.assert_close(state[name][[0, 2]], expected[name][[0, 2]])
        assert torch.equal(state[name][1], start[1]), name
    assert not shown["late"][1].any()


def test_a_step_can_be_one_of_several_functions() -> None:
    """The variant says which function a step is; outputs one lacks are zero."""

    def count(tensors: Tensors) -> Tensors:
        return {"n": tensors["n"] + 1}

    def double(tensors: Tensors) -> Tensors:
        return {"n": tensors["n"] * 2, "shown": tensors["n"] * 1}

    state = {"n": torch.tensor([[1.0], [5.0]])}
    kernel = Kernel([count, double], {"n": state["n"][:1]}, frozenset(state))
    shown = kernel(state, {}, np.array([0, 1, 1, 0], np.uint8), [0, 1])
    assert state["n"].flatten().tolist() == [9.0, 25.0]
    assert shown["shown"].squeeze(2).tolist() == [[0, 2, 4, 0], [0, 6, 12, 0]]


def test_a_variant_may_have_rows_of_its_own() -> None:
    """An input or output that belongs to one variant has a row for each of its steps, in order, and
    moves on with those alone, on every lane."""

    def act(tensors: Tensors) -> Tensors:
        return {"n": tensors["n"] + tensors["x"], "after": tensors["n"] + tensors["x"]}

    def learn(tensors: Tensors) -> Tensors:
        return {"n": tensors["n"] * tensors["factor"], "before": tensors["n"] * 1}

    state = {"n": torch.tensor([[1.0], [2.0], [3.0]])}
    given = {"x": torch.tensor([[[1.0], [2.0]]] * 3)}
    given["factor"] = torch.tensor([[[2.0], [3.0], [10.0]], [[0.0]] * 3, [[1.0], [-1.0], [2.0]]])
    examples = {"n": state["n"][:1], **{name: part[:1, 0] for name, part in given.items()}}
    owners = {"x": 0, "after": 0, "factor": 1, "before": 1}
    kernel = Kernel([act, learn], examples, frozenset(state), owners.__getitem__)
    shown = kernel(state, given, np.array([0, 1, 1, 0, 1], np.uint8), [0, 2])
    assert state["n"].flatten().tolist() == [140.0, 2.0, -4.0]
    assert shown["after"].squeeze(2).tolist() == [[2, 14], [0, 0], [4, -2]]
    assert shown["before"].squeeze(2).tolist() == [[2, 4, 14], [0, 0, 0], [4, 4, -2]]
    with pytest.raises(ValueError, match="factor is"):
        kernel(state, given, np.array([0, 1, 0], np.uint8), [0])


def test_what_has_no_lane_axis_is_refused() -> None:
    """An output of another shape than one lane's would be written beyond its memory."""
    with pytest.raises(UnsupportedOperationError, match="root has no lane axis"):
        one_step({"root": lambda t: t["x"].sum()}, inputs(2, 2))


def test_what_cannot_be_compiled_is_named() -> None:
    """An operation without a rule is refused by its name."""
    with pytest.raises(UnsupportedOperationError, match="aten::linalg_cholesky_ex"):
        one_step({"root": lambda t: torch.linalg.cholesky(t["square"])}, inputs(2, 2))


def test_more_variants_than_a_byte_tells_apart_are_refused() -> None:
    """A step that may be any of 257 functions is refused before any of them is traced."""
    variants = [lambda tensors: tensors] * 257
    with pytest.raises(UnsupportedOperationError, match="257 variants of a step"):
        Kernel(variants, {"root": torch.zeros(1, 2)}, frozenset({"root"}))
