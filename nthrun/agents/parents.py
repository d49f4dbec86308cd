"""Parents: recorded runs whose parameters other runs start from.

An agent's declaration names the hyperparameter that says where its parents are, and has the fields
of `parent_fields`; its `initial_state` is then given the parent of each lane. Directories are
relative to the folder that holds the experiment's own directory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nthrun.agents.fields import NO_PARENT, PARENT_NAMES
from nthrun.errors import NthrunError, ParentError, SpecError
from nthrun.records.data import Data, open_directory
from nthrun.records.experiment import Experiment, open_experiment
from nthrun.records.kept import Asked, kept_params
from nthrun.specs.declaration import AgentDeclaration, Setting
from nthrun.specs.documents import flatten
from nthrun.specs.environment_spec import (
    AMOUNT_KEYS,
    PROTOCOL_KEYS,
    SCORE,
    EnvironmentSpec,
    fields_of,
)
from nthrun.specs.field import plain
from nthrun.specs.layout import Layout

PARAMETERS = "parameters"
"""Key of an identity: the digest."""


@dataclass(frozen=True)
class Parent:
    """A recorded run that another starts from.

    Attributes:
        directory: of its experiment, as the setting names it.
        index, stage, step: which run, and when.
        fingerprint: of its experiment.
        agent_name: of its agent.
        setting: its hyperparameters.
        params: name -> array, as its agent's `learned_params` named them, without lanes.
    """

    directory: str
    index: int
    stage: int
    step: int
    fingerprint: str
    agent_name: str
    setting: Mapping[str, Any]
    params: Mapping[str, np.ndarray]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the parameters, in hexadecimal: what a run that starts from them hangs on."""
        digest = hashlib.sha256()
        for name, array in sorted(self.params.items()):
            digest.update(repr((name, array.dtype.str, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def identity(self) -> dict[str, Any]:
        """What provenance says of it."""
        return {
            "directory": self.directory,
            "index": self.index,
            "stage": self.stage,
            "step": self.step,
            "fingerprint": self.fingerprint,
            PARAMETERS: self.digest,
        }


Of = Sequence[Parent | None]
"""The parents of some runs; None of one that has none."""


@dataclass(frozen=True, slots=True)
class Parents:
    """Where the parents of an experiment's runs are.

    Attributes:
        environment: of the experiment.
        agent: what is declared of its agent; None has no parents.
        root: the folder that holds the experiment's directory.
    """

    environment: EnvironmentSpec
    agent: AgentDeclaration | None = None
    root: Path = Path()

    @property
    def field(self) -> str:
        """The hyperparameter that names where a parent is recorded; "" if there is none."""
        return "" if self.agent is None else self.agent.parent

    def of(self, settings: Sequence[Setting]) -> Of:
        """The parents of some settings; see `ParentReader.parent`."""
        reader = ParentReader(self)
        return [reader.parent(setting) for setting in settings]


class ParentReader:
    """Reads parents, each of them and each experiment once.

    Args:
        parents: where they are.
    """

    def __init__(self, parents: Parents) -> None:
        self._parents = parents
        self._experiments: dict[str, tuple[Experiment, Data]] = {}
        self._read: dict[tuple[Any, ...], Parent] = {}

    def parent(self, setting: Setting) -> Parent | None:
        """The parent of a setting.

        Raises:
            ParentError: it cannot be started from.
            NthrunError: a file cannot be read.
        """
        field = self._parents.field
        if not field or setting[field] == NO_PARENT:
            return None
        directory, *run = key = (setting[field], *(setting[name] for name in PARENT_NAMES))
        if key not in self._read:
            self._read[key] = _read(directory, *self._opened(directory), run)
        self._require_same_agent(setting, self._read[key])
        self._require_shapes(setting, self._read[key])
        return self._read[key]

    def _opened(self, directory: str) -> tuple[Experiment, Data]:
        """An experiment in the same environment, and its records."""
        if directory not in self._experiments:
            if "\0" in directory:
                problem = f"{directory!r} is no path, allowed: a directory beside the own one"
                raise ParentError(problem, "write the directory's name")
            # What a path goes up from may not be made yet, and then is nothing to the system.
            place = os.path.realpath(self._parents.root / directory)
            experiment = open_experiment(Path(place))
            experiment.keeps_cache = False  # of another experiment nothing is touched
            self._require_environment(experiment)
            self._experiments[directory] = experiment, open_directory(experiment)
        return self._experiments[directory]

    def _require_environment(self, experiment: Experiment) -> None:
        """Check that a parent was trained in the same environment.

        Raises:
            ParentError: it was not; the key that differs is named.
        """
        theirs = dict(flatten(experiment.manifest.environment))
        ours = dict(flatten(self._parents.environment.as_document()))
        declared = fields_of(self._parents.environment.declaration)
        silent = {field.name: plain(field.default) for field in declared}
        for key in {**ours, **theirs}:
            if key in (*PROTOCOL_KEYS, *AMOUNT_KEYS, SCORE):
                continue
            there, here = (values.get(key, silent.get(key)) for values in (theirs, ours))
            if there != here:
                raise ParentError(
                    f"{experiment.root}: {key} of its environment is {there!r}, allowed: {here!r}, "
                    "as in the environment of the runs that are to start from it",
                    "name an experiment in the same environment",
                )

    def _require_same_agent(self, setting: Setting, parent: Parent) -> None:
        """Check that a parent is of the same agent and as its agent's declaration asks.

        Raises:
            ParentError: it is not.
        """
        agent = self._parents.agent
        if agent is None:
            return
        whose = f"{parent.directory}: index {parent.index}"
        if parent.agent_name in agent.parent_not:
            raise ParentError(
                f"{whose}: its agent is {parent.agent_name}, allowed as a parent of {agent.name}: "
                f"any but {', '.join(agent.parent_not)}",
                "name the experiment that was its own parent",
            )
        if not agent.parent_shares:
            return
        if parent.agent_name != agent.name:
            raise ParentError(
                f"{whose}: its agent is {parent.agent_name}, allowed: {agent.name}",
                f"name an experiment of {agent.name}",
            )
        for name in agent.parent_shares:
            there, here = plain(parent.setting.get(name)), plain(setting[name])
            if there != here:
                raise ParentError(
                    f"{whose}: its {name} is {there!r}, allowed: {here!r}, as in the setting "
                    "that is to start from it",
                    f"give both the same {name}",
                )

    def _require_shapes(self, setting: Setting, parent: Parent) -> None:
        """Check that a parent has parameters of an agent's, where its layout says which it has.

        Raises:
            ParentError: it has none, or one of another shape.
        """
        agent = self._parents.agent
        if agent is None or agent.layout is None:
            return
        try:
            layout = agent.layout(setting, self._parents.environment.interface)
        except (KeyboardInterrupt, SpecError):
            raise
        except BaseException:  # whatever a user's class raises: its runs will tell
            if ":" not in agent.name:
                raise
            return
        if isinstance(layout, Layout) and not layout.largest:
            shared_names(layout.learned, parent)


def shared_names(shapes: Mapping[str, tuple[int, ...]], parent: Parent) -> list[str]:
    """The names of the parameters that a parent shares.

    Args:
        shapes: of the parameters of the agent that starts from it, without lanes.

    Raises:
        ParentError: there are none, or one has another shape.
    """
    shared = [name for name in shapes if name in parent.params]
    whose = f"{parent.directory}: index {parent.index}, of {parent.agent_name},"
    if not shared:
        raise ParentError(f"{whose} has no {', '.join(shapes)}, allowed: one of these at least")
    for name in shared:
        if parent.params[name].shape != tuple(shapes[name]):
            raise ParentError(
                f"{whose} has {name} of shape {parent.params[name].shape}, "
                f"allowed: {tuple(shapes[name])}",
                "give both agents networks of the same sizes",
            )
    return shared


def _read(directory: str, experiment: Experiment, data: Data, run: Sequence[int]) -> Parent:
    """A run that was trained to its end.

    Args:
        directory: of its experiment, as a setting names it.
        experiment, data: which that is.
        run: stage, index and step; -1 is the end.

    Raises:
        ParentError: it was not, or nothing is kept.
    """
    stage, index, step = run
    asked = Asked(stage, index, None if step < 0 else step, whole=True, names=PARENT_NAMES)
    manifest = experiment.manifest
    try:
        kept = kept_params(data, manifest.num_settings, asked)
    except NthrunError as error:
        unreadable = "".join(f"; {path}: {problem}" for path, problem in data.unreadable)
        where = "" if str(experiment.root) in error.message else f"{experiment.root}: "
        raise ParentError(f"{where}{error.message}{unreadable}", error.hint) from error
    return Parent(
        directory,
        kept.index,
        kept.stage,
        kept.step,
        manifest.fingerprint,
        manifest.agent["agent_name"],
        kept.run["agent_params"],
        kept.params,
    )
