"""Windows on what is played: one state drawn by Gymnasium's renderers, or an episode as it unfolds.

A tensor environment whose state is Gymnasium's, number by number, has a `StateViewer`. A host
environment is followed by a second world, which replays the episode's actions and is drawn.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import gymnasium
import numpy as np

from nthrun.environments.base import HostEnvironment
from nthrun.environments.from_dm_control.program import ControlTask
from nthrun.environments.from_gymnasium.program import GymnasiumEnvironment
from nthrun.environments.host_environment import playable, resting_action
from nthrun.errors import DeviceError, MissingExtraError
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.interface import Interface

Picture = TypeVar("Picture")
DISPLAYS = {"DISPLAY", "WAYLAND_DISPLAY"}


def _pygame() -> Any:
    """The module pygame.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module("pygame")
    except ImportError as error:
        raise MissingExtraError(
            "--monitor needs pygame, which is not installed", 'pip install ".[render]"'
        ) from error


class StateViewer:
    """A window that follows one state; a subclass names Gymnasium's environment.

    It is for environments whose state is that of Gymnasium's, number by number.

    Args:
        render_mode: "human" for a window, "rgb_array" for pictures that `show` returns.

    Raises:
        MissingExtraError: pygame is not installed.
        DeviceError: no window can be opened.
    """

    environment: ClassVar[str]

    def __init__(self, render_mode: str = "human") -> None:
        self._pygame = _pygame()
        made = gymnasium.make(self.environment, render_mode=render_mode)
        self._environment: Any = made.unwrapped
        self._guarded(self._environment.reset)

    def show(self, state: list[float]) -> np.ndarray | None:
        """Draw a state of the environment.

        Raises:
            DeviceError: no window can be opened.
        """
        self._environment.state = np.array(state)
        picture: np.ndarray | None = self._guarded(self._environment.render)
        return picture

    def _guarded(self, draw: Callable[[], Any]) -> Any:
        try:
            return draw()
        except self._pygame.error as error:
            raise DeviceError(
                f"--monitor: no window can be opened here ({error})",
                "run where a display is, or leave --monitor out",
            ) from error


class AcrobotViewer(StateViewer):
    """Draws (θ₁, θ₂, θ̇₁, θ̇₂)."""

    environment = "Acrobot-v1"


class CartPoleViewer(StateViewer):
    """Draws (x, ẋ, θ, θ̇)."""

    environment = "CartPole-v1"


class MountainCarViewer(StateViewer):
    """Draws (position, velocity) with the flag at 0.5."""

    environment = "MountainCar-v0"


class MountainCarContinuousViewer(StateViewer):
    """Draws (position, velocity) with the flag at 0.45."""

    environment = "MountainCarContinuous-v0"


class PendulumViewer(StateViewer):
    """Draws (θ in radians from upright, θ̇)."""

    environment = "Pendulum-v1"


class EpisodeReplay:
    """Plays what another world played, step by step.

    Args:
        world: to play in.
        interface: of it.
    """

    def __init__(self, world: HostEnvironment, interface: Interface) -> None:
        self._world = world
        self._resting = resting_action(interface)
        self._seed: int | None = None
        self._count = 0

    def draw(self, seed: int, actions: np.ndarray, picture: Callable[[], Picture]) -> Picture:
        """Play an episode up to where it stands, from where it stood at the last call; draw it.

        Args:
            seed: of the episode.
            actions: all of it so far, `(steps, action_dim)`.
            picture: draws the world.

        Raises:
            DeviceError: no window can be opened.
            MissingExtraError: what draws it is not installed.
        """
        try:
            self._catch_up(seed, actions)
            return picture()
        except MissingExtraError:
            raise
        except Exception as error:  # renderers raise what their window systems raise
            reason = " ".join(str(error).split())
            raise DeviceError(
                f"--monitor: the environment cannot be drawn here ({reason})",
                "run where a display is, or leave --monitor out",
            ) from error

    def _catch_up(self, seed: int, actions: np.ndarray) -> None:
        if seed != self._seed or len(actions) < self._count:
            self._world.reset(seed)
            self._seed, self._count = seed, 0
        for action in actions[self._count :]:
            self._world.step(playable(action, self._resting))
        self._count = len(actions)


class GymnasiumViewer:
    """Draws the episode it follows.

    Args:
        spec: names the environment.
        render_mode: "human" for a window, "rgb_array" for pictures that `follow` returns.

    Raises:
        DeviceError: it cannot be drawn here.
    """

    def __init__(self, spec: EnvironmentSpec, render_mode: str = "human") -> None:
        self._world = GymnasiumEnvironment(spec, render_mode)
        if (
            render_mode == "human"
            and self._world.needs_display
            and not DISPLAYS & os.environ.keys()
        ):
            raise DeviceError(
                f"--monitor: no window can be opened here ({' and '.join(sorted(DISPLAYS))} unset)",
                "run where a display is, or leave --monitor out",
            )
        self._replay = EpisodeReplay(self._world, spec.interface)

    def follow(self, seed: int, actions: np.ndarray) -> np.ndarray | None:
        """Draw an episode at where it stands; see `EpisodeReplay.draw`."""
        return self._replay.draw(seed, actions, self._world.render)


class ControlViewer:
    """Draws the episode it follows.

    Raises:
        MissingExtraError: pygame is not installed.
    """

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._pygame = _pygame()
        self._task = ControlTask(spec)
        self._replay = EpisodeReplay(self._task, spec.interface)
        self._window: Any = None

    def follow(self, seed: int, actions: np.ndarray) -> None:
        """Draw an episode at where it stands; see `EpisodeReplay.draw`."""
        self._replay.draw(seed, actions, self._draw)

    def _draw(self) -> None:
        picture = self._task.render().swapaxes(0, 1)
        if self._window is None:
            self._window = self._pygame.display.set_mode(picture.shape[:2])
        self._pygame.surfarray.blit_array(self._window, picture)
        self._pygame.display.flip()
        self._pygame.event.pump()
