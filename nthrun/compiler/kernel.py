"""A kernel: compiled functions applied to tensors of a pack."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from nthrun.compiler.preparation import prepared
from nthrun.compiler.program_text import NOBODY, RowOwner, all_variants, write_program
from nthrun.compiler.statements import Buffer
from nthrun.compiler.tracing import Function
from nthrun.errors import UnsupportedOperationError

FAULTS: dict[int, tuple[type[Exception], str]] = {
    1: (IndexError, "an index tensor of a compiled step names an element that is not there"),
    2: (ZeroDivisionError, "a compiled step divided an integer by zero"),
}
"""Code that a library's `run` returns when it fails -> the error."""

MOST_VARIANTS = 256
"""A variant's number is a byte."""


class Kernel:
    """Steps of functions that share a state, run lane after lane in native code.

    Args:
        variants: functions of named tensors with a lane axis of 1; see `tracing.Function`.
        examples: an input each, `(1, ...)`.
        state: names of the inputs that are changed in place, step after step.
        owner: name of an input or output -> the variant whose steps it has rows of; None for all.
        identity: of everything that decides what the functions do to such inputs; "" has them
            traced anew, whatever has been prepared before.

    Raises:
        UnsupportedOperationError: a function uses an operation that cannot be compiled, or there
            are too many.
        CompileError: there is no compiler, or it failed.
    """

    def __init__(
        self,
        variants: Sequence[Function],
        examples: Mapping[str, Tensor],
        state: frozenset[str],
        owner: RowOwner = all_variants,
        identity: str = "",
    ) -> None:
        if len(variants) > MOST_VARIANTS:
            problem = f"{len(variants)} variants of a step, of which a program has {MOST_VARIANTS}"
            raise UnsupportedOperationError(problem, "use --backend eager")
        write = partial(write_program, variants, examples, state, owner)
        shared = f"{identity} {len(variants)} {sorted(state)}" if identity else ""
        made = prepared(write, shared, examples)
        self._num_variants = len(variants)
        self._buffers, self._owners = made.buffers, list(made.owners.values())
        self._arena = torch.empty(made.arena_bytes + 64, dtype=torch.uint8)
        self._run = made.library.run

    def __call__(
        self,
        state: Mapping[str, Tensor],
        inputs: Mapping[str, Tensor],
        variants: np.ndarray,
        lanes: Sequence[int],
    ) -> dict[str, Tensor]:
        """Run `len(variants)` steps of some lanes.

        Args:
            state: contiguous, `(lanes, ...)` each; changed in place.
            inputs: `(lanes, num_steps, ...)` each, or as many rows as its variant has steps.
            variants: which function each step is, `(num_steps,)`.
            lanes: which lanes; the others' state stays and their outputs are zero.

        Returns:
            outputs, with as many rows.

        Raises:
            ValueError: a tensor, lane or variant is not one the kernel was compiled for.
            IndexError: an index tensor had a value out of range; the state is then of no use.
            ZeroDivisionError: an integer was divided by zero; likewise.
        """
        num_lanes = len(next(iter(state.values())))
        order = np.array(lanes, np.int64)
        which = np.ascontiguousarray(variants, np.uint8)
        _check_numbers("lanes", order, num_lanes)
        _check_numbers("variants", np.asarray(variants), self._num_variants)
        rows = self._rows(which)
        tensors = {
            name: _tensor(name, buffer, state, inputs, (num_lanes, count))
            for (name, buffer), count in zip(self._buffers.items(), rows, strict=True)
        }
        self._check_apart(state)
        pointers = [tensor.data_ptr() for tensor in tensors.values()]
        arena = -(-self._arena.data_ptr() // 64) * 64
        fault = self._run(
            order.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_int64(len(order)),
            which.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_int64(len(which)),
            (ctypes.c_void_p * len(pointers))(*pointers),
            (ctypes.c_int64 * len(pointers))(*rows),
            ctypes.c_void_p(arena),
        )
        if fault:
            kind, message = FAULTS[fault]
            raise kind(message)
        return {
            name: tensors[name]
            for name, buffer in self._buffers.items()
            if buffer.place == "output"
        }

    def _rows(self, which: np.ndarray) -> list[int]:
        """Rows of each buffer for steps of these variants."""
        counts = {None: len(which), NOBODY: 1}
        for owner in {*self._owners} - {*counts}:
            counts[owner] = int(np.count_nonzero(which == owner))
        return [counts[owner] for owner in self._owners]

    def _check_apart(self, state: Mapping[str, Tensor]) -> None:
        """State is changed in place, so that no two tensors may share memory."""
        spans = sorted(
            (state[name].data_ptr(), state[name].data_ptr() + state[name].nbytes, name)
            for name, buffer in self._buffers.items()
            if buffer.place == "state" and state[name].nbytes
        )
        for (_, end, name), (begin, _, other) in pairwise(spans):
            if begin < end:
                raise ValueError(f"{name} and {other} share memory")


def _tensor(
    name: str,
    buffer: Buffer,
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
    leading: tuple[int, int],
) -> Tensor:
    """The contiguous tensor that stands for a buffer: a given one, or zeros for an output.

    Raises:
        ValueError: it is not one the kernel was compiled for.
    """
    if buffer.place == "output":
        return torch.zeros((*leading, *buffer.shape[1:]), dtype=buffer.dtype)
    if buffer.place == "input":
        tensor = inputs[name].contiguous()
        _check_tensor(name, tensor, buffer, leading)
        return tensor
    _check_tensor(name, state[name], buffer, leading[:1])
    if not state[name].is_contiguous():
        raise ValueError(f"{name} is not contiguous")
    return state[name]


def _check_tensor(name: str, tensor: Tensor, buffer: Buffer, leading: tuple[int, ...]) -> None:
    given = (tuple(tensor.shape), tensor.dtype, tensor.device.type)
    expected = ((*leading, *buffer.shape[1:]), buffer.dtype, "cpu")
    if given != expected:
        raise ValueError(f"{name} is {given}, where the kernel takes {expected}")


def _check_numbers(name: str, numbers: np.ndarray, bound: int) -> None:
    if numbers.ndim != 1 or (numbers.size and not 0 <= numbers.min() <= numbers.max() < bound):
        raise ValueError(f"{name} are {numbers.tolist()}, where each is to be within [0, {bound})")
