"""The states that abilities are of."""

from __future__ import annotations

import pytest
import torch
from environments.worlds import spec_of

from nthrun.environments.bewley.ability import chain_of
from nthrun.environments.bewley.household_torch import AbilityDraws

STARS = {
    "calibration.superstar_enter": 0.1,
    "calibration.superstar_stay": 0.6,
    "calibration.superstar_factor": 1.3,
}


@pytest.mark.parametrize("values", [{}, STARS, {"complete_markets": True}], ids=str)
def test_a_state_is_known_by_its_ability(values: dict[str, object]) -> None:
    """What an ability is worth tells its state, to a part in a thousand, whatever the order of the
    states and the axes of the tensor."""
    chain = chain_of(spec_of("Bewley", ability_states=5, **values).values)
    draws, count = AbilityDraws(chain), len(chain.values)
    states = torch.arange(count, dtype=torch.float32).expand(3, -1).T
    for error in (0.999, 1.0, 1.001):
        assert torch.equal(draws.states(error * draws.values(states)), states)


def test_of_states_worth_the_same_it_is_the_likeliest() -> None:
    """Where the bound makes several states worth the same, the one of the largest share is told."""
    chain = chain_of(
        spec_of("Bewley", ability_states=5, **{"calibration.ability_bound": 0.5}).values
    )
    draws = AbilityDraws(chain)
    told = draws.states(draws.values(torch.arange(5.0)))
    assert told.tolist() == [1, 1, 2, 3, 3]
