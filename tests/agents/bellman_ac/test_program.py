"""The actor and the critic of the Bellman equation, step by step."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from agents.euler.economies import in_double, solver_of, uniform, unsettled
from agents.solver_runs import solver_spec
from torch import Tensor

from nthrun.agents.base import Noise, State, gradient
from nthrun.agents.bellman_ac.declaration import BOTH, POLICY_TURN, VALUE_TURN, horizon_of
from nthrun.agents.bellman_ac.program import BellmanActorCritic
from nthrun.agents.krusell_smith.fields import LIVED
from nthrun.agents.krusell_smith.panel import Luck, World
from nthrun.errors import SpecError

BINS: dict[str, Any] = {"distribution": "histogram", "bins": 10, "households": 100}


def made(
    parameters: dict[str, Any] | None = None, environment: dict[str, Any] | None = None
) -> tuple[BellmanActorCritic, State]:
    """A small solver whose networks say something."""
    solver, state = solver_of("bellman_ac", environment, parameters)
    return solver, unsettled(state)


def stepped(
    solver: BellmanActorCritic, state: State, step: int, variant: int | None = None
) -> dict[str, Tensor]:
    """Take a step with fixed luck."""
    nothing = torch.zeros(2, 0)
    noise = Noise(
        nothing, nothing, uniform(2, solver.num_simulation_draws, seed=step), nothing, nothing
    )
    turn = solver.variant_at(step) if variant is None else variant
    with torch.no_grad():
        return solver.solve(state, noise, torch.tensor(step), turn)


def begun(solver: BellmanActorCritic, state: State) -> tuple[World, Luck]:
    """Its worlds, and luck for its simulations."""
    world = World(*(state[name] for name in LIVED))
    draws = uniform(len(world.assets), solver.num_simulation_draws)
    periods = solver.panel.period_draws * (solver._horizon - 1)
    return world, solver.panel.luck(draws[:, :periods].to(world.assets.dtype))


def slope_of(solver: BellmanActorCritic, state: State, parameters: Tensor) -> Tensor:
    """The gradient of the mean of G."""
    world, luck = begun(solver, state)

    def objective(row: Tensor) -> tuple[Tensor, Tensor]:
        worth = solver._paths(state, row, world, luck).worth
        return worth.mean((1, 2)), worth

    return gradient(objective, parameters)[2]


def difference(solver: BellmanActorCritic, state: State, direction: Tensor) -> Tensor:
    """The same along a direction, by a difference."""
    world, luck = begun(solver, state)
    ends = [
        solver._paths(state, state["policy"] + sign * 1e-5 * direction, world, luck).worth.mean(
            (1, 2)
        )
        for sign in (-1.0, 1.0)
    ]
    return (ends[1] - ends[0]) / 2e-5


def test_a_planners_gradient_is_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planner's gradient is the slope of the mean utility, with all that the rule does to K."""
    solver, state = made({"gradient": ["planner"]})
    state = in_double(state)
    direction = torch.randn(
        state["policy"].shape, generator=torch.Generator().manual_seed(1)
    ).double()
    slope = (slope_of(solver, state, state["policy"]) * direction).sum(1)
    torch.testing.assert_close(slope, difference(solver, state, direction), rtol=1e-3, atol=1e-6)


def test_a_price_takers_gradient_holds_the_others_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient is the slope of the utility of households whose K, prices and what is seen of
    the world stay what they were, whatever the rule; a planner's is another."""
    solver, state = made()
    state = in_double(state)
    direction = torch.randn(
        state["policy"].shape, generator=torch.Generator().manual_seed(1)
    ).double()
    slope = (slope_of(solver, state, state["policy"]) * direction).sum(1)
    moving = difference(solver, state, direction)
    market, markets = solver.panel.market, []

    def recorded(*arguments: Tensor) -> Any:
        markets.append(market(*arguments))
        return markets[-1]

    monkeypatch.setattr(solver.panel, "market", recorded)
    solver._paths(state, state["policy"], *begun(solver, state))
    repeated = iter(markets * 2)
    monkeypatch.setattr(solver.panel, "market", lambda *arguments: next(repeated))
    held = difference(solver, state, direction)
    torch.testing.assert_close(slope, held, rtol=1e-3, atol=1e-6)
    assert (slope - moving).abs().min() > 10 * (slope - held).abs().max()


@pytest.mark.parametrize("environment", [{}, {"preset": "jedc"}, {"moments": 2}, BINS], ids=str)
@pytest.mark.parametrize("whose", ["price_taker", "planner"])
def test_no_household_moves_prices(environment: dict[str, Any], whose: str) -> None:
    """What one household owns is nothing to the gradient of another's utility, but for a planner's
    where households make K."""
    solver, state = made({"gradient": [whose]}, environment)
    world, luck = begun(solver, state)
    assets = world.assets.clone().requires_grad_()
    worth = solver._paths(state, state["policy"], world._replace(assets=assets), luck).worth
    (slope,) = torch.autograd.grad(worth[:, :, 0].sum(), assets)
    assert (slope[:, :, 0] != 0).all()
    makes_prices = whose == "planner" and environment is not BINS
    assert bool((slope[:, :, 1:] != 0).any()) == makes_prices


def test_the_worth_of_a_path_is_its_sum() -> None:
    """G is the discounted utility of what is consumed, and of what V expects of the rest."""
    solver, state = made({"horizon": [4]})
    world, luck = begun(solver, state)
    beta = solver.panel.households.economy.economy.beta
    summed = torch.zeros_like(world.assets)
    for period in range(4):
        lived = solver._lived(state["policy"], world)
        summed = summed + beta**period * lived.utility
        before = world
        if period < 3:
            now = Luck(*(part[:, period] for part in luck))
            world = solver.panel.following(world, lived.savings, lived.crowd, now)
    market = solver.panel.next_market(before, lived.savings, lived.crowd)
    owned = solver.panel.in_every_state(lived.savings)
    later = solver.panel.expected(
        solver.critic(state["value"], owned, market), before.state, before.kind
    )
    worth = solver._paths(state, state["policy"], *begun(solver, state)).worth
    torch.testing.assert_close(worth, summed + beta**4 * later, rtol=1e-5, atol=1e-4)


def test_the_horizon_is_left_to_beta() -> None:
    """0 is the fewest periods after which V weighs at most 0.0013."""
    assert [horizon_of({"horizon": 0}, beta) for beta in (0.895, 0.99)] == [60, 662]
    assert 0.895**60 <= 0.0013 < 0.895**59
    assert horizon_of({"horizon": 30}, 0.895) == 30


def test_turns_learn_one_network_each() -> None:
    """In turn, a step updates the policy or the value and leaves the other with its optimiser as it
    is, in a cycle of as many steps as there are updates of both; what rests shows its last loss."""
    solver, state = made({"order": ["in_turn"], "policy_updates": [2], "value_updates": [3]})
    turns = [solver.variant_at(step) for step in range(10)]
    assert turns == [*[POLICY_TURN] * 2, *[VALUE_TURN] * 3] * 2
    shown = []
    for step in range(5):
        before = {name: tensor.clone() for name, tensor in state.items()}
        shown.append(stepped(solver, state, step))
        rests, learns = ("value", "policy") if step < 2 else ("policy", "value")
        for kept in ("", ".mean", ".square"):
            assert torch.equal(state[rests + kept], before[rests + kept])
            assert not torch.equal(state[learns + kept], before[learns + kept])
    assert shown[4]["policy_loss"].tolist() == shown[1]["policy_loss"].tolist()
    assert shown[1]["value_loss"].tolist() == [0.0, 0.0]
    assert shown[4]["value_loss"].min() > 0
    together, _ = made()
    assert {together.variant_at(step) for step in range(10)} == {BOTH}


def test_each_network_has_plateaus_of_its_own() -> None:
    """The step size of a network falls where its own learning makes no progress, and the other's
    stays."""
    solver, state = made({"order": ["in_turn"], "policy_updates": [5], "lr_schedule": ["constant"]})
    state["lr_patience"].fill_(3.0)
    state["schedule.policy.best"].zero_()
    for step in range(5):
        shown = stepped(solver, state, step)
    assert shown["policy_lr"].tolist() == pytest.approx([0.0007, 0.00035])
    assert shown["value_lr"].tolist() == pytest.approx([0.0025, 0.0025])


@pytest.mark.parametrize("spoilt", ["policy", "value", "value.square", "assets"])
def test_a_lane_goes_back_with_both_networks(spoilt: str) -> None:
    """A lane that loses its numbers, in either network, an optimiser or its worlds, has again what
    was kept of all of them, smaller step sizes of both and one reset; its neighbour has every bit
    as if nothing had happened."""
    runs = []
    for spoils in (False, True):
        solver, state = made()
        for step in range(5):
            if spoils and step == 3:
                state[spoilt][1].view(-1)[0] = torch.nan
            metrics = stepped(solver, state, step)
            if spoils and step == 3:
                back = {name: state[name][1].clone() for name in ("policy", "value", "assets")}
                kept = {name: state["good." + name][1] for name in back}
                assert all(torch.equal(back[name], kept[name]) for name in back)
        runs.append((state, metrics))
    (whole, _), (mended, metrics) = runs
    assert metrics["resets"].tolist() == [0.0, 1.0]
    factor = mended["lr_factor"][1]
    for rate in ("policy_lr", "value_lr"):
        assert torch.equal(mended[rate][1], factor * whole[rate][1])
    for name, tensor in whole.items():
        assert torch.equal(tensor[0], mended[name][0]), name
        assert torch.isfinite(mended[name]).all(), name


def test_a_lane_that_cannot_be_mended_has_no_loss() -> None:
    """A lane that loses its numbers once more than it may shows a loss that is none, by which its
    run is recorded as diverged; its neighbour goes on."""
    solver, state = made({"max_resets": [1]})
    losses = []
    for step in range(3):
        state["value"][1, 0] = torch.nan
        losses.append(stepped(solver, state, step)["policy_loss"])
    assert all(torch.isfinite(loss[0]) for loss in losses)
    assert [bool(torch.isfinite(loss[1])) for loss in losses] == [True, False, False]


def test_the_capital_that_is_shown_is_that_of_prices() -> None:
    """Beside a histogram K is what its bins own, not what the households that are followed do."""
    solver, state = made(None, BINS)
    histogram = solver.panel.histogram
    assert histogram is not None
    state["assets"] *= 3.0
    cells = histogram.cells(state["masses"].clone())
    owned = cells.mean(cells.wealth).mean((1, 2))
    shown = stepped(solver, state, 0)
    torch.testing.assert_close(shown["capital"], owned, rtol=1e-5, atol=0.0)


def test_a_band_is_drawn_about_a_histogram() -> None:
    """Every step begins with new worlds, whose bins are within the band about the environment's
    shares, up to their sum; the band grows by what is asked for until the end."""
    shares = (0.2, 0.4, 0.3, 0.1)
    bins = {**BINS, "bins": 4, "initial_shares": shares, "lowest_bin": 0.2, "highest_bin": 1.4}
    widest = []
    for growth in (0.0, 0.3):
        solver, state = made(
            {"sampling": ["band"], "num_worlds": [200], "band_growth": [growth]}, bins
        )
        before = state["masses"].clone()
        stepped(solver, state, 11)
        assert not torch.equal(before, state["masses"])
        assert solver.panel.histogram is not None
        ratio = solver.panel.histogram.shown(state["masses"]) / torch.tensor(shares)
        spread = (ratio / ratio.mean(2, keepdim=True) - 1.0).abs().max()
        widest.append(float(spread))
    assert 0.13 < widest[0] < 0.25
    assert 0.4 < widest[1] < 0.75


@pytest.mark.parametrize(
    ("parameters", "environment", "told"),
    [
        ({"horizon": [0, 1]}, {}, "got 1, allowed: 0, or 2"),
        ({"sampling": ["band"]}, {}, "got band"),
        ({"a_pdf_penalty": [0, 1]}, BINS, "which a price taker does not move, allowed: 0"),
        ({"a_pdf_penalty": [1], "gradient": ["planner"]}, {}, "about a histogram, and there is no"),
    ],
    ids=str,
)
def test_what_cannot_be_simulated_is_refused(
    parameters: dict[str, Any], environment: dict[str, Any], told: str
) -> None:
    """A horizon without a period before the last, a band without a histogram, and a penalty that
    nobody feels, are refused before anything is trained."""
    with pytest.raises(SpecError) as caught:
        solver_spec("bellman_ac", parameters, environment)
    (fault,) = caught.value.faults
    assert told in fault.problem
    assert fault.hint


def test_what_is_worth_nothing_less_is_never_positive() -> None:
    """With an aversion to risk above 1 no rule, however much it saves, has a utility that is higher
    than that of consuming all: what is saved is a share of what is left after labour."""
    solver, state = made()
    world, _ = begun(solver, state)
    for raw in (-1e3, 0.0, 1e3):
        market = solver.panel.market(world.assets, world.state, world.masses)
        found = solver.panel.households.found_by_every(world.assets, market)
        share = solver.actor.share(torch.full_like(found.resources, raw), found)
        assert float(share.max()) <= 0.999 + 1e-6
        assert float(share.min()) >= 0.0
        consumed = (1.0 - share) * found.resources
        assert float(solver.panel.households.economy.utility(consumed).max()) < 1.0
        assert math.isfinite(float(consumed.min()))


def test_what_lies_beyond_a_band_is_added_up() -> None:
    """A bin whose share is within the band about the first one counts for nothing; of others what
    is beyond it does, below as above."""
    shares = (0.2, 0.4, 0.3, 0.1)
    bins = {**BINS, "bins": 4, "initial_shares": shares, "lowest_bin": 0.2, "highest_bin": 1.4}
    solver, _ = made({"gradient": ["planner"]}, bins)
    histogram = solver.panel.histogram
    assert histogram is not None
    kinds = torch.from_numpy(solver.panel.households.economy.economy.shares[2]).float()
    now = torch.tensor([0.22, 0.3, 0.3, 0.18])
    kept = (kinds.unsqueeze(1) * now).flatten().view(1, 1, -1)
    state, band = torch.full((1, 1, 1), 2.0), torch.full((1, 1, 1), 0.15)
    expected = (0.4 * 0.85 - 0.3) + (0.18 - 0.1 * 1.15)
    assert float(histogram.beyond(kept, state, band)) == pytest.approx(expected, abs=1e-6)


def test_only_a_planner_is_moved_by_a_penalty() -> None:
    """What households make of the distribution has a slope in a planner's rule, that of the
    difference, and none at all in a price taker's, whatever the penalty."""
    for whose in ("planner", "price_taker"):
        solver, state = made({"gradient": [whose], "horizon": [4]}, BINS)
        state, band = in_double(state), torch.full((2, 1, 1), 0.01).double()
        world, luck = begun(solver, state)

        def beyond(row: Tensor) -> Tensor:
            found = solver._paths(state, row, world, luck, band).beyond  # noqa: B023
            assert found is not None
            return found.mean((1, 2))

        row = state["policy"].clone().requires_grad_()
        at = beyond(row)
        assert at.min() > 0
        assert at.requires_grad == (whose == "planner")
        if whose == "planner":
            (slope,) = torch.autograd.grad(at.sum(), row)
            direction = uniform(*row.shape, seed=3).double() - 0.5
            with torch.no_grad():
                ends = [beyond(state["policy"] + sign * 1e-6 * direction) for sign in (-1.0, 1.0)]
            along = (slope * direction).sum(1)
            torch.testing.assert_close(along, (ends[1] - ends[0]) / 2e-6, rtol=1e-3, atol=1e-9)


def test_a_penalty_changes_a_planners_step_and_no_label() -> None:
    """A planner that is punished takes another step from the same state; what the value learns from
    is the same."""
    found = []
    for penalty in (0.0, 50.0):
        given = {"gradient": ["planner"], "a_pdf_penalty": [penalty]}
        solver, state = made(given, BINS)
        stepped(solver, state, 0)
        found.append((state["policy"], state["last.value_loss"], state["last.policy_loss"]))
    free, punished = found
    assert not torch.equal(free[0], punished[0])
    assert torch.equal(free[1], punished[1])
    assert (punished[2] > free[2]).all()
