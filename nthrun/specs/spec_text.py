"""What texts stand for: those of spec files, JSON or YAML, and words of the command line.

YAML 1.1, which most Python programs read, and YAML 1.2 differ: `0100` is 64 or 100, `1:20` is 80 or
a text, `no` is false or a text. What they read differently is refused, but for numbers such as
`1e-3`, which YAML 1.1 takes for a text and which are numbers here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from nthrun.errors import Fault
from nthrun.specs.field import NUMBER_TEXT

YAML_SUFFIXES = (".yaml", ".yml")
TEXT, FLOAT = "tag:yaml.org,2002:str", "tag:yaml.org,2002:float"
NUMBERS_AND_WORDS = (FLOAT, "tag:yaml.org,2002:int", "tag:yaml.org,2002:bool")
ALIKE = re.compile(
    r"0x[0-9a-fA-F]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)|true|True|TRUE|false|False|FALSE"
)
"""What is no decimal number and means the same in both versions."""
ONLY_NEWER = re.compile(r"[-+]?0\d+|0o[0-7]+", re.ASCII)
"""Numbers of YAML 1.2 that the older one takes for texts, or for other numbers."""
OLD_WORDS = {
    **dict.fromkeys(("yes", "Yes", "YES", "on", "On", "ON"), "true"),
    **dict.fromkeys(("no", "No", "NO", "off", "Off", "OFF"), "false"),
}
"""Words of YAML 1.1 that are texts in YAML 1.2, and what to write for what they meant."""


def parse_text(path: str, text: str) -> tuple[Any, list[Fault]]:
    """What the text of a file says, and everything wrong with it.

    Args:
        path: of the file; its suffix says how it is written.
        text: of the file.

    Raises:
        ValueError: it holds a number too long to be read.
        RecursionError: it is nested too deeply.
    """
    faults: list[Fault] = []
    if path.endswith(YAML_SUFFIXES):
        return _parse_yaml(path, text, faults), faults
    if path.endswith(".json"):
        return _parse_json(path, text, faults), faults
    return {}, [Fault(path, "", "unknown file type, allowed: .json, .yaml, .yml")]


def read_json(path: str, text: str, faults: list[Fault]) -> Any:
    """What a text of JSON says; a key that a mapping has twice is added to the faults.

    Args:
        path: what the faults are of.
        text: the JSON.
        faults: found so far.

    Raises:
        ValueError: it is no JSON, or holds a number too long to be read.
        RecursionError: it is nested too deeply.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        faults.extend(_duplicates(path, [key for key, _ in pairs]))
        return dict(pairs)

    return json.loads(text, object_pairs_hook=unique)


def _parse_json(path: str, text: str, faults: list[Fault]) -> Any:
    try:
        return read_json(path, text, faults)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        faults.append(Fault(path, "", f"not valid JSON at {where}: {error.msg}"))
        return {}


def _parse_yaml(path: str, text: str, faults: list[Fault]) -> Any:
    try:
        return yaml.load(text, _loader(path, faults))
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())[:200]
        faults.append(Fault(path, "", f"not valid YAML: {problem}"))
    except ValueError as error:
        faults.append(Fault(path, "", f"not valid YAML: a value cannot be read: {error}"))
    except (AttributeError, LookupError, TypeError):
        # What PyYAML's constructors raise for such as `!!int ""` and `!!timestamp soon`.
        faults.append(Fault(path, "", "not valid YAML: a value does not fit its tag"))
    return {}


def _loader(path: str, faults: list[Fault]) -> type[yaml.SafeLoader]:
    class StrictLoader(yaml.SafeLoader):
        """A SafeLoader that reports keys written twice, and scalars that may be mistaken."""

        def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
            # Here a merge key (`<<`) has not put the merged keys beside the written ones yet.
            node = super().compose_mapping_node(anchor)
            scalars = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            faults.extend(_duplicates(path, scalars))
            return node

        def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            node = super().compose_scalar_node(anchor)
            is_plain = event.tag is None and event.style is None
            if not is_plain and event.tag not in NUMBERS_AND_WORDS:
                return node
            if _is_mistakable(node.value, node.tag):
                faults.append(_mistakable(path, node))
                node.tag = TEXT
            elif node.tag == TEXT and NUMBER_TEXT.fullmatch(node.value):
                node.tag = FLOAT
            return node

    return StrictLoader


def _is_mistakable(text: str, tag: str) -> bool:
    """Whether YAML 1.1 and YAML 1.2 read a scalar differently.

    Args:
        text: of it, without quotes or with a tag of a number or a word.
        tag: that the file or YAML 1.1 gives it.
    """
    if ONLY_NEWER.fullmatch(text):
        return True
    if tag not in NUMBERS_AND_WORDS or NUMBER_TEXT.fullmatch(text) or ALIKE.fullmatch(text):
        return False
    return text in OLD_WORDS or any(character.isdigit() for character in text)


def _mistakable(path: str, node: yaml.ScalarNode) -> Fault:
    text = node.value if len(node.value) <= 40 else f"{node.value[:37]}..."
    problem = f"{text} in line {node.start_mark.line + 1}: versions of YAML read it differently"
    meant = OLD_WORDS.get(text, "a plain decimal number")
    return Fault(path, "", problem, f'write {meant}, or "{text}" in quotes for the text')


def _duplicates(path: str, keys: Sequence[str]) -> list[Fault]:
    return [
        Fault(path, key, "written more than once", "keep one of them, or list its values")
        for key in repeated(keys)
    ]


def other_meaning(text: str) -> str:
    """What to write for a text without quotes that is no plain text to some notation, such as
    `False`, `None`, `0x10` or `1:20`; "" if it is one to all."""
    if text in OLD_WORDS or text.lower() in ("true", "false"):
        return OLD_WORDS.get(text, text.lower())
    if text in ("", "~") or text.lower() in ("none", "null"):
        return "null"
    if text[0] in "[{(\"'" or ("," in text and all(map(_is_other, text.split(",")))):
        return "JSON, such as [1, 2]"
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers.get(text[0], ())
    if _is_number(text) or any(pattern.match(text) for _, pattern in resolvers):
        return "a plain decimal number" if text[-1].isdigit() else "another value"
    return ""


def _is_other(part: str) -> bool:
    return NUMBER_TEXT.fullmatch(part.strip()) is not None or bool(other_meaning(part.strip()))


def _is_number(text: str) -> bool:
    """Whether Python reads a number in any of its notations."""
    for read in (float, lambda digits: int(digits, 0)):
        try:
            read(text)
        except ValueError:
            continue
        return True
    return False


def repeated(keys: Iterable[str]) -> list[str]:
    """The keys that come more than once, each once, sorted."""
    return sorted(key for key, times in Counter(keys).items() if times > 1)
