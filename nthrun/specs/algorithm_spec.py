"""Algorithms of Stable-Baselines3 in agent specs: `"agent_name": "sb3:PPO"`.

Hyperparameters are the algorithm's own keyword arguments, checked by its signature.
"""

from __future__ import annotations

import importlib
import inspect
from importlib import metadata
from typing import Any

from nthrun.errors import Fault, MissingExtraError, SpecError
from nthrun.specs.declaration import AgentDeclaration
from nthrun.specs.documents import Document
from nthrun.specs.field import did_you_mean
from nthrun.specs.program_spec import ALGORITHM, program_declaration, undeclared

PREFIX = "sb3"
PACKAGES = ("stable_baselines3", "sb3_contrib")
GIVEN = ("self", "env", "seed", "device", "verbose", "tensorboard_log", "_init_setup_model")
"""Arguments of an algorithm that are no hyperparameters, or are the run's own."""


def is_algorithm(name: str) -> bool:
    """Whether a name is that of an algorithm of Stable-Baselines3."""
    return name.startswith(f"{PREFIX}:")


def version() -> str:
    """The version of Stable-Baselines3."""
    return metadata.version(PACKAGES[0])


def algorithm_of(name: str) -> Any:
    """The class that "sb3:PPO" names; None where there is none.

    Raises:
        MissingExtraError: Stable-Baselines3 is not installed.
    """
    for package in PACKAGES:
        try:
            module = importlib.import_module(package)
        except ModuleNotFoundError as error:
            if package == PACKAGES[0]:
                message = f"{name}: the package {error.name} is not installed"
                raise MissingExtraError(message, 'pip install "nthrun[sb3]"') from error
            continue
        found = getattr(module, name.partition(":")[2], None)
        if inspect.isclass(found) and hasattr(found, "learn"):
            return found
    return None


def algorithm_declaration(name: str, document: Document) -> AgentDeclaration:
    """The declaration of an algorithm; its spec is checked against the algorithm's signature.

    Raises:
        SpecError: there is no such algorithm, or it has no such hyperparameters.
        MissingExtraError: Stable-Baselines3 is not installed.
    """
    algorithm = algorithm_of(name)
    if algorithm is None:
        problem = f"got {name!r}, and neither {' nor '.join(PACKAGES)} has it"
        raise SpecError([Fault(document.origin("agent_name"), "agent_name", problem)])
    known = [n for n in inspect.signature(algorithm.__init__).parameters if n not in GIVEN]
    faults = []
    for field in undeclared(document):
        if field.name.partition(".")[0] not in known:
            key = f"parameters.{field.name}"
            problem = f"unknown key, allowed: {', '.join(known)}"
            hint = did_you_mean(field.name, known)
            faults.append(Fault(document.origin(key), key, problem, hint))
    if faults:
        raise SpecError(faults)
    return program_declaration(name, ALGORITHM, document, undeclared(document))
