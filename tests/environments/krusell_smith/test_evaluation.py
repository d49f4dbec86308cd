"""The evaluation of rules of households, where it is known what must come out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from environments.krusell_smith.rules import (
    COARSE,
    best_where_all_are_alike,
    everybody_alike,
    saving,
)

from nthrun.environments.krusell_smith.calibration import (
    ChosenLabourCalibration,
    GivenLabourCalibration,
)
from nthrun.environments.krusell_smith.classical import solved
from nthrun.environments.krusell_smith.cross_sections import resources
from nthrun.environments.krusell_smith.evaluation import (
    FIRST,
    NUM_PERIODS,
    Exact,
    Rule,
    evaluated,
    evaluation_names,
    exact_of,
    history_of,
)
from nthrun.environments.krusell_smith.histogram import (
    Households,
    lived,
    tfp_path,
    wealth_grid,
)
from nthrun.environments.krusell_smith.law import fitted_law, forecast_errors, pooled_law
from nthrun.environments.markov_chains import Array

ECONOMIES = {
    "chosen": ChosenLabourCalibration().economy(),
    "given": GivenLabourCalibration(benefit=0.15).economy(),
}


@pytest.mark.parametrize("name", ECONOMIES)
def test_the_path_visits_every_state_fairly_and_is_always_the_same(name: str) -> None:
    """Each state of Z has between half and twice its share, and the path does not change."""
    economy = ECONOMIES[name]
    path = tfp_path(economy, NUM_PERIODS)
    visits = np.bincount(path) / NUM_PERIODS
    long_run = np.linalg.matrix_power(economy.tfp_transition, 10_000)[0]
    assert np.all((visits > long_run / 2) & (visits < long_run * 2))
    assert tfp_path(economy, NUM_PERIODS) is path
    assert not path.flags.writeable


@pytest.mark.parametrize("sees_masses", [False, True])
@pytest.mark.parametrize("name", ECONOMIES)
def test_a_constant_share_of_resources_moves_capital_as_it_says(
    name: str, sees_masses: bool
) -> None:
    """With a' = s x in every hand, K' = s ((1 + r) K + mean y) whoever owns what."""
    economy, share = ECONOMIES[name], 0.9 if name == "given" else 0.8
    assets = wealth_grid(economy)
    households = Households(economy, saving(economy, share, sees_masses), assets)
    states = tfp_path(economy, 300)
    start = households.evenly(states[0], 1.0)
    history = lived(households, states, start, np.array([0, 299]))
    for before, after, state in zip(history.capital, history.capital[1:], states, strict=False):
        x = resources(economy, np.array([before]), before, state)[:, 0]
        assert after == pytest.approx(share * economy.shares[state] @ x, rel=2e-5)
    np.testing.assert_allclose(history.masses[1].sum(1), economy.shares[states[299]], rtol=1e-9)


def test_a_law_is_found_again_from_what_it_makes() -> None:
    """A path that follows quadratic laws by state gives their coefficients and no errors."""
    rows = np.array([[-0.05, 0.97, 0.004], [0.03, 0.96, 0.005]])
    states = np.random.default_rng(1).integers(0, 2, 3000)
    log_capital = [0.1]
    for state in states:
        b0, b1, b2 = rows[state]
        log_capital.append(b0 + b1 * log_capital[-1] + b2 * log_capital[-1] ** 2)
    path = np.array(log_capital)
    law = fitted_law(path, states, 3, curved=True)
    np.testing.assert_allclose(law.coefficients[:2], rows, atol=1e-8)
    assert np.isnan(law.coefficients[2]).all()
    assert forecast_errors(law, path, states).max() < 1e-9
    line = fitted_law(path, states, 2, curved=False)
    np.testing.assert_array_equal(line.coefficients[:, 2], 0.0)
    assert forecast_errors(line, path, states).max() > 1e-4


def test_a_pooled_law_is_found_again() -> None:
    """log K' = a + b log K + c log Z gives a, b and c, and R² 1; nothing where Z never moves."""
    tfp, states = np.array([0.9, 1.0, 1.2]), np.random.default_rng(2).integers(0, 3, 500)
    log_capital = [0.3]
    for state in states:
        log_capital.append(-0.1 + 0.9 * log_capital[-1] + 0.3 * math.log(tfp[state]))
    found = pooled_law(np.array(log_capital), states, tfp)
    assert (found.intercept, found.slope, found.slope_z) == pytest.approx((-0.1, 0.9, 0.3))
    assert found.r_squared == pytest.approx(1.0)
    assert math.isnan(pooled_law(np.array(log_capital), np.zeros(500, int), tfp).slope)


def test_where_all_are_alike_the_law_is_known_in_closed_form() -> None:
    """With δ = 1, σ = 1 and equal households K' = α β Y, the Euler equation holds, and a household
    consumes 1 - β of whatever it gets beside."""
    economy = everybody_alike()
    found = evaluated(economy, best_where_all_are_alike(economy), False, None).measures
    for state, tfp in enumerate(economy.tfp):
        intercept = math.log(economy.alpha * economy.beta * tfp)
        assert found[f"law_intercept_{state}"] == pytest.approx(intercept, abs=2e-4)
        assert found[f"law_slope_{state}"] == pytest.approx(economy.alpha, abs=2e-4)
        assert found[f"law_curvature_{state}"] == 0.0
    assert found["law_slope_z"] == pytest.approx(1.0, abs=1e-3)
    assert found["law_r_squared"] == pytest.approx(1.0, abs=1e-5)
    assert found["dh_max"] < 3e-4
    assert found["euler_residual"] < 3e-4
    assert found["euler_log10_mean"] == pytest.approx(math.log10(found["euler_residual"]))
    assert found["marginal_propensity_to_consume"] == pytest.approx(1 - economy.beta, abs=1e-4)
    assert found["correlation_consumption"] == pytest.approx(1.0, abs=1e-4)
    assert found["sd_consumption"] == pytest.approx(found["sd_output"], rel=1e-3)


@pytest.fixture(scope="module")
def exact() -> Exact:
    """What a rule that saves .8 of resources makes, taken for exact."""
    economy = ECONOMIES["chosen"]
    households, history = history_of(economy, saving(economy, 0.8), None)
    return exact_of(households, history, households.evenly(2, 1.0))


def test_the_exact_rule_is_not_apart_from_itself(exact: Exact) -> None:
    """The gap of the exact rule is 0, and so is that of its mean K, wherever it began."""
    economy = ECONOMIES["chosen"]
    found = evaluated(economy, saving(economy, 0.8), True, exact)
    assert found.measures["oracle_gap"] == pytest.approx(0.0, abs=1e-12)
    assert found.measures["oracle_gap_mean"] == pytest.approx(0.0, abs=1e-12)
    assert found.measures["mean_k_gap"] == pytest.approx(0.0, abs=1e-6)
    assert "oracle_gap" not in found.missing


def test_the_gap_is_that_of_one_step_from_the_exact_cross_sections(exact: Exact) -> None:
    """Savings of 1 % more give a gap of log 1.01, however far apart the paths are."""
    economy = ECONOMIES["chosen"]
    found = evaluated(economy, saving(economy, 0.8 * 1.01), True, exact).measures
    assert found["oracle_gap"] == pytest.approx(math.log(1.01), abs=1e-9)
    assert found["oracle_gap_mean"] == pytest.approx(math.log(1.01), abs=1e-9)
    mean = exact.capital_mean * (1 + found["mean_k_gap"])
    assert found["capital_mean"] == pytest.approx(mean)
    assert found["mean_k_gap"] > 0.05


def test_names_are_the_same_with_and_without_numbers(exact: Exact) -> None:
    """A rule that gives no numbers has the same measures, all NaN, and the reason is told."""
    economy = ECONOMIES["chosen"]

    def nothing(assets: Array, masses: Array, capital: float, state: int) -> Array:
        return np.full((economy.num_kinds, len(assets)), np.nan)

    found = evaluated(economy, Rule(nothing), True, exact)
    sound = evaluated(economy, saving(economy, 0.8), True, None, "it was not asked for")
    assert list(found.measures) == list(sound.measures) == list(evaluation_names(5))
    assert all(math.isnan(number) for number in found.measures.values())
    assert "not finite" in found.missing
    assert math.isnan(sound.measures["oracle_gap"])
    assert math.isnan(sound.measures["mean_k_gap"])
    assert "no oracle_gap: it was not asked for" in sound.missing


@pytest.mark.parametrize("name", ECONOMIES)
def test_wealth_that_leaves_the_grid_is_told(name: str) -> None:
    """Where households save more than they have, nothing is measured; the top is named, and that a
    rule may not have learned for long enough."""
    economy = ECONOMIES[name]
    found = evaluated(economy, saving(economy, 1.1), True, None)
    assert all(math.isnan(number) for number in found.measures.values())
    assert "at its top" in found.missing
    assert "hint: train longer" in found.missing


def test_the_window_leaves_ten_thousand_periods() -> None:
    """Laws and forecasts are of 10,000 periods after 1,000."""
    assert (FIRST, NUM_PERIODS - FIRST) == (1_000, 10_000)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_a_rule_that_saves_nothing_has_measures() -> None:
    """Where nobody keeps anything nothing is divided by zero: K' is next to nothing, of wealth
    there are no shares, and the gap is large."""
    economy = ChosenLabourCalibration(tfp_states=2, productivity_nodes=2).economy()
    solution = solved(economy, True, COARSE)
    nothing = Rule(lambda assets, masses, capital, state: np.zeros_like(masses))
    found = evaluated(economy, nothing, True, solution.exact).measures
    assert found["oracle_gap"] > 5.0
    assert found["capital_mean"] < 1e-6
