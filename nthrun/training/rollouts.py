"""Rollouts: episodes of a game as a saved policy plays it, with what everybody saw and did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nthrun.compiler.denormals import Flushing
from nthrun.environments.roles import RolesEnvironment, choices_of
from nthrun.errors import NthrunError
from nthrun.index import Purpose, random_seed
from nthrun.planning.packs import plan_run
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.training.noise import generator
from nthrun.training.saved_policy import Learned, Policy


@dataclass(frozen=True, slots=True, eq=False)
class RoleRollout:
    """What the agents of a role did, float32 but for the choices.

    Attributes:
        states: what each saw, `(worlds, steps, count, observation_dim)`.
        choices: numbers of choices, int32, `(worlds, steps, count, heads)`.
        rewards: `(worlds, steps, count)`, as the game pays them.
        shown: what else it shows of the role, `(worlds, steps, count, size)`; None for nothing.
    """

    states: np.ndarray
    choices: np.ndarray
    rewards: np.ndarray
    shown: np.ndarray | None


def require_game(learned: Learned) -> None:
    """Check that episodes of a run's environment can be rolled out.

    Raises:
        NthrunError: it is no game, or nothing says how long its episodes are.
    """
    environment = learned.spec.environment
    if not environment.interface.roles:
        raise NthrunError(
            f"{environment.env_name}: rollouts are of games of roles, and it has none",
            "name an experiment in a game, such as RBC or MatrixGame",
        )
    if not num_steps(environment):
        raise NthrunError(
            f"{environment.env_name}: its episodes have no known length, allowed: games with "
            "horizon_steps, or without terminal states and with steps_per_episode"
        )


def num_steps(environment: EnvironmentSpec) -> int:
    """Steps of every episode of a game; 0 where there is no such number."""
    interface = environment.interface
    if interface.horizon_steps:
        return interface.horizon_steps
    return 0 if interface.terminates else environment.integer("steps_per_episode")


@torch.no_grad()
def rollout(policy: Policy, num_worlds: int, responder: str = "") -> dict[str, RoleRollout]:
    """Play an episode in each of many worlds: role -> what its agents did.

    The game and its masks are those of the step E that the policy takes next, and random numbers
    are of the stream (EVALUATION, E) of its run: of each world those of the reset, then at every
    step those of the game and of play.

    Args:
        policy: in a game, see `require_game`.
        num_worlds: how many.
        responder: of best responses, the role whose response is played.
    """
    learned, program = policy.learned, policy.program
    solver: Any = getattr(program, "solver", None)
    if responder:
        policy = replace(policy, state=solver.alone(policy.state, responder))
    run = plan_run(learned.spec, learned.index, learned.stage)
    stream = generator(random_seed(learned.stage, run.run_number), Purpose.EVALUATION, learned.step)

    def drawn(size: int) -> Tensor:
        return torch.from_numpy(stream.random((1, num_worlds, size), dtype=np.float32))

    game: Any = program.environment
    state = game.reset(drawn(program.interface.num_reset_draws))
    if hasattr(solver, "begin_step"):
        factor = solver.begin_step(policy.state, torch.tensor(learned.step))
        state = game.eased(state, factor)
    rows: dict[str, list[tuple[Tensor, ...]]] = {role.name: [] for role in game.roles}
    with Flushing():
        for _ in range(num_steps(program.spec)):
            draws = drawn(program.num_evaluation_draws)
            state = _step(policy, game, state, draws, rows)
    return {name: _stacked(parts) for name, parts in rows.items()}


def _step(
    policy: Policy,
    game: RolesEnvironment,
    state: Tensor,
    draws: Tensor,
    rows: Mapping[str, list[tuple[Tensor, ...]]],
) -> Tensor:
    """Take a step, and add what everybody saw and did to the rows; the next state."""
    program = policy.program
    own, chance = draws.split([program.interface.num_step_draws, program.num_play_draws], -1)
    observation = game.observe(state)
    if program.num_play_draws:
        action = program.play(policy.state, observation, chance)
    else:
        action = program.act_greedily(policy.state, observation)
    choices = choices_of(game.roles, action)
    outcome = game.step_roles(state, choices, own)
    for name, taken in rows.items():
        seen = game.observe_role(state, name)
        shown = (outcome.shown[name],) if name in outcome.shown else ()
        taken.append((seen, choices[name], outcome.rewards[name], *shown))
    return outcome.state


def _stacked(parts: list[tuple[Tensor, ...]]) -> RoleRollout:
    """The steps of a role, one lane, as arrays."""
    seen, choices, rewards, *shown = (
        torch.stack(part, 2)[0].contiguous().numpy() for part in zip(*parts, strict=True)
    )
    return RoleRollout(seen, choices.astype(np.int32), rewards, shown[0] if shown else None)
