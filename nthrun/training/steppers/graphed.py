"""The compiled stepper on a GPU: torch compiles the step, and a CUDA graph replays it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.compiler.tracing import record
from nthrun.errors import CompileError
from nthrun.training.program import Program
from nthrun.training.recording import METRICS, Block, joined_blocks
from nthrun.training.steppers.compiled import NOISE, STEP, training_step
from nthrun.training.steppers.eager import EagerStepper

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
        self, state: State, noise: Noise, first: int, variants: np.ndarray, lanes: Sequence[int]
    ) -> Block:
        """Run a block of steps on all lanes.

        Raises:
            CompileError: torch could not compile the step, or CUDA not capture it.
        """
        pieces: list[tuple[int, int]] = []
        for offset in range(len(variants)):
            if offset == 0 or variants[offset] != variants[offset - 1]:
                pieces.append((offset, offset))
            pieces[-1] = (pieces[-1][0], offset + 1)
        blocks = []
        for begin, end in pieces:
            piece = noise.steps(begin, end)
            graph = self._graph(state, piece, int(variants[begin]))
            blocks.append(graph.run(state, piece, first + begin))
        return joined_blocks(blocks)

    def _graph(self, state: State, noise: Noise, variant: int) -> _Graph:
        key = (len(noise.agent), variant)
        if key not in self._graphs:
            step = training_step(self._program, frozenset(state), variant)
            self._graphs = {k: graph for k, graph in self._graphs.items() if k[0] == key[0]}
            try:
                self._graphs[key] = _Graph(step, state, noise, self._block_steps, self._capture)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # torch's compiler and CUDA raise what they like
                reason = f"{type(error).__name__}: {error}".partition("\n")[0]
                raise CompileError(
                    f"torch could not compile the step: {reason}", "use --backend eager"
                ) from error
        return self._graphs[key]


class _Graph:
    """One variant of the step for one number of lanes, on memory of its own."""

    def __init__(
        self,
        step: Callable[[dict[str, Tensor]], dict[str, Tensor]],
        state: State,
        noise: Noise,
        block_steps: int,
        capture: Callable[[Replay, Replay], Replay],
    ) -> None:
        device = noise.agent.device
        self._state = {name: tensor.clone() for name, tensor in state.items()}
        self._noise = [
            torch.zeros(
                len(tensor), block_steps, *tensor.shape[2:], dtype=tensor.dtype, device=device
            )
            for tensor in noise
        ]
        self._clock = torch.zeros(1, dtype=torch.int64, device=device)
        self._offset = torch.zeros(1, dtype=torch.int64, device=device)
        recorded, self._names = record(step, self._inputs(self._state))
        torch.use_deterministic_algorithms(True)  # has TorchInductor choose nothing by timing
        self._step = torch.compile(recorded, fullgraph=True, dynamic=False)
        scratch = {name: tensor.clone() for name, tensor in self._state.items()}
        outputs = self._take_step(scratch)
        self._block = {
            name: torch.zeros(
                len(tensor), block_steps, *tensor.shape[1:], dtype=tensor.dtype, device=device
            )
            for name, tensor in outputs.items()
        }
        self._replay = capture(lambda: self._advance(scratch), lambda: self._advance(self._state))

    def run(self, state: State, noise: Noise, first: int) -> Block:
        """Run a piece of a block on a pack's state; its entries become this graph's memory."""
        num_steps = noise.agent.shape[1]
        for name, own in self._state.items():
            if state[name] is not own:
                own.copy_(state[name])
                state[name] = own
        for own, tensor in zip(self._noise, noise, strict=True):
            own[:, :num_steps] = tensor
        self._clock.fill_(first)
        self._offset.zero_()
        for _ in range(num_steps):
            self._replay()
        outputs = {name: tensor[:, :num_steps].clone() for name, tensor in self._block.items()}
        return {
            name: tensor if name.startswith(METRICS) else tensor.squeeze(2)
            for name, tensor in outputs.items()
        }

    def _inputs(self, state: State) -> dict[str, Tensor]:
        now = (tensor.index_select(1, self._offset).squeeze(1) for tensor in self._noise)
        noise = zip(Noise._fields, now, strict=True)
        return state | {NOISE + name: tensor for name, tensor in noise} | {STEP: self._clock}

    def _take_step(self, state: State) -> dict[str, Tensor]:
        """Take one step; what it shows, after its state is written back."""
        outputs = dict(zip(self._names, self._step(*self._inputs(state).values()), strict=True))
        for name, tensor in state.items():
            if outputs[name] is not tensor:
                tensor.copy_(outputs[name])
        return {name: tensor for name, tensor in outputs.items() if name not in state}

    def _advance(self, state: State) -> None:
        """What is captured: a step on a state, its noise taken and its outputs put in place."""
        for name, tensor in self._take_step(state).items():
            self._block[name].index_copy_(1, self._offset, tensor.unsqueeze(1))
        self._clock += 1
        self._offset += 1


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
