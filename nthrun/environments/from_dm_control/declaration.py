"""What a spec may say of a task of the control suite (Tassa et al., 2018), and its loading."""

from __future__ import annotations

import ctypes.util
import importlib
import importlib.util
import os
import sys
from typing import Any

import numpy as np

from nthrun.environments.host_environment import HOST_BYTES, UnsupportedSpaceError, action_bounds
from nthrun.errors import DeviceError, Fault, MissingExtraError, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.documents import Document, name_of
from nthrun.specs.environment_spec import THRESHOLD
from nthrun.specs.field import Field, did_you_mean, shown
from nthrun.specs.interface import Interface

TASK = Field("task_name", "str", None, "task of the domain that `env_name` names")
REWARD_THRESHOLD = Field(
    THRESHOLD,
    "float",
    0.0,
    "reward below which a step pays 0, less than 1; above it pays its share of the way to 1",
    minimum=0,
    maximum=1,
)
SUITE = "dm_control.suite"
RENDERER = "MUJOCO_GL"
"""Environment variable in which the suite looks for its renderer when it is imported."""


def dm_control_declaration(document: Document) -> EnvironmentDeclaration:
    """The declaration of the domain and task that a document names.

    The task is loaded once, to see its observations and actions, and that an episode can begin.

    Raises:
        SpecError: there is no such domain or task, or it cannot be played here.
        MissingExtraError: dm_control is not installed.
    """
    domain = name_of(document, "env_name")
    tasks = control_suite(domain).TASKS_BY_DOMAIN
    _require(document, "env_name", tuple(tasks))
    _require(document, TASK.name, tasks[domain])
    task = document.values[TASK.name]

    def fault(problem: str, hint: str = "") -> SpecError:
        return SpecError([Fault(document.origin(TASK.name), TASK.name, problem, hint)])

    try:
        loaded = load_task(domain, task)
        loaded.reset()
        interface = _interface(loaded)
    except UnsupportedSpaceError as error:
        raise fault(f"{domain} {task}: {error}") from error
    except Exception as error:  # such as tasks raise that draw what they show, with no renderer
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        hint = "set MUJOCO_GL to a renderer that is here: egl, osmesa or glfw"
        raise fault(f"{domain} {task} cannot begin an episode here ({reason})", hint) from error
    return EnvironmentDeclaration(
        name=domain,
        interface=interface,
        program="nthrun.environments.from_dm_control.program:ControlTask",
        viewer="nthrun.environments.viewer:ControlViewer",
        fields=(TASK, REWARD_THRESHOLD),
        on_host=True,
        label_fields=(TASK.name,),
    )


def _require(document: Document, key: str, known: tuple[str, ...]) -> None:
    """Check that a key's value is one of a few names.

    Raises:
        SpecError: it is not.
    """
    name = document.values.get(key)
    if name in known:
        return
    got = f"got {shown(name)}" if key in document.values else "missing"
    hint = did_you_mean(name, known) if isinstance(name, str) else ""
    problem = f"{got}, dmcontrol allows: {', '.join(known)}"
    raise SpecError([Fault(document.origin(key), key, problem, hint)])


def _interface(task: Any) -> Interface:
    size = sum(max(1, int(np.prod(part.shape))) for part in task.observation_spec().values())
    action = task.action_spec()
    bounds = (np.broadcast_to(bound, action.shape) for bound in (action.minimum, action.maximum))
    low, high = action_bounds(*bounds)
    return Interface(
        observation_low=(-np.inf,) * size,
        observation_high=(np.inf,) * size,
        action_low=low,
        action_high=high,
        host_bytes=HOST_BYTES,
    )


def control_suite(domain: str) -> Any:
    """The module `dm_control.suite`, imported without a window system where there is none.

    Args:
        domain: what it is wanted for; errors name it.

    Raises:
        MissingExtraError: it is not installed.
        DeviceError: it is, but the renderer it is told to use is not.
    """
    if SUITE not in sys.modules and "DISPLAY" not in os.environ:
        drawable = os.path.exists("/dev/dri") and ctypes.util.find_library("EGL") is not None
        os.environ.setdefault(RENDERER, "egl" if drawable else "disabled")
    try:
        return importlib.import_module(SUITE)
    except Exception as error:  # renderers that are not there raise errors of many kinds
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        if importlib.util.find_spec("dm_control") is None:
            raise MissingExtraError(
                f"env_name: {domain} needs dm_control, which is not installed",
                'pip install ".[dmcontrol]"',
            ) from error
        raise DeviceError(
            f"env_name: {domain} needs dm_control, which cannot be imported: {reason}",
            f"{RENDERER} chooses the renderer: egl, osmesa, glfw or disabled",
        ) from error


def load_task(domain: str, task: str) -> Any:
    """A task of the suite.

    Its random numbers are seeded, for some tasks draw their very dynamics while they are loaded
    (lqr); those of episodes are seeded one by one.

    Raises:
        MissingExtraError, DeviceError: see `control_suite`.
    """
    return control_suite(domain).load(domain, task, task_kwargs={"random": 0})
