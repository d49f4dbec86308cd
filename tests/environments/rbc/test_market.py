"""A step of the game, beside the same in plain numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from environments.rbc.plays import PUBLISHED, TINY, game_of, played

from nthrun.environments.rbc.market import Books

VARIANTS: dict[str, dict[str, object]] = {
    "published": PUBLISHED,
    "templates": {},
    "closed": {"importer": False},
    "paper": {"labour_disutility": "quadratic", "price_threshold": "above"},
    "logarithmic": {"crra": 1.0},
    "averse": {"crra": 2.0},
    "budget": {"investment_base": "budget", "boost_firm_reward_factor": 0.5, "labour_floor": 900.0},
}


def firm_by_firm(game, books, choices, world):  # type: ignore[no-untyped-def]
    """A step of one world in loops over consumers and firms, by the rules of the source."""
    rules, values = (
        game.rules,
        {name: part[0, world].numpy() for name, part in books._asdict().items()},
    )
    p, w, s = values["prices"], values["wages"], values["stocks"]
    consumers, firms = len(values["budgets"]), len(p)
    grid, hours = (game.tables["consumer"][place][:, 0].numpy() for place in (0, -2))
    offers = game.tables["firm"][0].numpy()[choices["firm"][0, world, :, 0].long()]
    chosen = choices["consumer"][0, world].long().numpy()
    h, at = hours[chosen[:, -2]].astype(float), chosen[:, -1]
    demand = np.zeros((consumers, firms))
    for i in range(consumers):
        wanted = grid[chosen[i, :firms]].astype(float)
        cost, owned = wanted @ p, values["budgets"][i]
        demand[i] = wanted * (owned / cost if cost > 0 and cost > owned else 1.0)
    consumed, flags = demand.copy(), np.zeros(firms)
    for j in range(firms):
        if demand[:, j].sum() > 0 and demand[:, j].sum() > s[j]:
            consumed[:, j] *= s[j] / demand[:, j].sum()
            flags[j] = 1.0
    work = h * h if rules.quadratic_labour else h
    power = 1 - rules.crra
    enjoyed = ((consumed + 1) ** power - 1) / power if power else np.log(consumed + 1)
    utility = enjoyed.sum(1) - values["thetas"] / 2 * work
    income_tax, corporate = float(values["income_tax"][0]), float(values["corporate_tax"][0])
    income = w[at] * h
    change = 0.01 - consumed @ p + (1 - income_tax) * income
    taxes, profits, kept = (income_tax * income).sum(), np.zeros(firms), np.zeros(firms)
    stocks, capital = np.zeros(firms), np.zeros(firms)
    rewards = np.zeros(firms)
    for j in range(firms):
        sold, hired = consumed[:, j].sum(), h[at == j].sum()
        exported = 0.0
        dear = p[j] > rules.importer_price if rules.price_above else p[j] >= rules.importer_price
        if rules.importer and dear:
            exported = max(min(s[j] - sold, rules.importer_quantity), 0.0)
        revenue = p[j] * (sold + exported)
        gross = revenue - w[j] * hired
        base = values["firm_budgets"][j] if rules.invests_budget else gross
        invested = max(offers[j, 2] * base, 0.0)
        profits[j] = gross - invested
        kept[j] = profits[j] - corporate * max(profits[j], 0.0)
        taxes += corporate * max(profits[j], 0.0)
        solvent = values["firm_budgets"][j] + kept[j] > 0
        rewards[j] = kept[j] + game.boost * solvent * revenue
        alpha = game.alphas[j]
        made = rules.technology * values["capital"][j] ** (1 - alpha) * hired**alpha
        stocks[j] = s[j] - sold - exported + (made if hired >= rules.labour_floor else 0.0)
        capital[j] = values["capital"][j] + invested
    budgets = values["budgets"] + change + taxes / consumers
    owned = values["firm_budgets"] + kept
    rate = 1 + rules.interest_rate
    budgets, owned = (np.where(money > 0, money * rate, money) for money in (budgets, owned))
    return utility, rewards, stocks, capital, budgets, owned, flags, offers


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_a_step_is_that_of_every_agent_by_itself(values: dict[str, object]) -> None:
    """Whatever is chosen, each consumer and each firm gets what the rules say, in float64."""
    game = game_of(num_consumers=7, num_firms=3, steps_per_episode=6, **values)
    for before, choices, outcome in played(game, 20, dtype=torch.float64):
        after = game.books(outcome.state)
        for world in range(20):
            utility, profits, stocks, capital, budgets, owned, flags, offers = firm_by_firm(
                game, before, choices, world
            )
            got = {name: part[0, world].numpy() for name, part in after._asdict().items()}
            expected = {
                "stocks": stocks,
                "capital": capital,
                "budgets": budgets,
                "firm_budgets": owned,
                "overdemand": flags,
                "prices": offers[:, 0],
                "wages": offers[:, 1],
            }
            for name, number in expected.items():
                np.testing.assert_allclose(got[name], number, 1e-9, 1e-6, err_msg=name)
            np.testing.assert_allclose(outcome.rewards["consumer"][0, world], utility, 1e-9, 1e-9)
            np.testing.assert_allclose(outcome.rewards["firm"][0, world], profits, 1e-9, 1e-6)
            welfare = utility.sum() + game.firms_count * profits.sum()
            got_government = float(outcome.rewards["government"][0, world, 0])
            assert got_government == pytest.approx(welfare, rel=1e-9)


def test_money_is_neither_made_nor_lost() -> None:
    """What consumers and firms own together changes by exports, less investment, and the 0.01 that
    each consumer is given: to 1e-6 of the money there is in float32, 1e-12 in float64."""
    game = game_of(num_consumers=20, num_firms=4, **PUBLISHED)
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.float64, 1e-12)):
        for before, _, outcome in played(game, 64, dtype=dtype):
            after = game.books(outcome.state)
            owned = [
                torch.cat([books.budgets, books.firm_budgets], -1).double()
                for books in (before, after)
            ]
            sold = (before.prices * outcome.shown["firm"][..., 0]).double().sum(-1)
            invested = (after.capital - before.capital).double().sum(-1)
            change = owned[1].sum(-1) - owned[0].sum(-1)
            off = (change - (sold - invested + 0.01 * 20)).abs()
            assert (off <= tolerance * owned[0].abs().sum(-1)).all()
            assert (after.stocks >= 0).all() and (after.budgets >= 0).all()


def test_production_is_as_published() -> None:
    """0.01 K^(1-α) H^α of known values."""
    rules, hours = game_of().rules, torch.tensor(10400.0, dtype=torch.float64)
    for capital, alpha, made in ((1e4, 0.8, 103.187400407), (5e3, 0.2, 57.887217068)):
        numbers = [torch.tensor(number, dtype=torch.float64) for number in (capital, alpha)]
        assert float(rules.production(numbers[0], hours, numbers[1])) == pytest.approx(made, 1e-10)
    assert float(rules.production(torch.tensor(1e4), torch.tensor(0.0), torch.tensor(0.5))) == 0.0


@pytest.mark.parametrize(("theta", "value"), [(0.01, 147.084376), (0.005, 170.484376)])
def test_a_consumer_at_fixed_prices_gets_what_its_best_response_is_worth(
    theta: float, value: float
) -> None:
    """It works all hours but those of the last step, and always spends all it has on all goods
    alike: at price 1000 and wage 22 that is worth a known sum, but for its allowance."""
    game = game_of(
        **{**TINY, "num_firms": 10, "theta": [theta], "initial_stock": 1e6, "importer": False}
    )
    state, earned = game.reset(torch.zeros(1, 1, 0, dtype=torch.float64)), 0.0
    offers = game.choice_table("firm")[0]
    offer = int(((offers[:, 0] == 1000) & (offers[:, 1] == 22)).nonzero())
    for step in range(10):
        hours = 4.0 if step < 9 else 0.0
        choices = {
            "consumer": torch.tensor([*[10.0] * 10, hours, 0.0]).view(1, 1, 1, 12),
            "firm": torch.full((1, 1, 10, 1), float(offer)),
        }
        outcome = game.step_roles(state, choices, state[..., :0])
        earned += float(outcome.rewards["consumer"].sum())
        state = outcome.state
    assert earned == pytest.approx(value, abs=2e-4)


def test_debt_after_the_last_step_is_taken_from_the_reward() -> None:
    """A firm that hires everybody at the highest wage ends in debt, which counts by its weight."""
    values = {"num_consumers": 10, "num_firms": 1, "initial_wage": 44.0, "firm_endowment": 1000.0}
    plain, weighed = (
        list(played(game_of(**values, steps_per_episode=3, firm_noponzi=weight), 8))
        for weight in (0.0, 2.0)
    )
    for step, (one, other) in enumerate(zip(plain, weighed, strict=True)):
        books = game_of(**values).books(one.outcome.state)
        debt = (-books.firm_budgets).clamp(min=0.0) * (step == 2)
        expected = one.outcome.rewards["firm"] - 2.0 * debt
        torch.testing.assert_close(other.outcome.rewards["firm"], expected)
    assert debt.max() > 0


def test_the_parts_of_a_state_are_as_many_numbers_as_declared() -> None:
    """`Books.sizes` has a size for each part."""
    assert len(Books.sizes(7, 3)) == len(Books._fields)
