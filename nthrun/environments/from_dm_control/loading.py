"""Loading tasks of the control suite."""

from __future__ import annotations

import ctypes.util
import importlib
import importlib.util
import os
import sys
from typing import Any

from nthrun.errors import DeviceError, MissingExtraError

SUITE = "dm_control.suite"
RENDERER = "MUJOCO_GL"
"""The variable of the environment in which the suite looks for its renderer when imported."""


def control_suite(domain: str) -> Any:
    """The module `dm_control.suite`, imported without a window system where there is none.

    Args:
        domain: what it is wanted for, told in errors.

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
