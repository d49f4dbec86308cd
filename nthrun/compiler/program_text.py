"""The whole C++ text of a library: one function a variant of the step, and the loop over lanes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from torch import Tensor

from nthrun.compiler.emission import Memory, emit_constants, emit_group, product_scratch_bytes
from nthrun.compiler.fusion import Group, fuse, inline_comparisons, needed_outside
from nthrun.compiler.lowering import Lowering
from nthrun.compiler.rules import RULES
from nthrun.compiler.statements import (
    C_TYPES,
    Begin,
    Buffer,
    End,
    Place,
    Product,
    Statement,
)
from nthrun.compiler.storage import assign_arena, place
from nthrun.compiler.tracing import Function, trace
from nthrun.errors import CompileError, UnsupportedOperationError

HEADERS = ("elements.hpp", "reductions.hpp", "products.hpp")
NOBODY = -1
"""Whose the state is, which has one row however many steps there are."""
RowOwner = Callable[[str], int | None]
"""Name of an input or output -> the variant whose steps it has rows of; None for all steps."""


def all_variants(name: str) -> int | None:
    """Every input and output has a row for every step, whatever its variant."""
    return None


@dataclass(frozen=True)
class ProgramText:
    """A library's source and what its memory looks like.

    Attributes:
        source: C++.
        buffers: state, inputs and outputs, in the order of the call's pointers.
        owners: of each the variant whose steps it has rows of; None for all, `NOBODY` for state.
        arena_bytes: scratch memory.
    """

    source: str
    buffers: Mapping[str, Buffer]
    owners: Mapping[str, int | None]
    arena_bytes: int


def write_program(
    variants: Sequence[Function],
    examples: Mapping[str, Tensor],
    state: frozenset[str],
    owner: RowOwner = all_variants,
) -> ProgramText:
    """Trace, lower and write functions that share state, inputs and outputs.

    Args:
        variants: the functions; each step says which to run.
        examples: inputs of one lane by name, the state's among them.
        state: names of the inputs that live between steps.
        owner: whose steps an input or output has rows of.

    Raises:
        UnsupportedOperationError: a function uses an operation that cannot be compiled.
    """
    shared: dict[str, Buffer] = {}
    for name, tensor in examples.items():
        kind: Place = "state" if name in state else "input"
        shared[name] = Buffer(name, tensor.dtype, tuple(tensor.shape), kind)
    bodies: list[str] = []
    arena_bytes = 0
    for number, function in enumerate(variants):
        lowering = _lowered(function, examples, shared, state, f"v{number}_")
        results = lowering.outputs
        statements = inline_comparisons(lowering.statements, results.values())
        statements = place(statements, results, shared)
        text, needed = _variant(number, fuse(statements), shared)
        bodies += text
        arena_bytes = max(arena_bytes, needed)
    owners = {name: NOBODY if b.place == "state" else owner(name) for name, b in shared.items()}
    moves = [
        [int(whose in (None, number)) for whose in owners.values()]
        for number in range(len(variants))
    ]
    source = "\n".join([*_included(), *bodies, *_entry(shared, moves)])
    return ProgramText(source, shared, owners, arena_bytes)


def _lowered(
    function: Function,
    examples: Mapping[str, Tensor],
    shared: dict[str, Buffer],
    state: frozenset[str],
    prefix: str,
) -> Lowering:
    """A function's statements; whatever it does that cannot be traced is an error of one kind."""
    try:
        return Lowering(trace(function, examples), shared, state, RULES, prefix)
    except CompileError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise UnsupportedOperationError(
            f"the step cannot be traced ({reason})", "use --backend eager"
        ) from error


def _variant(
    number: int, groups: list[Group], shared: Mapping[str, Buffer]
) -> tuple[list[str], int]:
    arena, arena_bytes = assign_arena(groups)
    pointers = {buffer: _pointer(n, buffer) for n, buffer in enumerate(shared.values())}
    memory = Memory(pointers, arena, needed_outside(groups), arena_bytes)
    statements = [statement for group in groups for statement in group]
    views = [view for s in statements for view in (s.out, *s.reads)]
    constants = {v.buffer: None for v in views if v.buffer.place == "constant"}
    text = [*emit_constants(list(constants))]
    calls: list[str] = []
    for part, group in enumerate(groups):
        if isinstance(group[0], Begin | End):
            calls.append(_turn(group[0]))
            continue
        times = _times(group)
        taken = "".join(f", int {time}" for time in times)
        text.append("__attribute__((noinline, noipa))")  # gcc 12 may drop calls it looks into
        text.append(f"static void part_{number}_{part}(char* const* at, char* arena{taken})")
        text += emit_group(group, memory)
        calls.append(f"part_{number}_{part}(at, arena{''.join(f', {time}' for time in times)});")
    text += [f"static void step_{number}(char* const* at, char* arena) {{", *calls, "}"]
    products = [product_scratch_bytes(s) for s in statements if isinstance(s, Product)]
    return text, arena_bytes + max(products, default=0)


def _turn(mark: Statement) -> str:
    """Where a loop of calls begins or ends."""
    if not isinstance(mark, Begin):
        return "}"
    time = f"time_{mark.loop}"
    return f"for (int {time} = 0; {time} < {mark.times}; ++{time}) {{"


def _times(group: Group) -> list[str]:
    """The numbers of times, of the loops that it lies in, that a group looks at."""
    views = [view for statement in group for view in (statement.out, *statement.reads)]
    return sorted({f"time_{move.loop}" for view in views for move in view.moves})


def _pointer(place: int, buffer: Buffer) -> str:
    return f"reinterpret_cast<{C_TYPES[buffer.dtype]}*>(at[{place}])"


def _entry(shared: Mapping[str, Buffer], moves: Sequence[Sequence[int]]) -> Iterator[str]:
    """The function that is called: for each lane, for each step, the step's variant.

    `base[b]` is where buffer b of lane 0 begins. A lane's state lies one after another, its inputs
    and outputs `rows[b]` rows behind each other.

    Args:
        moves: whether a step of each variant moves each buffer on by a row.
    """
    sizes = [buffer.size * buffer.dtype.itemsize for buffer in shared.values()]
    yield f"constexpr int num_buffers = {len(sizes)};"
    yield f"static const int64_t row_bytes[] = {{{', '.join(map(str, sizes))}}};"
    table = ", ".join(f"{{{', '.join(map(str, row))}}}" for row in moves)
    yield f"static const int64_t moves[][num_buffers] = {{{table}}};"
    yield "using Step = void (*)(char* const*, char*);"
    steps = ", ".join(f"step_{number}" for number in range(len(moves)))
    yield f"static const Step steps[] = {{{steps}}};"
    yield _CALLED


_CALLED = """
extern "C" int run(const int64_t* lanes, int64_t num_lanes, const uint8_t* variants,
                   int64_t num_steps, char* const* base, const int64_t* rows, char* arena) {
  fault = NONE;
  for (int64_t n = 0; n < num_lanes; ++n) {
    char* at[num_buffers];
    for (int b = 0; b < num_buffers; ++b)
      at[b] = base[b] + lanes[n] * row_bytes[b] * rows[b];
    for (int64_t t = 0; t < num_steps; ++t) {
      const int64_t* moved = moves[variants[t]];
      steps[variants[t]](at, arena);
      for (int b = 0; b < num_buffers; ++b) at[b] += moved[b] * row_bytes[b];
    }
  }
  return fault;
}
"""


@cache
def _included() -> tuple[str, ...]:
    folder = resources.files("nthrun.compiler") / "native"
    return tuple((folder / name).read_text() for name in HEADERS)
