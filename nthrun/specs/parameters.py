"""The `parameters` of an agent spec: the values or ranges of its hyperparameters, checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nthrun.errors import Fault
from nthrun.specs.documents import YAML_SUFFIXES, Document
from nthrun.specs.field import Field, RejectedError, Value, shown, unknown_keys
from nthrun.specs.search.ranges import CHOICE, Values, read_range
from nthrun.specs.search.space import COUPLER


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
                self.document.origin(f"parameters.{found[-1]}"),
                f"parameters.{name}",
                "named by more than one key" if len(set(found)) > 1 else f"twice in {found[0]}",
            )
            for name, found in sorted(keys.items())
            if len(found) > 1
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
