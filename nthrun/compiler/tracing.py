"""Tracing: a function of tensors as a graph of torch's core operations, without mutation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch._decomp import core_aten_decompositions
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx

from nthrun.agents.repeat import repeating_by
from nthrun.compiler.loops import looped
from nthrun.errors import UnsupportedOperationError

Tensors = dict[str, Tensor]
Function = Callable[[Tensors], Tensors]
"""Inputs by name to outputs by name. An output named like an input is that input's next value;
inputs changed in place must be returned too."""


@dataclass(frozen=True)
class Trace:
    """A traced function.

    Attributes:
        nodes: in order of execution; placeholders come first.
        inputs: placeholder -> name.
        outputs: name -> node.
        constants: attribute name -> tensor.
    """

    nodes: tuple[fx.Node, ...]
    inputs: dict[fx.Node, str]
    outputs: dict[str, fx.Node]
    constants: Tensors


def record(function: Function, inputs: Mapping[str, Tensor]) -> tuple[fx.GraphModule, list[str]]:
    """A function as a graph of what it does to tensors, autograd written out; nothing is computed.

    Returns:
        a module from the inputs' tensors to the outputs', both in order, and the outputs' names.

    Raises:
        UnsupportedOperationError: the function does one thing or another by a tensor's values.
    """
    names = list(inputs)
    results: list[str] = []

    def positional(*tensors: Tensor) -> list[Tensor]:
        outputs = function(dict(zip(names, tensors, strict=True)))
        results[:] = outputs
        return list(outputs.values())

    try:
        traced = make_fx(positional, tracing_mode="fake", _allow_non_fake_inputs=True)
        return traced(*inputs.values()), results
    except RuntimeError as error:
        # Imported where it has been already, for eager runs would wait a third of a second for it.
        from torch.fx.experimental.symbolic_shapes import (  # noqa: PLC0415
            GuardOnDataDependentSymNode,
        )

        if not isinstance(error, GuardOnDataDependentSymNode):
            raise
        raise UnsupportedOperationError(
            "a step that branches or slices by the values of tensors cannot be compiled"
        ) from error


def trace(function: Function, inputs: Mapping[str, Tensor]) -> Trace:
    """Trace a function for inputs of these shapes, with mutation turned into values."""
    with repeating_by(looped):
        recorded, results = record(function, inputs)
    functional: Any = functionalize(recorded, remove="mutations_and_views")
    decomposed = make_fx(
        functional,
        dict(core_aten_decompositions()),
        tracing_mode="fake",
        _allow_non_fake_inputs=True,
    )
    module = decomposed(*inputs.values())
    for node in module.graph.nodes:
        if node.target is torch.ops.aten.copy_.default:
            _check_returned(node, dict(zip(module.graph.nodes, inputs, strict=False)), results)
            module.graph.erase_node(node)  # the new value is an output too
    module.graph.eliminate_dead_code()
    nodes = tuple(module.graph.nodes)
    placeholders = [node for node in nodes if node.op == "placeholder"]
    (returned,) = nodes[-1].args
    attributes = {str(node.target) for node in nodes if node.op == "get_attr"}
    return Trace(
        nodes[:-1],
        dict(zip(placeholders, inputs, strict=True)),
        dict(zip(results, returned, strict=True)),
        {name: getattr(module, name) for name in attributes},
    )


def _check_returned(write: fx.Node, names: Mapping[fx.Node, str], results: Collection[str]) -> None:
    """An input's new value is lost unless it is an output."""
    name = names[write.args[0]]  # type: ignore[index]
    if name not in results:
        raise UnsupportedOperationError(f"{name} is changed in place but not returned")
