"""Agent files of the older tool, read as nthrun's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nthrun.errors import Fault
from nthrun.legacy.conventions import KEY as CONVENTIONS_KEY
from nthrun.legacy.conventions import NOT_READ, agent_by_conventions
from nthrun.legacy.reading import Findings, Reading, as_list, is_number
from nthrun.legacy.spec_keys import (
    AGENT_NAMES,
    CONVOLUTIONS,
    OF_CONVOLUTIONS,
    OF_TILED,
    POLICY_TYPES,
    RENAMED,
    TILED,
    UNCLIPPED,
    UNUSED_HYPERPARAMETERS,
    AgentName,
    Unused,
)
from nthrun.specs.agent_spec import TOP_KEYS
from nthrun.specs.declaration import AgentDeclaration, AtMost
from nthrun.specs.documents import Document
from nthrun.specs.field import Field, RejectedError, shown, unknown_keys
from nthrun.specs.program_spec import COMMAND, COMMAND_KEYS, FUNCTION_KEYS
from nthrun.specs.search.space import COUPLER

PAIRS: Mapping[str, Mapping[str, Any]] = {
    "reparam_baseline": {"reparameterized": True, "baseline_actions": 0},
    "n_rho": {"n": 30, "actor_rho": 0.1},
    CONVOLUTIONS: dict.fromkeys(OF_CONVOLUTIONS, ()),
}
"""Hyperparameter -> the two that it is there, and what they are where they are not written."""
CONVOLUTIONS_SHOWN = '"channels": [[16, 32]], "kernel_sizes": [[3, 3]]'
EPSILON, EPSILON_MIN, HIDDEN = "epsilon", "epsilon_min", "hidden_dim"


def read_older_agent(
    document: Document, agents: Mapping[str, AgentDeclaration], conventions: str = ""
) -> Reading:
    """The agent spec that a document of either tool stands for.

    Args:
        document: not checked yet.
        agents: those that there are, by name.
        conventions: whose meaning it has, one of `CONVENTIONS`; "" is ours.
    """
    said = document.values.get("agent_name")
    meant = _agent_meant(said, agents)
    without = {key: value for key, value in document.values.items() if key != CONVENTIONS_KEY}
    if meant is None:
        is_named = isinstance(said, str) and (":" in said or said == COMMAND)
        faults = () if is_named else tuple(_faults_of_any(document, agents))
        return Reading(replace(document, values=without), faults=faults)
    findings = Findings(document)
    values = {**without, "agent_name": meant.name}
    raw = document.values.get("parameters")
    if isinstance(raw, dict):
        convolutional = str(said) if meant.convolutional else ""
        reader = _Hyperparameters(findings, agents[meant.name], conventions, convolutional)
        parameters = reader.read(raw)
        implied = {k: [v] for k, v in meant.implied.items() if k not in parameters}
        values["parameters"] = {**parameters, **implied}
        if conventions and "search" not in values:
            values["parameters"], problems = agent_by_conventions(
                values["parameters"], agents[meant.name]
            )
            for problem in problems:
                findings.fault(*problem)
    if said != meant.name:
        going = "".join(f", {key} {shown(value)}" for key, value in meant.implied.items())
        findings.renamed.insert(0, f"agent_name {said} as {meant.name}{going}")
    return findings.reading(values, "hyperparameters")


def _faults_of_any(document: Document, agents: Mapping[str, AgentDeclaration]) -> Iterator[Fault]:
    """What is wrong with a file whichever agent it is of: keys that none has, here or there, and
    values that none takes."""
    known = (*TOP_KEYS, *COMMAND_KEYS, *FUNCTION_KEYS, CONVENTIONS_KEY)
    for key, problem, hint in unknown_keys(document.values, known, ", ".join(TOP_KEYS)):
        yield Fault(document.origin(key), key, problem, hint)
    parameters = document.values.get("parameters")
    fields = [field for agent in agents.values() for field in agent.hyperparameters]
    there = {
        *UNUSED_HYPERPARAMETERS,
        *OF_CONVOLUTIONS,
        *(k for parts in PAIRS.values() for k in parts),
    }
    there |= {key for renamed in RENAMED.values() for key in renamed}
    for name, values in parameters.items() if isinstance(parameters, dict) else ():
        key, of_name = f"parameters.{name}", [field for field in fields if field.name == name]
        is_plain = COUPLER not in name and not isinstance(values, dict) and name not in there
        if is_plain and not of_name:
            yield Fault(document.origin(key), key, "unknown key: no agent has it")
        for value in as_list(values) if is_plain else ():
            problems = {_problem(field, value) for field in of_name}
            if problems and "" not in problems:
                yield Fault(document.origin(key), key, min(problems))


def _problem(field: Field, value: object) -> str:
    """What keeps a field from taking a value; "" for nothing."""
    try:
        field.normalise(value, yaml_text=True)
    except RejectedError as rejected:
        return rejected.problem
    return ""


def _agent_meant(said: object, agents: Mapping[str, AgentDeclaration]) -> AgentName | None:
    """The agent that a name stands for; None for a name of neither tool, and a user's own class."""
    if not isinstance(said, str):
        return None
    if said in agents:
        return AgentName(said)
    ours = next((name for name in agents if name.lower() == said.lower()), "")
    return AgentName(ours) if ours else AGENT_NAMES.get(said.lower())


class _Hyperparameters:
    """Reads `parameters`.

    Attributes:
        convolutional: the name in the file, where it is that of an agent that has to have
            convolutions; else "".
    """

    def __init__(
        self, findings: Findings, agent: AgentDeclaration, conventions: str, convolutional: str
    ) -> None:
        self.findings = findings
        self.agent = agent
        self.conventions = conventions
        self.convolutional = convolutional
        self.fields = {field.name: field for field in agent.hyperparameters}

    def read(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The same with our keys, in their order."""
        policies = self._policy_types(raw.get("policy_type"))
        parameters: dict[str, Any] = {}
        paired = dict(raw)
        for name, parts in PAIRS.items():
            paired = self._paired(paired, name, parts)
        for key, values in paired.items():
            new = RENAMED.get(self.agent.name, {}).get(key, key)
            if key in self.fields or new not in self.fields:
                new = key
            if new != key:
                self.findings.renamed.append(f"{key} as {new}")
            unused = None if new in self.fields else self._unused(key)
            if self._is_not_read(new):
                unused = Unused(f"not read by {self.agent.name} of {self.conventions}")
            if unused is None and new not in self.fields and key in OF_TILED:
                hint = f"agents that tile observations have it: {', '.join(TILED)}"
                self.findings.fault(f"parameters.{key}", f"{shown(key)}: unknown key", hint)
            elif unused is None:
                parameters[new] = self._values(new, values)
            else:
                self._pass_over(key, values, unused, policies)
        is_older = bool(self.findings.passed or self.findings.renamed)
        return self._constant_epsilon(parameters) if is_older else parameters

    def _is_not_read(self, key: str) -> bool:
        """Whether a key of ours is none that the agent has by the conventions asked for."""
        return bool(self.conventions) and key in NOT_READ.get(self.agent.name, ())

    def _unused(self, key: str) -> Unused | None:
        """What the table says of a key of this agent."""
        rows = UNUSED_HYPERPARAMETERS.get(key, ())
        name = self.agent.name
        return next((row for row in rows if not row.agents or name in row.agents), None)

    def _pass_over(self, key: str, values: Any, unused: Unused, policies: Sequence[Any]) -> None:
        dotted, items = f"parameters.{key}", as_list(values)
        concerned = [policy for policy in policies if policy in unused.policies]
        if isinstance(values, dict) or len(items) != 1:
            count = "a range" if isinstance(values, dict) else f"{len(items)} values"
            problem = f"got {count} of what has no effect here: the settings would be equal"
            self.findings.fault(dotted, f"{problem}, allowed: one", unused.instead)
        elif concerned:
            problem = f"has an effect on {concerned[0]} there, and none here"
            self.findings.fault(dotted, problem, f"leave it out: {unused.instead}")
        elif unused.values and items[0] not in unused.values:
            self._refuse(dotted, items[0], unused)
        else:
            self.findings.passed.append(f"{key} ({unused.instead})")

    def _refuse(self, dotted: str, value: Any, unused: Unused) -> None:
        problem = f"got {shown(value)}, allowed: {shown(unused.values[0])}"
        self.findings.fault(dotted, problem, unused.instead)

    def _values(self, key: str, values: Any) -> Any:
        """The values of one of our keys."""
        if isinstance(values, dict):  # how they are drawn
            return values
        if key == "policy_type":
            return self._policy_types(values, is_told=True)
        if key == CONVOLUTIONS and self.convolutional and [] in as_list(values):
            hint = "name the agent without CNN, or list a channel and a kernel for each convolution"
            problem = f"got [], and {self.convolutional} has convolutions"
            self.findings.fault(f"parameters.{key}", problem, hint)
        is_listed = any(isinstance(item, list) for item in as_list(values))
        if key == HIDDEN and self.convolutional and is_listed:
            return self._of_one_layer(as_list(values))
        if key != "clip_stddev":
            return values
        items = as_list(values)
        if not any(is_number(item) and item <= 0 for item in items):
            return values
        bounded = (
            ", which in later versions there kept log σ within -5 and 2," if -1 in items else ""
        )
        self.findings.renamed.append(f"{key} that clips nothing{bounded} as {UNCLIPPED:g}")
        return [UNCLIPPED if is_number(item) and item <= 0 else item for item in items]

    def _in_turn(self, channels: Any, kernels: Any) -> list[Any] | None:
        """Channels and kernels of a network in turn, as one value; None, and a fault, of others."""
        lists = channels, kernels
        if all(isinstance(one, list) for one in lists) and len(channels) == len(kernels):
            return [number for pair in zip(*lists, strict=True) for number in pair]
        problem = f"got {shown(channels)} beside kernel_sizes {shown(kernels)}"
        allowed = "allowed: lists of one length, with an entry for each convolution"
        hint = f"such as {CONVOLUTIONS_SHOWN}"
        self.findings.fault("parameters.channels", f"{problem}, {allowed}", hint)
        return None

    def _of_one_layer(self, values: list[Any]) -> list[Any]:
        """Widths of hidden layers that are listed, each of which has to be of one."""
        if any(isinstance(item, list) and len(item) != 1 for item in values):
            problem = f"got {shown(values)}, allowed: lists of one number"
            hint = "one hidden layer follows convolutions here"
            self.findings.fault(f"parameters.{HIDDEN}", problem, hint)
        self.findings.renamed.append(f"{HIDDEN} of one layer as its width")
        return [item[0] if isinstance(item, list) and item else item for item in values]

    def _policy_types(self, values: Any, *, is_told: bool = False) -> list[Any]:
        """The policy types as we write them."""
        if values is None or isinstance(values, dict) or "policy_type" not in self.fields:
            return []
        choices = self.fields["policy_type"].choices
        meant = {choice.lower(): choice for choice in choices}
        for there, here in POLICY_TYPES.get(self.agent.name, {}).items():
            meant.setdefault(there.lower(), here)
        ours = [meant.get(str(item).lower(), item) for item in as_list(values)]
        if is_told and ours != as_list(values):
            changed = zip(as_list(values), ours, strict=True)
            pairs = dict.fromkeys(f"{old} as {new}" for old, new in changed if old != new)
            self.findings.renamed.append(f"policy_type {', '.join(pairs)}")
        return ours

    def _constant_epsilon(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The parameters with every ε that begins below its minimum as its own minimum."""
        values, least = parameters.get(EPSILON), as_list(parameters.get(EPSILON_MIN, [0]))
        is_ruled = AtMost(EPSILON_MIN, EPSILON) in self.agent.rules
        if self._is_not_read(EPSILON_MIN) or not is_ruled or len(least) != 1:
            return parameters
        items = as_list(values)
        if not items or not all(map(is_number, [*items, *least])) or min(items) >= least[0]:
            return parameters
        self.findings.renamed.append(f"{EPSILON} below {EPSILON_MIN} as constant")
        both, pairs = f"{EPSILON}{COUPLER}{EPSILON_MIN}", [[e, min(e, least[0])] for e in items]
        kept = ((both, pairs) if n == EPSILON else (n, v) for n, v in parameters.items())
        return {name: value for name, value in kept if name != EPSILON_MIN}

    def _paired(self, raw: dict[str, Any], name: str, parts: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters with two as one key, in the place of the first of them that varies.

        Args:
            raw: with the two.
            name: of the one.
            parts: the two, and their defaults.
        """
        there = [part for part in raw if part in parts]
        is_required = name == CONVOLUTIONS and bool(self.convolutional)
        if name not in self.fields or name in raw or not (there or is_required):
            return raw
        if faulty := list(self._faults_of_pair(raw, name, parts)):
            for fault in faulty:
                self.findings.fault(*fault)
            return {key: value for key, value in raw.items() if key not in parts}
        lists = {part: [default] for part, default in parts.items()}
        lists |= {part: as_list(raw[part]) for part in there}
        varying = [key for key in raw if len(as_list(raw[key])) > 1]
        swept = [part for part in varying if part in parts]
        if len(swept) > 1 and swept != varying[varying.index(swept[0]) :][:2]:
            problem = f"swept as {swept[1]} is, and so is another hyperparameter between them"
            hint = f'list the pairs: "{name}": [{shown(list(parts.values()))}, …]'
            self.findings.fault(f"parameters.{swept[0]}", problem, hint)
        first, second = [*there, *(part for part in parts if part not in there)]
        pairs = [{first: a, second: b} for b in lists[second] for a in lists[first]]
        values = [[pair[part] for part in parts] for pair in pairs]
        if name == CONVOLUTIONS:
            in_turn = [self._in_turn(*pair) for pair in values]
            values = [value for value in in_turn if value is not None]
            if len(values) < len(in_turn):
                return {key: value for key, value in raw.items() if key not in parts}
        self.findings.renamed.append(f"{' and '.join(there)} as {name}")
        place = (swept or there)[0]
        renamed = ((name, values) if key == place else (key, v) for key, v in raw.items())
        return {key: value for key, value in renamed if key not in parts}

    def _faults_of_pair(
        self, raw: Mapping[str, Any], name: str, parts: Mapping[str, Any]
    ) -> Iterator[tuple[str, str, str]]:
        """What keeps two from being one key: a range, or one of convolutions alone."""
        for part in parts:
            if isinstance(raw.get(part), dict):
                hint = f'draw both in one: "{name}"'
                yield f"parameters.{part}", f"got {shown(raw[part])}, allowed: a list", hint
            elif name == CONVOLUTIONS and part not in raw:
                other = next(key for key in parts if key != part)
                problem = f"missing beside {other}"
                if self.convolutional:
                    problem = f"missing, and {self.convolutional} has convolutions"
                yield f"parameters.{part}", problem, f"such as {CONVOLUTIONS_SHOWN}"
