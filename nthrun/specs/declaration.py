"""Declarations: what a spec may say of an agent or an environment, without importing its program.

The folder of an agent or an environment declares its fields (names, types, ranges, defaults), and
an agent's also what keeps it from acting in an environment. Reading, checking, describing and
planning use the declaration alone, so they need no torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from nthrun.specs.field import Field, Value
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout
from nthrun.specs.search.expression import Expression, parse_expression

Setting = Mapping[str, Any]
"""Hyperparameters of one setting: name -> value of the declared type."""

Actions = Literal["continuous", "discrete"]
ValuesOf = Callable[[str], tuple[Value, ...]]
Misfit = tuple[str, str, str]
"""A hyperparameter (or nothing), the problem, and what to do."""
Fits = Callable[[Interface, ValuesOf], Iterable[Misfit]]


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


@dataclass(frozen=True, slots=True)
class AtMost:
    """The rule `small <= large` between two hyperparameters of one setting."""

    small: str
    large: str

    def expression(self) -> Expression:
        """The rule as a constraint of a search."""
        return parse_expression(f"{self.small} <= {self.large}", {self.small: 0, self.large: 0})


@dataclass(frozen=True, slots=True)
class AgentDeclaration:
    """What a spec may say of an agent.

    Attributes:
        name: the `agent_name`.
        hyperparameters: its fields, in the order documentation lists them.
        rules: relations that every setting must satisfy.
        program: "package.module:Class" of the algorithm, imported when training starts.
        layout: what a lane is made of, from its static hyperparameters and the environment, or
            only what it costs; None for a user's own class, of which one is made and measured.
        fits: what keeps it from acting in an environment.
        solves: whether it learns from simulations of its own instead of acting step by step, its
            program being a `Solver`; see `nthrun.agents.base`.
        parent: the hyperparameter that names the experiment in which the runs are recorded that its
            own start from, beside those of `nthrun.agents.parents`; "" if there is none.
        parent_shares: the hyperparameters that such a run has to share, which then is one of the
            same agent; empty where it may be any agent's.
        doc: what it is, in a sentence or two.
        source: the paper.
    """

    name: str
    hyperparameters: tuple[Field, ...]
    program: str
    layout: Callable[[Setting, Interface], Layout | AgentFootprint] | None = None
    rules: tuple[AtMost, ...] = ()
    fits: Fits = fits_any
    solves: bool = False
    parent: str = ""
    parent_shares: tuple[str, ...] = ()
    doc: str = ""
    source: str = ""

    def static_names(self) -> tuple[str, ...]:
        """Names of the static hyperparameters."""
        return tuple(field.name for field in self.hyperparameters if field.static)


@dataclass(frozen=True, slots=True)
class EnvironmentDeclaration:
    """What a spec may say of an environment.

    Attributes:
        name: the `env_name`.
        interface: its shapes and bounds, or a function of the spec's values that gives them.
        program: "package.module:Class" of the environment, imported when training starts.
        viewer: the same of what draws a state, imported when rendering; "" if nothing does.
        fields: fields of its own beside those every environment has.
        continuous: the allowed values of the field `continuous`, the first its default.
        gamma: the default of the field `gamma`.
        on_host: whether it steps on the host, one lane after the other, instead of as tensors.
        label_fields: its fields whose values tell its experiments apart, in directory names too.
        oracle: "package.module:function" from a spec to the highest mean return that an evaluation
            can be expected to have; "" where none is known.
        presets: what its field `preset` may be, and the declaration of the same name that then
            takes its place, with other fields and defaults; empty where it has no such field.
        doc: what it is, in a sentence or two.
        source: the paper.
    """

    name: str
    interface: Interface | Callable[[Mapping[str, Value]], Interface]
    program: str
    viewer: str = ""
    fields: tuple[Field, ...] = ()
    continuous: tuple[bool, ...] = (True,)
    gamma: float = 0.99
    on_host: bool = False
    label_fields: tuple[str, ...] = ()
    oracle: str = ""
    presets: tuple[tuple[str, EnvironmentDeclaration], ...] = ()
    doc: str = ""
    source: str = ""

    def with_preset(self, preset: object) -> EnvironmentDeclaration:
        """The declaration that a value of the field `preset` chooses; this one if none."""
        chosen = next((declared for name, declared in self.presets if name == preset), self)
        return replace(chosen, presets=self.presets)

    def decided_by_preset(self) -> tuple[Field, ...]:
        """Its fields that another preset does not have, or not with the same default."""
        others = [set(declared.fields) for _, declared in self.presets]
        return tuple(f for f in self.fields if any(f not in other for other in others))

    @property
    def is_fixed(self) -> bool:
        """Whether the interface is the same for every spec."""
        return isinstance(self.interface, Interface)

    def interface_of(self, values: Mapping[str, Value]) -> Interface:
        """The interface of a spec with given values, dotted key -> value."""
        return self.interface if isinstance(self.interface, Interface) else self.interface(values)


def load_program(path: str) -> Any:
    """The class that "package.module:Class" names; imports its module."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
