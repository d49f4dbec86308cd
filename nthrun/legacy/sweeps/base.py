"""A sweep of another tool: what takes which values, how settings are found, what is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nthrun.specs.search.space import COUPLER

ARGUMENTS = "{args}"
"""Place of the hyperparameters in a command."""
SEEDS = ("seed", "random_seed", "seeds")
UNRESOLVED = ("${", "???")
"""Beginnings of texts that stand for something which the file itself does not say."""


@dataclass
class ForeignSweep:
    """A sweep of another tool.

    Attributes:
        tool: whose it is.
        part: of the file, which has several; "" where it is the whole.
        values: dotted name -> listed values, or a range as an agent spec has it; several names
            joined by `COUPLER` have lists of their values together. The first changes fastest.
        constants: dotted name -> value, of what a script knows by its own configuration.
        search: that of an agent spec; empty for the product of the lists.
        command: words that start a run, `ARGUMENTS` where hyperparameters go; empty where the file
            does not say.
        argument: of one hyperparameter, with {name} and {value}.
        arguments: name of a hyperparameter -> the script's own name for it; the same where absent.
        told: what is not carried over, and what is written otherwise, a line each.
    """

    tool: str
    part: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    search: dict[str, Any] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    argument: str = "--{name}={value}"
    arguments: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def lose(self, key: str, reason: str) -> None:
        """Say that a key is not carried over."""
        self.told.append(f"{key}: not carried over: {reason}")

    def take(self, name: str, values: Any, own: str = "") -> None:
        """Take the values of one hyperparameter.

        Args:
            name: of it, which may hold what joins names here.
            values: as in `values`.
            own: name that the script has for it; "" if that is `name`.
        """
        self.values[self.rename(name, own)] = values

    def rename(self, name: str, own: str = "") -> str:
        """A name for a hyperparameter that joins nothing and is free; a change is told."""
        plain = name.replace(COUPLER, ".")
        while plain in self.arguments:
            plain += "_"
        self.arguments[plain] = own or name
        if plain != name:
            self.told.append(f"{name}: as {plain}")
        return plain

    def names(self) -> list[str]:
        """What takes values, one by one."""
        return [name for key in self.values for name in key.split(COUPLER)]


def is_seed(name: str) -> bool:
    """Whether a key stands for the seed of a run."""
    return COUPLER not in name and name.rpartition(".")[2] in SEEDS


def leaves(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Everything in a nested mapping, keys joined by dots."""
    found: dict[str, Any] = {}
    for key, value in mapping.items():
        dotted = f"{prefix}{key}"
        found |= leaves(value, f"{dotted}.") if isinstance(value, dict) else {dotted: value}
    return found


def is_unresolved(value: object) -> bool:
    """Whether a value stands for something that the file itself does not say."""
    items = value if isinstance(value, list) else [value]
    return any(isinstance(item, str) and item.startswith(UNRESOLVED) for item in items)


def counted(low: float, high: float, step: float) -> list[Any]:
    """The numbers from `low` by steps, without `high`; integers of integers.

    Raises:
        ValueError: there are none, or too many.
    """
    try:
        if not step or not 0 < (high - low) / step <= MAX_VALUES:
            raise ValueError("a range of no values, or of too many")
        if all(isinstance(number, int) for number in (low, high, step)):
            return list(range(int(low), int(high), int(step)))
        numbers, place = [], 0
        while (high - low - place * step) / step > ROUNDING:
            numbers.append(float(f"{low + place * step:.12g}"))
            place += 1
    except OverflowError:
        raise ValueError("a range of numbers too large") from None
    return numbers


MAX_VALUES = 100_000
ROUNDING = 1e-9
"""Share of a step by which the last number may miss the end and be it all the same."""
