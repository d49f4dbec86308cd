"""The compiled stepper on a GPU: torch compiles the step, and a CUDA graph replays it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.compiler.tracing import Function, Tensors, record
from nthrun.errors import CompileError
from nthrun.training.block_updates import BlockUpdates
from nthrun.training.program import Program
from nthrun.training.recording import METRICS, Block, joined_blocks
from nthrun.training.steppers.eager import EagerStepper
from nthrun.training.steppers.step_functions import (
    MADE_BY,
    NOISE,
    STEP,
    calls,
    in_order,
    taken_memory,
    training_step,
    update_inputs,
    variant_of,
)

WARM_UP_CALLS = 3

Replay = Callable[[], None]


class GraphedStepper(EagerStepper):
    """Replays one CUDA graph a step; evaluation stays eager.

    A graph works on fixed memory: the state of the pack in training, the noise of a block, and
    what the block shows. It is captured anew for another number of lanes.

    Args:
        program: whose steps.
        block_steps: the longest block.
        capture: turns the launches of a function into something to replay.
    """

    def __init__(
        self,
        program: Program,
        block_steps: int,
        capture: Callable[[Replay, Replay], Replay] | None = None,
    ) -> None:
        super().__init__(program)
        self._block_steps = block_steps
        self._capture = capture or captured
        self._graphs: dict[tuple[int, int], _Graph] = {}

    def train(
        self,
        state: State,
        noise: Noise,
        first: int,
        variants: np.ndarray,
        lanes: Sequence[int],
        updates: BlockUpdates | None = None,
    ) -> Block:
        """Run a block of steps on all lanes.

        Raises:
            CompileError: torch could not compile the step, or CUDA not capture it.
        """
        given = {NOISE + name: tensor for name, tensor in noise._asdict().items()}
        if updates is not None:
            return self._train_apart(state, given, first, updates)
        blocks = []
        for begin, end in stretches(variants):
            variant, piece = int(variants[begin]), rows_of(given, begin, end)
            step = partial(training_step, self._program, frozenset(state), variant)
            graph = self._graph(state, piece, variant, step)
            blocks.append(graph.run(state, piece, first + begin))
        return joined_blocks(blocks)

    def _train_apart(
        self, state: State, given: Tensors, first: int, updates: BlockUpdates
    ) -> Block:
        """Run a block of steps and the updates that follow each; all graphs share their memory."""
        names, agent = frozenset(state), updates.noise.agent
        moving = state | taken_memory(self._program, len(agent), agent.device)
        later = update_inputs(updates, first)
        rows: list[Tensors] = [given, {}, {}]
        for name, tensor in later.items():
            rows[variant_of(name)][name] = tensor
        variants, begun, blocks = calls(updates), [0, 0, 0], []
        for begin, end in stretches(variants):
            which = int(variants[begin])
            here, there = begun[which], begun[which] + end - begin
            piece, begun[which] = rows_of(rows[which], here, there), there
            function = partial(MADE_BY[which], self._program, names)
            graph = self._graph(moving, piece, which, function)
            blocks.append(graph.run(moving, piece, first + here))
        state.update({name: moving[name] for name in state})
        return joined_blocks(blocks)

    def _graph(
        self, state: State, given: Tensors, variant: int, function: Callable[[], Function]
    ) -> _Graph:
        key = (len(next(iter(given.values()))), variant)
        if key not in self._graphs:
            self._graphs = {k: graph for k, graph in self._graphs.items() if k[0] == key[0]}
            shared = self._program.updates.are_apart
            memory = next((g.state for g in self._graphs.values() if shared), None)
            if memory is None:
                memory = {name: tensor.clone() for name, tensor in state.items()}
            rows = max(self._block_steps, self._program.updates.most)
            try:
                self._graphs[key] = _Graph(function(), memory, given, rows, self._capture)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # torch's compiler and CUDA raise what they like
                reason = f"{type(error).__name__}: {error}".partition("\n")[0]
                raise CompileError(
                    f"torch could not compile the step: {reason}", "use --backend eager"
                ) from error
        return self._graphs[key]


class _Graph:
    """One variant of the step for one number of lanes, on memory of its own.

    Args:
        step: what is captured.
        state: memory of the state.
        given: what a piece of a block is given, `(lanes, ...)` each.
        block_steps: the most rows of it.
        capture: see `GraphedStepper`.
    """

    def __init__(
        self,
        step: Function,
        state: State,
        given: Tensors,
        block_steps: int,
        capture: Callable[[Replay, Replay], Replay],
    ) -> None:
        device = next(iter(given.values())).device
        self.state = state
        self._given = {
            name: torch.zeros(
                len(tensor), block_steps, *tensor.shape[2:], dtype=tensor.dtype, device=device
            )
            for name, tensor in given.items()
        }
        self._clock = torch.zeros(1, dtype=torch.int64, device=device)
        self._offset = torch.zeros(1, dtype=torch.int64, device=device)
        recorded, self._names = record(step, self._inputs(state))
        torch.use_deterministic_algorithms(True)  # has TorchInductor choose nothing by timing
        self._step = torch.compile(recorded, fullgraph=True, dynamic=False)
        scratch = {name: tensor.clone() for name, tensor in state.items()}
        outputs = self._take_step(scratch)
        self._block = {
            name: torch.zeros(
                len(tensor), block_steps, *tensor.shape[1:], dtype=tensor.dtype, device=device
            )
            for name, tensor in outputs.items()
        }
        self._replay = capture(lambda: self._advance(scratch), lambda: self._advance(state))

    def run(self, state: State, given: Tensors, first: int) -> Block:
        """Run a piece of a block on a pack's state; its entries become this graph's memory."""
        num_steps = next(iter(given.values())).shape[1]
        for name, own in self.state.items():
            if state[name] is not own:
                own.copy_(state[name])
                state[name] = own
        for name, tensor in given.items():
            self._given[name][:, :num_steps] = tensor
        self._clock.fill_(first)
        self._offset.zero_()
        for _ in range(num_steps):
            self._replay()
        outputs = {name: tensor[:, :num_steps].clone() for name, tensor in self._block.items()}
        return {
            name: tensor if name.startswith(METRICS) else in_order(tensor)
            for name, tensor in outputs.items()
        }

    def _inputs(self, state: State) -> dict[str, Tensor]:
        now = {n: t.index_select(1, self._offset).squeeze(1) for n, t in self._given.items()}
        return state | now | {STEP: self._clock}

    def _take_step(self, state: State) -> dict[str, Tensor]:
        """Take one step; what it shows, after its state is written back.

        An output may be a part of the state as it was, such as the observation that was acted on.
        """
        outputs = dict(zip(self._names, self._step(*self._inputs(state).values()), strict=True))
        held = {tensor.untyped_storage().data_ptr() for tensor in state.values()}
        for name, tensor in outputs.items():
            if state.get(name) is not tensor and tensor.untyped_storage().data_ptr() in held:
                outputs[name] = tensor.clone()
        for name, tensor in state.items():
            if outputs.get(name, tensor) is not tensor:
                tensor.copy_(outputs[name])
        return {name: tensor for name, tensor in outputs.items() if name not in state}

    def _advance(self, state: State) -> None:
        """What is captured: a step on a state, its noise taken and its outputs put in place."""
        for name, tensor in self._take_step(state).items():
            self._block[name].index_copy_(1, self._offset, tensor.unsqueeze(1))
        self._clock += 1
        self._offset += 1


def stretches(variants: np.ndarray) -> Iterator[tuple[int, int]]:
    """Begin and end of each stretch of equal variants."""
    bounds = [0, *(np.flatnonzero(np.diff(variants)) + 1).tolist(), len(variants)]
    return pairwise(bounds)


def rows_of(given: Tensors, begin: int, end: int) -> Tensors:
    """Some rows of what a block is given."""
    return {name: tensor[:, begin:end] for name, tensor in given.items()}


def captured(rehearse: Replay, launch: Replay) -> Replay:
    """A CUDA graph of the launches of a function.

    Args:
        rehearse: the same launches on other memory, to be run before capturing.
        launch: what to capture.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP_CALLS):
            rehearse()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        launch()
    return graph.replay
