"""Arrays of figures against what they are made of."""

from __future__ import annotations

import numpy as np
import pytest
from environments.krusell_smith.rules import saving

from nthrun.environments.krusell_smith.calibration import (
    ChosenLabourCalibration,
    GivenLabourCalibration,
)
from nthrun.environments.krusell_smith.economy import Economy
from nthrun.environments.krusell_smith.evaluation import history_of
from nthrun.environments.krusell_smith.histogram import History, Households, Rule
from nthrun.environments.krusell_smith.pictures import (
    RICHEST,
    densities,
    functions,
    law,
    nearest_section,
    path,
    responses,
    series,
)
from nthrun.environments.markov_chains import Array
from nthrun.errors import NthrunError

ECONOMIES = {
    "chosen labour": ChosenLabourCalibration(tfp_states=3, productivity_nodes=3).economy(),
    "given labour": GivenLabourCalibration(benefit=0.15, hours_at_work=1 / 0.9).economy(),
}
SHARE = {"chosen labour": 0.87, "given labour": 0.972}


@pytest.fixture(scope="module", params=list(ECONOMIES))
def lived(request: pytest.FixtureRequest) -> tuple[Economy, Households, History]:
    """An economy whose households save a share of what they have, and its history."""
    economy = ECONOMIES[request.param]
    return economy, *history_of(economy, saving(economy, SHARE[request.param]), None)


def test_what_is_produced_is_consumed_or_kept(lived: tuple[Economy, Households, History]) -> None:
    """Along a path Y + (1 - δ) K = C + K', and C is what households consume."""
    economy, households, _ = lived
    history = path(households, 50, 30)
    arrays = series(economy, history)
    assert all(len(array) == 30 for array in arrays.values())
    kept = (1 - economy.delta) * history.capital[:-1] - history.capital[1:]
    np.testing.assert_allclose(arrays["consumption"], arrays["output"] + kept)
    section = nearest_section(history, int(history.states[history.dates[7]]), history.capital[7])
    found = functions(households, section, households.assets)
    date = int(np.argmin(np.abs(history.capital[:-1] - section.capital)))
    spent = float((section.masses * found["c"]).sum())
    assert spent == pytest.approx(arrays["consumption"][date], rel=1e-4)


def test_a_path_does_not_depend_on_where_it_is_cut(
    lived: tuple[Economy, Households, History],
) -> None:
    """Periods 60 to 69 are the same whether the path is shown from 50 or from 60."""
    _, households, _ = lived
    longer, shorter = path(households, 50, 20), path(households, 60, 10)
    np.testing.assert_array_equal(longer.states[10:], shorter.states)
    np.testing.assert_allclose(longer.capital[10:], shorter.capital, rtol=1e-12)


def test_densities_hold_nearly_all_households(lived: tuple[Economy, Households, History]) -> None:
    """Over the wealth that is shown each integrates to the share of households that have it."""
    _, households, _ = lived
    found = densities(households, path(households, 50, 30), 4, 50)
    assert found["density"].shape == (4, 50)
    assert list(found["date"][[0, -1]]) == [0, 29]
    width = found["wealth"][1] - found["wealth"][0]
    held = found["density"].sum(1) * width
    assert (held >= RICHEST - 1e-3).all()
    assert (held <= 1 + 1e-9).all()


def test_the_law_leaves_nothing_of_a_line(lived: tuple[Economy, Households, History]) -> None:
    """What the law by state leaves is uncorrelated with log K in each, and lines end where the
    path does."""
    economy, households, history = lived
    found = law(households, history, curved=False)
    for state in range(economy.num_states):
        here = found["state"] == state
        left, owned = found["residual"][here], found["log_capital"][here]
        assert abs(left @ (owned - owned.mean())) < 1e-8
        assert found["line_log_capital"][state][[0, -1]] == pytest.approx(
            [owned.min(), owned.max()]
        )


def test_a_state_that_is_never_met_has_no_line() -> None:
    """Of a chain whose rarest states the path does not meet the law is drawn where there is one."""
    calibration = ChosenLabourCalibration(tfp_states=21, productivity_nodes=2)
    economy = calibration.economy()
    households, history = history_of(economy, saving(economy, 0.87), None)
    arrays = law(households, history, curved=True)
    met = np.unique(arrays["state"])
    assert 0 not in met
    assert np.isnan(arrays["line_log_capital"][0]).all()
    assert np.isfinite(arrays["line_log_growth"][10]).all()
    np.testing.assert_array_equal(np.flatnonzero(~np.isnan(arrays["line_log_capital"][:, 0])), met)


def test_a_response_begins_with_the_change(lived: tuple[Economy, Households, History]) -> None:
    """Nothing differs before the change, Z differs by it in period 1 whereas K does not yet, and
    later less and less."""
    economy, households, history = lived
    section = nearest_section(history, 0, None)
    found = responses(households, section, 1, 120)
    assert {len(array) for array in found.values()} == {121}
    assert all(array[0] == 0 for array in found.values())
    change = 100 * np.log(economy.tfp[1] / economy.tfp[0])
    assert found["tfp"][1] == pytest.approx(change)
    assert found["capital"][1] == pytest.approx(0.0, abs=1e-9)
    assert found["capital"][2] > 0.0
    assert found["output"][1] > 0.0
    assert abs(found["tfp"][-1]) < 0.7 * change


def test_a_cross_section_is_the_nearest_of_its_state() -> None:
    """It has the state asked for and the K nearest to one; a state not met is told with those that
    are."""
    economy = ECONOMIES["chosen labour"]
    rule = Rule(lambda assets, masses, capital, state: np.zeros_like(masses) + 0.3)
    _, history = history_of(economy, rule, None)
    here = history.states[history.dates] == 1
    section = nearest_section(history, 1, 0.31)
    owned = history.capital[history.dates[here]]
    assert section.state == 1
    assert section.capital == pytest.approx(owned[np.argmin(np.abs(owned - 0.31))])
    assert section.masses.sum() == pytest.approx(1.0)
    with pytest.raises(
        NthrunError, match=r"state 7 of Z is met at none of the 300 .*allowed: 0, 1, 2"
    ):
        nearest_section(history, 7, None)


def test_a_response_of_what_is_nothing_is_told() -> None:
    """Where households save so much that nothing is left to consume, a response in percent is one
    line with the number, its period and what is allowed."""
    economy = ECONOMIES["chosen labour"]

    def hoarding(assets: Array, masses: Array, capital: float, state: int) -> Array:
        return np.full(masses.shape, 3.0 * capital)

    households, history = history_of(economy, saving(economy, 0.87), None)
    section = nearest_section(history, 1, None)
    hoarders = Households(economy, Rule(hoarding), households.assets)
    said = r"consumption is -\d.* in period \d of a path, allowed: above 0; hint: plot fewer"
    with pytest.raises(NthrunError, match=said):
        responses(hoarders, section, 2, 5)
