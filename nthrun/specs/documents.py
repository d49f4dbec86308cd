"""Spec files as plain data: read JSON or YAML, merge several, remember where each key came from."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nthrun.errors import Fault, SpecError

YAML_SUFFIXES = (".yaml", ".yml")
MAX_NESTING = 32


@dataclass(frozen=True, slots=True)
class Document:
    """One spec merged from one or more files.

    Attributes:
        values: the merged mapping; keys in the order of their first appearance.
        origins: dotted key -> the file whose value counts.
        files: every file read, in order.
    """

    values: dict[str, Any]
    origins: dict[str, str]
    files: tuple[str, ...]

    def origin(self, key: str) -> str:
        """The file that a dotted key's value came from (the last file for an absent key)."""
        while key not in self.origins and "." in key:
            key = key.rpartition(".")[0]
        return self.origins.get(key, self.files[-1])


def read_document(paths: Sequence[str | Path]) -> Document:
    """Read and merge spec files: a later file overrides key by key.

    An overridden key keeps its place and a new one is appended, so the digit order of a sweep
    does not depend on where a value was overridden.

    Raises:
        SpecError: every unreadable file, duplicate key, or NaN and infinity, together.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    faults: list[Fault] = []
    for path in map(str, paths):
        content, found = _read_file(path)
        faults += found
        faults += _plain_data_faults(path, content)
        if not faults:
            _merge(values, content, origins, path, "")
    if faults:
        raise SpecError(faults)
    return Document(values, origins, tuple(map(str, paths)))


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of a nested mapping, depth first, keys joined by dots."""
    for key, value in mapping.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _merge(
    base: dict[str, Any], new: Mapping[str, Any], origins: dict[str, str], path: str, prefix: str
) -> None:
    for key, value in new.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, dict) and isinstance(base.get(key, {}), dict):
            origins.setdefault(dotted, path)
            _merge(base.setdefault(key, {}), value, origins, path, f"{dotted}.")
        else:
            base[key] = value
            origins[dotted] = path


def _read_file(path: str) -> tuple[dict[str, Any], list[Fault]]:
    faults: list[Fault] = []
    try:
        text = Path(path).read_text(encoding="utf-8")
        content = _parse(path, text, faults)
    except FileNotFoundError:
        return {}, [Fault(path, "", "no such file", "check the path; specs ship under config/")]
    except (OSError, UnicodeDecodeError, ValueError) as error:
        return {}, [Fault(path, "", f"cannot be read: {_one_line(error)}")]
    except RecursionError:
        return {}, [Fault(path, "", "nested too deeply")]
    except yaml.YAMLError as error:
        return {}, [Fault(path, "", f"not valid YAML: {_one_line(error)}")]
    if not isinstance(content, dict):
        kind = type(content).__name__
        return {}, [Fault(path, "", f"holds a {kind}, allowed: one mapping of keys to values")]
    return content, faults


def _parse(path: str, text: str, faults: list[Fault]) -> Any:
    if path.endswith(YAML_SUFFIXES):
        return yaml.load(text, _yaml_loader(path, faults))
    if not path.endswith(".json"):
        faults.append(Fault(path, "", "unknown file type, allowed: .json, .yaml, .yml"))
        return {}

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        faults.extend(_duplicates(path, [key for key, _ in pairs]))
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        faults.append(Fault(path, "", f"not valid JSON at {where}: {error.msg}"))
        return {}


def _yaml_loader(path: str, faults: list[Fault]) -> type[yaml.SafeLoader]:
    class UniqueKeyLoader(yaml.SafeLoader):
        """A SafeLoader that reports a key written twice."""

        def construct_mapping(
            self, node: yaml.MappingNode, deep: bool = False
        ) -> dict[Hashable, Any]:
            scalars = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            faults.extend(_duplicates(path, scalars))
            return super().construct_mapping(node, deep)

    return UniqueKeyLoader


def _duplicates(path: str, keys: Sequence[str]) -> list[Fault]:
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    return [
        Fault(path, key, "written more than once", "keep one of them, or list its values")
        for key in repeated
    ]


def _plain_data_faults(path: str, content: Any, key: str = "", depth: int = 0) -> list[Fault]:
    """Faults no declaration needs to know of: odd keys, NaN, infinity, odd YAML types."""
    if depth > MAX_NESTING:
        return [Fault(path, key, f"nested deeper than {MAX_NESTING} levels")]
    if isinstance(content, dict):
        faults = []
        for name, value in content.items():
            if not isinstance(name, str) or not name.strip():
                problem = f"the key {name!r} is not a non-empty string"
                faults.append(Fault(path, key, problem))
                continue
            dotted = f"{key}.{name}" if key else name
            faults += _plain_data_faults(path, value, dotted, depth + 1)
        return faults
    if isinstance(content, list):
        return [f for value in content for f in _plain_data_faults(path, value, key, depth + 1)]
    if isinstance(content, float) and not math.isfinite(content):
        return [Fault(path, key, f"got {content}, allowed: finite numbers")]
    if content is None or isinstance(content, (bool, int, float, str)):
        return []
    return [Fault(path, key, f"got a {type(content).__name__}, allowed: numbers, strings, lists")]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
