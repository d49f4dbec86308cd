"""Specs as plain data: JSON or YAML files, merged, and single fields of the command line.

A later file overrides an earlier one key by key, and `--set environment.dt=0.1` overrides all of
them. A document remembers where each of its keys came from, so that a fault can be shown there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nthrun.errors import DataFileError, Fault, SpecError
from nthrun.files.regular_file import read_regular
from nthrun.specs.field import NUMBER_TEXT, shown
from nthrun.specs.search.space import is_drawn
from nthrun.specs.spec_text import parse_text, read_json, repeated
from nthrun.specs.trust import Trust

ENVIRONMENT, AGENT, SEARCH = "environment", "agent", "search"
KEYWORDS = "kwargs"
"""Key of an environment's spec whose content is handed on as it stands, dots in its keys too."""
WRAPPERS = "wrappers"
"""Key of an environment's spec that lists what it is wrapped in, by name and keywords."""
OPTION = "--set"
MAX_NESTING = 32
MAX_VALUES = 1_000_000
Translate = Callable[[str, dict[str, Any]], tuple[dict[str, Any], list[Fault], list[str]]]
"""From a file's path and content to what it stands for, what is wrong with it, and notes."""


@dataclass(frozen=True, slots=True)
class Document:
    """One spec merged from one or more files.

    Attributes:
        values: the merged mapping; keys in the order of their first appearance.
        origins: dotted key -> the file whose value counts.
        files: every file read, in order.
        words: dotted key -> text, and what the files have in its place, of those values that the
            command line gives as a text without quotes.
        trust: whether what it names may be run.
        notes: how files were read that do not stand for themselves, a line each.
        faults: what is wrong with such files; what else there is to them can be read all the same.
    """

    values: dict[str, Any]
    origins: dict[str, str]
    files: tuple[str, ...]
    words: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    trust: Trust = Trust.USER
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    def origin(self, key: str) -> str:
        """The file that a dotted key's value came from (the last file for an absent key)."""
        while key not in self.origins and "." in key:
            key = key.rpartition(".")[0]
        return self.origins.get(key, self.files[-1])


def as_it_is(path: str, content: dict[str, Any]) -> tuple[dict[str, Any], list[Fault], list[str]]:
    """A file that stands for itself."""
    return content, [], []


def read_document(
    paths: Sequence[str | Path], overrides: Sequence[Override] = (), translate: Translate = as_it_is
) -> Document:
    """Read and merge spec files: a later file overrides key by key, and the command line all.

    An overridden key keeps its place and a new one is appended, so the digit order of a sweep
    does not depend on where a value was overridden.

    Args:
        paths: of the files.
        overrides: fields given on the command line.
        translate: of files that do not stand for themselves.

    Raises:
        SpecError: every unreadable file, duplicate key and value of a foreign type, together.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    words: dict[str, tuple[str, Any]] = {}
    faults: list[Fault] = []
    translated: list[Fault] = []
    notes: list[str] = []
    for path in map(str, paths):
        content, file_faults = _read_file(path)
        faults += file_faults
        faults += _plain_data_faults(path, content)
        if not faults:
            content, file_faults, file_notes = translate(path, content)
            translated += file_faults
            notes += file_notes
            _merge(values, content, origins, path, "")
    for override in overrides:
        content = override.content(values)
        faults += _plain_data_faults(override.source, content)
        if override.is_word:
            words[".".join(override.path)] = override.value, _at(override.path, values)
        _merge(values, content, origins, override.source, "")
    document = Document(
        values, origins, tuple(map(str, paths)), words, Trust.USER, tuple(notes), tuple(translated)
    )
    named = {key: value for key, value in values.items() if key != KEYWORDS}
    faults += [
        Fault(document.origin(key), key, "written nested and with a dot", "keep one of them")
        for key in repeated(key for key, _ in flatten(named, is_drawn))
    ]
    if faults:
        raise SpecError([*translated, *faults])
    return document


def name_of(document: Document, key: str) -> str:
    """The name under a key of a document not validated yet: `agent_name` or `env_name`.

    Raises:
        SpecError: the key is absent or not a string.
    """
    name = document.values.get(key)
    if isinstance(name, str) and name:
        return name
    if key not in document.values:
        hint = f"is this the {'agent' if key == 'agent_name' else 'environment'} file?"
        fault = Fault(document.files[-1], key, "missing", hint)
    else:
        fault = Fault(document.origin(key), key, f"got {shown(name)}, allowed: a name")
    raise SpecError([fault])


def flatten(
    mapping: Mapping[str, Any],
    is_leaf: Callable[[object], bool] = lambda value: False,
    prefix: str = "",
) -> Iterator[tuple[str, Any]]:
    """Leaves of a nested mapping, depth first, keys joined by dots.

    Args:
        mapping: to be flattened.
        is_leaf: which mappings are leaves, beside empty ones.
        prefix: of the keys.
    """
    for key, value in mapping.items():
        if isinstance(value, Mapping) and value and not is_leaf(value):
            yield from flatten(value, is_leaf, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@dataclass(frozen=True, slots=True)
class Override:
    """A field given on the command line.

    Attributes:
        text: as it was given.
        spec: "environment" or "agent", the one it is of.
        path: the keys to it, one within the other.
        value: of it.
        is_word: whether the value is a text without quotes.
    """

    text: str
    spec: str
    path: tuple[str, ...]
    value: Any
    is_word: bool

    @property
    def source(self) -> str:
        """What stands for a file's name in errors."""
        return f"{OPTION} {self.text}"

    def content(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """What a file that says the same would hold.

        Args:
            base: what it is merged into; where that writes keys with a dot, so does this.
        """
        return _nested(self.path, self.value, base)

    def leaves(self) -> list[tuple[str, str]]:
        """The spec and the dotted key of every value that it gives."""
        content = flatten(_nested(self.path, self.value, {}), is_drawn)
        return [(self.spec, key) for key, _ in content]


def parse_overrides(texts: Iterable[str]) -> tuple[Override, ...]:
    """Overrides as the command line has them.

    Args:
        texts: `environment.<field>=<value>`, `agent.<hyperparameter>=<value>` or
            `search.<field>=<value>`; the value is JSON, or else a word.

    Raises:
        SpecError: every one that is not readable, or gives a field that another gives too.
    """
    faults: list[Fault] = []
    overrides = []
    for text in texts:
        key, equals, value = text.partition("=")
        spec, _, name = key.strip().partition(".")
        if not equals or not name or spec not in (ENVIRONMENT, AGENT, SEARCH):
            allowed = "environment.FIELD=VALUE, agent.HYPERPARAMETER=VALUE or search.FIELD=VALUE"
            hint = "for example --set environment.gamma=0.95"
            faults.append(Fault(f"{OPTION} {text}", "", f"allowed: {allowed}", hint))
            continue
        parents = {ENVIRONMENT: (), AGENT: ("parameters",), SEARCH: (SEARCH,)}[spec]
        of = ENVIRONMENT if spec == ENVIRONMENT else AGENT
        path = (*parents, *name.split("."))
        read = _value(f"{OPTION} {text}", value.strip(), faults)
        overrides.append(Override(text, of, path, *read))
    faults += _given_twice(overrides)
    if faults:
        raise SpecError(faults)
    return tuple(overrides)


def of_spec(overrides: Iterable[Override], spec: str) -> list[Override]:
    """The overrides of one spec, "environment" or "agent"."""
    return [override for override in overrides if override.spec == spec]


def _nested(path: tuple[str, ...], value: Any, base: object) -> dict[str, Any]:
    """A mapping with a value at the end of a path, whose keys are joined as they are in a base."""
    there = base if isinstance(base, Mapping) else {}
    for size in range(len(path), 0, -1):
        key, rest = ".".join(path[:size]), path[size:]
        if key in there or size == 1:
            return {key: _nested(rest, value, there.get(key)) if rest else value}
    raise AssertionError(path)  # a path has an end


def _at(path: Sequence[str], base: object) -> Any:
    """What a mapping has at a path whose keys may be joined by dots in it; None for nothing."""
    if not path or not isinstance(base, Mapping):
        return None if path else base
    for size in range(len(path), 0, -1):
        if (key := ".".join(path[:size])) in base:
            return _at(path[size:], base[key])
    return None


def _value(source: str, text: str, faults: list[Fault]) -> tuple[Any, bool]:
    """The value that a text of the command line stands for, and whether it is a bare word.

    Args:
        source: what faults are of.
        text: of the value.
        faults: to which keys are added that a mapping has twice.
    """
    is_number = NUMBER_TEXT.fullmatch(text)
    try:  # JSON has no +5, which is an integer all the same
        return read_json(source, text.removeprefix("+") if is_number else text, faults), False
    except (ValueError, RecursionError):
        return (float(text), False) if is_number else (text, True)


def _given_twice(overrides: Sequence[Override]) -> Iterator[Fault]:
    """A fault for each override of a field that an earlier one gives."""
    taken: set[tuple[str, str]] = set()
    for override in overrides:
        leaves = override.leaves()
        for _, key in sorted(taken.intersection(leaves)):
            yield Fault(override.source, key, "given twice", "keep one of them")
        taken.update(leaves)


def _merge(
    base: dict[str, Any], new: Mapping[str, Any], origins: dict[str, str], path: str, prefix: str
) -> None:
    for key, value in new.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, dict) and isinstance(base.get(key, {}), dict) and not is_drawn(value):
            origins.setdefault(dotted, path)
            _merge(base.setdefault(key, {}), value, origins, path, f"{dotted}.")
        else:
            for replaced in [old for old in origins if old.startswith(f"{dotted}.")]:
                del origins[replaced]
            base[key] = value
            origins[dotted] = path


def _read_file(path: str) -> tuple[dict[str, Any], list[Fault]]:
    try:
        if not path:
            raise FileNotFoundError  # `Path("")` is the current directory
        text = read_regular(path).decode("utf-8-sig")  # some editors begin with a mark
        content, faults = parse_text(path, text)
    except FileNotFoundError:
        hint = "check the path; specs ship under config/ and clusters/"
        return {}, [Fault(path or '""', "", "no such file", hint)]
    except DataFileError as error:
        return {}, [Fault(path, "", error.message.removeprefix(f"{path}: "))]
    except (OSError, UnicodeDecodeError, ValueError) as error:
        return {}, [Fault(path, "", f"cannot be read: {_one_line(error)}")]
    except RecursionError:
        return {}, [Fault(path, "", "nested too deeply")]
    if not isinstance(content, dict):
        kind = type(content).__name__
        return {}, [Fault(path, "", f"holds a {kind}, allowed: one mapping of keys to values")]
    return content, faults


def _plain_data_faults(path: str, content: Any) -> list[Fault]:
    """Faults no declaration needs to know of: odd keys, odd YAML types, endless nesting."""
    faults = []
    for number, (key, value, depth) in enumerate(walk(content)):
        if number > MAX_VALUES:
            return [Fault(path, "", f"holds more than {MAX_VALUES:,} values")]
        if problem := _oddity(value, depth):
            faults.append(Fault(path, key, problem))
    return faults


def walk(content: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, Any, int]]:
    """(dotted key, value, depth) of everything within; YAML's aliases may make that a lot."""
    yield key, content, depth
    if depth > MAX_NESTING:
        return
    if isinstance(content, dict):
        for name, value in content.items():
            if isinstance(name, str):
                yield from walk(value, f"{key}.{name}" if key else name, depth + 1)
    elif isinstance(content, list):
        for value in content:
            yield from walk(value, key, depth + 1)


def _oddity(value: Any, depth: int) -> str:
    if depth > MAX_NESTING:
        return f"nested deeper than {MAX_NESTING} levels"
    if isinstance(value, dict):
        odd = [name for name in value if not isinstance(name, str) or not name.strip()]
        kinds = ", ".join("empty" if isinstance(name, str) else type(name).__name__ for name in odd)
        return f"got a key that is {kinds}, allowed: non-empty strings" if odd else ""
    if value is None or isinstance(value, (bool, int, float, str, list)):
        return ""
    return f"got a {type(value).__name__}, allowed: numbers, strings, lists"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
