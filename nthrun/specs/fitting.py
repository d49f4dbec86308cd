"""Fitting: whether an agent can act in an environment, said before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from nthrun.specs.field import Value
from nthrun.specs.interface import Interface

Actions = Literal["continuous", "discrete"]
ValuesOf = Callable[[str], tuple[Value, ...]]
Misfit = tuple[str, str, str]
"""A hyperparameter (or nothing), the problem, and what to do."""
Fits = Callable[[Interface, ValuesOf], Iterator[Misfit]]


def fits_any(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """An agent that acts anywhere."""
    yield from ()


def fits_continuous(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """An agent of continuous actions."""
    yield from _fits("continuous", interface)


def fits_discrete(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """An agent of discrete actions."""
    yield from _fits("discrete", interface)


@dataclass(frozen=True, slots=True)
class FitsModel:
    """A solver that knows the equations of one model.

    Attributes:
        model: its name.
    """

    model: str

    def __call__(self, interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
        """An environment of any other."""
        if interface.model != self.model:
            other = f", not {interface.model}" if interface.model else ""
            hint = "choose another agent, or that environment"
            yield "", f"solves {self.model} only{other}", hint


@dataclass(frozen=True, slots=True)
class FitsPolicies:
    """An agent whose `policy_type` decides: each is for continuous or for discrete actions.

    Attributes:
        policies: policy type -> the actions it is for.
    """

    policies: Mapping[str, Actions]

    def __call__(self, interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
        """The policy types swept over that are for other actions."""
        actions = _actions(interface)
        allowed = [name for name, kind in self.policies.items() if kind == actions]
        if not allowed:
            yield from _fits(next(iter(self.policies.values())), interface)
            return
        for policy in values_of("policy_type"):
            if self.policies[str(policy)] != actions:
                problem = f"got {policy}, allowed with {actions} actions: {', '.join(allowed)}"
                yield "policy_type", problem, f'write "policy_type": ["{allowed[0]}"]'


def _actions(interface: Interface) -> Actions:
    return "discrete" if interface.discrete else "continuous"


def _fits(takes: Actions, interface: Interface) -> Iterator[Misfit]:
    if _actions(interface) != takes:
        has = _actions(interface)
        problem = f"takes {takes} actions, which the environment has not: its are {has}"
        hint = "choose another agent, or another value of the environment's `continuous`"
        yield "", problem, hint
