"""Random step functions as source text, for the compiler to agree with torch on.

A value is *exact* where torch and compiled code must agree bit for bit: integers, booleans, and
sums of small multiples of 1/4. Only exact values are compared, rounded or ranked, so that a
rounding error cannot turn into another answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from torch import Tensor

Tensors = dict[str, Tensor]

SIZES = (1, 2, 3, 4, 5, 8, 16, 17, 33)
EXACT_STATES = ("e", "e2", "n", "t", "b")
FLOATS, NUMBERS, BOOLS = "f", "n", "b"


@dataclass(frozen=True)
class Family:
    """Lines of one kind.

    Attributes:
        kinds: of the operands: f floats, n integers, b booleans.
        discrete: whether operands must be exact.
        exact: whether exact operands give an exact result.
        templates: expressions, or statements that change {0} in place.
    """

    kinds: str
    discrete: bool
    exact: bool
    templates: Sequence[str]
    in_place: bool = False


SMOOTH = (
    *("{0}.tanh()", "{0}.sigmoid()", "{0}.sin()", "(-{0}.abs()).exp()", "{0}.abs().log1p()"),
    *("({0}.abs() + 1).sqrt()", "{0}.softmax({axis})", "{0}.logsumexp({axis})", "{0}.square()"),
    *("{0}.mean({axis}, keepdim=True)", "{0}.log_softmax({axis})", "{0}.tanh().cumprod({axis})"),
    *("{0}.prod({axis})", "{0} * {1}", "{0} / ({1}.abs() + 1)", "torch.add({0}, {1}, alpha=0.3)"),
    *("torch.lerp({0}, {1}, 0.3)", "torch.atan2({0}, {1}.abs() + 1)", "torch.bmm({0}, {1})"),
    *("torch.bmm({0}, {1}.transpose(1, 2))", "torch.bmm({0}.transpose(1, 2), {1})"),
    *("torch.addcmul({0}, {1}, {1}, value=-0.5)", "{0} * {1}.mean()", "{0} - {1}.amax({axes})"),
    *("{0} * 0.3", "{0}.abs() ** 1.5", "1 / ({0}.abs() + 0.5)"),
)
PIECEWISE = (
    *("-{0}", "{0}.abs()", "{0}.relu()", "{0}.clamp(-1, 0.5)", "{0}.sum({axes})", "{0} + {1}"),
    *("{0} - {1}", "torch.maximum({0}, {1})", "torch.minimum({0}, {1})", "{0}.cumsum({axis})"),
    *("{0}.amax({axes})", "{0}.amin({axes}, keepdim=True)", "{0}.max({axis}).values"),
    *("torch.sub({0}, {1}, alpha=2)", "{0}.sort({axis}, descending=True).values", "{0}.double()"),
    *("{0}.topk(1, {axis}).values", "{0}.sort(dim={axis}, stable=True).values", "{0}.float()"),
    *("{0} + {1}.sum()", "{0}.clamp(max={1})", "{0}.min({axis}, keepdim=True).values"),
    *("{0} + {1}.transpose(-1, -2)", "{0} - {1}.roll(1, {axis})", "torch.where({cond}, {0}, {1})"),
    *("{0}[:, 1:] - {1}[:, :-1]", "{0} + {1}.transpose(-1, -2)", "torch.where({cond}, {0}, -{1})"),
)
STEPPED = (
    *("{0}.floor()", "{0}.sign()", "{0}.round()", "{0}.trunc()", "{0} // 0.5", "{0} % 0.75"),
    *("torch.fmod({0}, 0.5)", "torch.div({0}, 0.5, rounding_mode='trunc')", "{0}.ceil()"),
)
RANKS = (
    *("{0}.argmax({axis})", "{0}.argmin({axis}, keepdim=True)", "{0}.max({axis}).indices"),
    *("{0}.argsort({axis}, stable=True)", "{0}.long()", "{0}.sort({axis}, stable=True).indices"),
    *("{0}.argsort({axis}, descending=True, stable=True)", "{0}.int()", "{0}.min({axis})[1]"),
)
WHOLE = (
    *("{0} + {1}", "{0} * 3 - {1}", "{0} % 5", "{0} // 3", "{0} // ({1}.abs() + 1)", "~{0}"),
    *("{0} % ({1}.abs() + 2)", "{0}.clamp(-3, 4)", "{0}.sum({axes})", "{0}.amax({axes})"),
    *("{0} & 6", "{0}.cumsum({axis})", "torch.maximum({0}, {1})", "{0}.int()", "{0}.float() / 4"),
    *("torch.fmod({0}, 3)", "{0} ** 2", "torch.div({0}, 2, rounding_mode='trunc')", "{0} ^ {1}"),
)
COMPARED = (
    *("{0} > {1}", "{0} <= {1}", "{0} == 0", "{0} != {1}", "{0} < 0.3", "{0} >= -1"),
    *("torch.logical_and({0}, {1})", "torch.logical_not({0})", "{0}.bool()"),
)
LOGICAL = (
    *("{0} & {1}", "{0} | {1}", "{0} ^ {1}", "~{0}", "{0}.any({axis})", "{0}.all({axis})"),
    *("{0} == {1}", "{0}.sum({axes})", "{0}.float()", "{0}.cumsum({axis})", "{0}.long() * 2"),
)
MOVED = (
    *("{0}.transpose({axis}, {axis2})", "{0}.flatten(1)", "{0}.unsqueeze({axis2})", "{0}[:, :{k}]"),
    *("{0}[:, {k}:]", "{0}[..., ::2]", "{0}.select({axis}, -1)", "{0}.split(1, {axis})[0]"),
    *("{0}.reshape(1, -1)", "{0}.reshape(1, 2, -1)", "{0}.squeeze()", "{0}[:, 0]", "{0}[:, None]"),
    *("{0}.unsqueeze(1).expand(-1, 3, *{0}.shape[1:])", "{0}[..., -1:]", "{0}.diagonal(0, -2, -1)"),
    *(
        "{0}.unbind({axis})[-1]",
        "{0}.narrow({axis}, 0, {k})",
        "{0}.clone()",
        "{0}.permute(0, 2, 1)",
    ),
    *("torch.cat(({0}, {1}), {axis})", "torch.stack(({0}, {1}), {axis})", "{0}.roll(1, {axis})"),
    *("torch.cat(({0} + 1, {1}, {0}), {axis})", "torch.cat(({0}.flatten(1), {1}.flatten(1)), 1)"),
    *("torch.where({cond}, {0}, {1})", "{0}.masked_fill({cond}, 1)", "{0}.gather({axis}, {index})"),
    *("{0}.index_select({axis}, {index}.flatten())", "{0}[:, {at}]", "{cond} * {0}"),
    *("{0}.scatter_add({axis}, {index}, {1})", "{0}.index_copy(1, {at}, {1})", "{0}.contiguous()"),
    *("{0}.scatter({axis}, {order}, {1})", "{0}.take_along_dim({order}, {axis})", "{0}.tril()"),
)
WRITTEN = (
    *("{0}.add_({1})", "{0}.copy_({1})", "{0}[:, {k}] = {1}", "{0}[:, :{k}] -= {1}", "{0}.zero_()"),
    *("{0}[..., ::2] = {1}", "{0}[:] = {1}", "{0}.clamp_(-1, 2)", "{0}.index_copy_(1, {at}, {1})"),
    *("{0}.masked_fill_({cond}, 1)", "{0}[:, {at}] = {1}", "{0}.index_add_(1, {at}, {1})"),
    *("{0}.copy_(torch.where({cond}, {0}, {1}))", "{0}.copy_({0}.roll(1, {axis}))"),
    *("{0}.add_(1)", "{0}.neg_()", "{0}[:, {k}:] += 1", "{0}.scatter_({axis}, {order}, {1})"),
)
BLENDED = (
    "{0}.lerp_({1}, 0.25)",
    "{0}.mul_(0.7)",
    "{0}.mul_({1})",
    "{0}.tanh_()",
    "{0}[:, {k}] *= {1}",
)

SHIFTED = (
    *("{0}.roll(1, {axis}) + {1}", "{0}.transpose(-1, -2) - {1}", "{0}.cumsum({axis})", "-{0}"),
    *("{1}.transpose(-1, -2) + 0", "{0}.sort({axis}).values", "torch.where({cond}, {0}, {1})"),
    *("{1} * 1", "{0} + {1}.sum()", "{0}.gather({axis}, {order})", "{0}[:, [-1]] - {0}"),
)
"""Next values of a state {0}, which read it at another place than they are written to."""

FAMILIES = (
    Family(FLOATS, False, False, SMOOTH),
    Family(FLOATS, False, True, PIECEWISE),
    Family(FLOATS, True, True, STEPPED),
    Family(FLOATS + NUMBERS, True, True, RANKS),
    Family(NUMBERS, True, True, WHOLE),
    Family(FLOATS + NUMBERS, True, True, COMPARED),
    Family(BOOLS, True, True, LOGICAL),
    Family(FLOATS + NUMBERS + BOOLS, False, True, MOVED),
    Family(FLOATS + NUMBERS + BOOLS, False, True, MOVED),
    Family(FLOATS + NUMBERS, False, True, WRITTEN, in_place=True),
    Family(FLOATS + NUMBERS, False, True, WRITTEN, in_place=True),
    Family(FLOATS, False, False, BLENDED, in_place=True),
)


class Scribe:
    """Writes a step function line by line, running each line on an example.

    Args:
        random: where every choice comes from.
        state: of one lane.
        inputs: of one lane and step.
    """

    def __init__(self, random: Random, state: Tensors, inputs: Tensors) -> None:
        self.lines = [f"{name} = given['{name}']" for name in (*state, *inputs)]
        self._random = random
        self._values = {name: value.clone() for name, value in (state | inputs).items()}
        self._exact = {"xe", "i", *EXACT_STATES}
        self._state = tuple(state)
        self._fixed = {_storage(self._values[name]) for name in inputs}

    def propose(self) -> None:
        """Add a line, if torch takes it and its numbers stay small."""
        family = self._random.choice(FAMILIES)
        names = self._names(family.kinds, family.discrete)
        first = self._picked(names)
        alike = [n for n in names if self._values[n].shape == self._values[first].shape]
        other = self._picked(alike if self._random.random() < 0.7 else names)
        exact = family.exact and {first, other} <= self._exact
        if family.in_place and not (self._may_write(first) and exact >= (first in self._exact)):
            return
        shown = f"{other}.clone()" if family.in_place else other
        line = self._filled(self._random.choice(family.templates), first, shown)
        target = first if family.in_place else f"v{len(self.lines)}"
        if self._run(line if family.in_place else f"{target} = {line}", target) and exact:
            self._exact.add(target)

    def results(self, prefix: str) -> list[str]:
        """Entries of the returned mapping: each state's next value, and a few outputs."""
        for name in self._random.sample(("f", "f2", "g", "d", "e", "e2", "n"), 3):
            self._propose_next(name)
        entries = []
        for name in self._state:
            found = self._values[name]
            fitting = [
                other
                for other, value in self._values.items()
                if (value.shape, value.dtype) == (found.shape, found.dtype)
                and (other in self._exact) >= (name in self._exact)
                and _largest(value) <= 9
            ]
            entries.append(f"'{name}': {self._picked([name, *fitting])}")
        shown = [name for name, value in self._values.items() if value.shape[0] == 1]
        chosen = shown[-5:] + self._random.choices(shown, k=3)
        return entries + [f"'{prefix}{n}': {name}" for n, name in enumerate(chosen)]

    def _propose_next(self, name: str) -> None:
        exact = name in self._exact
        other = self._picked(self._names(_kind(self._values[name]), exact))
        line = self._filled(self._random.choice(SHIFTED), name, other)
        target = f"v{len(self.lines)}"
        if self._run(f"{target} = {line}", target) and exact:
            self._exact.add(target)

    def _names(self, kinds: str, exact: bool) -> list[str]:
        return [
            name
            for name, value in self._values.items()
            if _kind(value) in kinds and (name in self._exact or not exact)
        ]

    def _picked(self, names: list[str]) -> str:
        """One of them, often a late one."""
        return self._random.choice(names[-4:] if self._random.random() < 0.4 else names)

    def _may_write(self, name: str) -> bool:
        value = self._values[name]
        repeats = any(s == 0 and n > 1 for s, n in zip(value.stride(), value.shape, strict=True))
        return _storage(value) not in self._fixed and not repeats

    def _filled(self, template: str, first: str, other: str) -> str:
        value = self._values[first]
        axis, axis2 = (self._random.randrange(-1, value.ndim) for _ in range(2))
        index, cond = (self._picked(self._names(kind, True)) for kind in NUMBERS + BOOLS)
        size, rows = max(1, value.shape[axis]), max(1, value.shape[min(1, value.ndim - 1)])
        return template.format(
            *(first, other),
            axis=axis,
            axis2=axis2,
            axes=self._random.choice((str(axis), "1", "(0, 1)", "(-1, 1)", "()")),
            k=self._random.randrange(4),
            index=f"{index}.long().remainder({size})",
            at=f"{index}.long().flatten()[:1].remainder({rows})",
            order=f"{first}.new_zeros({first}.shape).argsort({axis}, stable=True)",
            cond=f"{cond}.clone()",
        )

    def _run(self, line: str, target: str) -> bool:
        names: dict[str, Any] = {"torch": torch, **self._values}
        try:
            exec(line, names)
        except (RuntimeError, IndexError, TypeError, ValueError):
            return False
        value = names[target]
        is_new = target not in self._values
        if is_new and not (value.numel() <= 700 and 1 <= value.ndim <= 4 and _largest(value) <= 40):
            return False
        self._values[target] = value
        self.lines.append(line)
        if not is_new and _largest(value) > 6:
            self._run(f"{target}.clamp_(-6, 6)", target)
        return True


def step_source(random: Random, prefix: str, state: Tensors, inputs: Tensors) -> str:
    """The text of a random step function, whose outputs' names begin with a prefix."""
    scribe = Scribe(random, state, inputs)
    wanted = len(scribe.lines) + random.randint(5, 25)
    for _ in range(100):
        if len(scribe.lines) < wanted:
            scribe.propose()
    results = ",\n        ".join(scribe.results(prefix))
    body = "\n    ".join(scribe.lines)
    return f"def step(given):\n    {body}\n    return {{\n        {results}\n    }}\n"


def function_of(source: str) -> Callable[[Tensors], Tensors]:
    """The step function a text defines."""
    names: dict[str, Any] = {"torch": torch}
    exec(source, names)
    step: Callable[[Tensors], Tensors] = names["step"]
    return step


def state_of(lanes: int, rows: int, columns: int, seed: int) -> Tensors:
    """A state of every type; `e`, `e2` and what is not a float are exact."""
    draw = torch.Generator().manual_seed(seed)
    full, row = (lanes, rows, columns), (lanes, columns)
    return {
        "f": torch.randn(full, generator=draw),
        "f2": torch.randn(full, generator=draw),
        "g": torch.randn(row, generator=draw),
        "d": torch.randn(full, generator=draw, dtype=torch.float64),
        "e": torch.randint(-8, 9, full, generator=draw) / 4,
        "e2": torch.randint(-8, 9, row, generator=draw) / 4,
        "n": torch.randint(-9, 10, full, generator=draw),
        "t": torch.randint(0, 3, (lanes, 1), generator=draw),
        "b": torch.randint(0, 2, full, generator=draw) > 0,
    }


def inputs_of(lanes: int, num_steps: int, rows: int, columns: int, seed: int) -> Tensors:
    """Inputs of some steps: floats, exact floats and integers."""
    draw = torch.Generator().manual_seed(seed)
    full = (lanes, num_steps, rows, columns)
    return {
        "x": torch.randn(full, generator=draw),
        "xe": torch.randint(-8, 9, full, generator=draw) / 4,
        "i": torch.randint(0, 9, full, generator=draw),
    }


def _kind(value: Tensor) -> str:
    if value.dtype == torch.bool:
        return BOOLS
    return FLOATS if value.is_floating_point() else NUMBERS


def _storage(value: Tensor) -> int:
    return value.untyped_storage().data_ptr()


def _largest(value: Tensor) -> float:
    return float(value.double().abs().max()) if value.numel() else 0.0
