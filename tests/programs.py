"""Random step functions as source text, for the compiler to agree with torch on.

A value is *exact* where torch and compiled code must agree bit for bit: integers, booleans, and
sums of small multiples of 1/4. Only exact values are compared, rounded or ranked, so that a
rounding error cannot turn into another answer.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import torch
from program_lines import BOOLS, FAMILIES, FLOATS, NUMBERS, SHIFTED
from torch import Tensor

Tensors = dict[str, Tensor]

SIZES = (1, 2, 3, 4, 5, 8, 16, 17, 33)
EXACT_STATES = ("e", "e2", "n", "t", "b")


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
        shifted = {name: self._shifted(name) for name in self._random.sample(self._state, 4)}
        entries = []
        for name in self._state:
            fitting = [other for other in self._values if self._fits(other, name)]
            chosen = shifted.get(name) or self._picked([name, *fitting])
            entries.append(f"'{name}': {chosen}")
        shown = [name for name, value in self._values.items() if value.shape[0] == 1]
        chosen = shown[-5:] + self._random.choices(shown, k=3)
        return entries + [f"'{prefix}{n}': {name}" for n, name in enumerate(chosen)]

    def _shifted(self, name: str) -> str | None:
        """A new value for a state, if one can be made of the first try."""
        exact = name in self._exact
        alike = [other for other in self._values if self._fits(other, name)]
        line = self._filled(self._random.choice(SHIFTED), name, self._picked([name, *alike]))
        target = f"v{len(self.lines)}"
        if not self._run(f"{target} = {line}", target):
            return None
        self._exact |= {target} if exact else set()
        return target if self._fits(target, name) else None

    def _fits(self, other: str, name: str) -> bool:
        """Whether a value can be the next one of a state."""
        value, found = self._values[other], self._values[name]
        return (
            (value.shape, value.dtype) == (found.shape, found.dtype)
            and (other in self._exact) >= (name in self._exact)
            and _largest(value) <= 9
        )

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
