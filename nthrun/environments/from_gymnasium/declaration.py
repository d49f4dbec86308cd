"""What a spec may say of an environment that is registered with Gymnasium.

Its constructor's keywords stand under `kwargs`, and its spaces say what agents fit it. It is made
bare of the wrappers that nthrun does the work of.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import DependencyNotInstalled
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from nthrun.environments.host_environment import HOST_BYTES, UnsupportedSpaceError, action_bounds
from nthrun.errors import Fault, MissingExtraError, NthrunError, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.documents import Document, flatten, name_of
from nthrun.specs.field import Field, Kind, shown
from nthrun.specs.interface import Interface
from nthrun.specs.user_class import WHERE

KEYWORDS = "kwargs"
"""Key under which a spec has the keywords."""
TIME_LIMIT = f"{KEYWORDS}.max_episode_steps"
KINDS: dict[type, Kind] = {bool: "bool", int: "int", float: "float", str: "str", list: "parts"}
EXTRAS = {"mujoco": "mujoco", "imageio": "mujoco", "minatar": "minatar", "pygame": "render"}
"""Module -> the extra that installs it."""
NO_LIMIT = -1
"""`max_episode_steps` of `gymnasium.make` that leaves the time limit out."""


def gymnasium_declaration(document: Document) -> EnvironmentDeclaration:
    """The declaration of the registered environment that a document names.

    It is made once, to see its spaces.

    Raises:
        SpecError: there is none of that name, or it refuses its keywords, or its spaces are not
            supported.
        MissingExtraError: it needs a package that is not installed.
    """
    name = name_of(document, "env_name")
    fields = keyword_fields(document)
    keywords = document.values.get(KEYWORDS, {})

    def fault(key: str, problem: str) -> SpecError:
        return SpecError([Fault(document.origin(key), key, problem)])

    try:
        environment = make(name, keywords)
    except gymnasium.error.Error as error:
        reason = " ".join(str(error).split())
        raise fault("env_name", f"got {name!r}: {reason}") from error
    except NthrunError:
        raise
    except Exception as error:  # whatever its module or its constructor raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise fault(KEYWORDS if keywords else "env_name", f"refused by {name}: {reason}") from error
    try:
        interface = interface_of(environment.observation_space, environment.action_space)
    except UnsupportedSpaceError as error:
        raise fault("env_name", f"{name}: {error}") from error
    finally:
        environment.close()
    return EnvironmentDeclaration(
        name=name,
        interface=interface,
        program="nthrun.environments.from_gymnasium.program:GymnasiumEnvironment",
        viewer="nthrun.environments.viewer:GymnasiumViewer",
        fields=fields,
        continuous=(not interface.discrete,),
        on_host=True,
    )


def keyword_fields(document: Document) -> tuple[Field, ...]:
    """A field for every keyword a document hands on; its value decides the type.

    Raises:
        SpecError: what is under `kwargs` is no mapping, or a value is of no type that a spec can
            hold, or is the time limit.
    """

    def fault(key: str, problem: str, hint: str = "") -> SpecError:
        return SpecError([Fault(document.origin(key), key, problem, hint)])

    if KEYWORDS not in document.values:
        return ()
    keywords = document.values[KEYWORDS]
    if not isinstance(keywords, dict) or not keywords:
        problem = f"got {shown(keywords)}, allowed: a mapping of keywords to values"
        raise fault(KEYWORDS, problem, "leave it out where there are none")
    fields = []
    for name, value in flatten({KEYWORDS: keywords}):
        if name == TIME_LIMIT:
            raise fault(name, "steps_per_episode is the limit of an episode", "give that instead")
        if not _holdable(value):
            allowed = "a number, a string, true, false or a list of such"
            raise fault(name, f"got {shown(value)}, allowed: {allowed}")
        fields.append(_field(name, value))
    return tuple(fields)


def _field(name: str, value: Any) -> Field:
    """A field that allows values as this one; the entries of a list keep their types."""
    parts = tuple(_field("", part) for part in value) if isinstance(value, list) else ()
    return Field(name, KINDS[type(value)], None, "handed to the environment", parts=parts)


def _holdable(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_holdable, value))
    return type(value) in KINDS


def make(name: str, keywords: Mapping[str, Any], render_mode: str | None = None) -> Any:
    """A registered environment without time limit and checks.

    Args:
        name: as Gymnasium spells it; of `module:Id-v0` the module is imported first.
        keywords: of its constructor.
        render_mode: Gymnasium's.

    Raises:
        MissingExtraError: it needs a package that is not installed.
        gymnasium.error.Error: there is no such environment.
        Exception: whatever else its constructor raises for keywords it does not take.
    """
    try:
        if name.startswith("MinAtar/") and name not in gymnasium.registry:
            importlib.import_module("minatar.gym").register_envs()
        _redirect_mujoco_warnings(name)
        environment: Any = gymnasium.make(
            name,
            max_episode_steps=NO_LIMIT,
            render_mode=render_mode,
            disable_env_checker=True,
            **keywords,
        )
    except (ImportError, DependencyNotInstalled) as error:
        raise _missing_extra(name, error) from error
    while isinstance(environment, (OrderEnforcing, PassiveEnvChecker)):
        environment = environment.env
    return environment


def _redirect_mujoco_warnings(name: str) -> None:
    """Turn MuJoCo's warnings into Python's, instead of lines in a file in the working directory.

    That a shipped model uses what MuJoCo deprecates is nothing a user can mend.
    """
    registered = gymnasium.registry.get(name)
    if registered is None or "mujoco" not in str(registered.entry_point):
        return

    def warn(message: str) -> None:
        if "deprecated" not in message:
            warnings.warn(f"MuJoCo: {message}", RuntimeWarning, stacklevel=2)

    importlib.import_module("mujoco").set_mju_user_warning(warn)


def _missing_extra(name: str, error: Exception) -> MissingExtraError:
    """The error that names the extra an environment needs, by what could not be imported."""
    reason = " ".join(str(error).split())
    wanted = [
        extra
        for module, extra in EXTRAS.items()
        if module in reason.lower() and importlib.util.find_spec(module) is None
    ]
    hint = WHERE if ":" in name else "install what it names"
    if wanted:
        hint = f'pip install ".[{wanted[0]}]"'
    return MissingExtraError(f"env_name: {name} cannot be imported: {reason}", hint)


def interface_of(observations: spaces.Space[Any], actions: spaces.Space[Any]) -> Interface:
    """The interface of an environment on the host with these spaces.

    Raises:
        UnsupportedSpaceError: actions are neither discrete nor bounded, or observations are of no
            fixed size.
    """
    if not observations.is_np_flattenable:
        raise UnsupportedSpaceError(f"observations {observations} have no fixed size")
    flat = spaces.flatten_space(observations)
    assert isinstance(flat, spaces.Box)
    low, high = (tuple(bound.astype(float).ravel().tolist()) for bound in (flat.low, flat.high))
    seen = Interface(low, high, host_bytes=HOST_BYTES)
    if isinstance(actions, spaces.Discrete):
        return replace(seen, num_actions=int(actions.n))
    if not isinstance(actions, spaces.Box) or not np.issubdtype(actions.dtype, np.floating):
        raise UnsupportedSpaceError(f"actions {actions}, allowed: Discrete or Box of numbers")
    low, high = action_bounds(actions.low, actions.high)
    return replace(seen, action_low=low, action_high=high)
