"""The exact solution as an agent: what solvers of the Bewley economy are measured by."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.agents.bewley_oracle.declaration import TABLES
from nthrun.environments.bewley.ability import chain_of
from nthrun.environments.bewley.declaration import MOST_SAVED, calibration_of
from nthrun.environments.bewley.distribution import Grids
from nthrun.environments.bewley.equilibrium import (
    WealthCutOffError,
    complete_markets_measures,
    equilibrium_measures,
    solve_with,
)
from nthrun.environments.bewley.household_numpy import DecisionRules, steady_rules
from nthrun.environments.bewley.household_torch import AbilityDraws
from nthrun.errors import NoSolutionError
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec


class EndogenousGrid:
    """Plays the exact decision rules, linearly between points of wealth.

    The state is float64: `assets` `(lanes, num_masses)`, and the tables `consumption`, `labour` and
    `savings` `(lanes, num_states, num_masses)`.
    """

    num_simulation_draws = 0
    num_agent_draws = 0

    def __init__(self, statics: Setting, environment: EnvironmentSpec) -> None:
        self._calibration = calibration_of(environment.values)
        self._chain = chain_of(environment.values)
        self._grids = Grids(num_masses=statics["num_masses"], top=statics["wealth_top"])
        self._count = environment.integer("households")
        self._ability = AbilityDraws(self._chain)

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        """See `Solver`; solves.

        Raises:
            SpecError: an economy that is not solved here.
            NoSolutionError: no equilibrium is found, or it does not fit the grid.
        """
        rules, _ = self._solution
        arrays = {name: getattr(rules, name) for name in ("assets", *TABLES)}
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        lanes = len(settings)
        return {name: table.expand(lanes, *table.shape).clone() for name, table in tensors.items()}

    def solve(self, state: State, noise: Noise, step: Tensor) -> dict[str, Tensor]:
        """See `Solver`; all is known."""
        return {}

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """See `Solver`; beyond the last point of wealth on the line of the last two."""
        wealth, ability, _ = observation.tensor_split((self._count, 2 * self._count), -1)
        assets = state["assets"]
        owned = wealth.double().flatten(1)
        states = self._ability.states(ability).flatten(1).long()
        above = torch.searchsorted(assets, owned).clamp(1, assets.shape[1] - 1)
        low, high = assets.gather(1, above - 1), assets.gather(1, above)
        share = (owned - low) / (high - low)
        place = states * assets.shape[1] + above

        def played(name: str) -> Tensor:
            table = state[name].flatten(1)
            return torch.lerp(table.gather(1, place - 1), table.gather(1, place), share)

        saved = played("savings")
        price = 1 + self._calibration.taxes.consumption_rate
        held = saved + price * played("consumption")
        saving = (saved / held).clamp(0.0, MOST_SAVED).view(wealth.shape).float()
        lowest, highest = self._calibration.labour_bounds
        if lowest == highest:
            return saving
        labour = played("labour").clamp(lowest, highest)
        return torch.cat([saving, labour.view(wealth.shape).float()], -1)

    def learned_params(self, state: State) -> dict[str, Tensor]:
        return {name: state[name] for name in ("assets", *TABLES)}

    def measures(self, state: State) -> dict[str, np.ndarray]:
        """See `Solver`: of the equilibrium, whose `oracle_gap` is 0."""
        _, numbers = self._solution
        lanes = len(state["assets"])
        return {name: np.full(lanes, number) for name, number in numbers.items()}

    @cached_property
    def _solution(self) -> tuple[DecisionRules, dict[str, float]]:
        """Decision rules on the grid of masses, and the numbers of the equilibrium."""
        if len(self._chain.values) == 1:
            rules = steady_rules(self._calibration, self._grids.masses())
            return rules, complete_markets_measures(self._calibration) | {"oracle_gap": 0.0}
        try:
            equilibrium = solve_with(self._calibration, self._chain, self._grids)
        except WealthCutOffError as error:
            hint = "raise the hyperparameter wealth_top, with more num_masses"
            raise NoSolutionError(error.message, hint) from error
        return equilibrium.rules, equilibrium_measures(equilibrium) | {"oracle_gap": 0.0}
