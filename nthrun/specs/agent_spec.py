"""The agent spec: an agent's name, what its hyperparameters take, how settings are found."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, cast

from nthrun.errors import Fault, IndexSpecError, SpecError
from nthrun.specs.declaration import AgentDeclaration, Rule
from nthrun.specs.documents import Document, flatten
from nthrun.specs.field import Field, RejectedError, Value, plain, shown, unknown_keys
from nthrun.specs.program_spec import ProgramSpec, keys_of, read_program
from nthrun.specs.search.adaptive_sweep import AdaptiveSweep
from nthrun.specs.search.points import PointMethod, point_function
from nthrun.specs.search.search_spec import BAYES, SETTINGS, SearchSpec, read_search, search_faults
from nthrun.specs.search.space import (
    CHOICE,
    COUPLER,
    Range,
    Space,
    Values,
    is_drawn,
    names_of,
    read_range,
)
from nthrun.specs.search.sweeps import DrawnSweep, ListedSweep, filtered_sweep
from nthrun.specs.spec_text import YAML_SUFFIXES
from nthrun.specs.sweep import GridSweep, Sweep

TOP_KEYS = ("agent_name", "parameters", "search")


@dataclass(frozen=True)
class AgentSpec:
    """A validated agent spec.

    Attributes:
        agent_name: the agent.
        parameters: key -> listed values or a range, in digit order; see `Space`.
        declaration: what the agent declares.
        search: how settings are found.
        suggested: setting number -> setting, of those that a search has suggested so far.
        program: what the spec says of a program; None for an agent.
    """

    agent_name: str
    parameters: Mapping[str, Values]
    declaration: AgentDeclaration
    search: SearchSpec = field(default_factory=SearchSpec)
    suggested: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    program: ProgramSpec | None = None

    @cached_property
    def named(self) -> frozenset[str]:
        """The hyperparameters that the spec says something of."""
        listed = {name for setting in self.search.settings for name in setting}
        return frozenset(listed.union(names_of(self.parameters)))

    @property
    def defaults(self) -> dict[str, Value]:
        """The declared default of every hyperparameter that has one."""
        declared = {field.name: field.default for field in self.declaration.hyperparameters}
        return {name: value for name, value in declared.items() if value is not None}

    @cached_property
    def space(self) -> Space:
        """What settings are found in; hyperparameters the spec does not name at their defaults."""
        declared = self.defaults
        defaults = {n: v for n, v in declared.items() if n not in self.named}
        listed = self.search.settings
        partial = (n for n in self.named if listed and not all(n in one for one in listed))
        absent = [n for n in partial if n not in names_of(self.parameters)]
        silent = (*self.search.conditions, *sorted(absent))
        inactive = {n: declared[n] for n in silent if n in declared}
        rules = [rule.expression() for rule in self.declaration.rules]
        constraints = (*self.search.constraints, *(rules if self.search.draws else ()))
        return Space(self.parameters, defaults, self.search.conditions, inactive, constraints)

    @cached_property
    def sweep(self) -> Sweep:
        """The settings by number."""
        return make_sweep(self.search, self.space, self.suggested)

    def as_setting(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """A setting from plain data, as a record or a journal holds it; a hyperparameter that there
        was none of then has its default.

        Raises:
            RejectedError: a value is not what its hyperparameter allows.
        """
        fields = {field.name: field for field in self.declaration.hyperparameters}
        for name, problem, hint in unknown_keys(raw, fields, ", ".join(fields)):
            raise RejectedError(f"{name[:60]}: {problem}", hint)
        named = {name: fields[name].normalise(value) for name, value in raw.items()}
        return named | {name: value for name, value in self.defaults.items() if name not in raw}

    def values_of(self, name: str) -> tuple[Value, ...]:
        """Every value one hyperparameter takes, in order of first appearance; a range's ends."""
        key = _key_of(self.parameters, name)
        values = () if key is None else self.parameters[key]
        taken: list[Value]
        if isinstance(values, Range):
            taken = [values.low, values.high]
        elif key in (None, name):
            taken = list(values)
        else:
            entries = _values_of_key(self, key, [name])
            taken = list(dict.fromkeys(entry for (entry,) in entries))
        taken += [setting[name] for setting in self.search.settings if name in setting]
        others = self.space.inactive if taken else self.space.defaults
        if name in others and others[name] not in taken:
            taken.append(others[name])
        return tuple(taken)

    def as_document(self) -> dict[str, Any]:
        """The spec as plain data: what the record and the manifest hold."""
        parameters = {
            key: values.as_document() if isinstance(values, Range) else plain(values)
            for key, values in self.parameters.items()
        }
        document = {"agent_name": self.agent_name, "parameters": parameters}
        document |= {} if self.program is None else self.program.as_document()
        search = self.search.as_document()
        return {**document, "search": search} if search else document


def make_sweep(
    search: SearchSpec, space: Space, suggested: Mapping[int, Mapping[str, Any]]
) -> Sweep:
    """The settings that a search finds in a space.

    Args:
        search: how.
        space: in what.
        suggested: setting number -> setting, of those that the search has suggested so far.

    Raises:
        RejectedError: there are too many to enumerate, or none.
    """
    if search.is_plain:
        lists = {key: v for key, v in space.parameters.items() if not isinstance(v, Range)}
        return GridSweep(lists, space.defaults)
    if search.method == SETTINGS:
        shared = {**space.constant, **space.inactive}
        return ListedSweep(tuple({**shared, **setting} for setting in search.settings))
    if not search.draws:
        return filtered_sweep(space)
    capacity, seed = search.integer("capacity"), search.integer("seed")
    if search.method == BAYES:
        return AdaptiveSweep(space, capacity, seed, suggested)
    method = cast(PointMethod, search.method)
    return DrawnSweep(space, point_function(method, len(space.varying), seed), capacity)


def read_agent_spec(document: Document, declaration: AgentDeclaration) -> AgentSpec:
    """Check a document against its agent's declaration.

    Raises:
        SpecError: every fault of the document.
    """
    keys = (*TOP_KEYS, *keys_of(declaration))
    faults = [
        Fault(document.origin(key), key, problem, hint)
        for key, problem, hint in unknown_keys(document.values, keys, ", ".join(keys))
    ]
    program, program_faults = (
        read_program(document, declaration) if declaration.is_program else (None, [])
    )
    faults += program_faults
    may_lack = "search" in document.values or declaration.is_program
    raw = document.values.get("parameters", {} if may_lack else None)
    if not isinstance(raw, dict):
        problem = f"got {shown(raw)}, allowed: a mapping of hyperparameters to lists of values"
        raise SpecError([*faults, Fault(document.origin("parameters"), "parameters", problem)])
    fields = {field.name: field for field in declaration.hyperparameters}
    reader = ParameterReader(document, fields)
    parameters = {key: reader.values(key, value) for key, value in flatten(raw, is_drawn)}
    search, search_problems = read_search(document, fields)
    spec = AgentSpec(declaration.name, parameters, declaration, search, program=program)
    faults += [*reader.faults, *search_problems, *reader.repeated(parameters)]
    faults += reader.absent(spec.named)
    faults += () if search_problems else search_faults(search, parameters, fields, document)
    faulty = {name for f in faults for name in f.key.removeprefix("parameters.").split(COUPLER)}
    faults += () if faults else _unanswerable(spec, document)
    checked = search.is_plain or not (faults or search.draws)  # what is drawn keeps them
    for rule in declaration.rules if checked else ():
        if faulty.isdisjoint(rule.names):
            faults += _broken(spec, rule, document)
    if faults:
        raise SpecError(faults)
    return spec


class ParameterReader:
    """Reads a document's `parameters` and collects their faults."""

    def __init__(self, document: Document, fields: Mapping[str, Field]) -> None:
        self.document = document
        self.fields = fields
        self.faults: list[Fault] = []

    def fault(self, key: str, problem: str, hint: str = "") -> None:
        dotted = f"parameters.{key}"
        self.faults.append(Fault(self.document.origin(dotted), dotted, problem, hint))

    def values(self, key: str, raw: object) -> Values:
        """The checked values of one key, or its range; a scalar is a list of one."""
        names = key.split(COUPLER)
        if unknown := [name for name in names if name not in self.fields]:
            for name in unknown:
                [(_, problem, hint)] = unknown_keys(
                    [name], self.fields, "see config/agent/README.md"
                )
                self.fault(key, f"{shown(name)}: {problem}", hint)
            return ()
        if isinstance(raw, dict):
            if raw.keys() != {CHOICE}:
                return self._range(key, raw)
            raw = raw[CHOICE]
        items = raw if isinstance(raw, list) else [raw]
        if not items:
            self.fault(key, "got an empty list, allowed: at least one value")
        return tuple(self._value(key, names, item, whole=raw) for item in items)

    def _range(self, key: str, raw: Mapping[str, object]) -> Values:
        if COUPLER in key:
            self.fault(key, f"got {shown(raw)}, allowed: lists, as it couples hyperparameters")
            return ()
        try:
            return read_range(raw, self.fields[key], yaml_text=self._is_yaml(key))
        except RejectedError as rejected:
            self.fault(key, rejected.problem, rejected.hint)
            return ()

    def _value(self, key: str, names: list[str], item: object, whole: object) -> Value:
        if len(names) > 1:
            if not isinstance(item, list) or len(item) != len(names):
                example = f'"{key}": [[{", ".join("…" for _ in names)}], …]'
                problem = f"got {shown(item)}, allowed: lists of {len(names)} values"
                self.fault(key, problem, f"write {example}")
                return ()
            return tuple(
                self._one(key, self.fields[n], v) for n, v in zip(names, item, strict=True)
            )
        field = self.fields[key]
        if field.is_list and not isinstance(item, list):
            hint = f'write "{key}": [{shown(whole)}]' if isinstance(whole, list) else ""
            self.fault(
                key,
                f"got {shown(item)}, allowed: {field.allowed()}, swept as a list of lists",
                hint,
            )
            return ()
        return self._one(key, field, item)

    def _one(self, key: str, field: Field, raw: object) -> Value:
        try:
            return field.normalise(raw, yaml_text=self._is_yaml(key))
        except RejectedError as rejected:
            self.fault(key, rejected.problem, rejected.hint)
            return ()

    def _is_yaml(self, key: str) -> bool:
        return self.document.origin(f"parameters.{key}").endswith(YAML_SUFFIXES)

    def repeated(self, parameters: Mapping[str, object]) -> list[Fault]:
        """Faults of hyperparameters named by two keys."""
        keys: dict[str, list[str]] = {}
        for key in parameters:
            for name in key.split(COUPLER):
                keys.setdefault(name, []).append(key)
        return [
            Fault(
                self.document.origin(f"parameters.{naming[-1]}"),
                f"parameters.{name}",
                "named by more than one key" if len(set(naming)) > 1 else f"twice in {naming[0]}",
            )
            for name, naming in sorted(keys.items())
            if len(naming) > 1
        ]

    def absent(self, named: Collection[str]) -> list[Fault]:
        """Faults of required hyperparameters that the spec does not name.

        Args:
            named: those that it names.
        """
        return [
            Fault(
                self.document.files[-1],
                f"parameters.{field.name}",
                f"missing, allowed: {field.allowed()}",
            )
            for field in self.fields.values()
            if field.default is None and field.name not in named
        ]


def _unanswerable(spec: AgentSpec, document: Document) -> Iterator[Fault]:
    """A fault where the search has no first setting."""
    try:
        next(spec.sweep.examples(()))
    except (RejectedError, IndexSpecError) as error:
        problem = error.problem if isinstance(error, RejectedError) else error.message
        yield Fault(document.origin("search"), "search", problem, error.hint)


def _broken(spec: AgentSpec, rule: Rule, document: Document) -> Iterator[Fault]:
    """A fault where values of the product come together that break the rule."""
    names, together = rule.names, _together(spec, rule.names)
    illegal = sorted(values for values in together if not rule.allows(*values))
    if not illegal:
        return
    legal = together.difference(illegal)
    first, *others = (f"{name} {value}" for name, value in zip(names, illegal[0], strict=True))
    key = f"parameters.{_key_of(spec.parameters, names[0]) or names[0]}"
    shown_legal = [list(values) for values in sorted(legal)] or [["…"] * len(names)]
    which = "pairs" if len(names) == 2 else "values"
    yield Fault(
        document.origin(key),
        key,
        f"{first} with {' and '.join(others)}, allowed: {rule.expression().text}",
        f'list the legal {which} under one key, "{COUPLER.join(names)}": {shown(shown_legal)}',
    )


def _together(spec: AgentSpec, names: Sequence[str]) -> set[tuple[Any, ...]]:
    """Values of some hyperparameters that come together in a setting."""
    if not spec.search.is_plain:
        return {tuple(map(setting.get, names)) for setting in spec.sweep.examples(names)}
    keys = dict.fromkeys(_key_of(spec.parameters, name) or name for name in names)
    if len(keys) == len(names):
        return set(product(*map(spec.values_of, names)))
    parts = [list(_values_of_key(spec, key, names)) for key in keys]
    order = [name for key in keys for name in names if name in key.split(COUPLER)]
    places = [order.index(name) for name in names]
    rows = (tuple(value for part in chosen for value in part) for chosen in product(*parts))
    return {tuple(row[place] for place in places) for row in rows}


def _key_of(parameters: Mapping[str, object], name: str) -> str | None:
    return next((key for key in parameters if name in key.split(COUPLER)), None)


def _values_of_key(spec: AgentSpec, key: str, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """What those of some hyperparameters that are in a key take together, value by value."""
    coupled = key.split(COUPLER)
    if len(coupled) == 1:
        yield from ((value,) for value in spec.values_of(key))
        return
    places = [coupled.index(name) for name in names if name in coupled]
    values = spec.parameters[key]
    assert not isinstance(values, Range)
    for value in values:
        if isinstance(value, tuple):
            yield tuple(value[place] for place in places)
