"""The specs that a sweep of another tool stands for.

What starts a script becomes a `command`, whose hyperparameters are the script's arguments. Where
the sweep names an agent of nthrun's, its hyperparameters and the environment's fields are sorted
out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nthrun.legacy.spec_keys import AGENT_NAMES, AgentName
from nthrun.legacy.sweeps.base import ARGUMENTS, ForeignSweep, is_seed, is_unresolved
from nthrun.legacy.sweeps.hydra import is_hydra, read_hydra
from nthrun.legacy.sweeps.pyexputils import is_pyexputils, read_pyexputils
from nthrun.legacy.sweeps.seml import is_seml, read_seml
from nthrun.legacy.sweeps.wandb import read_wandb
from nthrun.specs.declaration import AgentDeclaration
from nthrun.specs.environment_spec import FIELDS
from nthrun.specs.field import shown
from nthrun.specs.program_spec import COMMAND, ENVIRONMENT, GIVEN, NAME
from nthrun.specs.search.space import COUPLER
from nthrun.specs.wandb_sweep import is_wandb_sweep

AGENT_KEYS = ("agent_name", "agent", "algorithm", "algo", "agent.name", "experiment.agent")
WORLD_KEYS = ("env_name", "environment", "env", "env_id", "problem", "env.name", "env.id")
"""Keys by which sweeps name an agent, and an environment."""
WORLD_PREFIXES = ("env.", "environment.", "problem.")
LENGTHS = {
    **dict.fromkeys(("total_steps", "steps", "timesteps", "num_timesteps"), "total_timesteps"),
    **dict.fromkeys(("episode_cutoff", "max_episode_steps"), "steps_per_episode"),
    **{name: name for name in ("total_timesteps", "steps_per_episode")},
}
"""Keys of any sweep -> the field of an environment's spec."""
FIELD_NAMES = {each.name: each.name for each in FIELDS} | LENGTHS
"""The same beside an agent of nthrun's, which has no hyperparameters of these names."""
TOOLS = (
    "SEML (seml), Hydra (hydra.sweeper.params), PyExpUtils (metaParameters), "
    "W&B (method and parameters)"
)


@dataclass
class Specs:
    """What a sweep stands for.

    Attributes:
        part: of the file; "" for the whole.
        agent, environment: specs; the second is empty where nothing is known of it.
        told: what is not carried over, and what is written otherwise, a line each.
    """

    part: str
    agent: dict[str, Any]
    environment: dict[str, Any] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)


def read_sweeps(path: str, content: Mapping[str, Any], program: str = "") -> list[ForeignSweep]:
    """The sweeps of a file of any of the tools that are known; none of another file.

    Args:
        path: of the file.
        content: of it.
        program: the script that is started, where the file does not say, or says another.

    Raises:
        SpecError: a file of W&B has faults.
    """
    if is_wandb_sweep(content):
        return read_wandb(path, content, program)
    readers: tuple[tuple[Callable[..., bool], Callable[..., list[ForeignSweep]]], ...] = (
        (is_hydra, read_hydra),
        (is_pyexputils, read_pyexputils),
        (is_seml, read_seml),
    )
    return next((read(content, program) for known, read in readers if known(content)), [])


def specs_of(
    sweep: ForeignSweep,
    stem: str,
    agents: Mapping[str, AgentDeclaration],
    agent_name: str = "",
    *,
    starts_script: bool = False,
) -> Specs:
    """The specs of a sweep.

    Args:
        sweep: of another tool.
        stem: a name where none is given.
        agents: nthrun's, by name.
        agent_name: whose it is, where the user says so.
        starts_script: whether the user says that a script is started, whatever the file names.
    """
    named = agent_name or _said(sweep, AGENT_KEYS[:1])
    is_ours = bool(agent_name or _meant(named, agents).name)
    if sweep.command and (starts_script or not is_ours):
        return _of_command(sweep, stem)  # a script's own `algorithm` is not nthrun's
    said = named or _said(sweep, AGENT_KEYS)
    meant = _meant(said, agents)
    name = meant.name or said
    specs = Specs(sweep.part, {"agent_name": name} if name else {}, told=list(sweep.told))
    if not name:
        specs.told.append("agent_name: the file names none: write it, or give --agent-name")
    if sweep.command:
        specs.told.append(f"{' '.join(sweep.command)}: not carried over: {name} is the agent")
    known = {each.name for each in agents[name].hyperparameters} if meant.name else set()
    _tell_other_names(sweep, specs, AGENT_KEYS, said, known)
    parameters = _sorted_out(sweep, specs, known)
    implied = {key: [value] for key, value in meant.implied.items() if key not in parameters}
    specs.agent |= {"parameters": parameters | implied}
    if sweep.search:
        specs.agent["search"] = sweep.search
    if specs.environment and "total_timesteps" not in specs.environment:
        specs.told.append("total_timesteps: the file does not say: write it into the environment's")
    return specs


def _meant(said: str, agents: Mapping[str, AgentDeclaration]) -> AgentName:
    """The agent of nthrun's that a name stands for; one without a name where it stands for none."""
    ours = {name.lower(): name for name in agents}.get(said.lower(), "")
    return AgentName(ours) if ours else AGENT_NAMES.get(said.lower(), AgentName(""))


def _said(sweep: ForeignSweep, keys: tuple[str, ...]) -> str:
    """The name that a sweep gives under the first of some keys; "" for none."""
    for key in keys:
        value = sweep.constants.get(key, sweep.values.get(key))
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(value, str) and not is_unresolved(value):
            return value
    return ""


def _sorted_out(sweep: ForeignSweep, specs: Specs, known: set[str]) -> dict[str, Any]:
    """The hyperparameters of a sweep; its environment's fields go into that spec.

    Args:
        specs: to which the environment's fields and lines are added.
        known: hyperparameters of the agent; empty if anything may be one.
    """
    if world := _said(sweep, WORLD_KEYS):
        specs.environment["env_name"] = world
        _tell_other_names(sweep, specs, WORLD_KEYS, world, known)
    named = {key for key in (*AGENT_KEYS, *WORLD_KEYS) if _said(sweep, (key,))} - known
    single = {key: [value] for key, value in sweep.constants.items() if key not in sweep.values}
    parameters: dict[str, Any] = {}
    for key, values in {**sweep.values, **single}.items():
        if key in named:
            continue
        if key in single and is_unresolved(values):
            specs.told.append(f"{key}: not carried over: {shown(values[0])} is said elsewhere")
        elif key in single and COUPLER in key:
            specs.told.append(f"{key}: not carried over: {COUPLER} joins names here: write a dot")
        elif is_seed(key) and key not in known:
            count = len(values) if isinstance(values, list) else 1
            specs.told.append(f"{key}: not carried over: runs have seeds: give --runs {count}")
        elif field_name := _field_name(key, known):
            _to_environment(specs, key, field_name, values)
        elif new := _hyperparameter(specs, key, known, parameters):
            parameters[new] = values
    return parameters


def _tell_other_names(
    sweep: ForeignSweep, specs: Specs, keys: tuple[str, ...], said: str, known: set[str]
) -> None:
    """Say which keys that may name an agent, or an environment, name another than it is."""
    for key in keys:
        other = "" if key in known else _said(sweep, (key,))
        if other and other != said:
            specs.told.append(f"{key}: not carried over: {shown(other)} beside {shown(said)}")


def _field_name(key: str, known: set[str]) -> str:
    """The field of an environment's spec that a key is; "" if it is none."""
    if key in known:
        return ""
    for prefix in WORLD_PREFIXES:
        if key.startswith(prefix):
            own = key.removeprefix(prefix)
            return FIELD_NAMES.get(own, own)
    return (FIELD_NAMES if known else LENGTHS).get(key, "")


def _to_environment(specs: Specs, key: str, name: str, values: Any) -> None:
    """Put a field into the environment's spec."""
    if not isinstance(values, list) or len(values) != 1:
        reason = f"an environment is not swept: an experiment each, --set environment.{name}=…"
        specs.told.append(f"{key}: not carried over: {reason}")
        return
    *parents, leaf = name.split(".")
    target = specs.environment
    for parent in parents:
        target = target.setdefault(parent, {}) if isinstance(target, dict) else target
    if not isinstance(target, dict) or leaf in target:
        specs.told.append(f"{key}: not carried over: another key is {name} of the environment")
        return
    target[leaf] = values[0]
    if key != name:
        specs.told.append(f"{key}: as {name} of the environment")


def _hyperparameter(specs: Specs, key: str, known: set[str], parameters: Mapping[str, Any]) -> str:
    """The hyperparameter that a key is; "" for none of the agent's, or one of `parameters`, which
    is told."""
    names = key.split(COUPLER)
    found = [name if name in known or not known else name.rpartition(".")[2] for name in names]
    if known and not known.issuperset(found):
        agent = specs.agent["agent_name"]
        specs.told.append(f"{key}: not carried over: no hyperparameter of {agent}")
        return ""
    there = [name for other in parameters for name in other.split(COUPLER)]
    if twice := sorted(name for name in found if [*there, *found].count(name) > 1):
        specs.told.append(f"{key}: not carried over: another key is {twice[0]}")
        return ""
    if found != names:
        specs.told.append(f"{key}: as {COUPLER.join(found)}")
    return COUPLER.join(found)


def _of_command(sweep: ForeignSweep, stem: str) -> Specs:
    """The specs of a script that is given what it is to run with."""
    specs = Specs(sweep.part, {"agent_name": COMMAND}, {"env_name": "none"}, list(sweep.told))
    if other := sweep.constants.get("agent_name"):
        specs.told.append(f"agent_name: not carried over: {shown(other)}: the script starts")
    words: list[str] = []
    parameters: dict[str, Any] = {}
    taken = _placeholders(sweep.names())
    for key, values in sweep.values.items():
        if is_seed(key):
            words.append(_argument(sweep, key, "{seed}"))
            count = len(values) if isinstance(values, list) else 1
            specs.told.append(f"{key}: as {{seed}}, which follows by itself: --runs {count}")
            continue
        names = key.split(COUPLER)
        parameters[COUPLER.join(taken[name] for name in names)] = values
        words += (_argument(sweep, name, f"{{{taken[name]}}}") for name in names)
    place = sweep.command.index(ARGUMENTS) if ARGUMENTS in sweep.command else len(sweep.command)
    command = [*sweep.command[:place], *words, *sweep.command[place + 1 :]]
    scripts = [Path(word).stem for word in sweep.command if word.endswith(".py")]
    name = "-".join(filter(None, [scripts[0] if scripts else stem, sweep.part]))
    specs.agent |= {"name": name if NAME.fullmatch(name) else "script", "command": command}
    specs.agent |= {"parameters": parameters} | ({"search": sweep.search} if sweep.search else {})
    if not any("{seed}" in word for word in command):
        specs.told.append("command: no argument is a seed: add one, such as --seed={seed}")
    return specs


def _placeholders(names: Sequence[str]) -> dict[str, str]:
    """Each name, and the one that a command may have for it: another where it is reserved."""
    taken: dict[str, str] = {}
    for name in names:
        taken[name] = name
        while taken[name] in (*GIVEN, ENVIRONMENT) or (
            taken[name] != name and taken[name] in names
        ):
            taken[name] += "_"
    return taken


def _argument(sweep: ForeignSweep, name: str, value: str) -> str:
    own = sweep.arguments.get(name, name)
    return sweep.argument.replace("{name}", own).replace("{value}", value)
