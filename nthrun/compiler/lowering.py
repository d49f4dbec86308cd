"""Lowering: each node of a trace as views and statements."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from nthrun.compiler.pointwise import COMPARISONS, EXPRESSIONS, NAMES, NUM_ARGUMENTS
from nthrun.compiler.statements import (
    SAME,
    VIEWS,
    Buffer,
    Number,
    Place,
    Pointwise,
    Statement,
    View,
    view,
    whole,
)
from nthrun.compiler.tracing import Trace
from nthrun.errors import UnsupportedOperationError

Value = View | Number | None
Rule = Callable[..., Any]


class Lowering:
    """A trace on its way to statements.

    Args:
        trace: of the function.
        shared: buffers of the state, inputs and outputs by name; those missing are added.
        state: names of inputs that live between steps.
        rules: for operations that are neither elementwise nor views, by torch's name.
        prefix: of the names of new buffers.

    Attributes:
        statements: in order.
        outputs: name -> its value.
        open_loops: those that have begun and not ended, outer ones first; see `loop_rules`.
    """

    def __init__(
        self,
        trace: Trace,
        shared: dict[str, Buffer],
        state: frozenset[str],
        rules: Mapping[str, Rule],
        prefix: str,
    ) -> None:
        self.statements: list[Statement] = []
        self.open_loops: list[Any] = []
        self._rules = rules
        self._prefix = prefix
        self._count = 0
        self._values: dict[fx.Node, Any] = {}
        for node in trace.nodes:
            if node.op == "placeholder":
                name = trace.inputs[node]
                place: Place = "state" if name in state else "input"
                self._values[node] = _shared_view(shared, name, place, node.meta["val"])
            elif node.op == "get_attr":
                self._values[node] = self.constant(trace.constants[str(node.target)])
            else:
                self._values[node] = _checked(node, self._lowered(node))
        self.outputs: dict[str, View] = {}
        for name, node in trace.outputs.items():
            self.outputs[name] = self._values[node]
            _shared_view(shared, name, "output", node.meta["val"])

    def fresh(self, shape: Sequence[int], dtype: torch.dtype) -> View:
        """New scratch memory."""
        return whole(self._buffer(dtype, shape, "scratch"))

    def constant(self, tensor: Tensor) -> View:
        """A tensor known now."""
        values = tuple(tensor.flatten().tolist())
        return whole(self._buffer(tensor.dtype, tensor.shape, "constant", values))

    def filled(self, value: Number, shape: Sequence[int], dtype: torch.dtype) -> View:
        """One number, seen at every index."""
        buffer = self._buffer(dtype, (), "constant", (value,))
        return View(buffer, tuple(shape), (0,) * len(shape))

    def pointwise(
        self,
        operation: str,
        arguments: Sequence[View | Number],
        shape: Sequence[int],
        dtype: torch.dtype,
        compute: torch.dtype | None = None,
    ) -> View:
        """A new tensor computed element by element from arguments that broadcast."""
        out = self.fresh(shape, dtype)
        expanded = tuple(
            view("expand", a, tuple(shape)) if isinstance(a, View) else a for a in arguments
        )
        self.statements.append(Pointwise(out, operation, expanded, compute or dtype))
        return out

    def copy(self, target: View, source: View) -> None:
        """Write a view's elements, converted, into another of its shape."""
        self.statements.append(Pointwise(target, "same", (source,), target.dtype))

    def contiguous(self, source: View) -> View:
        """The same elements in row-major order."""
        return self.pointwise("same", [source], source.shape, source.dtype)

    def reshaped(self, source: View, shape: Sequence[int]) -> View:
        """The same elements under another shape, copied where strides cannot say it."""
        try:
            reshaped: View = view("view", source, list(shape))
        except RuntimeError:
            reshaped = view("view", self.contiguous(source), list(shape))
        return reshaped

    def number(self) -> int:
        """A number that nothing else has."""
        self._count += 1
        return self._count

    def _buffer(
        self,
        dtype: torch.dtype,
        shape: Sequence[int],
        place: Place,
        values: tuple[Number, ...] = (),
    ) -> Buffer:
        self._count += 1
        return Buffer(f"{self._prefix}{self._count}", dtype, tuple(shape), place, values)

    def _lowered(self, node: fx.Node) -> Any:
        arguments: Any = fx.node.map_arg(node.args, self._values.__getitem__)
        options: Any = fx.node.map_arg(node.kwargs, self._values.__getitem__)
        if node.target is operator.getitem:
            return arguments[0][arguments[1]]
        name = node.target._schema.name.removeprefix("aten::")  # type: ignore[union-attr]
        plain = name.removesuffix("_copy")
        if name == "_to_copy":
            return _converted(self, node, *arguments)
        if plain in SAME:
            return arguments[0]
        if plain in VIEWS:
            return self._view(node, plain, arguments, options)
        if NAMES.get(name, name) in EXPRESSIONS:
            return _elementwise(self, node, NAMES.get(name, name), arguments, options)

        if name not in self._rules:
            raise UnsupportedOperationError(
                f"the operation aten::{name} cannot be compiled", "use --backend eager"
            )
        try:
            return self._rules[name](self, node, *arguments, **options)
        except (TypeError, IndexError, ZeroDivisionError) as error:
            raise _unsupported(node) from error

    def _view(self, node: fx.Node, name: str, arguments: Any, options: Any) -> Any:
        overload = node.target._overloadname  # type: ignore[union-attr]
        source, *rest = arguments
        try:
            return view(name, source, *rest, overload=overload, **options)
        except RuntimeError:
            return view(name, self.contiguous(source), *rest, overload=overload, **options)


def _shared_view(shared: dict[str, Buffer], name: str, place: Place, example: Tensor) -> View:
    if example.shape[:1] != (1,):
        raise ValueError(f"{name} has no lane axis of length 1: {tuple(example.shape)}")
    buffer = shared.setdefault(name, Buffer(name, example.dtype, tuple(example.shape), place))
    if (buffer.dtype, buffer.shape) != (example.dtype, tuple(example.shape)):
        raise UnsupportedOperationError(
            f"{name} cannot be both {buffer.dtype} {buffer.shape} "
            f"and {example.dtype} {tuple(example.shape)}"
        )
    if place == "output" and buffer.place == "input":
        raise UnsupportedOperationError(f"{name} is an input that is not state; it cannot be set")
    return whole(buffer)


def _checked(node: fx.Node, value: Any) -> Any:
    """A node's value; refused if its shape or type is not what torch gives."""
    example = node.meta["val"]
    if isinstance(value, View) and (value.shape, value.dtype) != (example.shape, example.dtype):
        raise _unsupported(node)
    return value


def _unsupported(node: fx.Node) -> UnsupportedOperationError:
    return UnsupportedOperationError(f"{node.target} of these arguments cannot be compiled")


def _converted(lowering: Lowering, node: fx.Node, source: View) -> View:
    dtype = node.meta["val"].dtype
    if source.dtype == dtype:
        return source
    return lowering.pointwise("same", [source], source.shape, dtype)


def _elementwise(
    lowering: Lowering, node: fx.Node, name: str, arguments: Sequence[Any], options: Any
) -> View:
    example = node.meta["val"]
    shape, dtype = example.shape, example.dtype
    values = list(arguments)
    if len(values) != NUM_ARGUMENTS[name] or options.keys() - {"alpha", "rounding_mode"}:
        raise _unsupported(node)
    if name == "bitwise_not" and dtype is torch.bool:
        name = "logical_not"
    if name in ("add", "sub") and (factor := options.get("alpha", 1)) != 1:
        signed = factor if name == "add" else -factor
        return lowering.pointwise("fma", [values[0], signed, values[1]], shape, dtype)
    if name == "div" and options.get("rounding_mode"):
        return lowering.pointwise(f"div_{options['rounding_mode']}", values, shape, dtype)
    compute = _common_type(node) if name in COMPARISONS else dtype
    return lowering.pointwise(name, values, shape, dtype, compute)


def _common_type(node: fx.Node) -> torch.dtype:
    examples: list[Any] = [a.meta["val"] if isinstance(a, fx.Node) else a for a in node.args]
    first, *rest = examples
    common: torch.dtype = torch.result_type(first, rest[0]) if rest else first.dtype
    return common


def kind_of(node: fx.Node) -> tuple[tuple[int, ...], torch.dtype]:
    """Shape and type of what a node gives."""
    example = node.meta["val"]
    return tuple(example.shape), example.dtype
