"""Spec files of the older tool, read as nthrun's own.

A document is made one of ours before it is checked, so that directories, records and fingerprints
have our names: keys without effect are passed over, names and values become what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nthrun.errors import Fault, SpecError
from nthrun.legacy.conventions import (
    CONSTANT_EPSILON,
    CONVENTIONS,
    NOT_READ,
    agent_by_conventions,
    environment_by_conventions,
)
from nthrun.legacy.conventions import KEY as CONVENTIONS_KEY
from nthrun.legacy.spec_keys import (
    AGENT_NAMES,
    MINATAR,
    MINATAR_GAMES,
    POLICY_TYPES,
    REFUSED_FIELDS,
    RENAMED,
    RENAMED_FIELDS,
    UNCLIPPED,
    UNUSED_FIELDS,
    UNUSED_HYPERPARAMETERS,
    AgentName,
    Unused,
)
from nthrun.specs.declaration import AgentDeclaration, AtMost
from nthrun.specs.documents import KEYWORDS, Document
from nthrun.specs.field import shown
from nthrun.specs.search.space import COUPLER

REPARAM_BASELINE = "reparam_baseline"
PAIR = ("reparameterized", "baseline_actions")
"""Two hyperparameters there that are one here, `REPARAM_BASELINE`."""
EPSILON, EPSILON_MIN = "epsilon", "epsilon_min"
CONTROL_COST = "ctrl_cost_weight"
MINIMAL_ACTIONS = "use_minimal_action_set"


@dataclass(frozen=True, slots=True)
class Reading:
    """A document as one of ours.

    Attributes:
        document: with our keys and names.
        notes: what was passed over and what was renamed, a line each.
        faults: what of the older tool cannot be carried over.
        is_older: whether anything shows that the older tool's is what was read.
    """

    document: Document
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    is_older: bool = False


@dataclass
class _Findings:
    """What is found on the way through a document."""

    document: Document
    passed: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, key: str, problem: str, hint: str = "") -> None:
        """Note a fault of a key."""
        self.faults.append(Fault(self.document.origin(key), key, problem, hint))

    def reading(self, values: dict[str, Any], what: str, *, is_older: bool = False) -> Reading:
        """Everything found, with the document's new values."""
        notes = []
        if self.passed:
            notes.append(f"{what} passed over, as without effect here: {'; '.join(self.passed)}")
        if self.renamed:
            notes.append(f"{what} read as nthrun's own: {'; '.join(self.renamed)}")
        document = replace(self.document, values=values)
        older = is_older or bool(notes or self.faults)
        return Reading(document, tuple(notes), tuple(self.faults), older)


def read_older_agent(
    document: Document, agents: Mapping[str, AgentDeclaration], conventions: str = ""
) -> Reading:
    """The agent spec that a document of either tool stands for.

    Args:
        document: not checked yet.
        agents: those that there are, by name.
        conventions: whose meaning it has, one of `CONVENTIONS`; "" is ours.

    Raises:
        SpecError: it names an agent of which there is no counterpart here.
    """
    said = document.values.get("agent_name")
    meant = _agent_meant(said, agents)
    without = {key: value for key, value in document.values.items() if key != CONVENTIONS_KEY}
    if meant is None:
        return Reading(replace(document, values=without))
    findings = _Findings(document)
    if meant.lacking:
        findings.fault("agent_name", f"got {shown(said)}: {meant.lacking}", "choose another agent")
        raise SpecError(findings.faults)
    values = {**without, "agent_name": meant.name}
    raw = document.values.get("parameters")
    if isinstance(raw, dict):
        reader = _Hyperparameters(findings, agents[meant.name], conventions)
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


def _agent_meant(said: object, agents: Mapping[str, AgentDeclaration]) -> AgentName | None:
    """The agent that a name stands for; None for a name of neither tool, and a user's own class."""
    if not isinstance(said, str):
        return None
    if said in agents:
        return AgentName(said)
    ours = next((name for name in agents if name.lower() == said.lower()), "")
    return AgentName(ours) if ours else AGENT_NAMES.get(said.lower())


class _Hyperparameters:
    """Reads `parameters`."""

    def __init__(self, findings: _Findings, agent: AgentDeclaration, conventions: str) -> None:
        self.findings = findings
        self.agent = agent
        self.conventions = conventions
        self.fields = {field.name: field for field in agent.hyperparameters}

    def read(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The same with our keys, in their order."""
        policies = self._policy_types(raw.get("policy_type"))
        parameters: dict[str, Any] = {}
        for key, values in self._paired(raw).items():
            new = RENAMED.get(self.agent.name, {}).get(key, key)
            if key in self.fields or new not in self.fields:
                new = key
            if new != key:
                self.findings.renamed.append(f"{key} as {new}")
            unused = None if new in self.fields else self._unused(key)
            if self._is_not_read(new):
                unused = Unused(f"not read by {self.agent.name} of {self.conventions}")
            if unused is None:
                parameters[new] = self._values(new, values)
            else:
                self._pass_over(key, values, unused, policies)
        is_older = bool(self.findings.passed or self.findings.renamed)
        return self._constant_epsilon(parameters) if is_older else parameters

    def _is_not_read(self, key: str) -> bool:
        """Whether a key of ours is none that the agent has by the conventions asked for."""
        if not self.conventions or self.agent.name not in CONSTANT_EPSILON:
            return False
        return key in NOT_READ

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
        if key != "clip_stddev":
            return values
        items = as_list(values)
        if not any(_is_number(item) and item <= 0 for item in items):
            return values
        self.findings.renamed.append(f"{key} that clips nothing as {UNCLIPPED:g}")
        return [UNCLIPPED if _is_number(item) and item <= 0 else item for item in items]

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
        if not all(map(_is_number, [*items, *least])) or min(items) >= least[0]:
            return parameters
        self.findings.renamed.append(f"{EPSILON} below {EPSILON_MIN} as constant")
        both, pairs = f"{EPSILON}{COUPLER}{EPSILON_MIN}", [[e, min(e, least[0])] for e in items]
        kept = ((both, pairs) if n == EPSILON else (n, v) for n, v in parameters.items())
        return {name: value for name, value in kept if name != EPSILON_MIN}

    def _paired(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters with `PAIR` as one key, in the place of the first of it that varies."""
        there = [name for name in raw if name in PAIR]
        if REPARAM_BASELINE not in self.fields or REPARAM_BASELINE in raw or not there:
            return dict(raw)
        lists: dict[str, list[Any]] = {PAIR[0]: [True], PAIR[1]: [0]}
        lists |= {name: as_list(raw[name]) for name in there}
        varying = [name for name in raw if len(as_list(raw[name])) > 1]
        swept = [name for name in varying if name in PAIR]
        if len(swept) > 1 and swept != varying[varying.index(swept[0]) :][:2]:
            problem = f"swept as {swept[1]} is, and so is another hyperparameter between them"
            hint = f'list the pairs: "{REPARAM_BASELINE}": [[true, 0], …]'
            self.findings.fault(f"parameters.{swept[0]}", problem, hint)
        first, second = [*there, *(name for name in PAIR if name not in there)]
        pairs = [{first: a, second: b} for b in lists[second] for a in lists[first]]
        values = [[pair[name] for name in PAIR] for pair in pairs]
        self.findings.renamed.append(f"{' and '.join(there)} as {REPARAM_BASELINE}")
        place = (swept or there)[0]
        renamed = ((REPARAM_BASELINE, values) if n == place else (n, v) for n, v in raw.items())
        return {name: value for name, value in renamed if name not in PAIR}


def conventions_of(documents: Sequence[Document]) -> str:
    """The conventions that specs ask for; "" is ours.

    Raises:
        SpecError: there are none of that name, or they ask for several.
    """
    asked = [d for d in documents if CONVENTIONS_KEY in d.values]
    for document in asked:
        name = document.values[CONVENTIONS_KEY]
        if name not in CONVENTIONS or name != asked[0].values[CONVENTIONS_KEY]:
            allowed = f"one of {', '.join(CONVENTIONS)}, the same in both specs"
            origin = document.origin(CONVENTIONS_KEY)
            problem = f"got {shown(name)}, allowed: {allowed}"
            raise SpecError([Fault(origin, CONVENTIONS_KEY, problem)])
    return str(asked[0].values[CONVENTIONS_KEY]) if asked else ""


def read_older_environment(document: Document, conventions: str = "") -> Reading:
    """The environment spec that a document of either tool stands for.

    Args:
        document: not checked yet.
        conventions: whose meaning it has, one of `CONVENTIONS`; "" is ours.
    """
    findings = _Findings(document)
    values = {key: value for key, value in document.values.items() if key != CONVENTIONS_KEY}
    is_older = values.get("rewards") == {}
    if is_older:
        del values["rewards"]
    for key, unused in UNUSED_FIELDS.items():
        if key in values:
            _pass_over_field(findings, values, key, unused)
    for dotted, reason in REFUSED_FIELDS.items():
        if _taken_out(values, dotted):
            findings.fault(dotted, "it has no counterpart here, allowed: leaving it out", reason)
    _name_environment(findings, values)
    values = _renamed_fields(findings, values)
    if CONTROL_COST in values:
        values[KEYWORDS] = {**_mapping(values.get(KEYWORDS)), CONTROL_COST: values[CONTROL_COST]}
        del values[CONTROL_COST]
        findings.renamed.append(f"{CONTROL_COST} as {KEYWORDS}.{CONTROL_COST}")
    if conventions:
        values = environment_by_conventions(values)
    return findings.reading(values, "keys", is_older=is_older)


def _renamed_fields(findings: _Findings, values: dict[str, Any]) -> dict[str, Any]:
    """The values under our keys, in their order, where the environment has others there."""
    ours = RENAMED_FIELDS.get(str(values.get("env_name")), {})
    for key in ours.keys() & values.keys():
        if ours[key] in values:
            findings.fault(key, f"says what {ours[key]} says too, allowed: one of both")
        findings.renamed.append(f"{key} as {ours[key]}")
    return {ours.get(key, key): value for key, value in values.items()}


def _pass_over_field(findings: _Findings, values: dict[str, Any], key: str, unused: Unused) -> None:
    value = values[key]
    endless = key == "max_episodes" and _is_number(value) and value < 0
    if unused.values and not endless and not any(value is one for one in unused.values):
        if unused.values != (None,):  # with other values the key is one of ours
            del values[key]
            problem = f"got {shown(value)}, allowed: {shown(unused.values[0])}"
            findings.fault(key, problem, unused.instead)
        return
    del values[key]
    findings.passed.append(f"{key} ({unused.instead})")


def _taken_out(values: dict[str, Any], dotted: str) -> bool:
    """Whether there is a nested key, which then is taken out."""
    parent, _, leaf = dotted.partition(".")
    nested = values.get(parent)
    if not isinstance(nested, dict) or leaf not in nested:
        return False
    values[parent] = {key: value for key, value in nested.items() if key != leaf}
    if not values[parent]:
        del values[parent]
    return True


def _name_environment(findings: _Findings, values: dict[str, Any]) -> None:
    """Write the environment's name as ours."""
    name = values.get("env_name")
    if not isinstance(name, str):
        return
    game = MINATAR_GAMES.get(name.lower().removeprefix(MINATAR))
    if name.lower().startswith(MINATAR) and game:
        minimal = values.pop(MINIMAL_ACTIONS, True)
        values["env_name"] = f"MinAtar/{game}-v{1 if minimal else 0}"
        findings.renamed.append(f"env_name {name} as {values['env_name']}")
    elif values.get("platform") == "dmcontrol" and "-" in name and "task_name" not in values:
        values["env_name"], values["task_name"] = name.split("-", 1)
        said = f"env_name {values['env_name']}, task_name {values['task_name']}"
        findings.renamed.append(f"env_name {name} as {said}")


def as_list(values: Any) -> list[Any]:
    """What a key lists; a scalar is a list of one."""
    return values if isinstance(values, list) else [values]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
