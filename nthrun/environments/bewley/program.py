"""The economy as a tensor program; `household_torch` has the equations of a period."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from nthrun.environments.base import Transition
from nthrun.environments.bewley.ability import chain_of
from nthrun.environments.bewley.declaration import calibration_of
from nthrun.environments.bewley.household_torch import AbilityDraws, prices, spend, utility
from nthrun.environments.tensors import start_states
from nthrun.specs.environment_spec import EnvironmentSpec


class EconomyState(NamedTuple):
    """A state, taken apart.

    Attributes:
        wealth: a, `(lanes, episodes, households)`.
        states: numbers of the states of ability, likewise.
        labour: L of the last period, `(lanes, episodes, 1)`.
    """

    wealth: Tensor
    states: Tensor
    labour: Tensor


class Bewley:
    """State (a of all households, number of the ability state of all, L of the last period), K and
    L being means over households."""

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spec = spec
        self._calibration = calibration_of(spec.values)
        self._ability = AbilityDraws(chain_of(spec.values))
        self._shows_prices = spec.values["observation"] == "own"
        self._num_households = spec.integer("households")
        self._most_wealth = 2.0 * spec.number("initial_wealth")

    def reset(self, draws: Tensor) -> Tensor:
        """Wealth uniform on [0, 2 initial_wealth], ability by its stationary shares, L that of the
        highest labour, or of 1 where it has no bound; unless the spec fixes the start."""
        wealth, luck = draws.split(self._num_households, -1)
        states = self._ability.first(luck)
        highest = self._calibration.labour_bounds[1]
        able = self._ability.values(states).mean(-1, keepdim=True)
        labour = able * (highest if math.isfinite(highest) else 1.0)
        return start_states(self._spec, torch.cat([self._most_wealth * wealth, states, labour], -1))

    def observe(self, state: Tensor) -> Tensor:
        """(a, v) of all households, and r and w at K and the L of the last period if they are
        shown."""
        wealth, states, labour = self._parts(state)
        ability = self._ability.values(states)
        if not self._shows_prices:
            return torch.cat([wealth, ability], -1)
        signals = prices(self._calibration.technology, wealth.mean(-1, keepdim=True), labour)
        return torch.cat([wealth, ability, *signals], -1)

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Work, pay taxes, consume, save, and draw the next ability; never terminates."""
        calibration = self._calibration
        wealth, states, _ = self._parts(state)
        share, labour = self._choices(action)
        earned = self._ability.values(states) * labour
        supply = earned.mean(-1, keepdim=True)
        r, w = prices(calibration.technology, wealth.mean(-1, keepdim=True), supply)
        budget = spend(calibration.taxes, w * earned + r * wealth, wealth, share)
        enjoyed = utility(calibration.preferences, budget.consumption, labour)
        reward = enjoyed.mean(-1, keepdim=True)
        following = self._ability.following(states, draws)
        new_state = torch.cat([budget.savings, following, supply], -1)
        return Transition(new_state, reward, torch.zeros_like(reward))

    def _parts(self, state: Tensor) -> EconomyState:
        count = self._num_households
        return EconomyState(*state.split((count, count, 1), -1))

    def _choices(self, action: Tensor) -> tuple[Tensor, Tensor]:
        """ζ and l of all households; where labour is inelastic an action is ζ alone."""
        lowest, highest = self._calibration.labour_bounds
        if lowest == highest:
            return action, torch.full_like(action, lowest)
        share, labour = action.split(self._num_households, -1)
        return share, labour
