"""The economies as environments: what households do in a period, and how they are kept."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import attempt, experiment_in
from environments.worlds import play, random_actions, spec_of, world_of
from packs import train
from processes import ROOT
from torch import Tensor

from nthrun.environments.economy_tensors import LEAST_CONSUMPTION
from nthrun.environments.krusell_smith.declaration import economy_of, midpoints_of
from nthrun.environments.krusell_smith.program import KrusellSmith, Period, parts_of
from nthrun.errors import InterruptedRunError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.schema import first_difference
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.training.context import make_context

SPECS = ("", "_chain", "_ks98", "_jedc", "_source")
HALVES: dict[str, Any] = {"calibration.z_values": [0.8, 1.3], "calibration.z_shares": [0.75, 0.25]}
PANELS: dict[str, dict[str, Any]] = {
    "ghh": HALVES | {"households": 20},
    "ks98": {"preset": "ks98", "households": 50},
    "jedc": {"preset": "jedc", "households": 50, "observation": "prices", "moments": 2},
}
BINS: dict[str, dict[str, Any]] = {
    "ghh": HALVES | {"distribution": "histogram", "highest_bin": 8.0, "initial_band": 0.5},
    "ks98": {"preset": "ks98", "distribution": "histogram"},
    "jedc": {"preset": "jedc", "distribution": "histogram", "observation": "prices"},
}
EITHER = {
    f"{kept} {name}": v for kept, d in (("panel", PANELS), ("bins", BINS)) for name, v in d.items()
}
each_economy = pytest.mark.parametrize("values", EITHER.values(), ids=EITHER)
each_histogram = pytest.mark.parametrize("values", BINS.values(), ids=BINS)


def economy(spec: EnvironmentSpec) -> KrusellSmith:
    """The economy of a spec."""
    return KrusellSmith(spec)


def inputs(spec: EnvironmentSpec, shape: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """States in the middle of random play, actions, and draws of steps."""
    draw = torch.Generator().manual_seed(5)
    state = play(world_of(spec), spec.interface, shape, 4)[-1]
    action = random_actions(spec.interface, shape, draw)
    return state, action, torch.rand(*shape, spec.interface.num_step_draws, generator=draw)


def period_of(world: KrusellSmith, state: Tensor, action: Tensor) -> Period:
    """What happens in a state."""
    kept, tfp_state = parts_of(state)
    return world.period(world.distribution.cells(kept), tfp_state, action)


@each_economy
def test_a_period_is_that_of_every_household(values: dict[str, Any]) -> None:
    """Of x = (1 + r) a + y, in plain numbers, each household saves its share and consumes the rest
    net of the disutility of labour, and the reward is the mean of the utilities of that."""
    spec = spec_of("KrusellSmith", **values)
    world, plain = economy(spec), economy_of(spec.values)
    state, action, draws = inputs(spec, (2, 3))
    done = world.step(state, action, draws)
    kept, tfp_state = parts_of(state)
    cells = world.distribution.cells(kept)
    a, k, mass = (part.double().numpy() for part in cells)
    s = tfp_state[..., 0].long().numpy()
    capital = (mass * a).sum(-1)
    r, w = plain.prices(capital, s)
    by_kind = plain.labour.net_income(w, s)
    x = (1 + r[..., None]) * a + np.take_along_axis(by_kind, k.astype(int), -1)
    saved = action.double().numpy() * x
    if spec.values["distribution"] == "histogram":
        saved = np.minimum(saved, spec.number("highest_bin"))
    net, sigma = x - saved, plain.sigma
    enjoyed = np.maximum(net, LEAST_CONSUMPTION)
    utility = np.log(enjoyed) if sigma == 1 else (enjoyed ** (1 - sigma) - 1) / (1 - sigma)
    assert done.reward[..., 0].numpy() == pytest.approx((mass * utility).sum(-1), rel=1e-4)
    period = period_of(world, state, action)
    assert period.savings.numpy() == pytest.approx(saved, rel=1e-5)
    disutility = np.take_along_axis(plain.labour.disutility(w, s), k.astype(int), -1)
    assert period.consumption.numpy() == pytest.approx(net + disutility, rel=1e-4)
    new = world.distribution.cells(parts_of(done.state)[0])
    assert new.mean(new.wealth)[..., 0].numpy() == pytest.approx((mass * saved).sum(-1), rel=1e-5)


def exact_panel(spec: EnvironmentSpec) -> Tensor:
    """States of a panel whose kinds have exactly their shares, one for every state of Z, with
    wealth of all sizes."""
    plain, count = economy_of(spec.values), spec.integer("households")
    wealth = plain.complete_markets_capital.mean() * np.linspace(0.1, 3.0, count)
    rows = []
    for state, shares in enumerate(plain.shares):
        kinds = np.repeat(np.arange(plain.num_kinds), np.rint(shares * count).astype(int))
        rows.append([*wealth, *np.random.default_rng(state).permutation(kinds), state])
    return torch.tensor(np.array([rows]), dtype=torch.float32)


@each_economy
def test_nothing_is_lost(values: dict[str, Any]) -> None:
    """What is made is consumed or added to capital, Y = C + K' - (1 - δ) K, in every state of Z,
    where the kinds of households have their shares."""
    spec = spec_of("KrusellSmith", **values)
    world = economy(spec)
    panel = spec.values["distribution"] == "panel"
    state = exact_panel(spec) if panel else inputs(spec, (2, 3))[0]
    action = random_actions(spec.interface, tuple(state.shape[:2]), torch.Generator())
    done = world.step(state, action, torch.rand(*state.shape[:2], spec.interface.num_step_draws))
    period = period_of(world, state, action)
    cells = world.distribution.cells(parts_of(state)[0])
    later = world.distribution.cells(parts_of(done.state)[0])
    kept = (1 - world.economy.economy.delta) * period.capital
    used = cells.mean(period.consumption) + later.mean(later.wealth) - kept
    assert used.numpy() == pytest.approx(period.output.numpy(), rel=2e-5)


@each_economy
def test_capital_is_decided_the_period_before(values: dict[str, Any]) -> None:
    """What is produced and paid depends neither on what is saved now nor on the draws; the reward
    does not depend on the draws."""
    spec = spec_of("KrusellSmith", **values)
    world = economy(spec)
    state, action, draws = inputs(spec, (2, 3))
    one, other = (period_of(world, state, share) for share in (action, 0.5 * action))
    assert torch.equal(one.output, other.output)
    assert all(map(torch.equal, one.prices, other.prices))
    rewards = [world.step(state, action, luck).reward for luck in (draws, 1 - draws)]
    assert torch.equal(*rewards)


@pytest.mark.parametrize("preset", ["ghh", "ks98", "jedc"])
def test_no_share_saved_leaves_utility_without_meaning(preset: str) -> None:
    """Whatever share of what it has a household saves, in every state, of every kind and at every
    wealth and capital, what is left is not negative, and its utility is a number below the bound
    1/(σ-1) that falls as more is saved."""
    spec = spec_of("KrusellSmith", preset=preset, households=2)
    tensors = economy(spec).economy
    plain = tensors.economy
    usual = torch.tensor(plain.complete_markets_capital).float()
    shape = [torch.arange(plain.num_states), torch.arange(plain.num_kinds)]
    state, kind, scale, owned, share = torch.meshgrid(
        *(axis.float() for axis in shape),
        torch.tensor([1e-3, 0.1, 1.0, 30.0]),
        torch.tensor([0.0, 1e-4, 0.3, 1.0, 50.0]),
        torch.tensor([0.0, 0.3, 0.9, 0.99, 0.999]),
        indexing="ij",
    )
    capital = scale * usual[state.long()]
    r, w = tensors.prices(capital, state)
    resources = (1 + r) * owned * usual[state.long()] + tensors.net_income(w, state, kind)
    net = resources - share * resources
    utility = tensors.utility(net)
    bound = 1 / (plain.sigma - 1) if plain.sigma > 1 else np.inf
    assert net.min() >= 0
    assert torch.isfinite(utility).all()
    assert utility.max() < bound
    assert (utility.diff(dim=-1) <= 0).all()
    assert (utility.diff(dim=-1)[resources[..., 1:] > 1e-2] < 0).all()


def test_saving_nearly_everything_is_not_rewarded() -> None:
    """At K = .6954 and Z = 1 keeping capital has the utility -7.68 (+1) of the published code;
    saving until consumption is nine tenths of the disutility of work, which it values at +59.0,
    needs more than a household has: no share gets more utility than saving nothing."""
    values = {"households": 2, "start_state": [0.6954, 0.6954, 3, 3, 2]}
    spec = spec_of("KrusellSmith", **values)
    world = economy(spec)
    state = world.reset(torch.rand(1, 1, spec.interface.num_reset_draws))

    def rewarded(share: float) -> tuple[float, Period]:
        action, draws = torch.full((1, 1, 2), share), torch.rand(1, 1, 3)
        return world.step(state, action, draws).reward.item(), period_of(world, state, action)

    _, free = rewarded(0.0)
    keeping = 0.6954 / free.net_consumption[0, 0, 0].item()
    assert rewarded(keeping)[0] - 1 == pytest.approx(-7.68, abs=0.01)
    utilities = [rewarded(share)[0] for share in np.linspace(0, 0.999, 50)]
    assert utilities == sorted(utilities, reverse=True)
    _, most = rewarded(0.999)
    disutility = most.consumption - most.net_consumption
    assert (most.consumption > disutility).all()


@each_histogram
def test_a_histogram_stays_a_distribution(values: dict[str, Any]) -> None:
    """After many periods no bin has less than nothing, all are 1 together, and each kind has its
    share in the state of Z: unemployment is exact."""
    spec = spec_of("KrusellSmith", **values)
    plain = economy_of(spec.values)
    for state in play(world_of(spec), spec.interface, (2, 2), 400)[::80]:
        kept, tfp_state = parts_of(state)
        assert kept.min() >= 0
        kinds = kept.unflatten(-1, (plain.num_kinds, -1)).sum(-1)
        shares = plain.shares[tfp_state[..., 0].long().numpy()]
        assert kinds.numpy() == pytest.approx(shares, abs=5e-7)


@pytest.mark.parametrize("preset", ["ghh", "jedc"])
def test_a_panel_and_a_histogram_are_the_same_economy(preset: str) -> None:
    """Of many households who save by the same rule, along the same Z, mean wealth and its deviation
    are those of a histogram with narrow bins."""
    plain = economy_of(spec_of("KrusellSmith", preset=preset).values)
    highest = 2.2 * float(plain.complete_markets_capital.max())
    fine = {"distribution": "histogram", "bins": 600, "highest_bin": highest}
    draw, luck = torch.Generator().manual_seed(2), torch.Generator().manual_seed(3)
    first, path = torch.rand(1, 1, 1, generator=luck), torch.rand(12, 1, 1, 1, generator=luck)
    told = []
    for values in ({"households": 20_000}, fine):
        spec = spec_of("KrusellSmith", preset=preset, **values)
        world, interface = economy(spec), spec.interface
        rest = torch.rand(1, 1, interface.num_reset_draws - 1, generator=draw)
        state = world.reset(torch.cat([first, rest], -1))
        for following in path:
            cells = world.distribution.cells(parts_of(state)[0])
            action = 0.85 + 0.1 * cells.kind / plain.num_kinds
            rest = torch.rand(1, 1, interface.num_step_draws - 1, generator=draw)
            state = world.step(state, action, torch.cat([following, rest], -1)).state
        cells = world.distribution.cells(parts_of(state)[0])
        mean = cells.mean(cells.wealth)
        deviation = torch.sqrt(cells.mean((cells.wealth - mean) ** 2))
        told.append((mean.item(), deviation.item(), state[..., -1].item()))
    assert told[0][0] == pytest.approx(told[1][0], rel=0.01)
    assert told[0][1] == pytest.approx(told[1][1], rel=0.05)
    assert told[0][2] == told[1][2]


@each_economy
def test_what_is_seen(values: dict[str, Any]) -> None:
    """A panel shows wealth and productivity of each and the moments of wealth, a histogram the
    shares of its bins; either shows Z, and r and w if asked for."""
    spec = spec_of("KrusellSmith", **values)
    world, plain = economy(spec), economy_of(spec.values)
    state, _, _ = inputs(spec, (1, 2))
    kept, tfp_state = parts_of(state)
    cells, s = world.distribution.cells(kept), tfp_state[..., 0].long().numpy()
    seen = list(world.observe(state)[0].double().numpy().T)
    if spec.values["distribution"] == "panel":
        count = spec.integer("households")
        wealth, shown = np.array(seen[:count]).T, np.array(seen[count : 2 * count]).T
        assert wealth == pytest.approx(cells.wealth[0].numpy())
        z = plain.labour.productivity[cells.kind[0].long().numpy()]
        assert shown == pytest.approx(z, rel=1e-6)
        assert seen[2 * count] == pytest.approx(cells.wealth[0].mean(-1).numpy())
        if spec.integer("moments") == 2:
            deviation = cells.wealth[0].std(-1, correction=0)
            assert seen[2 * count + 1] == pytest.approx(deviation.numpy(), rel=1e-4)
        rest = seen[2 * count + spec.integer("moments") :]
    else:
        bins = len(midpoints_of(spec.values))
        assert sum(seen[:bins]) == pytest.approx([1, 1])
        mean = midpoints_of(spec.values) @ np.array(seen[:bins])
        assert mean == pytest.approx(cells.mean(cells.wealth)[0, :, 0].numpy(), rel=1e-5)
        rest = seen[bins:]
    assert rest[0] == pytest.approx(plain.tfp[s[0]], rel=1e-6)
    if spec.values["observation"] == "prices":
        capital = cells.mean(cells.wealth)[0, :, 0].double().numpy()
        r, w = plain.prices(capital, s[0])
        assert rest[1] == pytest.approx(r, abs=1e-5)
        assert rest[2] == pytest.approx(w, rel=1e-5)
    else:
        assert len(rest) == 1


@each_economy
def test_what_is_seen_tells_what_there_is(values: dict[str, Any]) -> None:
    """Taken apart, an observation gives back wealth and kind of every cell, K, what is seen of all,
    and the state of Z."""
    spec = spec_of("KrusellSmith", **values)
    world = economy(spec)
    state, _, _ = inputs(spec, (2, 3))
    kept, tfp_state = parts_of(state)
    cells, seen = world.distribution.cells(kept), world.distribution.seen(world.observe(state))
    assert torch.equal(seen.wealth, cells.wealth)
    assert torch.equal(seen.kind, cells.kind)
    assert torch.equal(seen.state, tfp_state)
    assert seen.capital.numpy() == pytest.approx(cells.mean(cells.wealth).numpy(), rel=1e-5)
    if spec.values["distribution"] == "histogram":
        assert torch.equal(seen.crowd, world.distribution.shown(kept))
    else:
        assert seen.crowd.shape[-1] == spec.integer("moments") - 1


def test_households_begin_with_the_capital_of_complete_markets() -> None:
    """Where nothing is said mean wealth at the start is the capital of complete markets in the
    state of Z; else it is what is said, or the given shares of bins within their band."""
    for kept in ({"households": 4000}, {"distribution": "histogram", "highest_bin": 10.0}):
        for values in (kept, kept | {"initial_wealth": 2.0}):
            spec = spec_of("KrusellSmith", **values)
            world = economy(spec)
            state = world.reset(torch.rand(1, 9, spec.interface.num_reset_draws))
            cells = world.distribution.cells(parts_of(state)[0])
            usual = world.economy.economy.complete_markets_capital
            wanted = usual[state[0, :, -1].long().numpy()]
            wanted = wanted if values == kept else np.full(9, 2.0)
            mean = cells.mean(cells.wealth)[0, :, 0].numpy()
            assert mean == pytest.approx(wanted, rel=0.05)
    given = [0.1, 0.2, 0.3, 0.4]
    bins = {"distribution": "histogram", "bins": 4, "initial_shares": given, "initial_band": 0.15}
    spec = spec_of("KrusellSmith", **bins)
    world, draws = world_of(spec), torch.rand(1, 50, spec.interface.num_reset_draws)
    wanted = torch.tensor(given) * (0.85 + 0.3 * draws[..., 1:])
    wanted /= wanted.sum(-1, keepdim=True)
    assert world.observe(world.reset(draws))[..., :4].numpy() == pytest.approx(wanted.numpy())


@each_economy
def test_lanes_do_not_mix(values: dict[str, Any]) -> None:
    """A lane alone gives the bits that it gives beside others."""
    spec = spec_of("KrusellSmith", **values)
    world = economy(spec)
    state, action, draws = inputs(spec, (7, 2))
    together = world.step(state, action, draws)
    for lane in (0, 6):
        here = slice(lane, lane + 1)
        alone = world.step(state[here], action[here], draws[here])
        assert torch.equal(alone.state, together.state[here])
        assert torch.equal(alone.reward, together.reward[here])
        assert torch.equal(world.observe(alone.state), world.observe(together.state)[here])


def experiment(spec: str, agent: str, **changes: Any) -> ExperimentSpec:
    """A short run of an agent in a shipped spec."""
    environment = json.loads((ROOT / f"config/environment/KrusellSmith{spec}.json").read_text())
    environment |= {"total_timesteps": 24, "steps_per_episode": 8, "eval_interval_timesteps": 12}
    environment |= {"eval_episodes": 1, **changes}
    small = {"hidden_dim": [8], "batch_size": [4], "replay_capacity": [20]}
    parameters: dict[str, Any] = small if agent == "SAC" else {}
    return experiment_spec_of(environment, {"agent_name": agent, "parameters": parameters}, "test")


@pytest.mark.parametrize("agent", ["SAC", "random"])
@pytest.mark.parametrize("spec", SPECS)
def test_every_shipped_spec_trains(spec: str, agent: str) -> None:
    """An agent that acts goes through a short run of every shipped spec, and each of its rewards
    is a number."""
    record = train(experiment(spec, agent), [0])[0]
    assert record["status"] == "completed"
    assert np.isfinite(record["train_episode_rewards"]).all()
    assert np.isfinite(record["eval_episode_rewards"]).all()


@pytest.mark.parametrize("spec", ["_jedc", "_source"])
def test_interrupted_runs_end_with_the_same_bits(tmp_path: Any, spec: str) -> None:
    """A run that is stopped twice, and goes on beside another, ends as one that never was."""
    asked = experiment(spec, "SAC", eval_interval_timesteps=6)
    whole = train(asked, [0])[0]
    kept = experiment_in(tmp_path, asked)
    for indices, step in (([0, 1], 7), ([0], 5)):
        with pytest.raises(InterruptedRunError):
            attempt(asked, kept, indices, step)
    [record] = attempt(asked, kept, [0], None)
    assert first_difference(whole, record) is None


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["_jedc", "_source"])
def test_native_code_is_the_same_economy(spec: str) -> None:
    """Compiled, a run has the same bits alone and in a pack, and the returns it has operation by
    operation but for rounding."""
    asked = experiment(spec, "SAC")
    alone, among = (
        train(asked, indices, context=make_context(asked, "compile"))[0]
        for indices in ([0], [3, 0, 1])
    )
    assert first_difference(alone, among) is None
    plain = train(asked, [0])[0]
    assert alone["eval_episode_rewards"] == pytest.approx(plain["eval_episode_rewards"], rel=1e-3)
