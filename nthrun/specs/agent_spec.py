"""The agent spec: an agent's name and the values its hyperparameters sweep over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from nthrun.errors import Fault, SpecError
from nthrun.specs.declaration import AgentDeclaration, AtMost
from nthrun.specs.documents import YAML_SUFFIXES, Document, flatten
from nthrun.specs.field import Field, RejectedError, Value, plain, shown, unknown_keys
from nthrun.specs.sweep import COUPLER, Sweep

TOP_KEYS = ("agent_name", "parameters")


@dataclass(frozen=True)
class AgentSpec:
    """A validated agent spec.

    Attributes:
        agent_name: the agent.
        parameters: key -> values, in digit order; see `Sweep`.
        declaration: what the agent declares.
    """

    agent_name: str
    parameters: Mapping[str, tuple[Value, ...]]
    declaration: AgentDeclaration

    @cached_property
    def sweep(self) -> Sweep:
        """The settings this spec spans, hyperparameters it does not name at their defaults."""
        named = {name for key in self.parameters for name in key.split(COUPLER)}
        defaults = {
            field.name: field.default
            for field in self.declaration.hyperparameters
            if field.name not in named and field.default is not None
        }
        return Sweep(self.parameters, defaults)

    def values_of(self, name: str) -> tuple[Value, ...]:
        """Every value one hyperparameter takes, in order of first appearance."""
        key = _key_of(self.parameters, name)
        if key is None:
            default = self.sweep.defaults.get(name)
            return () if default is None else (default,)
        if key == name:
            return self.parameters[key]
        place = key.split(COUPLER).index(name)
        return tuple(dict.fromkeys(_entry(value, place) for value in self.parameters[key]))

    def as_document(self) -> dict[str, Any]:
        """The spec as plain data: what the record and the manifest hold."""
        parameters = {key: plain(values) for key, values in self.parameters.items()}
        return {"agent_name": self.agent_name, "parameters": parameters}


def read_agent_spec(document: Document, declaration: AgentDeclaration) -> AgentSpec:
    """Check a document against its agent's declaration.

    Raises:
        SpecError: every fault of the document.
    """
    faults = [
        Fault(document.origin(key), key, problem, hint)
        for key, problem, hint in unknown_keys(document.values, TOP_KEYS, ", ".join(TOP_KEYS))
    ]
    raw = document.values.get("parameters")
    if not isinstance(raw, dict):
        problem = f"got {shown(raw)}, allowed: a mapping of hyperparameters to lists of values"
        raise SpecError([*faults, Fault(document.origin("parameters"), "parameters", problem)])
    checker = _Checker(document, {field.name: field for field in declaration.hyperparameters})
    parameters = {key: checker.values(key, value) for key, value in flatten(raw)}
    faults += checker.faults + checker.repeated(parameters) + checker.absent(parameters)
    spec = AgentSpec(declaration.name, parameters, declaration)
    faulty = {name for f in faults for name in f.key.removeprefix("parameters.").split(COUPLER)}
    for rule in declaration.rules:
        if faulty.isdisjoint((rule.small, rule.large)):
            faults += _broken(spec, rule, document)
    if faults:
        raise SpecError(faults)
    return spec


class _Checker:
    """Collects the faults of a document's `parameters`."""

    def __init__(self, document: Document, fields: Mapping[str, Field]) -> None:
        self.document = document
        self.fields = fields
        self.faults: list[Fault] = []

    def fault(self, key: str, problem: str, hint: str = "") -> None:
        dotted = f"parameters.{key}"
        self.faults.append(Fault(self.document.origin(dotted), dotted, problem, hint))

    def values(self, key: str, raw: object) -> tuple[Value, ...]:
        """The checked values of one key; a scalar is a list of one."""
        names = key.split(COUPLER)
        if unknown := [name for name in names if name not in self.fields]:
            for name in unknown:
                [(_, problem, hint)] = unknown_keys(
                    [name], self.fields, "see config/agent/README.md"
                )
                self.fault(key, f"{shown(name)}: {problem}", hint)
            return ()
        items = raw if isinstance(raw, list) else [raw]
        if not items:
            self.fault(key, "got an empty list, allowed: at least one value")
        return tuple(self._value(key, names, item, whole=raw) for item in items)

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
        yaml_text = self.document.origin(f"parameters.{key}").endswith(YAML_SUFFIXES)
        try:
            return field.normalise(raw, yaml_text=yaml_text)
        except RejectedError as rejected:
            self.fault(key, rejected.problem, rejected.hint)
            return ()

    def repeated(self, parameters: Mapping[str, object]) -> list[Fault]:
        """Faults of hyperparameters named by two keys."""
        keys: dict[str, list[str]] = {}
        for key in parameters:
            for name in key.split(COUPLER):
                keys.setdefault(name, []).append(key)
        return [
            Fault(
                self.document.origin(f"parameters.{found[-1]}"),
                f"parameters.{name}",
                "named by more than one key" if len(set(found)) > 1 else f"twice in {found[0]}",
            )
            for name, found in sorted(keys.items())
            if len(found) > 1
        ]

    def absent(self, parameters: Mapping[str, object]) -> list[Fault]:
        """Faults of required hyperparameters that no key names."""
        named = {name for key in parameters for name in key.split(COUPLER)}
        return [
            Fault(
                self.document.files[-1],
                f"parameters.{field.name}",
                f"missing, allowed: {field.allowed()}",
            )
            for field in self.fields.values()
            if field.default is None and field.name not in named
        ]


def _broken(spec: AgentSpec, rule: AtMost, document: Document) -> Iterator[Fault]:
    """A fault for every pair of values of the product that breaks the rule."""
    small_key, large_key = (_key_of(spec.parameters, name) for name in (rule.small, rule.large))
    if small_key is not None and small_key == large_key:
        places = [small_key.split(COUPLER).index(name) for name in (rule.small, rule.large)]
        pairs = {tuple(_entry(v, p) for p in places) for v in spec.parameters[small_key]}
    else:
        pairs = set(product(spec.values_of(rule.small), spec.values_of(rule.large)))
    illegal = sorted(pair for pair in pairs if pair[0] > pair[1])  # type: ignore[operator]
    if not illegal:
        return
    small, large = illegal[0]
    key = f"parameters.{small_key or rule.small}"
    coupled = f"{rule.small}{COUPLER}{rule.large}"
    legal = sorted(pairs.difference(illegal)) or [("…", "…")]
    yield Fault(
        document.origin(key),
        key,
        f"{rule.small} {small} with {rule.large} {large}, allowed: {rule.small} <= {rule.large}",
        f'list the legal pairs under one key, "{coupled}": {shown([list(p) for p in legal])}',
    )


def _key_of(parameters: Mapping[str, object], name: str) -> str | None:
    return next((key for key in parameters if name in key.split(COUPLER)), None)


def _entry(value: Value, place: int) -> Value:
    assert isinstance(value, tuple)
    entry: Value = value[place]
    return entry
