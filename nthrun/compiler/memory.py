"""Memory: where buffers lie when the code runs, and numbers, as C++."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from nthrun.compiler.statements import C_TYPES, Buffer, Number, View


@dataclass(frozen=True)
class Memory:
    """Where buffers lie when the code runs.

    Attributes:
        pointers: C++ expression of each state, input and output buffer's address.
        arena: byte offset of each scratch buffer.
        kept: buffers that live in memory at all.
        product_scratch: byte offset of memory for products.
    """

    pointers: Mapping[Buffer, str]
    arena: Mapping[Buffer, int]
    kept: set[Buffer]
    product_scratch: int

    def address(self, view: View) -> str:
        """C++ expression of the address of a view's first element."""
        storage = view.buffer.storage()
        offset = view.offset + view.buffer.offset()
        if storage.place == "constant":
            return f"{storage.name} + {offset}"
        if storage.place == "scratch":
            place = f"arena + {self.arena[storage]}"
            return f"reinterpret_cast<{C_TYPES[storage.dtype]}*>({place}) + {offset}"
        return f"{self.pointers[storage]} + {offset}"


def emit_constants(buffers: Sequence[Buffer]) -> Iterator[str]:
    """Definitions of constant buffers."""
    for buffer in buffers:
        values = ", ".join(literal(value, buffer.dtype) for value in buffer.values)
        kind = C_TYPES[buffer.dtype]
        yield f"alignas(64) static const {kind} {buffer.name}[] = {{{values}}};"


def literal(value: Number, dtype: torch.dtype) -> str:
    """A number as C++ of a type."""
    if dtype is torch.bool:
        return "true" if value else "false"
    if not dtype.is_floating_point:
        kind = C_TYPES[dtype]
        lowest = int(value) == torch.iinfo(torch.int64).min  # C++ has no literal of it
        return f"{kind}(INT64_MIN)" if lowest else f"{kind}({int(value)})"
    suffix = "f" if dtype is torch.float32 else ""
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return f"{float(value)!r}{suffix}"
