"""The game as an environment: what is seen, known play, agents that are alike, and bad specs."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from environments.rbc.plays import PUBLISHED, game_of, played
from environments.worlds import spec_of
from processes import ROOT

from nthrun.environments.roles import mask_penalty
from nthrun.errors import SpecError

TEMPLATE_EPISODES = 30_000
"""Episodes over which masks open in the published runs."""


def means(
    game: Any, worlds: int, episode: float = math.inf, taxes: float = 1.0
) -> dict[str, float]:
    """Means of rewards, prices and wages of uniform play under the masks of an episode."""
    share = min(episode / TEMPLATE_EPISODES, 1.0)
    low = torch.tensor([[1000.0 - 1000.0 * share, 22.0 - 22.0 * share, 0.0]])
    high = torch.tensor([[1000.0 + 1500.0 * share, 22.0 + 22.0 * share, 1.0]])
    bounds = {"firm": (low, high), "government": (torch.zeros(1, 2), torch.full((1, 2), taxes))}
    allowed = {
        role: (mask_penalty(game.choice_table(role)[0], *between)[0] == 0.0).float()
        for role, between in bounds.items()
    }
    totals: dict[str, float] = {}
    steps = list(played(game, worlds, allowed, ease=1 - math.exp(-episode / 10_000)))
    for books, _, outcome in steps:
        shown = {**outcome.rewards, "price": books.prices, "wage": books.wages}
        for name, number in shown.items():
            totals[name] = totals.get(name, 0.0) + float(number.double().mean()) / len(steps)
    return totals


@pytest.mark.parametrize(
    ("worlds", "closeness"), [(256, 3.0), pytest.param(4096, 1.0, marks=pytest.mark.slow)]
)
def test_uniform_play_begins_where_the_published_curves_do(worlds: int, closeness: float) -> None:
    """At the masks of episode 0: rewards, prices and wages of the first point of the curves."""
    found = means(game_of(**PUBLISHED), worlds, 0.0, taxes=0.0)
    assert found["consumer"] == pytest.approx(5.302, abs=0.03 * closeness)
    assert found["firm"] == pytest.approx(-43_973, rel=0.01 * closeness)
    assert found["government"] == pytest.approx(-569, abs=12 * closeness)
    assert (found["price"], found["wage"]) == pytest.approx((1000.0, 19.8))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("episode", "taxes", "expected"),
    [
        (10_000.0, 0.0, {"price": (1225.7, 8.0)}),
        (15_000.0, 0.0, {"price": (998.0, 8.0)}),
        (math.inf, 0.0, {"consumer": (4.760, 0.08), "firm": (2813.0, 1500.0)}),
        (math.inf, 1.0, {"consumer": (5.711, 0.08), "firm": (-19_157.0, 1500.0)}),
    ],
)
def test_uniform_play_moves_on_as_masks_open(
    episode: float, taxes: float, expected: dict[str, tuple[float, float]]
) -> None:
    """At later masks, with all prices and wages, and with all taxes, means are as computed; firms
    earn so unequally that the last two take many worlds."""
    worlds = 4096 if math.isinf(episode) else 256
    found = means(game_of(**PUBLISHED), worlds, episode, taxes)
    for name, (value, tolerance) in expected.items():
        assert found[name] == pytest.approx(value, abs=tolerance), name


def test_who_is_first_does_not_matter() -> None:
    """Consumers in another order earn what they earned, in that order; so do firms, when those who
    work for them and buy of them go along."""
    values = {"num_consumers": 6, "num_firms": 4, "production_alpha": [0.3]}
    game = game_of(**values)
    consumers, firms = torch.tensor([3, 0, 5, 1, 4, 2]), torch.tensor([2, 3, 1, 0])
    places = torch.argsort(firms).float()
    for books, choices, outcome in played(game, 10, dtype=torch.float64):
        by_firm = {"prices", "wages", "stocks", "overdemand", "firm_budgets", "capital"}
        moved = {
            name: part[..., firms]
            if name in by_firm
            else part[..., consumers]
            if name in ("budgets", "thetas")
            else part
            for name, part in books._asdict().items()
        }
        chosen = choices["consumer"][:, :, consumers]
        goods, hours, employer = chosen[..., :4][..., firms], chosen[..., 4:5], chosen[..., 5:]
        state = torch.cat([*moved.values()], -1)
        again = game.step_roles(
            state,
            {
                "consumer": torch.cat([goods, hours, places[employer.long()].double()], -1),
                "firm": choices["firm"][:, :, firms],
                "government": choices["government"],
            },
            state[..., :0],
        )
        for role, order in (("consumer", consumers), ("firm", firms)):
            torch.testing.assert_close(again.rewards[role], outcome.rewards[role][..., order])


def test_what_is_seen_is_laid_out_as_published() -> None:
    """All see prices, wages, stocks, overdemand, taxes and time, 43 numbers with ten firms; then
    consumers money and θ, firms money, K, α and which they are."""
    game = game_of(**PUBLISHED)
    *_, last = played(game, 2)
    state = last.outcome.state
    books = game.books(state)
    seen = {role.name: game.observe_role(state, role.name) for role in game.roles}
    shapes = {"consumer": (2, 100, 45), "firm": (2, 10, 56), "government": (2, 1, 43)}
    assert {name: tuple(part.shape[1:]) for name, part in seen.items()} == shapes
    assert {role.name: role.observation_dim for role in game.roles} == {
        name: shape[-1] for name, shape in shapes.items()
    }
    world = torch.cat(books[:7], -1).unsqueeze(2)
    assert all(
        torch.equal(part[..., :43], world.expand_as(part[..., :43])) for part in seen.values()
    )
    assert torch.equal(seen["consumer"][..., 43:], torch.stack([books.budgets, books.thetas], -1))
    firm = seen["firm"][..., 43:]
    assert torch.equal(firm[..., :2], torch.stack([books.firm_budgets, books.capital], -1))
    assert firm[0, 0, :, 2].tolist() == pytest.approx([0.2, 0.3, 0.4, 0.6, 0.8] * 2)
    assert torch.equal(firm[0, 0, :, 3:], torch.eye(10))
    scales = {role.name: role.scales for role in game.roles}
    assert scales["consumer"][:20] == (2500.0,) * 10 + (44.0,) * 10
    assert scales["consumer"][42:] == (10.0, 1.0, 0.01)
    assert {r.name: r.digits for r in game.roles}["firm"] == (*range(20, 30), 43)


def test_an_episode_starts_as_published() -> None:
    """Two levels of capital, θ of Pareto's law times the factor of the curriculum, money of 22,000
    a consumer."""
    game = game_of(**PUBLISHED)
    start = game.reset(torch.zeros(1, 1, 0))
    books = game.books(game.eased(start, torch.full((1, 1, 1), 0.5)))
    assert books.capital[0, 0].tolist() == [5000.0] * 5 + [10_000.0] * 5
    theta = books.thetas[0, 0]
    assert theta[[0, 50, 99]].tolist() == pytest.approx([0.005, 0.0042045, 0.00158114], rel=1e-4)
    assert (float(books.firm_budgets[0, 0, 0]), float(books.budgets[0, 0, 0])) == (2.2e6, 2e3)
    assert torch.equal(game.eased(start, torch.ones(1, 1, 1)), start)


BAD: dict[str, dict[str, object]] = {
    "num_governments": {"num_governments": 2},
    "num_consumers": {"num_consumers": 0},
    "num_firms": {"num_firms": 0},
    "theta": {"theta": [0.01, 0.02]},
    "production_alpha": {"production_alpha": [0.3, 0.4, 0.5]},
    "price_choices": {"price_choices": []},
    "score": {"num_governments": 0, "score": "government"},
}


@pytest.mark.parametrize(("key", "values"), BAD.items(), ids=BAD)
def test_a_game_that_cannot_be_is_told_in_one_line(key: str, values: dict[str, object]) -> None:
    """The key at fault, what was got, and what is allowed."""
    with pytest.raises(SpecError) as caught:
        spec_of("RBC", **values)
    (fault,) = caught.value.faults
    assert fault.key == key and "got" in fault.problem and "allowed" in fault.problem


@pytest.mark.parametrize("size", ["_tiny", "_small", "_medium", ""])
def test_the_shipped_specs_are_games(size: str) -> None:
    """Each has its roles and as many steps as it says."""
    document = json.loads((ROOT / f"config/environment/RBC{size}.json").read_text())
    interface = spec_of(document.pop("env_name"), **document).interface
    assert interface.horizon_steps == document["steps_per_episode"]
    counts = {f"num_{role.name}s": role.count for role in interface.roles}
    assert counts.items() <= document.items()
