"""The simulated economy, household by household in plain numbers, and against the equilibrium."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from environments.worlds import random_actions, spec_of, world_of
from torch import Tensor

from nthrun.environments.bewley.ability import chain_of
from nthrun.environments.bewley.calibration import Calibration, complete_markets
from nthrun.environments.bewley.distribution import Grids
from nthrun.environments.bewley.equilibrium import solve
from nthrun.specs.environment_spec import EnvironmentSpec

TAXED: dict[str, object] = {
    "calibration.theta": 2.5,
    "calibration.chi": 1.3,
    "calibration.productivity": 1.2,
    "calibration.income_tax": 0.25,
    "calibration.income_elasticity": 0.1,
    "calibration.wealth_tax": 0.02,
    "calibration.wealth_elasticity": 0.05,
    "calibration.consumption_tax": 0.15,
    "calibration.superstar_enter": 0.1,
    "calibration.superstar_stay": 0.6,
}
INELASTIC: dict[str, object] = {"calibration.labour_min": 1.0, "calibration.labour_max": 1.0}
WORLDS: dict[str, dict[str, object]] = {
    "untaxed": {},
    "taxed": TAXED,
    "rebated": TAXED | {"calibration.rebated": True},
    "inelastic": TAXED | INELASTIC | {"calibration.rebated": True},
    "unbounded": {"calibration.labour_max": 0.0, "calibration.theta": 1.5},
    "shared": {"complete_markets": True},
}
each_world = pytest.mark.parametrize("values", WORLDS.values(), ids=WORLDS)


def economy(**values: object) -> EnvironmentSpec:
    """Seven households with five states of ability, and these values."""
    return spec_of("Bewley", **{"households": 7, "ability_states": 5} | values)


def inputs(spec: EnvironmentSpec, episodes: int, lanes: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Random states of reset, actions and draws of steps."""
    draw, shape = torch.Generator().manual_seed(3), (lanes, episodes)
    drawn = torch.rand(*shape, spec.interface.num_reset_draws, generator=draw)
    action = random_actions(spec.interface, shape, draw)
    draws = torch.rand(*shape, spec.interface.num_step_draws, generator=draw)
    return world_of(spec).reset(drawn), action, draws


def coefficient(spec: EnvironmentSpec, name: str) -> float:
    """A coefficient of the spec."""
    return spec.number(f"calibration.{name}")


def plain_prices(spec: EnvironmentSpec, capital: float, labour: float) -> tuple[float, float]:
    """What firms pay for capital and labour: the slopes of A K^α L^(1-α), by difference."""
    alpha, scale = coefficient(spec, "alpha"), coefficient(spec, "productivity")

    def output(k: float, n: float) -> float:
        return scale * math.pow(k, alpha) * math.pow(n, 1 - alpha)

    h, k, n = 1e-5, capital, labour
    rental = (output(k + h, n) - output(k - h, n)) / (2 * h)
    pay = (output(k, n + h) - output(k, n - h)) / (2 * h)
    return rental - coefficient(spec, "delta"), pay


def plain_kept(spec: EnvironmentSpec, base: str, amount: float) -> float:
    """What a household keeps of one base after its tax: nothing of a loss if it is progressive."""
    rate = coefficient(spec, f"{base}_tax")
    bend = coefficient(spec, f"{base}_elasticity")
    if bend > 0 and amount < 0:
        return 0.0
    return (1 - rate) * math.pow(amount, 1 - bend) / (1 - bend)


def plain_utility(spec: EnvironmentSpec, consumed: float, worked: float) -> float:
    """One household's utility of a period."""
    theta, gamma = coefficient(spec, "theta"), coefficient(spec, "gamma")
    enjoyed = (
        math.log(consumed) if theta == 1 else (math.pow(consumed, 1 - theta) - 1) / (1 - theta)
    )
    return enjoyed - coefficient(spec, "chi") * math.pow(worked, 1 + gamma) / (1 + gamma)


def plain_step(
    spec: EnvironmentSpec, state: np.ndarray, action: np.ndarray, draws: np.ndarray
) -> tuple[np.ndarray, float]:
    """The next state and the reward in float64, one household after the other.

    The rebate is what taxes bring, round after round until it no longer changes.
    """
    count, chain = spec.integer("households"), chain_of(spec.values)
    wealth, states = state[:count], state[count:-1].astype(int)
    share, labour = action[:count], action[count:] if len(action) > count else np.ones(count)
    able = [float(np.float32(chain.values[number])) for number in states]
    supply = sum(able[i] * labour[i] for i in range(count)) / count
    r, w = plain_prices(spec, sum(wealth) / count, supply)
    levy, rebated = coefficient(spec, "consumption_tax"), spec.values["calibration.rebated"]
    rebate = 0.0
    for _ in range(200):
        saved, consumed, paid = [], [], 0.0
        for i in range(count):
            income = w * able[i] * labour[i] + r * wealth[i]
            net = plain_kept(spec, "income", income) + plain_kept(spec, "wealth", wealth[i])
            saved.append(share[i] * (net + rebate))
            consumed.append((1 - share[i]) * (net + rebate) / (1 + levy))
            paid += income + wealth[i] - net + levy * consumed[i]
        rebate = paid / count if rebated else 0.0
    following = [
        next(s for s, sum_ in enumerate(np.cumsum(chain.transition[number])) if sum_ > draw)
        for number, draw in zip(states, draws, strict=True)
    ]
    enjoyed = [plain_utility(spec, *pair) for pair in zip(consumed, labour, strict=True)]
    return np.array([*saved, *following, supply]), sum(enjoyed) / count


@each_world
def test_a_step_is_that_of_the_equations(values: dict[str, object]) -> None:
    """State and reward of 100 random steps are those of the model, worked out in float64 one
    household after the other with a rebate found by iteration."""
    spec = economy(**values)
    state, action, draws = inputs(spec, 100)
    outcome = world_of(spec).step(state.double(), action.double(), draws.double())
    rows = zip(*(part[0].double().numpy() for part in (state, action, draws)), strict=True)
    for number, row in enumerate(rows):
        expected, reward = plain_step(spec, *row)
        np.testing.assert_allclose(outcome.state[0, number].numpy(), expected, rtol=1e-8, atol=1e-8)
        assert float(outcome.reward[0, number]) == pytest.approx(reward, rel=1e-8, abs=1e-8)
    assert not outcome.terminated.any()
    assert torch.isfinite(world_of(spec).step(state, action, draws).reward).all()


@pytest.mark.parametrize("world", ["untaxed", "rebated", "inelastic"])
def test_the_goods_market_clears(world: str) -> None:
    """What is consumed and invested is what is produced, where no tax revenue is thrown away."""
    spec = economy(**WORLDS[world])
    state, action, draws = (part.double() for part in inputs(spec, 50))
    saved = world_of(spec).step(state, action, draws).state
    capital, invested = state[..., :7].mean(-1), saved[..., :7].mean(-1)
    alpha, delta = coefficient(spec, "alpha"), coefficient(spec, "delta")
    produced = coefficient(spec, "productivity") * capital**alpha * saved[..., -1] ** (1 - alpha)
    share, levy = action[..., :7], coefficient(spec, "consumption_tax")
    consumed = (saved[..., :7] * (1 / share - 1)).mean(-1) / (1 + levy)
    torch.testing.assert_close(consumed + invested - (1 - delta) * capital, produced)


@pytest.mark.parametrize("values", [{}, TAXED], ids=["plain", "superstars"])
def test_ability_moves_by_its_chain(values: dict[str, object]) -> None:
    """At the start and 20 steps later the states have their stationary shares, and moves from one
    to the next the chain's probabilities, to five standard errors and, where they are rare, ten
    moves."""
    spec = economy(**values | {"households": 50_000})
    chain, world, draw = chain_of(spec.values), world_of(spec), torch.Generator().manual_seed(0)
    state = world.reset(torch.rand(1, 1, 100_000, generator=draw))
    action, size = torch.full((1, 1, 100_000), 0.5), len(chain.values)
    joint = np.zeros((size, size))
    for step in range(20):
        before = state[0, 0, 50_000:-1].long().numpy()
        share = np.bincount(before, minlength=size) / 50_000
        if step in (0, 19):
            spread = np.sqrt(chain.stationary * (1 - chain.stationary) / 50_000)
            assert (np.abs(share - chain.stationary) <= 5 * spread).all()
        state = world.step(state, action, torch.rand(1, 1, 50_000, generator=draw)).state
        np.add.at(joint, (before, state[0, 0, 50_000:-1].long().numpy()), 1)
    counts = joint.sum(1, keepdims=True)
    spread = np.sqrt(chain.transition * (1 - chain.transition) / counts)
    assert (np.abs(joint / counts - chain.transition) <= 5 * spread + 10 / counts).all()


def test_an_episode_starts_with_all_kinds_of_wealth() -> None:
    """Wealth at the start is even on [0, 2 initial_wealth], and the last labour is what the
    households can do at most, or at an effort of 1."""
    for highest, effort in ((0.5, 0.5), (0.0, 1.0)):
        spec = economy(households=20_000, initial_wealth=3.0, **{"calibration.labour_max": highest})
        state = inputs(spec, 1)[0][0, 0]
        wealth, able = state[:20_000], world_of(spec).observe(state[None, None])[0, 0, 20_000:-2]
        assert (torch.histc(wealth, 10, 0.0, 6.0) / 2000 - 1).abs().max() < 0.12
        assert float(state[-1]) == pytest.approx(effort * float(able.mean()), rel=1e-5)


def test_observations_are_wealth_ability_and_prices() -> None:
    """Households see the wealth and ability of each, and by default the prices that capital and
    the labour of the period before would have."""
    spec, shown = economy(), economy(observation="cross_section")
    state = inputs(spec, 3)[0].double()
    state[..., -1] = torch.tensor([0.3, 0.6, 0.9])
    seen = world_of(spec).observe(state)[0]
    for row, numbers in zip(seen.tolist(), state[0], strict=True):
        values = chain_of(spec.values).values[numbers[7:14].long().numpy()]
        capital = float(numbers[:7].mean())
        expected = [
            *numbers[:7].tolist(),
            *values,
            *plain_prices(spec, capital, float(numbers[-1])),
        ]
        assert row == pytest.approx(expected, rel=1e-7)
    assert torch.equal(world_of(shown).observe(state)[0], seen[:, :14])
    assert (spec.interface.observation_dim, shown.interface.observation_dim) == (16, 14)


@pytest.mark.parametrize("households", [1, 7, 100, 1001])
def test_a_lane_has_the_same_bits_among_others(households: int) -> None:
    """The first lane's observations, states and rewards are the same bits with one, three and
    eight lanes, however many households there are."""
    spec = economy(**WORLDS["rebated"] | {"households": households})
    world, given = world_of(spec), inputs(spec, 2, lanes=8)
    alone = [world.observe(given[0][:1]), *world.step(*(part[:1].clone() for part in given))]
    for lanes in (3, 8):
        some = [part[:lanes].clone() for part in given]
        together = [world.observe(some[0]), *world.step(*some)]
        for one, many in zip(alone, together, strict=True):
            assert torch.equal(one, many[:1])


@each_world
def test_a_household_without_anything_breaks_nothing(values: dict[str, object]) -> None:
    """Rewards, states and their gradients are numbers where nobody owns anything or works."""
    lazy = {} if "calibration.labour_max" in values else {"calibration.labour_min": 0.0}
    spec = economy(**values | lazy, start_state=[0.0] * 15)
    state, action, draws = inputs(spec, 1)
    action = torch.zeros_like(action).requires_grad_()
    state = state.requires_grad_()
    outcome = world_of(spec).step(state, action, draws)
    (outcome.reward.sum() + outcome.state.sum()).backward()
    for found in (outcome.state, outcome.reward, state.grad, action.grad):
        assert found is not None
        assert found.isfinite().all()


def test_shared_risk_has_the_steady_state_of_complete_markets() -> None:
    """Where all risk is shared, a household that starts at the closed-form steady state, saves
    what it says and works as it says, stays there."""
    steady = complete_markets(Calibration())
    start = [steady.capital] * 3 + [0.0] * 3 + [steady.labour]
    spec = economy(households=3, complete_markets=True, start_state=start)
    world = world_of(spec)
    state = inputs(spec, 1)[0].double()
    income = steady.w * steady.labour + (1 + steady.r) * steady.capital
    action = torch.tensor([[[steady.capital / income] * 3 + [steady.labour] * 3]]).double()
    for _ in range(5):
        outcome = world.step(state, action, torch.rand(1, 1, 3))
        state = outcome.state
        assert state[0, 0].tolist() == pytest.approx(start, rel=1e-6)
        assert world.observe(state)[0, 0, -2:].tolist() == pytest.approx([steady.r, steady.w])
    consumed = income - steady.capital
    assert float(outcome.reward) == pytest.approx(
        math.log(consumed) - steady.labour**3 / 3, abs=1e-6
    )


def test_the_rules_of_the_equilibrium_keep_the_economy_there() -> None:
    """20,000 households that begin as in the stationary equilibrium and follow its rules see an
    interest rate within 0.3 points of it for 300 periods, on average within 0.1."""
    found = solve(Calibration(), 5, Grids(num_choices=150, num_masses=400, top=300.0))
    spec, count = economy(households=20_000), 20_000
    world, draw = world_of(spec), np.random.default_rng(0)
    places = draw.choice(found.mass.size, count, p=found.mass.ravel() / found.mass.sum())
    states, points = np.divmod(places, found.mass.shape[1])
    start = np.concatenate([found.rules.assets[points], states, [found.aggregates.labour]])
    state, rates = torch.from_numpy(start).float()[None, None], []
    for _ in range(300):
        wealth, states = (part.numpy() for part in state[0, 0, :-1].double().split(count))
        able = states.astype(int)
        saved, consumed = found.savings(wealth, able), found.consumption(wealth, able)
        labour = found.labour(wealth, able).clip(0.01, 0.99)
        action = np.concatenate([saved / (saved + consumed), labour])
        uniform = torch.from_numpy(draw.random(count))
        state = world.step(
            state, torch.from_numpy(action).float()[None, None], uniform.float()[None, None]
        ).state
        rates.append(float(world.observe(state)[0, 0, -2]))
    gaps = np.array(rates) - found.r
    assert np.abs(gaps).max() < 0.003
    assert abs(gaps.mean()) < 0.001
