"""Acting: episodes as a saved policy plays them, and pictures of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import State
from nthrun.environments.base import HostEnvironment, Outcome
from nthrun.environments.from_gymnasium.program import GymnasiumEnvironment
from nthrun.errors import NthrunError
from nthrun.index import random_seed
from nthrun.planning.packs import plan_run
from nthrun.specs.declaration import load_program
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.user_class import failing_as
from nthrun.training.evaluation import Evaluation, Player, evaluate_tensors
from nthrun.training.hosted_program import HostedProgram
from nthrun.training.saved_policy import Learned, Policy
from nthrun.training.steppers.eager import EagerStepper
from nthrun.training.steppers.hosted import evaluate_hosted

Show = Callable[[np.ndarray], None]
"""Takes a picture, `(height, width, 3)` in uint8."""
PIXELS = 400
"""Pictures that are smaller are enlarged by a whole number, up to so many pixels a side."""
LONGEST_EPISODE = 10_000
"""Steps of an episode at most, where the spec has no limit."""
PICTURES = "rgb_array"
UNDRAWN = "nothing draws {}"
UNASKED = "leave --render and --video out"


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """Episodes that were played.

    Attributes:
        returns: undiscounted, `(episodes,)`.
        steps: of each, `(episodes,)`.
    """

    returns: np.ndarray
    steps: np.ndarray


def for_episodes(learned: Learned, number: int | None) -> Learned:
    """What a run had learned, to be played for so many episodes.

    Args:
        learned: of a run.
        number: of episodes; None is as many as its evaluations have, or one where it has none.
    """
    environment = learned.spec.environment
    values = {
        **environment.values,
        "eval_episodes": number or environment.eval_episodes or 1,
        "steps_per_episode": environment.integer("steps_per_episode") or LONGEST_EPISODE,
    }
    return replace(
        learned, spec=replace(learned.spec, environment=replace(environment, values=values))
    )


def play(policy: Policy, show: Show | None = None) -> Played:
    """Play as many episodes as the policy's spec has for an evaluation.

    It is the evaluation after as many steps as the policy has taken, with the random numbers of its
    run: as many episodes as the run itself had give its returns again, as far as steps that are
    compiled and steps that are not round alike.

    Args:
        policy: see `for_episodes`.
        show: takes pictures of all episodes, one after the other; None draws nothing.

    Raises:
        NthrunError: there is nothing that draws the environment, or it fails.
    """
    learned, program = policy.learned, policy.program
    run = plan_run(learned.spec, learned.index, learned.stage)
    interval = program.spec.integer("eval_interval_timesteps")
    seeds = [random_seed(learned.stage, run.run_number)]
    evaluation = Evaluation(seeds, learned.step, interval, keep_states=False)
    name = program.spec.env_name
    with failing_as(NthrunError, f"{name} cannot be played", learned.spec.programs()):
        if isinstance(program, HostedProgram):
            event = evaluate_hosted(program, [_world(program, show)], _actor(policy), evaluation)
        else:
            event = _play_tensors(policy, evaluation, show)
    return Played(event["eval_returns"][0], event["eval_steps"][0])


def _actor(policy: Policy) -> Callable[[np.ndarray], np.ndarray]:
    """Gives actions in float32 to observations, `(1, …)` each."""
    return lambda observations: policy.act(observations).astype(np.float32)


def _play_tensors(policy: Policy, evaluation: Evaluation, show: Show | None) -> dict[str, Any]:
    """The event of an evaluation on tensors."""
    program = policy.program
    draw = None if show is None else _drawer(program.spec)
    player = _Steps(EagerStepper(program))
    event = evaluate_tensors(program, player, policy.state, evaluation)
    if draw is not None and show is not None:
        for episode, steps in enumerate(event["eval_steps"][0].tolist()):
            for world in player.worlds[: steps + 1]:
                show(draw(world[episode].tolist()))
    return event


class _Steps:
    """A player that keeps the state of the environment at every step.

    Attributes:
        worlds: `(episodes, state_dim)` each.
    """

    def __init__(self, player: Player) -> None:
        self._player = player
        self.worlds: list[Tensor] = []

    def play(self, state: State, world: Tensor, draws: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        shown = []
        for now in draws.split(1, 1):
            self.worlds.append(world[0])
            world, outputs = self._player.play(state, world, now)
            shown.append(outputs)
        return world, {name: torch.cat([each[name] for each in shown], 1) for name in shown[0]}


def _drawer(spec: EnvironmentSpec) -> Callable[[list[float]], np.ndarray]:
    """Draws a state of an environment on tensors.

    Raises:
        NthrunError: nothing does.
    """
    if not spec.declaration.viewer:
        raise NthrunError(UNDRAWN.format(spec.env_name), UNASKED)
    viewer = load_program(spec.declaration.viewer)(PICTURES)
    return lambda state: as_picture(viewer.show(state), spec.env_name)


def as_picture(drawn: object, name: str) -> np.ndarray:
    """What an environment draws as a picture, `(height, width, 3)` in uint8.

    Args:
        drawn: `(height, width)`, or with 1, 3 or 4 colours in a third dimension, of which the
            fourth, how solid a pixel is, is left out; whole numbers from 0 to 255, or others from 0
            to 1.
        name: of the environment.

    Raises:
        NthrunError: it is no such picture.
    """
    picture = np.asarray(drawn)
    shape, dtype = picture.shape, picture.dtype
    if len(shape) == 2:
        picture = picture[:, :, None]
    largest = 255 if dtype.kind in "iu" else 1
    is_picture = picture.ndim == 3 and picture.shape[2] in (1, 3, 4) and 0 not in shape
    is_picture = is_picture and dtype.kind in "biuf"
    if not is_picture or not ((picture >= 0) & (picture <= largest)).all():
        raise NthrunError(
            f"{name} draws what is no picture: got {dtype} of shape {shape}, allowed: (height, "
            "width) or (height, width, colours), whole numbers from 0 to 255 or others from 0 to 1",
            UNASKED,
        )
    if dtype.kind not in "iu":
        picture = np.rint(picture * 255.0)
    colours = np.broadcast_to(picture[:, :, :3], (*picture.shape[:2], 3)).astype(np.uint8)
    factor = max(1, PIXELS // max(colours.shape[:2]))
    return colours.repeat(factor, 0).repeat(factor, 1)


def _world(program: HostedProgram, show: Show | None) -> HostEnvironment:
    """A world to play in, which shows pictures where they are wanted.

    Raises:
        NthrunError: nothing draws it.
    """
    if show is None:
        return program.world()
    kind = load_program(program.spec.declaration.program)
    if not hasattr(kind, "render"):
        raise NthrunError(UNDRAWN.format(program.spec.env_name), UNASKED)
    is_gymnasium = isinstance(kind, type) and issubclass(kind, GymnasiumEnvironment)
    world = kind(program.spec, PICTURES) if is_gymnasium else program.world()
    return _Drawn(world, show, program.spec.env_name)


class _Drawn:
    """A world that is drawn after every reset and step."""

    def __init__(self, world: Any, show: Show, name: str) -> None:
        self._world, self._show, self._name = world, show, name

    def reset(self, seed: int) -> np.ndarray:
        observation: np.ndarray = self._world.reset(seed)
        self._draw()
        return observation

    def step(self, action: np.ndarray) -> Outcome:
        outcome: Outcome = self._world.step(action)
        self._draw()
        return outcome

    def _draw(self) -> None:
        picture = self._world.render()
        if picture is not None:
            self._show(as_picture(picture, self._name))
