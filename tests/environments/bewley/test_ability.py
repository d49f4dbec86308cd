"""Chains of ability against the moments of their process."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from nthrun.environments.bewley.ability import (
    AbilityChain,
    rouwenhorst,
    tauchen,
)
from nthrun.environments.bewley.calibration import AbilityProcess, Superstar
from nthrun.environments.markov_chains import stationary_shares
from nthrun.errors import SpecError

PROCESS = AbilityProcess(rho=0.95, sigma=0.2)
STARS = AbilityProcess(superstar=Superstar(enter=2.2e-6, stay=0.99, factor=10.0))


def _log_moments(chain: AbilityChain) -> tuple[float, float]:
    """Standard deviation and autocorrelation of log v."""
    logs = np.log(chain.values) - chain.stationary @ np.log(chain.values)
    variance = chain.stationary @ logs**2
    return float(np.sqrt(variance)), float(
        (chain.stationary * logs) @ chain.transition @ logs / variance
    )


@pytest.mark.parametrize(
    "chain", [rouwenhorst(PROCESS, 2), tauchen(PROCESS, 7), rouwenhorst(STARS, 5)]
)
def test_chains_are_chains(chain: AbilityChain) -> None:
    """Probabilities are >= 0 and sum to 1, the stationary shares stay, and the mean of v is 1."""
    assert (chain.transition >= 0).all()
    np.testing.assert_allclose(chain.transition.sum(axis=1), 1.0, rtol=1e-13)
    np.testing.assert_allclose(chain.stationary @ chain.transition, chain.stationary, rtol=1e-12)
    assert chain.stationary @ chain.values == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize("num_states", [2, 5, 15, 21])
@pytest.mark.parametrize("rho", [-0.3, 0.0, 0.95])
def test_rouwenhorst_has_the_moments_of_its_process(num_states: int, rho: float) -> None:
    """log v has the deviation σ/√(1-ρ²) and the autocorrelation ρ with any number of states."""
    deviation, correlation = _log_moments(rouwenhorst(AbilityProcess(rho, 0.2), num_states))
    assert deviation == pytest.approx(0.2 / np.sqrt(1 - rho**2), rel=1e-10)
    assert correlation == pytest.approx(rho, abs=1e-10)


def test_rouwenhorst_is_binomial() -> None:
    """The stationary shares of Rouwenhorst's chain of 5 states are 1, 4, 6, 4 and 1 of 16."""
    shares = rouwenhorst(PROCESS, 5).stationary
    np.testing.assert_allclose(shares * 16, [1, 4, 6, 4, 1], rtol=1e-12)


def test_known_abilities_of_fifteen_states() -> None:
    """The default process on 15 states has the abilities of an independent solver."""
    values = rouwenhorst(PROCESS, 15).values
    np.testing.assert_allclose(values[[3, 7, 11]], [0.2073, 0.8154, 3.207], rtol=5e-4)


def test_tauchen_nears_the_process_with_many_states() -> None:
    """101 states 5 deviations wide have the process's deviation and autocorrelation to 1 %."""
    deviation, correlation = _log_moments(tauchen(AbilityProcess(0.6, 0.2), 101, 5.0))
    assert deviation == pytest.approx(0.25, rel=1e-2)
    assert correlation == pytest.approx(0.6, rel=1e-2)


def test_tauchen_without_memory_is_normal() -> None:
    """With ρ = 0 three states at -2, 0 and 2 deviations have Φ(-1), 1 - 2 Φ(-1) and Φ(-1)."""
    chain = tauchen(AbilityProcess(0.0, 0.3), 3, 2.0)
    tail = 0.15865525393145707
    np.testing.assert_allclose(chain.transition, [[tail, 1 - 2 * tail, tail]] * 3, rtol=1e-13)
    np.testing.assert_allclose(np.diff(np.log(chain.values)), 0.6, rtol=1e-13)


@pytest.mark.parametrize("make", [rouwenhorst, tauchen])
def test_bound_keeps_ability_within(make: object) -> None:
    """A bound of 1 deviation keeps log v within 1 deviation of the middle state, on both sides."""
    assert callable(make)
    values = make(AbilityProcess(bound=1.0), 15).values
    np.testing.assert_allclose(
        np.log(values[[0, -1]] / values[7]), [-PROCESS.deviation, PROCESS.deviation]
    )
    wide = make(AbilityProcess(bound=inf), 15).values
    assert wide[-1] / wide[7] > np.exp(2 * PROCESS.deviation)


def test_superstars_multiply_and_come_and_go() -> None:
    """Superstars are 10 times as able, p/(p + 1 - q) of all, and do not change the rest."""
    chain, plain = rouwenhorst(STARS, 9), rouwenhorst(AbilityProcess(), 9)
    assert len(chain.values) == 18
    np.testing.assert_allclose(chain.values[9:] / chain.values[:9], 10.0, rtol=1e-13)
    assert chain.stationary[9:].sum() == pytest.approx(2.2e-6 / (2.2e-6 + 0.01), rel=1e-10)
    np.testing.assert_allclose(chain.transition[9:, 9:], 0.99 * plain.transition, rtol=1e-13)
    np.testing.assert_allclose(chain.transition[:9, 9:], 2.2e-6 * plain.transition, rtol=1e-13)


def test_stationary_shares_of_two_states() -> None:
    """States left with probabilities 1e-12 and 0.25 have shares in the inverse proportion."""
    shares = stationary_shares(np.array([[1 - 1e-12, 1e-12], [0.25, 0.75]]))
    np.testing.assert_allclose(shares, [0.25 / (0.25 + 1e-12), 1e-12 / (0.25 + 1e-12)], rtol=1e-14)


def test_too_few_states_are_refused() -> None:
    """One state is refused, and so is a width that is not positive."""
    with pytest.raises(SpecError, match="is 1, allowed is 2 or more"):
        rouwenhorst(PROCESS, 1)
    with pytest.raises(SpecError, match="width"):
        tauchen(PROCESS, 5, 0.0)
