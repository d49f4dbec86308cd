"""Updates: how many follow a step, as an agent's class says it, and what each draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any

from nthrun.errors import ContractError

METHODS = ("num_updates_after", "learns_at")
"""What may say whether updates follow a step."""
LOOKED_AHEAD = 10_000
"""Steps among which one is looked for that updates follow, or each part of a cycle."""
HINT = "docs/extending.md has an example"


@dataclass(frozen=True, slots=True)
class Updates:
    """The updates of an agent.

    Attributes:
        after: step number (0-based) -> how many follow it.
        most: the most that follow a step. Where it is 1 an update shares the step's noise; where
            there may be more, each has noise of its own.
        num_draws: standard normal numbers of each, beside the step's own.
        gathers: whether `gather` is called before the first of those after a step.
        permuted: whether they go through the replay epoch by epoch.
    """

    after: Callable[[int], int]
    most: int = 1
    num_draws: int = 0
    gathers: bool = False
    permuted: bool = False

    @property
    def are_apart(self) -> bool:
        """Whether updates are calls of their own, with noise and a number each."""
        return self.most > 1 or self.gathers or self.permuted

    def first(self) -> int:
        """The first step that updates follow, if it is among the first `LOOKED_AHEAD`; else so
        many."""
        return next((step for step in range(LOOKED_AHEAD) if self.after(step)), LOOKED_AHEAD)


def updates_of(agent: Any) -> Updates:
    """What an agent says of its updates.

    Of `num_updates_after` and `learns_at` the one counts that the class nearest to the agent has: a
    class of before, which has the second alone, may be derived from one that has the first.

    Raises:
        ContractError: it says something that is no number of updates or draws.
    """
    most = whole_number(agent, "max_updates", getattr(agent, "max_updates", 1), 1)
    num_draws = whole_number(agent, "num_update_draws", getattr(agent, "num_update_draws", 0), 0)
    gathers = callable(getattr(agent, "gather", None))
    permuted = bool(getattr(agent, "permuted", False))
    owners = (agent, *type(agent).__mro__)
    names = (name for owner in owners for name in METHODS if name in getattr(owner, "__dict__", ()))
    if next(names, METHODS[0]) != METHODS[0]:
        learns = partial(_learns, agent)
        return Updates(learns, most, num_draws, gathers, permuted)

    def after(step: int) -> int:
        said = agent.num_updates_after(step)
        if type(said) is int and 0 <= said <= most:
            return said
        return whole_number(agent, f"num_updates_after({step})", said, 0, most)

    return Updates(after, most, num_draws, gathers, permuted)


def _learns(agent: Any, step: int) -> int:
    return int(bool(agent.learns_at(step)))


def whole_number(agent: Any, what: str, said: object, least: int, most: int | None = None) -> int:
    """A whole number that an agent says, within bounds."""
    if isinstance(said, Integral):
        number = int(said)
        if least <= number and (most is None or number <= most):
            return number
    allowed = f"an int from {least}" + ("" if most is None else f" to {most}, its max_updates")
    raise ContractError(f"{type(agent).__name__}: {what} is {said!r}, allowed: {allowed}", HINT)
