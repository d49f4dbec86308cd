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
MANY = 4000
"""Draws, evenly spaced."""


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


def shares_of(outcomes: torch.Tensor, count: int) -> np.ndarray:
    """How often each outcome stands along the last axis, `(..., count)`."""
    return np.stack([(outcomes == each).float().mean(-1).numpy() for each in range(count)], -1)


@pytest.mark.parametrize("economy", ECONOMIES, ids=NAMES)
def test_draws_follow_the_chains(economy: Economy) -> None:
    """Of evenly spaced draws Z first has its shares in the long run and a kind its shares there;
    the next Z has the chances of the row of the last, the next kind those of the kind and of both
    states."""
    tensors, states, kinds = EconomyTensors(economy), economy.num_states, economy.num_kinds
    draws = (torch.arange(MANY) + 0.5) / MANY
    first = shares_of(tensors.first_states(draws), states)
    assert first == pytest.approx(stationary_shares(economy.tfp_transition), abs=2 / MANY)
    each = torch.arange(states).float()[:, None].expand(states, MANY)
    born = shares_of(tensors.first_kinds(each, draws.expand_as(each)), kinds)
    assert born == pytest.approx(economy.shares, abs=2 / MANY)
    later = shares_of(tensors.next_states(each, draws.expand_as(each)), states)
    assert later == pytest.approx(economy.tfp_transition, abs=2 / MANY)
    axes = (torch.arange(count).float() for count in (states, kinds, states))
    state, kind, after = (
        axis[..., None].expand(states, kinds, states, MANY)
        for axis in torch.meshgrid(*axes, indexing="ij")
    )
    moved = shares_of(tensors.next_kinds(kind, state, after, draws.expand_as(state)), kinds)
    assert moved == pytest.approx(economy.kind_transition, abs=2 / MANY)


def test_no_chance_is_never_drawn() -> None:
    """A draw of exactly 0, and one next to 1, give outcomes that have a chance."""
    chain = ECONOMIES[1]
    tensors, states = EconomyTensors(chain), torch.arange(4.0)
    assert tensors.next_states(states, torch.zeros(4)).tolist() == [0, 0, 1, 2]
    highest = torch.full((4,), 1 - 2**-24)
    assert tensors.next_states(states, highest).tolist() == [1, 2, 3, 3]
