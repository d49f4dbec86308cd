"""The environment spec: the problem, how long to train, how to evaluate, what to keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nthrun.errors import Fault, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.documents import KEYWORDS, WRAPPERS, Document, flatten
from nthrun.specs.field import MAPPINGS, Field, RejectedError, Value, plain, shown, unknown_keys
from nthrun.specs.interface import Interface
from nthrun.specs.spec_text import YAML_SUFFIXES, other_meaning

SERIES = (
    "train_states",
    "train_actions",
    "train_rewards",
    "eval_states",
    "update_indices",
    "update_states",
    "update_actions",
    "update_rewards",
    "update_next_states",
    "metrics",
)
REQUIRED_SERIES = {
    "update_states": ("train_states", "update_indices"),
    "update_actions": ("train_actions", "update_indices"),
    "update_rewards": ("train_rewards", "update_indices"),
    "update_next_states": ("train_next_states", "update_indices"),
}
MAX_STEPS = 10**12
LOGGERS = ("tensorboard", "wandb")
PLATFORMS = ("gym", "gymnasium", "dmcontrol")

FIELDS = (
    Field(
        "platform",
        "str",
        "gym",
        "whose environment it is; gym is nthrun's own where it has one, else Gymnasium's",
        choices=PLATFORMS,
    ),
    Field(
        "total_timesteps", "int", None, "environment steps of one run", minimum=1, maximum=MAX_STEPS
    ),
    Field(
        "steps_per_episode",
        "int",
        0,
        "an episode longer than this many steps is truncated; 0 is no limit",
        minimum=0,
        maximum=MAX_STEPS,
    ),
    Field(
        "eval_interval_timesteps",
        "int",
        10_000,
        "training steps between evaluations",
        minimum=1,
        maximum=MAX_STEPS,
    ),
    Field(
        "eval_episodes",
        "int",
        0,
        "episodes of one evaluation; 0 switches it off",
        minimum=0,
        maximum=10_000,
    ),
    Field("gamma", "float", 0.99, "discount factor", minimum=0, maximum=1),
    Field("overwrite_rewards", "bool", False, "whether `rewards` replaces the environment's own"),
    Field("rewards.timestep", "float", 0.0, "reward of a step that reaches no terminal state"),
    Field("rewards.goal", "float", 0.0, "reward of a step into a terminal state"),
    Field("rewards.shift", "float", 0.0, "added to the reward of every step, overwritten or not"),
    Field(
        "rewards.gamma",
        "float",
        0.99,
        "discount of the shifts that a terminal step pays for the steps which it leaves out",
        minimum=0,
        maximum=1,
    ),
    Field("start_state", "floats", (), "fixed start state; [] draws it at random"),
    Field(
        "continuous",
        "bool",
        True,
        "whether actions are continuous; an environment with a choice may have another default",
    ),
    Field("record", "strs", (), "per-step series to keep", choices=SERIES),
    Field(
        "snapshots",
        "strs",
        (),
        "moments at which to keep the parameters",
        choices=("best", "final"),
    ),
    Field(
        "snapshot_interval_timesteps",
        "int",
        0,
        "training steps between snapshots, the first before step 0; 0 switches them off",
        minimum=0,
        maximum=MAX_STEPS,
    ),
    Field(
        "checkpoint_interval_seconds",
        "float",
        30.0,
        "least time between checkpoints",
        above=0,
        maximum=10**6,
    ),
    Field(
        "log",
        "strs",
        (),
        "for whose viewer runs are logged, in `logs/` of the experiment; see docs/logging.md",
        choices=LOGGERS,
    ),
)
PROTOCOL_KEYS = (
    "record",
    "snapshots",
    "snapshot_interval_timesteps",
    "checkpoint_interval_seconds",
    "log",
)
"""Keys that say what to keep, not what to compute: they leave every number of a record alone."""
SCORE = "score"
"""The key of a game's spec that says which role's mean reward an evaluation has."""
AMOUNT_KEYS = ("total_timesteps", "eval_interval_timesteps", "eval_episodes")
"""Keys that say how much to train and to evaluate: they leave the environment as it is."""
SHIFT, SHIFT_GAMMA, THRESHOLD = "rewards.shift", "rewards.gamma", "rewards.threshold"
OF_ALL = ("env_name", "task_name", "preset", KEYWORDS, WRAPPERS)
"""Keys that documents may have beside fields."""
UNSAID = (SHIFT, SHIFT_GAMMA, THRESHOLD)
"""Fields that a document leaves out where they have their defaults, as those did that were written
before there were such fields."""


def score_field(*roles: str) -> Field:
    """The field `score` of a game: which role's mean reward is that of an evaluation.

    Args:
        roles: names of the roles, the default first.
    """
    doc = "role whose mean reward an evaluation has, and every step of a joint action"
    return Field(SCORE, "str", roles[0], doc, choices=roles)


@dataclass(frozen=True)
class EnvironmentSpec:
    """A validated environment spec.

    Attributes:
        env_name: the environment.
        values: dotted key -> value, for every field, defaults included.
        declaration: what the environment declares.
        interface: its shapes and bounds.
        given: the spec of a program's environment as it was written, which may say anything; None
            for an environment of agents, of which every field is known.
    """

    env_name: str
    values: Mapping[str, Value]
    declaration: EnvironmentDeclaration
    interface: Interface
    given: Mapping[str, Any] | None = None

    def integer(self, key: str) -> int:
        """The value of an integer field."""
        value = self.values[key]
        assert isinstance(value, int)
        return value

    def number(self, key: str) -> float:
        """The value of a number field."""
        value = self.values[key]
        assert isinstance(value, (int, float))
        return float(value)

    def items(self, key: str) -> tuple[Any, ...]:
        """The value of a list field."""
        value = self.values[key]
        assert isinstance(value, tuple)
        return value

    def mapping(self, key: str) -> dict[str, Any]:
        """The fields nested under a key, without it; nested as the spec has them."""
        return dict(self.as_document().get(key, {}))

    @property
    def has_own_rewards(self) -> bool:
        """Whether rewards are the environment's own, neither overwritten nor changed."""
        changed = self.values["overwrite_rewards"] or self.values[SHIFT]
        return not (changed or self.values.get(THRESHOLD))

    @property
    def total_timesteps(self) -> int:
        """Environment steps of one run."""
        return self.integer("total_timesteps")

    def longest_episode(self, num_worlds: int) -> int:
        """Steps that a training episode can have at most, in one of so many worlds of a run."""
        steps = self.total_timesteps // num_worlds
        return min(self.integer("steps_per_episode") or steps, steps)

    @property
    def eval_episodes(self) -> int:
        """Episodes of one evaluation; 0 is none."""
        return self.integer("eval_episodes")

    def as_document(self) -> dict[str, Any]:
        """The spec as plain data, every field written out: what the record holds."""
        if self.given is not None:
            return dict(plain(self.given))
        document: dict[str, Any] = {"env_name": self.env_name}
        fields = {field.name: field for field in fields_of(self.declaration)}
        for dotted, value in self.values.items():
            is_later = dotted in UNSAID or fields[dotted].kind == MAPPINGS
            if is_later and value == fields[dotted].default:
                continue
            target = document
            *parents, leaf = dotted.split(".")
            for parent in parents:
                target = target.setdefault(parent, {})
            if value or not isinstance(value, Mapping):  # no keywords are as none named
                target[leaf] = plain(value)
        return document


COUNTED_KEYS = ("total_timesteps", "eval_interval_timesteps", "snapshot_interval_timesteps")
"""Fields that count environment steps: a run of several worlds takes as many of them at once."""


def requested_series(record: tuple[str, ...]) -> frozenset[str]:
    """The series to keep for a spec's `record` list; an update's view needs what it looks into."""
    return frozenset(name for entry in record for name in REQUIRED_SERIES.get(entry, (entry,)))


def fields_of(declaration: EnvironmentDeclaration) -> tuple[Field, ...]:
    """Every field of an environment's spec: the common ones, with its own defaults, and its own."""
    defaults = {"continuous": declaration.continuous[0], "gamma": declaration.gamma}
    common = (replace(f, default=defaults.get(f.name, f.default)) for f in FIELDS)
    return (*common, *declaration.fields)


def read_environment_spec(
    document: Document, declaration: EnvironmentDeclaration
) -> EnvironmentSpec:
    """Check a document against its environment's declaration, or that of the preset it chooses.

    Raises:
        SpecError: every fault of the document.
    """
    presets = declaration.presets
    declaration = declaration.with_preset(document.values.get("preset"))
    fields = {field.name: field for field in fields_of(declaration)}
    whole = {key for key in document.values if key in fields and fields[key].kind == "mapping"}
    split = {key: value for key, value in document.values.items() if key not in whole}
    raw = {key: value for key, value in flatten(split) if key != "env_name"}
    raw |= {key: document.values[key] for key in whole}
    faults = [
        Fault(document.origin(key), key, *_of_other_preset(key, presets, (problem, hint)))
        for key, problem, hint in unknown_keys(raw, fields, "see config/environment/README.md")
    ]
    faults += (fault for key in whole for fault in word_faults(document, key))
    values: dict[str, Value] = {}
    for name, field in fields.items():
        try:
            values[name] = _value(field, raw, document)
        except RejectedError as rejected:
            faults.append(Fault(document.origin(name), name, rejected.problem, rejected.hint))
    faults += joint_faults(values, raw, declaration, document)
    # An interface that is a function may read any field, so none may be at fault.
    if declaration.is_fixed or fields.keys().isdisjoint(fault.key for fault in faults):
        try:
            interface = declaration.interface_of(values)
            faults += start_faults(values, interface, document)
        except SpecError as error:
            faults += [replace(fault, file=document.origin(fault.key)) for fault in error.faults]
    if faults:
        raise SpecError(faults)
    spec = EnvironmentSpec(declaration.name, values, declaration, interface)
    return replace(spec, interface=replace(interface, total_timesteps=spec.total_timesteps))


def faults_of_any(
    document: Document, declarations: Iterable[EnvironmentDeclaration]
) -> Iterator[Fault]:
    """What is wrong with a document whatever environment it is of: keys that none has, and values
    of those that all have.

    Args:
        document: of an environment that is not known.
        declarations: of those that are.
    """
    common = {field.name: field for field in FIELDS}
    own = {field.name for declared in declarations for field in declared.fields}
    given = {key: value for key, value in document.values.items() if key not in OF_ALL}
    raw = dict(flatten(given))
    known = (*common, *own, *(key for key in raw if key.partition(".")[0] in own))
    for key, problem, hint in unknown_keys(raw, known, "see config/environment/README.md"):
        yield Fault(document.origin(key), key, problem, hint)
    for name, field in common.items():
        try:
            _value(field, {**{name: field.default}, **raw}, document)
        except RejectedError as rejected:
            yield Fault(document.origin(name), name, rejected.problem, rejected.hint)


def _of_other_preset(
    key: str, presets: tuple[tuple[str, EnvironmentDeclaration], ...], unknown: tuple[str, str]
) -> tuple[str, str]:
    """The problem with an unknown key and what to do: one that another preset knows, or as told."""
    owners = [name for name, declared in presets if key in {f.name for f in declared.fields}]
    if not owners:
        return unknown
    problem = f"no field of this preset, allowed: with preset {' or '.join(owners)} only"
    return problem, "leave it out, or choose the other preset"


def _value(field: Field, raw: Mapping[str, object], document: Document) -> Value:
    if field.name not in raw:
        if field.default is None:
            raise RejectedError(f"missing, allowed: {field.allowed()}")
        return field.default
    yaml_text = document.origin(field.name).endswith(YAML_SUFFIXES)
    return field.normalise(raw[field.name], yaml_text=yaml_text)


def word_faults(document: Document, parent: str) -> Iterator[Fault]:
    """Faults of words of the command line in a mapping whose values have no declared type.

    Args:
        document: of the spec.
        parent: key of the mapping.
    """
    for key, (text, replaced) in document.words.items():
        if not key.startswith(f"{parent}."):
            continue
        if meant := other_meaning(text):
            problem, hint = "not a plain text, and not JSON", f"write {meant}"
        elif isinstance(replaced, (bool, int, float, list, Mapping)):
            problem, hint = f"a text in place of {shown(replaced)}", "write a value like that"
        else:
            continue
        hint = f'{hint}, or the text in double quotes: "{text}"'
        yield Fault(document.origin(key), key, f"got {text or 'nothing'}, {problem}", hint)


def joint_faults(
    values: Mapping[str, Value],
    raw: Mapping[str, object],
    declaration: EnvironmentDeclaration,
    document: Document,
) -> list[Fault]:
    """Faults that show only when fields are read together; a field at fault has no value."""

    def fault(key: str, problem: str, hint: str = "") -> Fault:
        return Fault(document.origin(key), key, problem, hint)

    faults = []
    if values.get("continuous", declaration.continuous[0]) not in declaration.continuous:
        allowed = " or ".join(shown(value) for value in declaration.continuous)
        got = shown(values["continuous"])
        faults.append(fault("continuous", f"got {got}, {declaration.name} allows: {allowed}"))
    if values.get("eval_episodes") and values.get("steps_per_episode") == 0:
        hint = "give steps_per_episode, or switch evaluation off with eval_episodes 0"
        faults.append(fault("steps_per_episode", "got 0, allowed with evaluation: >= 1", hint))
    if values.get(SHIFT) and values.get("steps_per_episode") == 0:
        hint = "give steps_per_episode: a terminal step is shifted for those that are left of it"
        faults.append(fault("steps_per_episode", f"got 0, allowed with {SHIFT}: >= 1", hint))
    if values.get(THRESHOLD) == 1:
        faults.append(fault(THRESHOLD, "got 1.0, allowed: a number from 0, and less than 1"))
    if values.get("overwrite_rewards") and "rewards.timestep" not in raw:
        hint = 'write "rewards": {"timestep": -1.0, "goal": 0.0}'
        faults.append(fault("rewards", "missing while overwrite_rewards is true", hint))
    return faults


def start_faults(
    values: Mapping[str, Value], interface: Interface, document: Document
) -> list[Fault]:
    """Faults of a start state that is no state of the environment."""
    start = values.get("start_state", ())
    assert isinstance(start, tuple)
    if len(start) in (0, interface.state_dim):
        return []
    numbers = f" or {interface.state_dim} numbers" if interface.state_dim else ""
    problem = f"got {shown(start)}, allowed: []{numbers}"
    return [Fault(document.origin("start_state"), "start_state", problem)]
