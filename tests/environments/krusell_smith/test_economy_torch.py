"""The economies as tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from environments.krusell_smith.economies import ECONOMIES, NAMES, everywhere

from nthrun.environments.krusell_smith.economy import Economy
from nthrun.environments.krusell_smith.economy_torch import EconomyTensors
from nthrun.environments.markov_chains import stationary_shares

CLOSE = 2e-5
"""Of float32 beside float64, of itself."""
MANY = 40_000
"""Draws, of which a share is right to four deviations, 0.01."""


@pytest.mark.parametrize("economy", ECONOMIES, ids=NAMES)
def test_both_forms_of_an_economy_agree(economy: Economy) -> None:
    """Prices, output, and what every kind earns, works and minds are the same numbers as tensors
    and in float64, in every state and from a twentieth to twenty times the usual capital."""
    capital, state = everywhere(economy)
    tensors, kinds = EconomyTensors(economy), torch.arange(economy.num_kinds).float()
    k, s = torch.from_numpy(capital).float(), torch.from_numpy(state.copy()).float()
    r, w = economy.prices(capital, state)
    paid = tensors.prices(k, s)
    assert paid.r.numpy() + economy.delta == pytest.approx(r + economy.delta, rel=CLOSE)
    assert paid.w.numpy() == pytest.approx(w, rel=CLOSE)
    output = economy.output(capital, state)
    assert tensors.output(k, s).numpy() == pytest.approx(output, rel=CLOSE)
    pay = torch.from_numpy(w).float()[..., None]
    labour, where = economy.labour, s[..., None]
    for told, right in (
        (tensors.net_income, labour.net_income(w, state)),
        (tensors.hours, labour.hours(w, state)),
        (tensors.disutility, labour.disutility(w, state)),
    ):
        assert told(pay, where, kinds).numpy() == pytest.approx(right, rel=CLOSE)


@pytest.mark.parametrize("economy", ECONOMIES, ids=NAMES)
def test_what_is_shown_tells_the_state_and_the_kind(economy: Economy) -> None:
    """Z tells its state, and productivity its kind."""
    tensors = EconomyTensors(economy)
    states, kinds = torch.arange(economy.num_states).float(), torch.arange(economy.num_kinds)
    assert torch.equal(tensors.states(tensors.tfp(states)), states)
    assert torch.equal(tensors.kinds(tensors.productivity(kinds.float())), kinds.float())


@pytest.mark.parametrize("economy", ECONOMIES, ids=NAMES)
def test_the_probabilities_are_those_of_the_economy(economy: Economy) -> None:
    """Every next state with every next kind has its joint probability."""
    tensors = EconomyTensors(economy)
    states, kinds = torch.arange(economy.num_states).float(), torch.arange(economy.num_kinds)
    told = tensors.next_probabilities(states[:, None], kinds.float())
    assert told.numpy() == pytest.approx(economy.transition, rel=1e-6)


@pytest.mark.parametrize("economy", ECONOMIES, ids=NAMES)
def test_draws_follow_the_chains(economy: Economy) -> None:
    """Z is drawn with its shares in the long run, then a kind with its shares there; the next Z
    follows the row of the last, the next kind that of the kind and of both states."""
    tensors, draw = EconomyTensors(economy), torch.Generator().manual_seed(1)

    def uniform() -> torch.Tensor:
        return torch.rand(MANY, generator=draw)

    state = tensors.first_states(uniform())
    kind = tensors.first_kinds(state, uniform())
    following = tensors.next_states(state, uniform())
    later = tensors.next_kinds(kind, state, following, uniform())
    found = np.zeros(economy.transition.shape)
    places = (each.long().numpy() for each in (state, kind, following, later))
    np.add.at(found, tuple(places), 1 / MANY)
    first = stationary_shares(economy.tfp_transition)[:, None] * economy.shares
    assert np.abs(found - first[..., None, None] * economy.transition).max() < 0.01


def test_no_chance_is_never_drawn() -> None:
    """A draw of exactly 0, and one next to 1, give outcomes that have a chance."""
    chain = ECONOMIES[1]
    tensors, states = EconomyTensors(chain), torch.arange(4.0)
    assert tensors.next_states(states, torch.zeros(4)).tolist() == [0, 0, 1, 2]
    highest = torch.full((4,), 1 - 2**-24)
    assert tensors.next_states(states, highest).tolist() == [1, 2, 3, 3]
