"""Declarations: what a spec may say of an agent or an environment, without importing its program.

The folder of an agent or an environment declares its fields (names, types, ranges, defaults), and
an agent's also what keeps it from acting in an environment. Reading, checking, describing and
planning use the declaration alone, so they need no torch.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from nthrun.specs.field import Field, Value
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout
from nthrun.specs.search.expression import Expression, parse_expression

Setting = Mapping[str, Any]
"""Hyperparameters of one setting: name -> value of the declared type."""
NUM_WORLDS = "num_worlds"
"""The static hyperparameter of an agent that may act in several worlds at once."""
MOST_WORLDS = 4096
"""Worlds of a run at most."""

Actions = Literal["continuous", "discrete"]
ValuesOf = Callable[[str], tuple[Value, ...]]
Misfit = tuple[str, str, str]
"""A hyperparameter (or nothing), the problem, and what to do."""
Fits = Callable[[Interface, ValuesOf], Iterable[Misfit]]
MAX_ACTIONS = 4096
"""Most actions that components make together where each action has one number."""
MOST_DIGITS = 15
"""Digits of a number of actions that is written out."""


def fits_any(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """An agent that acts anywhere: in a game for everybody, and by whole numbers of any count."""
    yield from ()


def fits_single(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """An agent that acts for one, and not in games; by whole numbers of any count."""
    if interface.roles:
        names = ", ".join(role.name for role in interface.roles)
        problem = f"acts for one, and the environment is a game of {names}"
        yield "", problem, "choose an agent of games, or another environment"


def fits_numbered(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """An agent that acts for one, by bounded numbers or by the number of a discrete action."""
    yield from fits_single(interface, values_of)
    if interface.heads and not interface.num_actions:
        count, size = len(interface.heads), counted(interface.heads)
        problem = f"takes actions by number, and those of {count} components are {size} in all"
        problem += f", allowed: 1 to {MAX_ACTIONS:,}"
        yield "", problem, "choose an agent that takes heads, or random"


def fits_continuous(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """An agent of continuous actions."""
    yield from _fits("continuous", interface, values_of)


def fits_discrete(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """An agent of discrete actions, each of which is its number."""
    yield from _fits("discrete", interface, values_of)


@dataclass(frozen=True, slots=True)
class FitsRoles:
    """An agent that plays every role of a game.

    Attributes:
        roles: that the game must have; () for any.
    """

    roles: tuple[str, ...] = ()

    def __call__(self, interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
        """An environment that is no game, or one of other roles."""
        names = [role.name for role in interface.roles]
        if not names:
            problem = "plays games of several roles, and the environment has none"
            yield "", problem, "choose another agent, or a game such as MatrixGame"
        elif missing := [role for role in self.roles if role not in names]:
            problem = f"plays {', '.join(self.roles)}, and {', '.join(missing)} is missing from "
            yield "", f"{problem}the roles: {', '.join(names)}", "choose another agent or game"


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
        by_heads: whether discrete actions may be several whole numbers.
    """

    policies: Mapping[str, Actions]
    by_heads: bool = False

    def __call__(self, interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
        """The policy types swept over that are for other actions."""
        fits = fits_single if self.by_heads else fits_numbered
        if unfit := list(fits(interface, values_of)):
            yield from unfit
            return
        actions = _actions(interface)
        allowed = [name for name, kind in self.policies.items() if kind == actions]
        if not allowed:
            yield from _fits(next(iter(self.policies.values())), interface, values_of)
            return
        for policy in values_of("policy_type"):
            if self.policies[str(policy)] != actions:
                problem = f"got {policy}, allowed with {actions} actions: {', '.join(allowed)}"
                yield "policy_type", problem, f'write "policy_type": ["{allowed[0]}"]'


def _actions(interface: Interface) -> Actions:
    return "discrete" if interface.discrete else "continuous"


def _fits(takes: Actions, interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    if unfit := list(fits_numbered(interface, values_of)):
        yield from unfit
    elif _actions(interface) != takes:
        has = _actions(interface)
        problem = f"takes {takes} actions, which the environment has not: its are {has}"
        hint = "choose another agent, or another value of the environment's `continuous`"
        yield "", problem, hint


def counted(heads: Sequence[int]) -> str:
    """How many actions components make together, in digits or, where those are many, about."""
    digits = sum(map(math.log10, heads))
    return f"{math.prod(heads):,}" if digits < MOST_DIGITS else f"about 10^{digits:.0f}"


@dataclass(frozen=True, slots=True)
class AtMost:
    """The rule `small <= large` between two hyperparameters of one setting."""

    small: str
    large: str

    @property
    def names(self) -> tuple[str, ...]:
        """The hyperparameters it relates."""
        return self.small, self.large

    def allows(self, small: Any, large: Any) -> bool:
        """Whether values of `names` keep it."""
        return bool(small <= large)

    def expression(self) -> Expression:
        """The rule as a constraint of a search."""
        return _constraint(f"{self.small} <= {self.large}", self.names)


@dataclass(frozen=True, slots=True)
class Divides:
    """The rule that one hyperparameter divides another, or the product of several, of one setting.

    Attributes:
        divisor: at least 1.
        factors: of what it divides.
    """

    divisor: str
    factors: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The hyperparameters it relates."""
        return self.divisor, *self.factors

    def allows(self, divisor: int, *factors: int) -> bool:
        """Whether values of `names` keep it."""
        return math.prod(factors) % divisor == 0

    def expression(self) -> Expression:
        """The rule as a constraint of a search."""
        return _constraint(f"{' * '.join(self.factors)} % {self.divisor} == 0", self.names)


Rule = AtMost | Divides
"""A relation between hyperparameters that every setting must satisfy."""


def _constraint(text: str, names: tuple[str, ...]) -> Expression:
    return parse_expression(text, dict.fromkeys(names, 0))


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
        takes_heads: whether it chooses every component of a discrete action of several by itself,
            so that its interface is `Interface.by_heads`; else an action is one number wherever
            there is one for it.
        solves: whether it learns from simulations of its own instead of acting step by step, its
            program being a `Solver`; see `nthrun.agents.base`.
        rollout: the hyperparameters whose product is the steps that it takes before it learns;
            empty for an agent that learns from single steps.
        parent: the hyperparameter that names the experiment in which the runs are recorded that its
            own start from, beside those of `nthrun.agents.parents`; "" if there is none.
        parent_shares: the hyperparameters that such a run has to share, which then is one of the
            same agent; empty where it may be any agent's.
        parent_not: the agents of which it may not be.
        kind: "agent", or what kind of program it is; see `nthrun.specs.program_spec`.
        declared: whether it declares its hyperparameters, so that their ranges are checked.
        doc: what it is, in a sentence or two.
        source: the paper.
        notes: how it differs from the paper or from other programs, a sentence or more each, of
            which the docs make a list.
    """

    name: str
    hyperparameters: tuple[Field, ...]
    program: str
    layout: Callable[[Setting, Interface], Layout | AgentFootprint] | None = None
    rules: tuple[Rule, ...] = ()
    fits: Fits = fits_any
    takes_heads: bool = False
    solves: bool = False
    rollout: tuple[str, ...] = ()
    parent: str = ""
    parent_shares: tuple[str, ...] = ()
    parent_not: tuple[str, ...] = ()
    kind: str = "agent"
    declared: bool = True
    doc: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_program(self) -> bool:
        """Whether a run of it is a process of its own, and not a lane."""
        return self.kind != "agent"

    def static_names(self) -> tuple[str, ...]:
        """Names of the static hyperparameters."""
        return tuple(field.name for field in self.hyperparameters if field.static)

    def num_worlds(self, setting: Setting) -> int:
        """Worlds that a run of a setting acts in; 1 where the agent declares no `num_worlds`.

        A solver acts in none of them, whatever it calls its hyperparameters.
        """
        return 1 if self.solves else num_worlds(setting)


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


def num_worlds(setting: Setting) -> int:
    """Worlds that a run of an agent that acts step by step has, by its setting or statics."""
    return int(setting.get(NUM_WORLDS, 1))


def load_program(path: str) -> Any:
    """The class that "package.module:Class" names; imports its module."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
