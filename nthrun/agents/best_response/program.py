"""Approximate best responses: a role learns while all others play as they did.

Who responds begins with what its role had learned, or afresh, with a new optimiser; nothing is
masked, and the game is not eased. Before and after are compared on the same random numbers, which
are those of every evaluation:

    gain = mean over worlds and agents who deviate of what they earn in an episode, after - before.

With `deviators` one, that is what a single agent of the role gains whose fellows play as before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Noise, State, lane_column, start_from
from nthrun.agents.best_response.declaration import (
    WORLDS_AT_ONCE,
    responders,
    response_layout,
)
from nthrun.agents.parents import Of
from nthrun.agents.roles.curriculum import column_of
from nthrun.agents.roles.fields import (
    LEARNED,
    lane_numbers,
    scenes_at_once,
    simulation_draws,
)
from nthrun.agents.roles.learners import Learner, Rule
from nthrun.agents.roles.simulation import Deviation, Played, Simulation
from nthrun.agents.roles.solver import optimiser_state, spread
from nthrun.environments.base import make_environment
from nthrun.environments.roles import RolesEnvironment
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec


class BestResponse:
    """best_response.

    The state has `policy.<role>` of every role, which stays, and `response.<role>` of those that
    respond, with its optimiser.
    """

    num_agent_draws = 0
    samples_measures = True

    def __init__(self, statics: Setting, environment: EnvironmentSpec) -> None:
        interface = environment.interface
        self._statics, self._interface = statics, interface
        self.game: RolesEnvironment = make_environment(environment)
        self.simulation = Simulation(statics, self.game, interface)
        layout = response_layout(statics, interface)
        self.num_simulation_draws = layout.num_simulation_draws
        self.num_play_draws = layout.num_play_draws
        self._one = statics["deviators"] == "one"
        clips = statics["loss"] == "ppo"
        rule = Rule(
            clips=clips,
            updates=statics["updates"] if clips else 1,
            discounted=statics["returns"] == "discounted",
            elementwise=not clips or statics["value_clipping"] == "elementwise",
        )
        places = {role.name: place for place, role in enumerate(interface.roles)}
        self._learners = [
            Learner(
                play=self.simulation.plays[name],
                name=f"response.{name}",
                place=places[name],
                start=0,
                scenes=scenes_at_once(statics, interface, interface.roles[places[name]]),
                rule=rule,
            )
            for name in responders(statics, interface)
        ]

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
        parents: Of = (),
    ) -> State:
        """See `Solver`; a lane without a parent has networks of zeros, which play uniformly."""
        lanes = len(settings)
        of_lanes = list(parents) or [None] * lanes
        state: State = {}
        for name, play in self.simulation.plays.items():
            state[f"policy.{name}"] = torch.zeros(lanes, play.network.mlp.num_params())
            state[f"mask.{name}"] = torch.zeros(lanes, play.heads.num_logits)
        start_from(self._named(state, "policy"), of_lanes)
        for learner in self._learners:
            mlp, name = learner.play.network.mlp, learner.play.role.name
            fresh = [mlp.initial(generator, "kaiming_uniform") for generator in generators]
            response = torch.from_numpy(np.stack(fresh))
            if self._statics["start"] == "parent":
                has = torch.tensor([parent is not None for parent in of_lanes]).unsqueeze(1)
                response = torch.where(has, state[f"policy.{name}"], response)
            state |= optimiser_state(learner.name, response)
            for metric in LEARNED:
                state[f"last.{metric}_{name}"] = torch.zeros(lanes, 1)
        betas = torch.cat([lane_column([s["betas"][i] for s in settings]) for i in (0, 1)], 1)
        state |= {"adam.betas": betas, "adam.weights": 1.0 - betas}
        pairs = zip(settings, of_lanes, strict=True)
        scales = [
            s["reward_scale"] or (parent.setting.get("reward_scale") if parent else None) or (1.0,)
            for s, parent in pairs
        ]
        roles = len(self.simulation.plays)
        state["reward_scale"] = column_of(scales, roles)
        state["lr"] = column_of([s["lr"] for s in settings], roles)
        for name in lane_numbers(settings[0]):
            values = [gamma if name == "gamma" else s[name] for s in settings]
            state[name] = lane_column([float(value) for value in values])
        return state

    def solve(self, state: State, noise: Noise, step: Tensor) -> dict[str, Tensor]:
        """See `Solver`."""
        metrics: dict[str, Tensor] = {}
        draws = noise.environment.chunk(len(self._learners), 1)
        for learner, luck in zip(self._learners, draws, strict=True):
            name = learner.play.role.name
            played = self._played(self.simulation, state, learner, luck, state[learner.name])
            metrics |= spread(f"reward_{name}", played.reward[..., 0])
            learner.learn(state, played, step)
            for metric in LEARNED:
                metrics[f"{metric}_{name}"] = state[f"last.{metric}_{name}"][:, 0].clone()
        return metrics

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """See `Solver`: the most probable choices."""
        return self._acted(state, observation, None)

    def play(self, state: State, observation: Tensor, draws: Tensor) -> Tensor:
        """See `SampledPlay`; the first role that responds does so as a whole."""
        return self._acted(state, observation, draws)

    def learned_params(self, state: State) -> dict[str, Tensor]:
        """See `Solver`."""
        return self._named(state, "policy") | self._named(state, "response")

    def alone(self, state: State, role: str) -> State:
        """A state in which play is with the response of one role alone, all others as they were.

        Args:
            role: one that responds.
        """
        first = self._learners[0]
        others = {first.name: state[f"policy.{first.play.role.name}"]}
        if role == first.play.role.name:
            return state
        return state | others | {f"policy.{role}": state[f"response.{role}"]}

    @torch.no_grad()
    def measures(
        self, state: State, generators: Sequence[np.random.Generator] = ()
    ) -> dict[str, np.ndarray]:
        """See `Solver`; before and after, their difference, and of all roles what they gain
        together."""
        device = state["gamma"].device
        worlds = self._statics["eval_worlds"]
        sums: dict[str, Tensor] = {}
        for begin in range(0, worlds, WORLDS_AT_ONCE):
            count = min(WORLDS_AT_ONCE, worlds - begin)
            setting = {**self._statics, "num_worlds": count}
            simulation = Simulation(setting, self.game, self._interface)
            size = simulation_draws(setting, self._interface) + count
            drawn = np.stack([g.random(size, dtype=np.float32) for g in generators])
            luck = torch.from_numpy(drawn).to(device)
            for learner in self._learners:
                name = learner.play.role.name
                for when, of in (("before", f"policy.{name}"), ("after", learner.name)):
                    played = self._played(simulation, state, learner, luck, state[of])
                    earned = played.reward[..., 0].double().sum(1).flatten(1).mean(1)
                    key = f"{when}_{name}"
                    sums[key] = sums.get(key, 0.0) + earned * (count / worlds)
        found = {key: total.numpy(force=True) for key, total in sums.items()}
        return found | self._gains(state, found)

    def _gains(self, state: State, found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What each role gains, and where all respond the largest and the sum of that by scale."""
        gains, scaled = {}, []
        scales = state["reward_scale"].numpy(force=True)
        for learner in self._learners:
            name = learner.play.role.name
            gains[f"gain_{name}"] = found[f"after_{name}"] - found[f"before_{name}"]
            scaled.append(gains[f"gain_{name}"] / scales[:, learner.place])
        if len(self._learners) < len(self.simulation.plays):
            return gains
        return gains | {"exploitability": np.max(scaled, 0), "nash_conv": np.sum(scaled, 0)}

    def _played(
        self,
        simulation: Simulation,
        state: State,
        learner: Learner,
        luck: Tensor,
        parameters: Tensor,
    ) -> Played:
        """What those who deviate did with some parameters.

        Args:
            luck: numbers of the simulation, and one for each world.
        """
        draws, who = luck.split([luck.shape[1] - simulation.num_worlds, simulation.num_worlds], 1)
        role = learner.play.role
        policies = {name: state[f"policy.{name}"] for name in simulation.plays}
        masks = {name: state[f"mask.{name}"] for name in simulation.plays}
        factor = torch.ones_like(state["gamma"]).unsqueeze(2)
        deviation = None
        if self._one:
            number = (who * role.count).floor().clamp(max=role.count - 1)
            agents = number.unsqueeze(2) == torch.arange(role.count, device=luck.device)
            deviation = Deviation(role.name, parameters, agents.unsqueeze(3).to(luck.dtype))
        else:
            policies[role.name] = parameters
        episodes = simulation.episodes(policies, masks, factor, draws, deviation)
        return episodes.roles[role.name]

    def _acted(self, state: State, observation: Tensor, draws: Tensor | None) -> Tensor:
        plays = self.simulation.plays
        policies = {name: state[f"policy.{name}"] for name in plays}
        policies[self._learners[0].play.role.name] = state[self._learners[0].name]
        masks = {name: state[f"mask.{name}"] for name in plays}
        seen = {name: self.game.seen(observation, name) for name in plays}
        return self.simulation.acted(policies, masks, seen, draws)

    def _named(self, state: State, kind: str) -> dict[str, Tensor]:
        """Weights and biases of one kind of networks, by name."""
        named: dict[str, Tensor] = {}
        for name, play in self.simulation.plays.items():
            if f"{kind}.{name}" in state:
                named |= play.network.mlp.named(state[f"{kind}.{name}"], f"{kind}.{name}.")
        return named
