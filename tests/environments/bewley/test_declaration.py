"""What a spec may say of the economy, and what it is told."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from environments.worlds import spec_of

from nthrun.environments.bewley.ability import chain_of
from nthrun.environments.bewley.calibration import (
    AbilityProcess,
    Calibration,
    Preferences,
    Superstar,
    Taxes,
    TaxSchedule,
    Technology,
)
from nthrun.environments.bewley.declaration import COEFFICIENTS, calibration_of
from nthrun.errors import SpecError

OTHER = {
    "beta": 0.9,
    "theta": 2.0,
    "gamma": 3.0,
    "chi": 4.0,
    "alpha": 0.4,
    "delta": 0.1,
    "productivity": 1.5,
    "rho": 0.6,
    "sigma": 0.3,
    "ability_bound": 2.5,
    "superstar_enter": 0.01,
    "superstar_stay": 0.8,
    "superstar_factor": 7.0,
    "labour_min": 0.2,
    "labour_max": 0.7,
    "income_tax": 0.21,
    "income_elasticity": 0.11,
    "wealth_tax": 0.02,
    "wealth_elasticity": 0.03,
    "consumption_tax": 0.05,
    "rebated": True,
}


def test_a_silent_spec_is_the_default_calibration() -> None:
    """A spec without coefficients means the calibration's own defaults."""
    assert calibration_of(spec_of("Bewley").values) == Calibration()


def test_every_coefficient_is_the_one_it_names() -> None:
    """A spec that gives every coefficient another value gives the calibration of those values."""
    assert set(OTHER) == {coefficient.field.name for coefficient in COEFFICIENTS}
    expected = Calibration(
        Preferences(beta=0.9, theta=2.0, gamma=3.0, chi=4.0),
        Technology(alpha=0.4, delta=0.1, productivity=1.5),
        AbilityProcess(rho=0.6, sigma=0.3, bound=2.5, superstar=Superstar(0.01, 0.8, 7.0)),
        Taxes(TaxSchedule(0.21, 0.11), TaxSchedule(0.02, 0.03), 0.05, True),
        (0.2, 0.7),
    )
    assert calibration_of(spec_of("Bewley", gamma=0.9, calibration=OTHER).values) == expected


def test_a_bound_of_zero_is_none() -> None:
    """0 for the highest labour and for the bound of ability means that there is none."""
    spec = spec_of("Bewley", calibration={"labour_max": 0.0, "ability_bound": 0.0})
    found = calibration_of(spec.values)
    assert found.labour_bounds == (0.01, math.inf)
    assert found.ability.bound == math.inf
    assert spec.interface.action_high == (0.999,) * 100 + (10.0,) * 100


def test_the_chain_is_the_one_described() -> None:
    """The chain has the states asked for, twice as many with superstars, and one alone, v = 1,
    where all risk is shared."""
    stars = {"superstar_enter": 0.1}
    for values, size in (({}, 4), ({"calibration": stars}, 8)):
        assert len(chain_of(spec_of("Bewley", ability_states=4, **values).values).values) == size
    alone = chain_of(spec_of("Bewley", complete_markets=True, calibration=stars).values)
    for found in (alone.values, alone.transition.ravel(), alone.stationary):
        np.testing.assert_array_equal(found, [1.0])


@pytest.mark.parametrize("count", [1, 3, 5000])
def test_sizes_go_with_the_households(count: int) -> None:
    """The state is 2A + 1 numbers, an observation 2A + 2, an action 2A, or A without labour."""
    worlds = [
        spec_of("Bewley", households=count, calibration={"labour_min": lowest}).interface
        for lowest in (0.01, 0.99)
    ]
    for interface, actions in zip(worlds, (2 * count, count), strict=True):
        assert (interface.state_dim, interface.observation_dim) == (2 * count + 1, 2 * count + 2)
        assert (interface.num_reset_draws, interface.num_step_draws) == (2 * count, count)
        assert interface.action_dim == actions
        pairs = zip(interface.action_low, interface.action_high, strict=True)
        assert all(low < high for low, high in pairs)
        assert (interface.model, interface.terminates) == ("Bewley", False)
    assert replace(worlds[0], action_low=(), action_high=()) == replace(
        worlds[1], action_low=(), action_high=()
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"calibration.beta": 1.0}, "calibration.beta: is 1.0, allowed is (0, 1)"),
        ({"calibration.theta": 0.0}, "calibration.theta: is 0.0, allowed is (0, ∞)"),
        ({"calibration.gamma": -1.0}, "calibration.gamma: is -1.0"),
        ({"calibration.chi": 0.0}, "calibration.chi: is 0.0"),
        ({"calibration.alpha": 1.0}, "calibration.alpha: is 1.0"),
        ({"calibration.delta": 1.5}, "calibration.delta: is 1.5"),
        ({"calibration.productivity": 0.0}, "calibration.productivity: is 0.0"),
        ({"calibration.rho": 1.0}, "calibration.rho: is 1.0"),
        ({"calibration.sigma": 0.0}, "calibration.sigma: is 0.0"),
        ({"calibration.ability_bound": -1.0}, "calibration.ability_bound: got -1.0, allowed: a"),
        ({"calibration.superstar_enter": 1.0}, "calibration.superstar_enter: is 1.0"),
        ({"calibration.superstar_stay": -0.1}, "calibration.superstar_stay: is -0.1"),
        ({"calibration.superstar_factor": 0.0}, "calibration.superstar_factor: is 0.0"),
        ({"calibration.labour_max": 0.005}, "calibration.labour_max: is (0.01, 0.005), allowed"),
        ({"calibration.labour_min": -1.0}, "calibration.labour_min: got -1.0, allowed: a number"),
        (
            {"calibration.labour_min": 10.0, "calibration.labour_max": 0.0},
            "calibration.labour_min: got 10.0, allowed without labour_max: below 10",
        ),
        ({"calibration.income_tax": 1.0}, "calibration.income_tax: is 1.0"),
        ({"calibration.income_elasticity": 0.1}, "calibration.income_elasticity: is 0.1, allowed"),
        ({"calibration.wealth_tax": -0.1}, "calibration.wealth_tax: is -0.1, allowed is [0, 1)"),
        ({"calibration.wealth_elasticity": 0.1}, "calibration.wealth_elasticity: is 0.1"),
        ({"calibration.consumption_tax": -0.1}, "calibration.consumption_tax: is -0.1"),
        ({"gamma": 0.9}, "gamma: got 0.9, allowed: 0.96, which is calibration.beta"),
        ({"calibration.beta": 0.9}, "gamma: got 0.96, allowed: 0.9, which is calibration.beta"),
        ({"start_state": [1.0, 5.0, 1.0]}, "start_state: got [1.0, 5.0, 1.0], allowed: [every w"),
        ({"start_state": [1.0, 0.5, 1.0]}, "start_state: got [1.0, 0.5, 1.0], allowed: [every w"),
        ({"start_state": [-1.0, 0.0, 1.0]}, "start_state: got [-1.0, 0.0, 1.0], allowed: [eve"),
        ({"start_state": [1.0, 0.0]}, "start_state: got [1.0, 0.0], allowed: [] or 3 numbers"),
        ({"households": 0}, "households: got 0, allowed: an integer from 1 to 100000"),
        ({"ability_states": 1}, "ability_states: got 1, allowed: an integer from 2 to 99"),
        ({"observation": "mine"}, "observation: got"),
        ({"initial_wealth": 0.0}, "initial_wealth: got 0.0"),
        ({"eval_episodes": 1}, "steps_per_episode: got 0, allowed with evaluation: >= 1"),
    ],
)
def test_infeasible_economies_are_refused(values: dict[str, object], told: str) -> None:
    """Each fault is one line that names file and key, the value and what is allowed."""
    with pytest.raises(SpecError) as refused:
        spec_of("Bewley", **{"households": 1, "ability_states": 5} | values)
    assert [line.startswith(f"test: {told}") for line in refused.value.lines()] == [True]


def test_all_infeasible_numbers_are_told_at_once() -> None:
    """Numbers of several parts that are out of range are all told, each once."""
    wrong = {"beta": 2.0, "delta": 2.0, "superstar_stay": 2.0, "rho": 2.0, "income_tax": 2.0}
    wrong |= {"wealth_tax": 3.0, "consumption_tax": -1.0, "labour_max": 0.001}
    with pytest.raises(SpecError) as refused:
        spec_of("Bewley", calibration=wrong)
    keys = [fault.key.removeprefix("calibration.") for fault in refused.value.faults]
    assert sorted(keys) == sorted(wrong)
