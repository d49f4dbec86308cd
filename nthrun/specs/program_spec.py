"""The program spec: what an agent spec says of a training that is any function or any command.

A program is named as an agent is, by `agent_name`: a function as `package.module:function`, an
executable as `command`. Hyperparameters that a function does not declare are those that the spec
lists, of whatever type it wrote.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nthrun.errors import Fault
from nthrun.specs.declaration import AgentDeclaration, Setting
from nthrun.specs.documents import Document, flatten, walk
from nthrun.specs.field import Field, RejectedError, shown, unknown_keys
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface
from nthrun.specs.search.search_spec import LISTED
from nthrun.specs.search.space import is_drawn, names_of

FUNCTION, COMMAND, ALGORITHM = "function", "command", "algorithm"
"""Kinds of programs; the second is the `agent_name` of every command, too."""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")
GIVEN = ("seed", "index", "stage", "run_number", "device", "scratch", "report", "setting")
"""What a command may have in its arguments beside hyperparameters and fields of the environment."""
ENVIRONMENT = "environment"
"""Placeholder of the whole environment spec; with a dot and a key behind it, of one field."""
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
FUNCTION_KEYS = ("name", "needs")
COMMAND_KEYS = (*FUNCTION_KEYS, "command", "results")
NEEDS = (
    Field("memory_gb", "float", 0.0, "memory of one run in GB", minimum=0, maximum=10**6),
    Field("minutes", "float", 0.0, "time of one run", minimum=0, maximum=10**7),
)
RESULT_KEYS = ("step", "episode_return", "episode_steps", "evaluation")
"""What a column of a file of results may hold, beside those of `metrics`."""
EXAMPLE = '["python", "train.py", "--lr", "{lr}", "--seed", "{seed}"]'


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """What an agent spec says of a program beside its hyperparameters.

    Attributes:
        name: of its experiments' directories.
        command: the executable and its arguments, with placeholders; empty of a function.
        results: which file has results at the end and what its columns are; empty for none.
        needs: what one run takes, as the spec has it: `memory_gb`, `minutes`.
    """

    name: str
    command: tuple[str, ...] = ()
    results: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, float] = field(default_factory=dict)

    @property
    def memory_bytes(self) -> int:
        """What one run needs; 0 where that is not known."""
        return int(self.needs.get("memory_gb", 0.0) * 1e9)

    @property
    def seconds(self) -> float:
        """What one run takes; 0 where that is not known."""
        return self.needs.get("minutes", 0.0) * 60

    def as_document(self) -> dict[str, Any]:
        """The keys of an agent spec that say this."""
        document: dict[str, Any] = {"name": self.name}
        if self.command:
            document["command"] = list(self.command)
        if self.results:
            document["results"] = dict(self.results)
        return {**document, "needs": dict(self.needs)} if self.needs else document


def costs_nothing(setting: Setting, interface: Interface) -> AgentFootprint:
    """What a lane of a program costs as far as it is counted: it holds no tensors of ours."""
    return AgentFootprint()


def program_declaration(
    name: str, kind: str, document: Document, hyperparameters: tuple[Field, ...] | None
) -> AgentDeclaration:
    """The declaration of a program.

    Args:
        name: the `agent_name`.
        kind: `FUNCTION` or `COMMAND`.
        document: its agent spec.
        hyperparameters: those that it declares; None declares none, so that they are the spec's.
    """
    fields = undeclared(document) if hyperparameters is None else hyperparameters
    program = "" if kind == COMMAND else name
    return AgentDeclaration(
        name, fields, program, costs_nothing, kind=kind, declared=hyperparameters is not None
    )


def undeclared(document: Document) -> tuple[Field, ...]:
    """A field for each hyperparameter that an agent spec lists."""
    raw, search = (document.values.get(key) for key in ("parameters", "search"))
    leaves = flatten(raw, is_drawn) if isinstance(raw, dict) else ()
    names = dict.fromkeys(names_of(dict(leaves)))
    listed = search.get(LISTED, []) if isinstance(search, dict) else []
    for setting in listed if isinstance(listed, list) else []:
        names.update(dict.fromkeys(setting) if isinstance(setting, dict) else {})
    return tuple(Field(name, "any", None, "not declared") for name in names)


def read_program(
    document: Document, declaration: AgentDeclaration
) -> tuple[ProgramSpec, list[Fault]]:
    """What a document says of a program, with every fault of it.

    Args:
        document: an agent spec.
        declaration: of the program.
    """
    reader = _Reader(document, declaration)
    program = ProgramSpec(reader.name(), reader.command(), reader.results(), reader.needs())
    return program, reader.faults


class _Reader:
    """Reads the keys of a program and collects their faults."""

    def __init__(self, document: Document, declaration: AgentDeclaration) -> None:
        self.document = document
        self.declaration = declaration
        self.is_command = declaration.kind == COMMAND
        self.faults: list[Fault] = []

    def fault(self, key: str, problem: str, hint: str = "") -> None:
        self.faults.append(Fault(self.document.origin(key), key, problem, hint))

    def name(self) -> str:
        """The name in the directories of its experiments."""
        default = self.declaration.name.replace(":", "-")
        given = self.document.values.get("name", "" if self.is_command else default)
        if given == "":
            self.fault("name", "missing: a command needs one", 'for example "name": "ppo"')
        elif not isinstance(given, str) or not NAME.fullmatch(given):
            allowed = "letters, digits, and . _ + - within"
            self.fault("name", f"got {shown(given)}, allowed: {allowed}")
        return str(given)

    def command(self) -> tuple[str, ...]:
        """The executable and its arguments."""
        if not self.is_command:
            return ()
        words = self.document.values.get("command")
        if not isinstance(words, list) or not words or not all(_is_word(word) for word in words):
            got = "missing" if words is None else f"got {shown(words)}"
            self.fault("command", f"{got}, allowed: a list of texts, one an argument", EXAMPLE)
            return ()
        if words[0] == "" or PLACEHOLDER.search(words[0]):
            self.fault("command", f"got {shown(words[0])} first, allowed: an executable", EXAMPLE)
        for word in words:
            self._require_known(word)
        drawn = {key: self.document.values.get(key) for key in ("parameters", "search")}
        self.faults += text_faults(self.document, drawn)
        for name in (each.name for each in self.declaration.hyperparameters):
            if name in (*GIVEN, ENVIRONMENT):
                self.fault(f"parameters.{name}", "a command is given this name anyway", "rename it")
        return tuple(words)

    def _require_known(self, word: str) -> None:
        """Find placeholders that stand for nothing, and braces that are no placeholders."""
        names = {field.name for field in self.declaration.hyperparameters}
        for match in PLACEHOLDER.finditer(word):
            name = match[1]
            if match[0] in ("{{", "}}"):
                continue
            if name is None:
                self.fault("command", f"{shown(word)}: a lone brace", "write {{ or }} for one")
            elif name not in names and name not in GIVEN and not is_of_environment(name):
                known = ", ".join((*names, *GIVEN, ENVIRONMENT, f"{ENVIRONMENT}.FIELD"))
                self.fault("command", f"unknown placeholder {{{name}}}, allowed: {known}")

    def results(self) -> dict[str, Any]:
        """Which file has results, and what its columns are."""
        raw = self.document.values.get("results", {})
        if "results" not in self.document.values or not self.is_command:
            return {}
        if not isinstance(raw, dict) or not _is_word(raw.get("file")) or not raw["file"]:
            problem = f"got {shown(raw)}, allowed: a mapping with the name of a file"
            example = 'for example {"file": "out.csv", "episode_return": "ret", "step": "t"}'
            self.fault("results", problem, example)
            return {}
        if not str(raw["file"]).endswith((".csv", ".json")):
            self.fault("results.file", f"got {shown(raw['file'])}, allowed: .csv, .json")
        for key, problem, hint in unknown_keys(
            raw, ("file", "metrics", *RESULT_KEYS), ", ".join(("file", "metrics", *RESULT_KEYS))
        ):
            self.fault(f"results.{key}", problem, hint)
        metrics = raw.get("metrics", {})
        columns = {key: raw[key] for key in RESULT_KEYS if key in raw}
        columns |= metrics if isinstance(metrics, dict) else {"metrics": metrics}
        for key, column in columns.items():
            if not _is_word(column) or not column:
                self.fault(f"results.{key}", f"got {shown(column)}, allowed: the name of a column")
        return dict(raw)

    def needs(self) -> dict[str, float]:
        """What one run takes."""
        raw = self.document.values.get("needs", {})
        if not isinstance(raw, dict):
            example = 'for example {"memory_gb": 4, "minutes": 30}'
            self.fault("needs", f"got {shown(raw)}, allowed: a mapping", example)
            return {}
        fields = {each.name: each for each in NEEDS}
        for key, problem, hint in unknown_keys(raw, fields, ", ".join(fields)):
            self.fault(f"needs.{key}", problem, hint)
        needs: dict[str, float] = {}
        for name in (name for name in fields if name in raw):
            try:
                value = fields[name].normalise(raw[name])
            except RejectedError as rejected:
                self.fault(f"needs.{name}", rejected.problem, rejected.hint)
            else:
                assert isinstance(value, float)
                needs[name] = value
        return needs


def is_of_environment(name: str) -> bool:
    """Whether a placeholder stands for the environment spec or a field of it."""
    return name == ENVIRONMENT or name.startswith(f"{ENVIRONMENT}.")


def text_faults(document: Document, content: Mapping[str, Any]) -> Iterator[Fault]:
    """A fault for each text that no process can be handed as an argument.

    Args:
        document: the spec.
        content: of it.
    """
    for key, value, _ in walk(content):
        if isinstance(value, str) and not _is_word(value):
            allowed = "texts that a command can be given, without NUL and lone surrogates"
            yield Fault(document.origin(key), key, f"got {ascii(value)[:60]}, allowed: {allowed}")


def _is_word(value: object) -> bool:
    """Whether something is a text that can be an argument of a process."""
    try:
        return isinstance(value, str) and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def program_keys(agent: Mapping[str, Any]) -> dict[str, Any]:
    """What an agent spec as a document says of a program alone; empty for an agent."""
    return {key: agent[key] for key in COMMAND_KEYS if key in agent}


def keys_of(declaration: AgentDeclaration) -> tuple[str, ...]:
    """The keys that a program's agent spec may have beside those of every agent."""
    if not declaration.is_program:
        return ()
    return COMMAND_KEYS if declaration.kind == COMMAND else FUNCTION_KEYS
