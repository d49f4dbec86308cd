"""What a step may be made of, so that a lane's bits do not depend on its pack."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from packs import pack_of, small_spec

from nthrun.compiler.tracing import record
from nthrun.training.context import make_context
from nthrun.training.loop import Training
from nthrun.training.steppers.step_functions import NOISE, STEP, training_step

POSITION_DEPENDENT = {"sigmoid", "log_sigmoid", "softplus", "pow", "atan2"}
"""Elementwise operations that torch computes otherwise at the end of a tensor than within it, so
that an element's bits depend on how many lanes there are [measured]."""
FLOAT32_ONLY = {"sin", "cos"}
"""Those of which that is true in float64."""
SHAPES = [{}, {"activation": ["tanh"]}, {"automatic_entropy_tuning": [False]}]


def operations(parameters: dict[str, Any]) -> set[tuple[str, torch.dtype]]:
    """Name and type of result of every operation of a step, autograd's included."""
    spec = small_spec(parameters=parameters)
    training = Training(pack_of(spec, [0]), make_context(spec))
    noise = training.program.noise(training.streams.draw(1), 0, "cpu").step(0)
    inputs = {**training.state, STEP: torch.zeros(1, dtype=torch.int64)}
    inputs |= {NOISE + name: part for name, part in noise._asdict().items()}
    step = training_step(training.program, frozenset(training.state), 1)
    graph = record(step, inputs)[0].graph
    return {
        (node.target.overloadpacket.__name__.removesuffix("_backward"), node.meta["val"].dtype)
        for node in graph.nodes
        if isinstance(node.target, torch._ops.OpOverload)
        and isinstance(node.meta.get("val"), torch.Tensor)
    }


@pytest.mark.parametrize("parameters", SHAPES)
def test_no_operation_depends_on_an_elements_position(parameters: dict[str, Any]) -> None:
    """A step uses none of the operations whose rounding depends on where an element lies."""
    found = operations(parameters)
    assert ("exp", torch.float32) in found
    assert not POSITION_DEPENDENT & {name for name, _ in found}
    assert not {name for name, dtype in found if dtype is torch.float64} & FLOAT32_ONLY
