"""What a spec may say of a task of the control suite (Tassa et al., 2018)."""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np

from nthrun.environments.from_gymnasium.spaces import HOST_BYTES, SEED_DRAWS
from nthrun.errors import Fault, MissingExtraError, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.documents import Document, name_of
from nthrun.specs.field import Field, did_you_mean
from nthrun.specs.interface import Interface

TASK = Field("task_name", "str", None, "task of the domain that `env_name` names")


def dm_control_declaration(document: Document) -> EnvironmentDeclaration:
    """The declaration of the domain and task that a document names.

    The task is loaded once, to see its observations and actions.

    Raises:
        SpecError: there is no such domain or task.
        MissingExtraError: dm_control is not installed.
    """
    domain, task = name_of(document, "env_name"), name_of(document, "task_name")
    tasks = control_suite(domain).TASKS_BY_DOMAIN
    for key, name, known in (
        ("env_name", domain, tuple(tasks)),
        ("task_name", task, tasks.get(domain, (task,))),
    ):
        if name not in known:
            problem = f"got {name!r}, dmcontrol allows: {', '.join(known)}"
            hint = did_you_mean(name, known)
            raise SpecError([Fault(document.origin(key), key, problem, hint)])
    return EnvironmentDeclaration(
        name=domain,
        interface=_interface(control_suite(domain).load(domain, task)),
        program="nthrun.environments.from_dm_control.program:ControlTask",
        viewer="nthrun.environments.from_dm_control.viewer:ControlViewer",
        fields=(TASK,),
        on_host=True,
    )


def control_suite(domain: str) -> Any:
    """The module `dm_control.suite`, imported without a window system where there is none.

    Raises:
        MissingExtraError: it is not installed.
    """
    if "DISPLAY" not in os.environ:
        os.environ.setdefault("MUJOCO_GL", "egl" if os.path.exists("/dev/dri") else "disabled")
    try:
        return importlib.import_module("dm_control.suite")
    except ImportError as error:
        raise MissingExtraError(
            f"env_name: {domain} needs dm_control, which cannot be imported: {error}",
            'pip install ".[dm_control]"',
        ) from error


def _interface(task: Any) -> Interface:
    size = sum(max(1, int(np.prod(part.shape))) for part in task.observation_spec().values())
    action = task.action_spec()
    low, high = (np.broadcast_to(b, action.shape) for b in (action.minimum, action.maximum))
    return Interface(
        observation_low=(-np.inf,) * size,
        observation_high=(np.inf,) * size,
        action_low=tuple(low.astype(float).tolist()),
        action_high=tuple(high.astype(float).tolist()),
        num_reset_draws=SEED_DRAWS,
        host_bytes=HOST_BYTES,
    )
