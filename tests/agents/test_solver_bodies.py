"""What a step of a solver is made of: whether a compiler could make native code of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from agents.solver_runs import ENVIRONMENT, SMALL, SOLVERS, solver_spec
from cyclic import Cyclic
from packs import pack_of
from torch import Tensor

from nthrun.agents.registry import AGENTS
from nthrun.compiler.tracing import Tensors, record
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.training.solver_program import SolverProgram
from nthrun.training.steppers.step_functions import NOISE, STEP, training_step

DEVICE = torch.device("meta")
"""No numbers are there to be looked at, and what is on the CPU is on another device."""
ON_HOST = ("_local_scalar_dense", "item", "equal", "is_nonzero")
SEARCHING = ("bucketize", "searchsorted")
IN_NO_ORDER = (
    "scatter_add",
    "scatter_reduce",
    "index_add",
    "index_reduce",
    "bincount",
    "histc",
    "_histogramdd_from_bin_cts",
)
"""Operations that add by atomics on a GPU, in whatever order."""
ACCUMULATING = ("index_put", "_unsafe_index_put", "_index_put_impl", "put")
"""Those that do so where they are told to add to what is there."""
LOOKED_AHEAD = 1000
GATHERED = "the slope of `gather`, by which a household takes the output of its own ability state"
KNOWN = {
    "euler_quadrature": {"scatter_add": GATHERED},
    "euler_all_in_one": {"scatter_add": GATHERED},
}
"""Solver -> what its step does all the same, and where that comes from."""

BINS = {"distribution": "histogram", "bins": 10, "households": 100}
NEEDING_BINS = {"sampling", "a_pdf_penalty"}
"""What of a form needs a histogram."""
NUMBERS = {"bellman_ac": [{"a_pdf_penalty": [1.0], "gradient": ["planner"]}]}
"""Forms by numbers that change the course of a computation."""


def forms(agent: str) -> Iterator[dict[str, Any]]:
    """Parameters of a small setting of a solver: as it is, and so that each word or yes-or-no that
    changes the course of its computation is there once, several of them together."""
    yield {}
    others: dict[str, list[Any]] = {}
    for field in AGENTS[agent].hyperparameters:
        values = (True, False) if field.kind == "bool" else field.choices
        given = SMALL[agent].get(field.name, [field.default])
        if field.static and field.kind in ("bool", "str"):
            others[field.name] = [value for value in values if value not in given]
    for number in range(max(map(len, others.values()), default=0)):
        yield {name: [values[number]] for name, values in others.items() if number < len(values)}
    yield from NUMBERS.get(agent, [])


def needed(parameters: dict[str, Any]) -> dict[str, Any]:
    """What a form needs of its environment."""
    return BINS if NEEDING_BINS & parameters.keys() else {}


def bodies(spec: ExperimentSpec) -> Iterator[tuple[int, Callable[[Tensors], Tensors], Tensors]]:
    """Each part of the cycle of a solver: its number, its step and inputs of one lane."""
    pack = pack_of(spec, [0])
    (agent, environment) = (spec.agent.declaration, spec.environment)
    program = SolverProgram(pack, environment, agent.program)
    state = {name: tensor.to(DEVICE) for name, tensor in program.initial_state(pack).items()}
    noise = program.example_noise()._asdict()
    inputs = state | {NOISE + name: tensor.to(DEVICE) for name, tensor in noise.items()}
    inputs[STEP] = torch.zeros(1, dtype=torch.int64, device=DEVICE)
    for variant in sorted({program.variant_at(step) for step in range(LOOKED_AHEAD)}):
        yield variant, training_step(program, frozenset(state), variant), inputs


def faults(function: Callable[[Tensors], Tensors], inputs: Tensors) -> set[str]:
    """What a compiler could not make native code of, or of other bits from run to run."""
    try:
        graph, _ = record(function, inputs)
    except Exception as error:  # whatever torch raises where a tensor's numbers are wanted
        return {type(error).__name__}
    found = set()
    for node in graph.graph.nodes:
        if node.op != "call_function":
            continue
        name = getattr(node.target, "overloadpacket", node.target).__name__.rstrip("_")
        adds = name in ACCUMULATING and True in (*node.args[2:], *node.kwargs.values())
        if adds or name in ON_HOST + SEARCHING + IN_NO_ORDER:
            found.add(name)
        if node.kwargs.get("device", DEVICE) != DEVICE:
            found.add(f"{name} to {node.kwargs['device']}")
        made = node.meta["val"]
        if isinstance(made, Tensor) and not all(type(size) is int for size in made.shape):
            found.add(f"{name} of a shape by value")
    return found


LONG_CYCLES = ("bellman_ac", "best_response", "ppo_types")
"""Agents of which tracing every part takes most of a minute."""


@pytest.mark.parametrize(
    "agent",
    [pytest.param(a, marks=[pytest.mark.slow] if a in LONG_CYCLES else []) for a in SOLVERS],
)
def test_a_compiler_could_trace_a_step_of_a_solver(agent: str) -> None:
    """No part of any solver's cycle branches on a tensor's numbers, brings one to the host, looks a
    place up in a table or adds in no certain order; what does is known, with why."""
    found: set[str] = set()
    for parameters in forms(agent):
        for _, function, inputs in bodies(solver_spec(agent, parameters, needed(parameters))):
            found |= faults(function, inputs)
    assert found == KNOWN.get(agent, {}).keys()


SLIPS: dict[str, tuple[Callable[[Tensor], Any], set[str]]] = {
    "a branch": (lambda x: x if x.sum() > 0 else -x, {"UnsupportedOperationError"}),
    "a number": (lambda x: x * float(x.sum()), {"UnsupportedOperationError"}),
    "a list": (lambda x: x * x.tolist()[0][0], {"_local_scalar_dense"}),
    "the host": (lambda x: x.cpu().to(x.device), {"_to_copy to cpu"}),
    "a constant on the host": (
        lambda x: x + torch.ones(1),
        {"FakeTensorDeviceMismatchError"},
    ),
    "a search": (lambda x: torch.searchsorted(x, x), {"searchsorted"}),
    "buckets": (lambda x: torch.bucketize(x, x[0]), {"bucketize"}),
    "sums by place": (lambda x: x.scatter_add(1, x.long(), x), {"scatter_add"}),
    "sums by row": (lambda x: x.index_add(0, x[0].long(), x), {"index_add"}),
    "sums put": (lambda x: x.index_put((x[0].long(),), x, accumulate=True), {"index_put"}),
    "rows put": (lambda x: x.index_put((x[0].long(),), x), set()),
    "a choice": (lambda x: torch.where(x > 0, x, -x), set()),
    "those above": (lambda x: x[x > 0].sum(), {"index of a shape by value"}),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_what_no_compiler_could_trace_is_found(slip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thing that a body must not do is found in any part of a cycle."""
    did, expected = SLIPS[slip]
    solve = Cyclic.solve

    def slipping(self: Cyclic, state: Tensors, noise: Any, step: Tensor, variant: int) -> Any:
        if variant == 1:
            did(state["count"])
        return solve(self, state, noise, step, variant)

    monkeypatch.setattr(Cyclic, "solve", slipping)
    document = {"agent_name": "cyclic:Cyclic", "parameters": {}}
    spec = experiment_spec_of(ENVIRONMENT, document, "test")
    found = {variant: faults(function, inputs) for variant, function, inputs in bodies(spec)}
    assert found == {0: set(), 1: expected}
