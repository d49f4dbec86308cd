"""A solver of games: everybody plays, and the roles whose turn it is learn from what was played.

A step is an episode in each of many worlds, side by side, and then the updates of each role that
learns at that step: whole batches, whose gradient is gathered over a few scenes at a time (a scene
is one step of one world), so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Noise, State, adam_step, adam_tick, gradient, lane_column, shortened
from nthrun.agents.roles.curriculum import Curriculum, column_of, entropy_weight
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
from nthrun.agents.roles.losses import (
    Targets,
    policy_loss,
    returns_of,
    standardised,
    value_loss,
    value_losses,
)
from nthrun.agents.roles.simulation import Played, RolePlay, Simulation
from nthrun.environments.base import make_environment
from nthrun.environments.roles import RolesEnvironment
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec

NORM_MARGIN = 1e-6
"""Added to the norm that a gradient is divided by."""


class Learner(NamedTuple):
    """A role as it learns.

    Attributes:
        play: how it acts.
        place: of the role among those of the game.
        start: step from which on it learns.
        scenes: steps of worlds that a gradient goes through at once.
    """

    play: RolePlay
    place: int
    start: int
    scenes: int

    @property
    def name(self) -> str:
        """Of its parameters in the state."""
        return f"policy.{self.play.role.name}"


class Batch(NamedTuple):
    """What a role learns from; `(lanes, steps, worlds, count, ...)`, or with steps and worlds as
    one axis of scenes."""

    played: Played
    targets: Targets

    def some(self, piece: slice) -> Batch:
        """Some scenes."""
        played, targets = (tuple(part.flatten(1, 2)[:, piece] for part in of) for of in self)
        return Batch(Played(*played), Targets(*targets))


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
        self._learners = [
            Learner(
                self.simulation.plays[role.name],
                place,
                starts[place],
                scenes_at_once(statics, interface, role),
            )
            for place, role in enumerate(roles)
        ]
        self._updates = statics["updates"] if self.clips else 1
        self._discounted = statics["returns"] == "discounted"
        self._elementwise = not self.clips or statics["value_clipping"] == "elementwise"

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
            state[learner.name] = torch.from_numpy(np.stack(rows))
            state |= {
                learner.name + kept: torch.zeros_like(state[learner.name])
                for kept in (".mean", ".square")
            }
            state[f"{learner.name}.powers"] = torch.ones_like(betas)
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
        for name, mask in self.curriculum.masks(state["gamma"], step).items():
            state[f"mask.{name}"].copy_(mask)
        policies, masks = self._acting(state)
        factor = self.curriculum.factor(state, step)
        episodes = self.simulation.episodes(policies, masks, factor, noise.environment)
        metrics: dict[str, Tensor] = {}
        for name, played in episodes.roles.items():
            metrics |= spread(f"reward_{name}", played.reward[..., 0])
        for name, number in zip(self._aggregates, episodes.aggregates, strict=True):
            metrics |= spread(name, number)
        for learner in self._learners:
            name = learner.play.role.name
            if variant >> learner.place & 1:
                self._learn(state, learner, episodes.roles[name], step)
            for metric in LEARNED:
                metrics[f"{metric}_{name}"] = state[f"last.{metric}_{name}"][:, 0].clone()
        return metrics

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

    def _learn(self, state: State, learner: Learner, played: Played, step: Tensor) -> None:
        """The updates of a role, and what they say, into the state."""
        place, role = learner.place, learner.play.role
        scale = state["reward_scale"][:, place].view(-1, 1, 1, 1, 1)
        gamma = state["gamma"].view(-1, 1, 1, 1)
        returns = returns_of(played.reward / scale, gamma, self._discounted)
        weight = entropy_weight(state, step, learner.start)
        value = played.value
        for number in range(self._updates):
            if number:
                value = self._values(state, learner, played)
            targets = self._targets(state, played, returns, value)
            parts, slope = self._gradient(state, learner, Batch(played, targets), weight)
            cut, norm = shortened(slope, state["max_grad_norm"], NORM_MARGIN)
            clock = adam_tick(state, f"{learner.name}.powers")
            adam_step(state, learner.name, cut, state["lr"][:, place : place + 1], clock)
        for metric, told in zip(LEARNED, (*parts.unbind(1), norm[:, 0]), strict=True):
            state[f"last.{metric}_{role.name}"].copy_(told.unsqueeze(1))

    def _values(self, state: State, learner: Learner, played: Played) -> Tensor:
        """V of what was seen, by the network as it is, shaped like the rewards."""
        found = []
        scenes = [part.flatten(1, 2) for part in (played.shared, played.own)]
        for piece in self._pieces(learner):
            shared, own = (part[:, piece] for part in scenes)
            found.append(learner.play.network(state[learner.name], shared, own).value)
        return torch.cat(found, 1).view_as(played.reward)

    def _targets(self, state: State, played: Played, returns: Tensor, value: Tensor) -> Targets:
        """What the loss of an update is computed from."""
        targets = Targets(
            standardised(returns - value),
            returns,
            played.log_probability,
            played.value,
            torch.zeros_like(value),
        )
        if self._elementwise:
            return targets
        clip = state["clip"].view(-1, 1, 1, 1, 1)
        plain, clipped = (loss.flatten(1).mean(1) for loss in value_losses(value, targets, clip))
        larger = (clipped > plain).to(value.dtype).view(-1, 1, 1, 1, 1)
        return targets._replace(clipped=larger.expand_as(value))

    def _gradient(
        self, state: State, learner: Learner, batch: Batch, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Means of policy loss, value loss and entropy, `(lanes, 3)`, and the gradient of the loss
        `(lanes, P)`, both gathered over pieces of all scenes.

        Args:
            weight: of the entropy, `(lanes, 1)`.
        """
        rows = batch.played.reward[0].numel()
        weights = torch.cat([torch.ones_like(weight), state["value_weight"], -weight], 1)
        parts = torch.zeros_like(weights)
        slope = torch.zeros_like(state[learner.name])
        for piece in self._pieces(learner):
            some = batch.some(piece)

            def loss(parameters: Tensor, some: Batch = some) -> tuple[Tensor, Tensor]:
                sums = self._sums(state, learner, some, parameters) / rows
                return (weights * sums).sum(1), sums

            _, told, more = gradient(loss, state[learner.name])
            parts, slope = parts + told, slope + more
        return parts, slope

    def _sums(self, state: State, learner: Learner, batch: Batch, parameters: Tensor) -> Tensor:
        """Policy loss, value loss and entropy, summed over a batch, `(lanes, 3)`."""
        play, clip = learner.play, None
        if self.clips:
            clip = state["clip"].unsqueeze(2)
        seen, targets = batch
        said = play.network(parameters, seen.shared, seen.own)
        logits = said.logits + state[f"mask.{play.role.name}"].unsqueeze(1)
        lanes, rows = logits.shape[:2]
        decided = play.heads.decided(logits, seen.choices.reshape(lanes, rows, -1))
        aims = Targets(*(part.reshape(lanes, rows, 1) for part in targets))
        parts = (
            policy_loss(decided, aims, clip),
            value_loss(said.value, aims, clip, self._elementwise),
            decided.entropy,
        )
        return torch.cat([part.sum(1) for part in parts], 1)

    def _pieces(self, learner: Learner) -> Iterator[slice]:
        """Pieces of all scenes."""
        for begin in range(0, self.simulation.num_scenes, learner.scenes):
            yield slice(begin, begin + learner.scenes)


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
