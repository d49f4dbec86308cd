"""The `search` of an agent spec: how its settings are found; nothing said is the grid.

Faults that show only beside the hyperparameters' values are those of `search_faults`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nthrun.errors import Fault
from nthrun.specs.documents import Document
from nthrun.specs.field import Field, RejectedError, Value, plain, shown, unknown_keys
from nthrun.specs.search.expression import Expression, parse_expression
from nthrun.specs.search.space import Range, Values, names_of
from nthrun.specs.search.sweeps import MAX_CAPACITY
from nthrun.specs.spec_text import YAML_SUFFIXES

GRID, SETTINGS, BAYES = "grid", "settings", "bayes"
DRAWN = ("random", "sobol", "halton")
METHODS = (GRID, *DRAWN, SETTINGS, BAYES)
GOALS = ("maximize", "minimize")
RETURNS = ("return", "episodes", "evaluation", "final_evaluation")
KNOWN_GOALS = {
    **dict.fromkeys(RETURNS, GOALS[0]),
    **dict.fromkeys(("oracle_gap", "train_time", "eval_time", "peak_memory"), GOALS[1]),
}
"""Metrics of which it is known which way they are better."""
NO_PRUNER = "none"
PRUNERS = (NO_PRUNER, "median", "successive_halving")

FIELDS = (
    Field("method", "str", GRID, "how settings are found", choices=METHODS),
    Field(
        "capacity",
        "int",
        None,
        "settings there may ever be; how many are run is said on the command line",
        minimum=1,
        maximum=MAX_CAPACITY,
    ),
    Field("seed", "int", 0, "of the draws", minimum=0, maximum=2**63 - 1),
    Field("metric", "str", "return", "what settings are compared by"),
    Field("goal", "str", None, "which way the metric is better", choices=GOALS),
    Field("sampler", "str", "tpe", "what suggests settings", choices=("tpe", "cmaes", "gp")),
    Field("pruner", "str", NO_PRUNER, "what ends runs early that will hardly win", choices=PRUNERS),
    Field(
        "pruner_startup_runs",
        "int",
        5,
        "other runs that must have come as far before one is ended",
        minimum=0,
        maximum=10**6,
    ),
    Field(
        "pruner_warmup_timesteps",
        "int",
        0,
        "training steps before which no run is ended; steps of the first rung",
        minimum=0,
        maximum=10**12,
    ),
    Field(
        "pruner_warmup_evaluations",
        "int",
        0,
        "the same in evaluations; the later of both counts",
        minimum=0,
        maximum=10**9,
    ),
    Field(
        "pruner_reduction",
        "int",
        3,
        "of successive halving: the factor between rungs, one in so many goes on",
        minimum=2,
        maximum=1000,
    ),
)
PRUNING = ("pruner", "pruner_startup_runs", "pruner_warmup_timesteps", "pruner_reduction")
SCORING = ("metric", "goal", *PRUNING, "pruner_warmup_evaluations")
CONSTRAINTS, CONDITIONS, LISTED = "constraints", "conditions", "settings"
KEYS_OF = {
    GRID: (*SCORING, CONSTRAINTS, CONDITIONS),
    **dict.fromkeys(DRAWN, ("capacity", "seed", *SCORING, CONSTRAINTS, CONDITIONS)),
    SETTINGS: (*SCORING, LISTED),
    BAYES: ("capacity", "seed", *SCORING, "sampler", CONSTRAINTS, CONDITIONS),
}
"""Which keys each method takes beside its own name."""


_DEFAULTS = {one.name: one.default for one in FIELDS}


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """How the settings of an agent spec are found.

    Attributes:
        values: the fields of `FIELDS` that the spec names, and those that settings depend on.
        constraints: what must hold of every setting.
        conditions: hyperparameter -> when it counts.
        settings: the listed ones, name -> value, as far as they were checked.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    constraints: tuple[Expression, ...] = ()
    conditions: Mapping[str, Expression] = field(default_factory=dict)
    settings: tuple[Mapping[str, Value], ...] = ()

    def text(self, name: str) -> str:
        """A field that is a word."""
        return str(self.values.get(name, _DEFAULTS[name]))

    def integer(self, name: str) -> int:
        """A field that is a whole number."""
        value = self.values.get(name, _DEFAULTS[name])
        assert isinstance(value, int)
        return value

    @property
    def method(self) -> str:
        """How settings are found, one of `METHODS`."""
        return self.text("method")

    @property
    def goal(self) -> str:
        """Which way the metric is better, one of `GOALS`."""
        return str(self.values.get("goal") or KNOWN_GOALS[self.text("metric")])

    @property
    def draws(self) -> bool:
        """Whether settings are drawn or suggested, from ranges too."""
        return self.method in (*DRAWN, BAYES)

    @property
    def is_plain(self) -> bool:
        """Whether the settings are the whole product of the lists."""
        return self.method == GRID and not (self.constraints or self.conditions)

    def as_document(self) -> dict[str, Any]:
        """The search as plain data; empty for a plain grid."""
        document: dict[str, Any] = {name: plain(value) for name, value in self.values.items()}
        if self.constraints:
            document[CONSTRAINTS] = [constraint.text for constraint in self.constraints]
        if self.conditions:
            document[CONDITIONS] = {name: when.text for name, when in self.conditions.items()}
        if self.settings:
            document[LISTED] = [
                {name: plain(value) for name, value in setting.items()} for setting in self.settings
            ]
        return {} if document == {"method": GRID} else document


def read_search(document: Document, fields: Mapping[str, Field]) -> tuple[SearchSpec, list[Fault]]:
    """The `search` of a document, with every fault of it.

    Args:
        document: an agent spec.
        fields: the hyperparameters of its agent.
    """
    raw = document.values.get("search", {})
    if not isinstance(raw, dict):
        problem = f'got {shown(raw)}, allowed: a mapping, such as {{"method": "random", …}}'
        return SearchSpec(), [Fault(document.origin("search"), "search", problem)]
    reader = _Reader(document, fields, raw)
    search = SearchSpec(
        reader.values(), tuple(reader.constraints()), dict(reader.conditions()), reader.settings()
    )
    reader.require_keys(search.method)
    return search, reader.faults


class _Reader:
    """Reads the parts of a `search` and collects their faults."""

    def __init__(
        self, document: Document, fields: Mapping[str, Field], raw: Mapping[str, Any]
    ) -> None:
        self.document = document
        self.fields = fields
        self.raw = raw
        self.faults: list[Fault] = []

    def fault(self, key: str, problem: str, hint: str = "") -> None:
        dotted = f"search.{key}"
        self.faults.append(Fault(self.document.origin(dotted), dotted, problem, hint))

    def values(self) -> dict[str, Value]:
        """The plain fields."""
        given: dict[str, Value] = {}
        for declared in FIELDS:
            if declared.name in self.raw:
                value = self._normalised(declared.name, declared, self.raw[declared.name])
                given |= {} if value is None else {declared.name: value}
        method = str(given.get("method", GRID))
        taken = ("method", *KEYS_OF[method])
        prunes = given.get("pruner", NO_PRUNER) != NO_PRUNER
        given = {n: v for n, v in given.items() if prunes or not n.startswith("pruner")}
        goes_by = ("metric",) if prunes or method == BAYES else ()
        meant = ("method", "seed", *goes_by, *(("sampler",) if method == BAYES else ()))
        meant += PRUNING if prunes else ()
        defaults = {n: v for n in meant if n in taken and (v := _DEFAULTS[n]) is not None}
        return defaults | given

    def constraints(self) -> Iterator[Expression]:
        """What must hold."""
        texts = self.raw.get(CONSTRAINTS, [])
        if not isinstance(texts, list):
            self.fault(CONSTRAINTS, f"got {shown(texts)}, allowed: a list of expressions")
            return
        for text in texts:
            yield from self._expression(CONSTRAINTS, text)

    def conditions(self) -> Iterator[tuple[str, Expression]]:
        """When hyperparameters count."""
        texts = self.raw.get(CONDITIONS, {})
        if not isinstance(texts, dict):
            problem = f"got {shown(texts)}, allowed: a mapping of hyperparameters to expressions"
            self.fault(CONDITIONS, problem)
            return
        for name, problem, hint in unknown_keys(texts, self.fields, "hyperparameters"):
            self.fault(f"{CONDITIONS}.{name}", problem, hint)
        for name, text in texts.items():
            if name in self.fields:
                for expression in self._expression(f"{CONDITIONS}.{name}", text):
                    yield name, expression

    def settings(self) -> tuple[Mapping[str, Value], ...]:
        """The settings listed."""
        listed = self.raw.get(LISTED, [])
        if not isinstance(listed, list) or not all(isinstance(setting, dict) for setting in listed):
            problem = f"got {shown(listed)}, allowed: a list of mappings of hyperparameters"
            self.fault(LISTED, problem)
            return ()
        return tuple(self._setting(number, setting) for number, setting in enumerate(listed))

    def require_keys(self, method: str) -> None:
        """Find keys that are unknown, that a method does not take, and that it lacks."""
        known = (*(field.name for field in FIELDS), CONSTRAINTS, CONDITIONS, LISTED)
        for key, problem, hint in unknown_keys(self.raw, known, ", ".join(known)):
            self.fault(key, problem, hint)
        taken = ("method", *KEYS_OF[method])
        for key in self.raw:
            if key in known and key not in taken and self.raw.get("method", GRID) == method:
                self.fault(key, f"not for method {method}, which takes: {', '.join(taken)}")
        for key in ("capacity", LISTED):
            if key in taken and key not in self.raw:
                self.fault(key, f"missing: method {method} needs it", _NEEDED[key])
        metric = self.raw.get("metric", "return")
        if "goal" not in self.raw and isinstance(metric, str) and metric not in KNOWN_GOALS:
            self.fault("goal", f"missing, and not known of metric {metric}", _NEEDED["goal"])

    def _setting(self, number: int, raw: Mapping[str, object]) -> Mapping[str, Value]:
        key = f"{LISTED}[{number}]"
        for name, problem, hint in unknown_keys(raw, self.fields, "hyperparameters"):
            self.fault(key, f"{shown(name)}: {problem}", hint)
        setting: dict[str, Value] = {}
        for name, value in raw.items():
            if name in self.fields:
                checked = self._normalised(key, self.fields[name], value)
                setting |= {} if checked is None else {name: checked}
        return setting

    def _normalised(self, key: str, field: Field, raw: object) -> Value | None:
        yaml_text = self.document.origin(f"search.{key}").endswith(YAML_SUFFIXES)
        try:
            return field.normalise(raw, yaml_text=yaml_text)
        except RejectedError as rejected:
            named = "" if key == field.name else f"{field.name}: "
            self.fault(key, named + rejected.problem, rejected.hint)
            return None

    def _expression(self, key: str, text: object) -> Iterator[Expression]:
        try:
            yield parse_expression(text, self.fields)
        except RejectedError as rejected:
            self.fault(key, rejected.problem, rejected.hint)


_NEEDED = {
    "goal": "give maximize or minimize",
    "capacity": 'the most settings there may ever be, for example "capacity": 1000',
    LISTED: 'for example "settings": [{"critic_lr": 0.001}, {"critic_lr": 0.01}]',
}


_Found = Iterator[tuple[str, str, str]]
"""(key, problem, hint) of each fault."""


def search_faults(
    search: SearchSpec,
    parameters: Mapping[str, Values],
    fields: Mapping[str, Field],
    document: Document,
) -> Iterator[Fault]:
    """Every fault of a search beside its parameters.

    Args:
        search: as read.
        parameters: the keys and what they take.
        fields: the hyperparameters there are.
        document: that they are from.
    """
    for problems in (
        _range_faults(search, parameters),
        _listed_faults(search, parameters, fields),
        _condition_faults(search, parameters, fields),
    ):
        for key, problem, hint in problems:
            yield Fault(document.origin(key), key, problem, hint)


def _range_faults(search: SearchSpec, parameters: Mapping[str, Values]) -> _Found:
    """Ranges that nothing is drawn from."""
    for key, values in parameters.items():
        if isinstance(values, Range) and not search.draws:
            yield (
                f"parameters.{key}",
                f"a range ({values}) cannot be enumerated by method {search.method}",
                f'list values, or add "search": {{"method": "{DRAWN[0]}", "capacity": 1000}}',
            )


def _listed_faults(
    search: SearchSpec, parameters: Mapping[str, Values], fields: Mapping[str, Field]
) -> _Found:
    """What is wrong with settings listed one by one, and with parameters beside them."""
    if search.method != SETTINGS:
        return
    if not search.settings:
        yield f"search.{LISTED}", "got an empty list, allowed: at least one setting", ""
    for key, values in parameters.items():
        if not isinstance(values, Range) and len(values) > 1:
            yield (
                f"parameters.{key}",
                f"got {len(values)} values, allowed: one, as method settings lists the settings",
                "name it in each of the settings instead",
            )
    listed = {name for setting in search.settings for name in setting}
    for name in sorted(listed.intersection(names_of(parameters))):
        yield f"search.{LISTED}", f"{name} is named in parameters too", "keep one of them"
    for number, setting in enumerate(search.settings):
        for name in sorted(listed - setting.keys()):
            if fields[name].default is None:
                yield f"search.{LISTED}[{number}]", f"{name} is missing, and has no default", ""


def _condition_faults(
    search: SearchSpec, parameters: Mapping[str, Values], fields: Mapping[str, Field]
) -> _Found:
    """Conditions on what cannot have one, and out of order."""
    undecided = list(search.conditions)
    for name, condition in search.conditions.items():
        key = f"search.{CONDITIONS}.{name}"
        if name not in parameters:
            coupled = name in names_of(parameters)
            yield key, "is coupled" if coupled else "is not among the parameters", ""
        elif fields[name].default is None:
            yield key, "has no default to take where it does not count", ""
        for other in sorted(set(condition.names).intersection(undecided)):
            yield (
                key,
                f"looks at {other}, of which is not known yet whether it counts",
                "write a condition above those that look at its hyperparameter",
            )
        undecided.remove(name)
