"""A network's rule of the Bewley economy: what it sees, how it is played, and its equilibrium.

Households expect the prices that they see to last. The equilibrium of a learned rule is found
exactly, without the noise of a panel: the rule is evaluated on a grid of wealth, and the stationary
distribution and the interest rate at which firms use what households own are found as for the exact
rules.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nthrun.agents.base import State
from nthrun.agents.euler.declaration import Method, network_shape
from nthrun.agents.euler.features import Features, scale_of
from nthrun.agents.euler.household_torch import Circumstances, Household
from nthrun.agents.layouts import NORMALISER
from nthrun.agents.networks import MLP, normalised
from nthrun.environments.bewley.ability import AbilityChain, chain_of
from nthrun.environments.bewley.calibration import Calibration
from nthrun.environments.bewley.declaration import MOST_SAVED, calibration_of
from nthrun.environments.bewley.distribution import Grids
from nthrun.environments.bewley.equilibrium import (
    NO_MEASURES,
    Equilibrium,
    equilibrium_measures,
    solve_at_any_top,
    solve_with,
)
from nthrun.environments.bewley.household_numpy import DecisionRules
from nthrun.environments.bewley.household_numpy import Household as ExactHousehold
from nthrun.environments.bewley.household_torch import AbilityDraws, prices
from nthrun.environments.tensors import TINY
from nthrun.errors import NoSolutionError
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec

Array = NDArray[np.float64]
Rule = Callable[[ExactHousehold, Array], tuple[Array, Array]]
"""A map from a household's circumstances and `(num_assets,)` wealth to c and l, `(num_states,
num_assets)`, that it can pay for."""

NUM_MASSES = 400
GRIDS = Grids(num_masses=NUM_MASSES)
"""On which the equilibrium of a rule is found, where the exact one's wealth fits."""


def equilibrium_of(
    calibration: Calibration, chain: AbilityChain, rule: Rule, grids: Grids = GRIDS
) -> Equilibrium:
    """The stationary equilibrium in which all households follow a rule.

    Raises:
        NoSolutionError: there is none, or it is not found.
    """

    def decide(
        household: ExactHousehold, grids: Grids, guess: Array | None
    ) -> tuple[DecisionRules, Array]:
        assets = grids.masses()
        consumption, labour = rule(household, assets)
        if not np.isfinite(consumption).all():
            raise NoSolutionError("the rule has lost its numbers", "take a smaller lr")
        rest = household.savings(consumption, labour, assets[None, :])
        return DecisionRules(assets, consumption, labour, rest.clip(0.0)), consumption

    return solve_with(calibration, chain, grids, decide)


class Exact(NamedTuple):
    """What is known of the exact solution.

    Attributes:
        r: its interest rate; NaN where none is found.
        grids: on which the equilibrium of a rule is found: as high as its wealth asks for.
        missing: why there is no exact solution; "" where there is one.
    """

    r: float
    grids: Grids = GRIDS
    missing: str = ""


def measures(
    calibration: Calibration, chain: AbilityChain, rule: Rule, exact: Exact
) -> tuple[dict[str, float], str]:
    """The numbers of the equilibrium of a rule, NaN where it has none, and why it has none.

    `oracle_gap` is the distance of its r from the exact solution's.
    """
    missing = f"no oracle_gap, for {exact.missing}" if exact.missing else ""
    try:
        found = equilibrium_of(calibration, chain, rule, exact.grids)
        numbers = equilibrium_measures(found)
    except NoSolutionError as error:
        numbers, missing = NO_MEASURES, f"the learned rule has no equilibrium: {error.message}"
    return numbers | {"oracle_gap": abs(numbers["r"] - exact.r)}, missing


SHOWN = ("policy", *NORMALISER)
"""What a rule is made of."""


class Households(NamedTuple):
    """Households that a rule is evaluated for, `(lanes, number)` each.

    Attributes:
        wealth: a.
        states: numbers of ability states.
        r, w, rebate: what they find.
    """

    wealth: Tensor
    states: Tensor
    r: Tensor
    w: Tensor
    rebate: Tensor


class Decisions(NamedTuple):
    """What households do and by how much it is wrong, `(lanes, number)`.

    Attributes:
        consumption, labour, savings: c, l and a'.
        residual: of the Euler equation; each solver says in what. 0 where it is not asked for.
    """

    consumption: Tensor
    labour: Tensor
    savings: Tensor
    residual: Tensor


class EulerRule(ABC):
    """A rule of the Bewley economy.

    Args:
        statics: of its setting.
        environment: the economy.
        method: what the rule's network gives.

    Attributes:
        missing: see `Solver`.
    """

    missing: tuple[str, ...] = ()

    def __init__(self, statics: Setting, environment: EnvironmentSpec, method: Method) -> None:
        values = environment.values
        self.calibration, self.chain = calibration_of(values), chain_of(values)
        self.household = Household(self.calibration)
        self.ability = AbilityDraws(self.chain)
        self.scale = scale_of(self.calibration, self.chain)
        self.features = Features(self.scale)
        self.num_households = environment.integer("households")
        self.sees_crowd = values["observation"] == "cross_section"
        shape = network_shape(statics, environment.interface, method)
        self.network = MLP(shape.in_dim, shape.hidden, shape.out_dim, "silu")
        self._per_state = (len(self.chain.values), method.num_outputs)

    @abstractmethod
    def decide(self, state: State, looked_at: Households, crowd: Tensor | None) -> Decisions:
        """What households do by the rule that has been learned.

        Args:
            crowd: see `Features.of`.
        """

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """See `Solver`; where prices are not shown they are those of the wealth seen and the mean
        labour of the panel."""
        lanes, worlds, _ = observation.shape
        count = self.num_households
        wealth, ability, signals = observation.tensor_split((count, 2 * count), -1)
        crowd = None
        if self.sees_crowd:
            crowd = self.features.crowd(wealth, ability)
            worked = state["labour"].mean(1)[:, None, None]
            paid = prices(self.calibration.technology, wealth.mean(-1, keepdim=True), worked)
            signals = torch.cat(paid, -1)
        r, w = (number.expand_as(wealth) for number in signals.split(1, -1))
        rebate = state["rebate"].mean(1)[:, None, None].expand_as(wealth)
        numbers = (wealth, self.ability.states(ability), r, w, rebate)
        looked_at = Households(*(number.reshape(lanes, -1) for number in numbers))
        decided = self.decide(state, looked_at, crowd)
        held = self.household.resources(decided.labour, self.found(looked_at))
        share = (decided.savings / held.clamp(min=TINY)).clamp(0.0, MOST_SAVED)
        lowest, highest = self.calibration.labour_bounds
        parts = [share] if lowest == highest else [share, decided.labour]
        return torch.cat([part.view(lanes, worlds, count) for part in parts], -1)

    def learned_params(self, state: State) -> dict[str, Tensor]:
        named = self.network.named(state["policy"], "policy.")
        return named | {name: state[name] for name in NORMALISER}

    def measures(self, state: State) -> dict[str, np.ndarray]:
        """See `Solver`: of the equilibrium that each lane's rule has; nothing where the rule
        depends on the households of a world."""
        if self.sees_crowd:
            return {}
        results = []
        for lane in range(len(state["policy"])):
            of_lane = {name: state[name][lane : lane + 1].double() for name in SHOWN}
            rule = partial(self._rule, of_lane)
            results.append(measures(self.calibration, self.chain, rule, self._exact))
        numbers, self.missing = zip(*results, strict=True)
        return {name: np.array([each[name] for each in numbers]) for name in numbers[0]}

    def found(self, looked_at: Households) -> Circumstances:
        """The circumstances of households."""
        pay = looked_at.w * self.ability.values(looked_at.states)
        return Circumstances(looked_at.wealth, pay, looked_at.r, looked_at.rebate)

    def outputs(
        self, state: State, parameters: Tensor, wealth: Tensor, r: Tensor, crowd: Tensor | None
    ) -> Tensor:
        """What the network says of households for every state of ability,
        `(lanes, number, states, outputs)`."""
        seen = normalised(state, self.features.of(wealth, r, crowd))
        said: Tensor = self.network(parameters, seen).unflatten(-1, self._per_state)
        return said

    def _rule(self, state: State, household: ExactHousehold, assets: Array) -> tuple[Array, Array]:
        """c and l, `(num_states, num_assets)`, by the rule of one lane; all in float64, so that an
        interest rate can be found to many digits."""
        wealth = torch.from_numpy(assets).to(state["policy"].device).unsqueeze(0)
        paid = (household.r, household.w, household.rebate)
        signals = [torch.full_like(wealth, number) for number in paid]
        decisions: list[list[Array]] = []
        for number in range(len(self.chain.values)):  # one after the other, for little memory
            looked_at = Households(wealth, torch.full_like(wealth, number), *signals)
            with torch.no_grad():
                decided = self.decide(state, looked_at, None)
            decisions.append([part[0].numpy(force=True) for part in decided[:2]])
        consumption, labour = (np.stack(part) for part in zip(*decisions, strict=True))
        return consumption, labour

    @cached_property
    def _exact(self) -> Exact:
        usual = Grids()
        try:
            found, grids = solve_at_any_top(self.calibration, self.chain, usual)
        except NoSolutionError as error:
            return Exact(math.nan, missing=f"the exact solution is not found: {error.message}")
        num_masses = GRIDS.num_masses * grids.num_masses // usual.num_masses
        return Exact(found.r, replace(GRIDS, top=grids.top, num_masses=num_masses))
