"""Both specs of an experiment, read and checked together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nthrun.agents.registry import AGENTS, agent_declaration
from nthrun.environments.registry import ENVIRONMENTS, environment_declaration
from nthrun.errors import Fault, SpecError
from nthrun.legacy.agent_files import read_older_agent
from nthrun.legacy.conventions import conventions_of
from nthrun.legacy.differences import differences
from nthrun.legacy.environment_files import read_older_environment
from nthrun.legacy.reading import Reading
from nthrun.planning.spec_notes import never_learning, notes_of, uneven_steps, unmeasured
from nthrun.specs.agent_spec import AgentSpec, read_agent_spec
from nthrun.specs.declaration import NUM_WORLDS, AgentDeclaration
from nthrun.specs.directory import experiment_directory
from nthrun.specs.documents import (
    AGENT,
    ENVIRONMENT,
    WRAPPERS,
    Document,
    Override,
    Translate,
    as_it_is,
    of_spec,
    read_document,
)
from nthrun.specs.environment_spec import (
    EnvironmentSpec,
    faults_of_any,
    fields_of,
    read_environment_spec,
)
from nthrun.specs.field import MAPPINGS
from nthrun.specs.program_environment import read_program_environment
from nthrun.specs.search.search_spec import NO_PRUNER
from nthrun.specs.sweep import Sweep
from nthrun.specs.trust import Trust
from nthrun.specs.wandb_sweep import read_wandb_sweep


@dataclass(frozen=True)
class ExperimentSpec:
    """What an experiment is made of.

    Attributes:
        agent, environment: their specs.
        reading: how their files were read where they do not stand for themselves, a line each.
    """

    agent: AgentSpec
    environment: EnvironmentSpec
    reading: tuple[str, ...] = ()

    @property
    def sweep(self) -> Sweep:
        """The agent's settings."""
        return self.agent.sweep

    @property
    def notes(self) -> list[str]:
        """How the files were read, and what is allowed and yet hardly meant, a line each."""
        return [*self.reading, *notes_of(self.agent, self.environment)]

    def programs(self) -> tuple[str, ...]:
        """What its runs are made of: "package.module:Class", or the name of a registered
        environment; "" for what there is not."""
        agent, environment = self.agent.declaration, self.environment.declaration
        names = (agent.program, environment.program, environment.oracle, environment.name)
        return (*names, *(each for each in self.wrappers if not each.startswith("gymnasium.")))

    @property
    def wrappers(self) -> tuple[str, ...]:
        """What its environment is wrapped in, as package.module:Class."""
        kinds = {field.name: field.kind for field in self.environment.declaration.fields}
        listed = self.environment.items(WRAPPERS) if kinds.get(WRAPPERS) == MAPPINGS else ()
        return tuple(str(wrapper.get("name", "")) for wrapper in listed)

    def knowing(self, suggested: Mapping[int, Mapping[str, Any]]) -> ExperimentSpec:
        """The same with settings that were suggested.

        Args:
            suggested: setting number -> hyperparameters, as a record or a journal holds them.
        """
        settings = {number: self.agent.as_setting(raw) for number, raw in suggested.items()}
        return replace(self, agent=replace(self.agent, suggested=settings))

    def directory(self, save_dir: str) -> Path:
        """The experiment's directory under a save dir."""
        if self.agent.program is not None:
            name = self.agent.program.name
            return experiment_directory(save_dir, self.environment.env_name, name, [])
        policies = [str(value) for value in self.agent.values_of("policy_type")]
        labels = [self.environment.values[n] for n in self.environment.declaration.label_fields]
        name = "-".join([self.environment.env_name, *map(str, labels)])
        return experiment_directory(save_dir, name, self.agent.agent_name, policies)


def read_experiment_spec(
    environment_files: Sequence[str],
    agent_files: Sequence[str],
    overrides: Sequence[Override] = (),
) -> ExperimentSpec:
    """Read, merge and check the spec files.

    Args:
        environment_files: of the environment spec.
        agent_files: of the agent spec; sweeps of Weights & Biases among them.
        overrides: fields given on the command line.

    Raises:
        SpecError: every fault of both specs.
    """
    faults: list[Fault] = []
    readings: list[Reading] = []
    environment = agent = declaration = None
    worlds = _read(faults, environment_files, of_spec(overrides, ENVIRONMENT))
    learners = _read(faults, agent_files, of_spec(overrides, AGENT), read_wandb_sweep)
    conventions = ""
    try:
        conventions = conventions_of([*worlds, *learners])
    except SpecError as error:
        faults += error.faults
    is_own, of_agent = False, [fault for written in learners for fault in written.faults]
    try:
        for written in learners:
            document = _as_ours(read_older_agent(written, AGENTS, conventions), readings)
            is_own = ":" in str(document.values.get("agent_name"))
            declaration = agent_declaration(document)
            agent = read_agent_spec(document, declaration)
    except SpecError as error:
        of_agent += [fault for fault in error.faults if not _is_within(fault, of_agent)]
    is_program = _is_of_program(declaration, is_own)
    try:
        for world in worlds:
            older = Reading(world)
            if not is_program:
                older = read_older_environment(world, conventions, _is_endless)
            environment = _read_environment(_as_ours(older, readings), is_program)
    except SpecError as error:
        faults += error.faults
    faults += (*of_agent, *(fault for reading in readings for fault in reading.faults))
    if faults or agent is None or environment is None:
        raise SpecError(faults)
    told = _told(readings, agent, environment, conventions)
    spec = replace(_fitting(agent, environment, document), reading=tuple(told))
    if misfit := unmeasured(agent, environment):
        key = "search.metric"
        raise SpecError([Fault(document.origin(key), key, *misfit)])
    return spec


def _is_endless(name: str) -> bool:
    """Whether a name is that of an environment of nthrun in which no state is terminal."""
    declared = ENVIRONMENTS.get(name)
    fields = () if declared is None else fields_of(declared)
    defaults = {each.name: each.default for each in fields if each.default is not None}
    if declared is None or len(defaults) < len(fields) - 1:  # all but total_timesteps
        return False
    return not declared.interface_of(defaults).terminates


def _is_within(fault: Fault, others: Sequence[Fault]) -> bool:
    """Whether a fault is of what another is of, or of something in it."""
    return any(f"{fault.key}.".startswith(f"{other.key}.") for other in others if other.key)


def _read(
    faults: list[Fault],
    files: Sequence[str],
    overrides: Sequence[Override],
    translate: Translate = as_it_is,
) -> list[Document]:
    """The document of files, if they can be read; else their faults are added."""
    try:
        return [read_document(files, overrides, translate)]
    except SpecError as error:
        faults += error.faults
        return []


def _as_ours(reading: Reading, readings: list[Reading]) -> Document:
    """The document of a reading, which is kept with the others."""
    readings.append(reading)
    return reading.document


def _told(
    readings: Sequence[Reading], agent: AgentSpec, environment: EnvironmentSpec, conventions: str
) -> Iterator[str]:
    """What is to be said of files of the older tool."""
    for reading in readings:
        yield from (*reading.document.notes, *reading.notes)
    if not conventions and not any(reading.is_older for reading in readings):
        return
    if there := "; ".join(differences(agent, environment)):
        yield f"in the older tool, whose files these are, {there}: see docs/coming_from.md"


def recorded_spec(
    experiment: Mapping[str, Any], source: str, trust: Trust = Trust.READ
) -> ExperimentSpec:
    """The specs that records keep, for a command that reads them.

    Args:
        experiment: the specs as documents, under "environment" and "agent".
        source: the file they are from, named in faults.
        trust: whether the user has asked for the code that they name to be run.

    Raises:
        SpecError: this version does not know them, or they name code that may not be run.
        MissingExtraError: the environment needs a package that is not installed.
    """
    return experiment_spec_of(experiment["environment"], experiment["agent"], source, trust)


def experiment_spec_of(
    environment: Mapping[str, Any],
    agent: Mapping[str, Any],
    source: str,
    trust: Trust = Trust.USER,
) -> ExperimentSpec:
    """Specs from documents, such as those that a plan of the user's keeps.

    Args:
        environment, agent: as `as_document` gave them.
        source: the file they are from, named in faults.
        trust: whose they are; see `recorded_spec` for those of somebody else.

    Raises:
        SpecError: this version does not know them any more, or they name code that may not be run.
    """
    document = Document(dict(environment), {}, (source,), trust=trust)
    agent_document = Document(dict(agent), {}, (source,), trust=trust)
    declaration = agent_declaration(agent_document)
    environment_spec = _read_environment(document, declaration.is_program)
    agent_spec = read_agent_spec(agent_document, declaration)
    return _fitting(agent_spec, environment_spec, agent_document)


def _is_of_program(agent: AgentDeclaration | None, is_own: bool) -> bool:
    """Whether an environment may be any, as that of a program; so it is where a user's own code
    cannot be read.

    Args:
        agent: None is one that cannot be read.
        is_own: whether it is a user's own.
    """
    return is_own if agent is None else agent.is_program


def _read_environment(document: Document, of_program: bool) -> EnvironmentSpec:
    """The environment that an agent, or a program, is to act in.

    Raises:
        SpecError: every fault of the document.
    """
    if of_program:
        return read_program_environment(document)
    try:
        declaration = environment_declaration(document)
    except SpecError as error:
        faults = faults_of_any(document, ENVIRONMENTS.values())
        others = [fault for fault in faults if not _is_within(fault, error.faults)]
        raise SpecError([*error.faults, *others]) from error
    return read_environment_spec(document, declaration)


def _fitting(agent: AgentSpec, environment: EnvironmentSpec, document: Document) -> ExperimentSpec:
    """Both together, if the agent can act in the environment.

    Raises:
        SpecError: it cannot.
    """
    misfits = agent.declaration.fits(environment.interface, agent.values_of)
    faults = []
    for name, problem, hint in misfits:
        key = f"parameters.{name}" if name else "agent_name"
        text = f"{problem} (in {environment.env_name})"
        if name and name not in agent.named:
            key, text = "agent_name", f"{name}, which the spec leaves at its default: {text}"
        faults.append(Fault(document.origin(key), key, text, hint))
    if uneven := uneven_steps(agent, environment):
        key = f"parameters.{NUM_WORLDS}"
        faults.append(Fault(document.origin(key), key, *uneven))
    if never := never_learning(agent, environment):
        key = f"parameters.{agent.declaration.rollout[0]}"
        faults.append(Fault(document.origin(key), key, *never))
    evaluated = environment.eval_episodes or agent.program is not None
    if agent.search.text("pruner") != NO_PRUNER and not evaluated:
        problem = "runs are compared at their evaluations, and eval_episodes is 0"
        hint = "give eval_episodes in the environment's spec"
        faults.append(Fault(document.origin("search.pruner"), "search.pruner", problem, hint))
    if faults:
        raise SpecError(faults)
    if agent.declaration.takes_heads:
        environment = replace(environment, interface=environment.interface.by_heads())
    return ExperimentSpec(agent, environment)
