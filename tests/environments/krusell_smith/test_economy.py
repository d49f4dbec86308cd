"""Who earns what in the economies, what firms pay, and how all of it moves."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from environments.krusell_smith.economies import CHAIN, ECONOMIES, JEDC, NAMES, everywhere

from nthrun.environments.krusell_smith.calibration import ChosenLabourCalibration
from nthrun.environments.krusell_smith.economy import Economy
from nthrun.environments.markov_chains import stationary_shares


def test_prices_are_those_of_the_closed_form() -> None:
    """At K = .6954 and Z = 1 w is .945561, L .241536 and r 10.9189 %, labour and its market's
    clearing taken together; the published code's formula has w 1.180519 and r 4.997 %."""
    economy = ChosenLabourCalibration(tfp_states=1, rho_tfp=0.0).economy()
    capital, state = np.array(0.6954), np.array(0)
    r, w = economy.prices(capital, state)
    assert w == pytest.approx(0.945561, abs=1e-6)
    assert economy.supply(capital, state) == pytest.approx(0.241536, abs=1e-6)
    assert r == pytest.approx(0.109189, abs=1e-6)


def test_interest_rises_with_productivity() -> None:
    """At K = .6954 r is 4.47, 8.42, 13.86 and 21.35 % in the four states of the published chain,
    where the published formula lets it fall."""
    economy = CHAIN.economy()
    r = economy.prices(np.full(4, 0.6954), np.arange(4)).r
    assert r == pytest.approx([0.0447, 0.0842, 0.1386, 0.2135], abs=1e-4)


@pytest.mark.parametrize("economy", ECONOMIES, ids=NAMES)
def test_markets_clear(economy: Economy) -> None:
    """In every state and at every K what households offer of labour is what firms take, capital
    and labour are paid all that is made, and incomes net of disutility add up to that."""
    capital, state = everywhere(economy)
    r, w = economy.prices(capital, state)
    shares = economy.shares[state]
    offered = economy.labour.productivity * economy.labour.hours(w, state)
    supply = economy.supply(capital, state)
    assert (shares * offered).sum(-1) == pytest.approx(supply, rel=1e-12)
    paid = (r + economy.delta) * capital + w * supply
    assert paid == pytest.approx(economy.output(capital, state), rel=1e-12)
    earned = economy.net_income(capital, state) + economy.labour.disutility(w, state)
    assert (shares * earned).sum(-1) == pytest.approx(w * supply, rel=1e-12)


@pytest.mark.parametrize("economy", ECONOMIES, ids=NAMES)
def test_probabilities_are_probabilities(economy: Economy) -> None:
    """The joint chances of Z and of a kind add up to those of Z, and keep the shares of the kinds
    exactly: those who get there from every kind are those who are there."""
    assert economy.transition.min() >= 0
    rows = np.broadcast_to(economy.tfp_transition[:, None], economy.transition.shape[:3])
    assert economy.transition.sum(-1) == pytest.approx(rows, abs=1e-15)
    arriving = np.einsum("sk,skti->sti", economy.shares, economy.transition)
    wanted = economy.tfp_transition[..., None] * economy.shares
    assert arriving == pytest.approx(wanted, abs=1e-15)
    assert economy.kind_transition.sum(-1) == pytest.approx(np.ones_like(rows))
    together = economy.kind_transition * rows[..., None]
    assert together == pytest.approx(economy.transition, abs=1e-15)


def test_the_textbooks_transition_is_the_printed_one() -> None:
    """Out of work in bad times, at work in bad times, out of work in good times, at work in good
    times: the chances of Krusell and Smith, made of durations."""
    printed = [
        [0.525, 0.35, 0.03125, 0.09375],
        [0.038889, 0.836111, 0.002083, 0.122917],
        [0.09375, 0.03125, 0.291667, 0.583333],
        [0.009115, 0.115885, 0.024306, 0.850694],
    ]
    assert JEDC.economy().transition.reshape(4, 4) == pytest.approx(np.array(printed), abs=1e-6)


@pytest.mark.parametrize("states", [2, 3, 5, 9])
def test_log_productivity_has_the_moments_of_its_process(states: int) -> None:
    """Of n states log Z has the deviation σ/√(1-ρ²) and the autocorrelation ρ."""
    economy = replace(ChosenLabourCalibration(), tfp_states=states).economy()
    shares, logs = stationary_shares(economy.tfp_transition), np.log(economy.tfp)
    variance = shares @ logs**2
    assert shares @ logs == pytest.approx(0, abs=1e-15)
    assert math.sqrt(variance) == pytest.approx(0.025 / math.sqrt(1 - 0.95**2))
    assert shares @ (logs * (economy.tfp_transition @ logs)) == pytest.approx(0.95 * variance)


@pytest.mark.parametrize("economy", ECONOMIES, ids=NAMES)
def test_complete_markets_pay_the_rate_of_impatience(economy: Economy) -> None:
    """The capital of complete markets earns r = 1/β - 1 in every state of Z."""
    states = np.arange(economy.num_states)
    r = economy.prices(economy.complete_markets_capital, states).r
    assert r == pytest.approx(np.full(len(states), 1 / economy.beta - 1), abs=1e-12)


def test_complete_markets_have_the_known_capital() -> None:
    """At Z = 1 the economy of chosen labour has K = .60054."""
    assert ECONOMIES[0].complete_markets_capital[2] == pytest.approx(0.60054, abs=1e-5)
