"""Making a Gymnasium environment, bare of the wrappers that nthrun does the work of."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Mapping
from typing import Any

import gymnasium
from gymnasium.error import DependencyNotInstalled
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from nthrun.errors import MissingExtraError
from nthrun.specs.user_class import WHERE

EXTRAS = {"mujoco": "mujoco", "imageio": "mujoco", "minatar": "minatar", "pygame": "render"}
"""A module -> the extra that brings it."""
NO_LIMIT = -1
"""`max_episode_steps` of `gymnasium.make` that leaves the time limit out."""


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
        _hear_mujoco(name)
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


def _hear_mujoco(name: str) -> None:
    """Have MuJoCo's warnings be Python's, instead of lines in a file where the user stands.

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
    """What an environment wants, told by what could not be imported."""
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
