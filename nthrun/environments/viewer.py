"""Windows on what is played: one state drawn by Gymnasium's renderers, or an episode as it unfolds.

A tensor environment whose state is Gymnasium's, number by number, has a `StateViewer`. A host
environment is followed by a second world, which replays the episode's actions and is drawn. A
`PictureWindow` shows pictures that others have drawn.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Collection
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
DRIVER = "SDL_VIDEODRIVER"
"""A variable by which a user chooses what windows are opened with, be it one that shows nothing."""


MONITOR = "--monitor"
"""The option by which a command shows what it trains."""


def _pygame(option: str = MONITOR) -> Any:
    """The module pygame, which an option of a command needs.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module("pygame")
    except ImportError as error:
        raise MissingExtraError(
            f"{option} needs pygame, which is not installed", 'pip install "nthrun[render]"'
        ) from error


def _no_window(option: str, reason: object) -> DeviceError:
    """Says that no window can be opened for an option of a command."""
    return DeviceError(
        f"{option}: no window can be opened here ({reason})",
        f"run where a display is, or leave {option} out",
    )


def _require_display(option: str, drivers: Collection[str] = ()) -> None:
    """Check that there is a display, without which some systems open windows that nobody sees.

    Args:
        option: of the command that asks for a window.
        drivers: variables that name another way to open one.

    Raises:
        DeviceError: there is none.
    """
    if sys.platform == "linux" and not {*DISPLAYS, *drivers} & os.environ.keys():
        raise _no_window(option, f"{' and '.join(sorted(DISPLAYS))} unset")


class PictureWindow:
    """A window that shows pictures, one after the other; once a user closes it, none.

    Args:
        option: of the command that asks for it.
        pictures_per_second: at most so many; 0 for no limit.

    Raises:
        MissingExtraError: pygame is not installed.
        DeviceError: there is no display.
    """

    def __init__(self, option: str, pictures_per_second: float = 0.0) -> None:
        self._pygame = _pygame(option)
        _require_display(option, (DRIVER,))
        self._option, self._rate = option, pictures_per_second
        self._clock = self._pygame.time.Clock()
        self._window: Any = None
        self._is_closed = False

    def show(self, picture: np.ndarray) -> None:
        """Show a picture, `(height, width, 3)` in uint8.

        Raises:
            DeviceError: no window can be opened.
        """
        if self._is_closed:
            return
        turned = picture.swapaxes(0, 1)
        try:
            if self._window is None or self._window.get_size() != turned.shape[:2]:
                self._window = self._pygame.display.set_mode(turned.shape[:2])
            self._pygame.surfarray.blit_array(self._window, turned)
            self._pygame.display.flip()
            events = self._pygame.event.get()
        except self._pygame.error as error:
            raise _no_window(self._option, error) from error
        if any(event.type == self._pygame.QUIT for event in events):
            self.close()
        self._clock.tick(self._rate)

    def close(self) -> None:
        """Close it."""
        self._is_closed = True
        self._pygame.display.quit()


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
            raise _no_window(MONITOR, error) from error


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
        except (DeviceError, MissingExtraError):
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
        if render_mode == "human" and self._world.needs_display:
            _require_display(MONITOR)
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
        self._window = PictureWindow(MONITOR)
        self._task = ControlTask(spec)
        self._replay = EpisodeReplay(self._task, spec.interface)

    def follow(self, seed: int, actions: np.ndarray) -> None:
        """Draw an episode at where it stands; see `EpisodeReplay.draw`."""
        self._replay.draw(seed, actions, self._draw)

    def _draw(self) -> None:
        self._window.show(self._task.render())
