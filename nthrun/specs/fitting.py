"""Fitting: whether an agent can act in an environment, said before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
    if interface.discrete:
        yield _misfit("continuous", interface)


def fits_discrete(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """An agent of discrete actions."""
    if not interface.discrete:
        yield _misfit("discrete", interface)


def fits_policies(policies: Mapping[str, Actions]) -> Fits:
    """An agent whose `policy_type` decides: each is for continuous or for discrete actions."""

    def fits(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
        actions = _actions(interface)
        allowed = [name for name, kind in policies.items() if kind == actions]
        for policy in values_of("policy_type"):
            if policies[str(policy)] != actions:
                problem = f"got {policy}, allowed with {actions} actions: {', '.join(allowed)}"
                yield "policy_type", problem, f'write "policy_type": ["{allowed[0]}"]'

    return fits


def _actions(interface: Interface) -> Actions:
    return "discrete" if interface.discrete else "continuous"


def _misfit(takes: Actions, interface: Interface) -> Misfit:
    problem = f"takes {takes} actions, which the environment has not: its are {_actions(interface)}"
    return "", problem, "choose another agent, or another value of the environment's `continuous`"
