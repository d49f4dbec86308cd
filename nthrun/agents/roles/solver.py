"""A solver of games: everybody plays, and the roles whose turn it is learn from what was played.

A step is an episode in each of many worlds, side by side, and then the updates of each role that
learns at that step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Noise, State, lane_column
from nthrun.agents.roles.curriculum import Curriculum, column_of
from nthrun.agents.roles.fields import (
    LEARNED,
    OF_ROLES,
    QUANTILES,
    lane_numbers,
    learners_at,
    per_role,
    roles_layout,
    scenes_at_once,
)
from nthrun.agents.roles.learners import Learner, Rule
from nthrun.agents.roles.simulation import Simulation
from nthrun.environments.base import make_environment
from nthrun.environments.roles import RolesEnvironment
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec


class RolesSolver:
    """What ppo_types and pg_types are; which is the subclass's `clips`.

    The state has `policy.<role>` `(lanes, P)` with its optimiser, `mask.<role>`, what was added to
    the logits last, `last.<metric>_<role>` of each role's last update, and the hyperparameters.
    """

    clips: bool
    num_agent_draws = 0

    def __init__(self, statics: Setting, environment: EnvironmentSpec) -> None:
        interface = environment.interface
        self._statics = statics
        self.game: RolesEnvironment = make_environment(environment)
        self.simulation = Simulation(statics, self.game, interface)
        self.curriculum = Curriculum(statics, self.game)
        layout = roles_layout(statics, interface)
        self.num_simulation_draws = layout.num_simulation_draws
        self.num_play_draws = layout.num_play_draws
        self._aggregates = interface.aggregates
        roles = interface.roles
        starts = per_role(statics["learning_start"], len(roles))
        rule = Rule(
            clips=self.clips,
            updates=statics["updates"] if self.clips else 1,
            discounted=statics["returns"] == "discounted",
            elementwise=not self.clips or statics["value_clipping"] == "elementwise",
        )
        self._learners = [
            Learner(
                play=self.simulation.plays[role.name],
                name=f"policy.{role.name}",
                place=place,
                start=starts[place],
                scenes=scenes_at_once(statics, interface, role),
                rule=rule,
            )
            for place, role in enumerate(roles)
        ]

    def variant_at(self, step: int) -> int:
        """See `CyclicSolver`: who learns."""
        return learners_at(self._statics, len(self._learners), step)

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        """See `Solver`."""
        lanes, count = len(settings), len(self._learners)
        betas = torch.cat([lane_column([s["betas"][i] for s in settings]) for i in (0, 1)], 1)
        state: State = {"adam.betas": betas, "adam.weights": 1.0 - betas}
        for learner in self._learners:
            network = learner.play.network.mlp
            rows = [network.initial(generator, "kaiming_uniform") for generator in generators]
            state |= optimiser_state(learner.name, torch.from_numpy(np.stack(rows)))
            for metric in LEARNED:
                state[f"last.{metric}_{learner.play.role.name}"] = torch.zeros(lanes, 1)
        for name in OF_ROLES:
            state[name] = column_of([s[name] for s in settings], count)
        for name in lane_numbers(settings[0]):
            values = [gamma if name == "gamma" else s[name] for s in settings]
            state[name] = lane_column([float(value) for value in values])
        masks = self.curriculum.masks(betas, torch.zeros((), dtype=torch.int64))
        return state | {f"mask.{name}": mask.clone() for name, mask in masks.items()}

    def solve(
        self, state: State, noise: Noise, step: Tensor, variant: int = 0
    ) -> dict[str, Tensor]:
        """See `CyclicSolver`."""
        factor = self.begin_step(state, step)
        policies, masks = self._acting(state)
        episodes = self.simulation.episodes(policies, masks, factor, noise.environment)
        metrics: dict[str, Tensor] = {}
        for name, played in episodes.roles.items():
            metrics |= spread(f"reward_{name}", played.reward[..., 0])
        for name, number in zip(self._aggregates, episodes.aggregates, strict=True):
            metrics |= spread(name, number)
        for learner in self._learners:
            name = learner.play.role.name
            if variant >> learner.place & 1:
                learner.learn(state, episodes.roles[name], step)
            for metric in LEARNED:
                metrics[f"{metric}_{name}"] = state[f"last.{metric}_{name}"][:, 0].clone()
        return metrics

    def begin_step(self, state: State, step: Tensor) -> Tensor:
        """Put the masks of a step into the state; what its game is eased by, `(lanes, 1, 1)`."""
        for name, mask in self.curriculum.masks(state["gamma"], step).items():
            state[f"mask.{name}"].copy_(mask)
        return self.curriculum.factor(state, step)

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """See `Solver`: the most probable choices."""
        return self._acted(state, observation, None)

    def play(self, state: State, observation: Tensor, draws: Tensor) -> Tensor:
        """See `SampledPlay`."""
        return self._acted(state, observation, draws)

    def learned_params(self, state: State) -> dict[str, Tensor]:
        """See `Solver`; the masks are with the policies, which are what they are under them."""
        named: dict[str, Tensor] = {}
        for learner in self._learners:
            mlp, name = learner.play.network.mlp, learner.play.role.name
            named |= mlp.named(state[learner.name], f"{learner.name}.")
            named[f"mask.{name}"] = state[f"mask.{name}"]
        return named

    def measures(
        self, state: State, generators: Sequence[np.random.Generator] = ()
    ) -> dict[str, np.ndarray]:
        """See `Solver`; an evaluation has the mean reward of the game's score."""
        return {}

    def _acting(self, state: State) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Policies and masks by role."""
        names = self.simulation.plays
        return (
            {name: state[f"policy.{name}"] for name in names},
            {name: state[f"mask.{name}"] for name in names},
        )

    def _acted(self, state: State, observation: Tensor, draws: Tensor | None) -> Tensor:
        seen = {name: self.game.seen(observation, name) for name in self.simulation.plays}
        return self.simulation.acted(*self._acting(state), seen, draws)


def optimiser_state(name: str, parameters: Tensor) -> State:
    """Parameters `(lanes, P)` that Adam learns, and what it keeps of them; see
    `fields.optimised_shapes`."""
    return {
        name: parameters,
        f"{name}.mean": torch.zeros_like(parameters),
        f"{name}.square": torch.zeros_like(parameters),
        f"{name}.powers": parameters.new_ones(len(parameters), 2),
    }


def spread(name: str, numbers: Tensor) -> dict[str, Tensor]:
    """The mean of what is shown of an episode, and quantiles, over agents and worlds, of each one's
    mean over the episode; `(lanes,)` each, named as in `fields.metric_names`.

    Args:
        numbers: `(lanes, steps, worlds, count)`.
    """
    each, _ = numbers.mean(1).flatten(1).sort(1)
    found = {}
    for end, share in QUANTILES.items():
        place = 0 if share is None else round(share * (each.shape[1] - 1))
        found[name + end] = each.mean(1) if share is None else each[:, place].clone()
    return found
