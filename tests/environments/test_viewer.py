"""Viewers draw the states of every environment that names one."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from nthrun.environments.registry import ENVIRONMENTS
from nthrun.specs.declaration import EnvironmentDeclaration, load_program

GYMNASIUM = {
    "PendulumViewer": "Pendulum-v1",
    "MountainCarViewer": "MountainCar-v0",
    "MountainCarContinuousViewer": "MountainCarContinuous-v0",
    "AcrobotViewer": "Acrobot-v1",
    "CartPoleViewer": "CartPole-v1",
}
"""A viewer -> Gymnasium's environment whose picture it shows."""
SHOWN = [declared for declared in ENVIRONMENTS.values() if declared.viewer]


@pytest.mark.parametrize("declared", SHOWN, ids=lambda declared: declared.name)
def test_viewers_draw_as_gymnasium_does(declared: EnvironmentDeclaration) -> None:
    """A state's picture is the one that Gymnasium draws of it, and other states look different."""
    viewer = load_program(declared.viewer)("rgb_array")
    name = GYMNASIUM[type(viewer).__name__]
    theirs: Any = gymnasium.make(name, render_mode="rgb_array").unwrapped
    theirs.reset(seed=0)
    pictures = []
    for shift in (0.0, 0.3):
        theirs.state = np.full_like(theirs.state, shift, np.float64)
        pictures.append(viewer.show(theirs.state.tolist()))
        np.testing.assert_array_equal(pictures[-1], theirs.render())
    assert (pictures[0] != pictures[1]).any()
