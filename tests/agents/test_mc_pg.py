"""Monte Carlo policy gradients against plain loops and autograd in float64."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from agents.solver_runs import solver_spec
from packs import pack_of, run_of_same_bits, train
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.environments.ghm.program import Firm
from nthrun.errors import SpecError
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.training.context import make_context
from nthrun.training.loop import Training

STEPS, EPISODES = 10, 6
WEIGHTED = {"entropy_weight": [0.1], "action_reg_weight": [0.3], "lr_policy": [0.01]}
FORMS = [
    {"returns": [returns], "normalise_advantages": [normalise]}
    for returns in ("to_go", "trajectory")
    for normalise in (True, False)
]
SHARED = {"episodes_per_shock": [3], "start_power": [2.0], "log_std_init": [-0.5]}
FORMS += [{**form, **SHARED} for form in FORMS[:3]]
LEARNING = {"horizon": 5.0, "steps_per_episode": 50, "eval_episodes": 200}
Params = dict[str, Tensor]


def perceptron(params: Params, name: str, x: Tensor, activation: Any) -> Tensor:
    """A network evaluated layer by layer with its recorded parameters."""
    layers = sum(key.startswith(f"{name}.weight") for key in params)
    for layer in range(1, layers + 1):
        x = x @ params[f"{name}.weight{layer}"] + params[f"{name}.bias{layer}"]
        x = activation(x) if layer < layers else x
    return x


@dataclass(frozen=True)
class Episodes:
    """Episodes of one lane in float64, `(steps, episodes, width)` each.

    Attributes:
        observation, raw: before the action, and u of the action.
        reward: 0 once the episode is over.
        running: 1.0 while it is not.
    """

    observation: Tensor
    raw: Tensor
    reward: Tensor
    running: Tensor


@dataclass(frozen=True)
class Iteration:
    """One iteration of one run.

    Attributes:
        solver: the program.
        before, after: the state.
        params: learned parameters before it, of one lane, in float64.
        episodes: what it simulated, played again by a plain loop.
        setting: of the run.
        metrics: reported, of one lane.
    """

    solver: Any
    before: State
    after: State
    params: Params
    episodes: Episodes
    setting: Mapping[str, Any]
    metrics: dict[str, float]

    def slope(self, block: str) -> Params:
        """The gradient that Adam's first moment says it was given: (m' - β₁ m) / (1 - β₁)."""
        old, new = self.before[f"{block}.mean"].double(), self.after[f"{block}.mean"].double()
        named = self.solver.learned_params({**self.after, block: (new - 0.9 * old) / 0.1})
        return {name: value[0] for name, value in named.items() if name.startswith(f"{block}.")}

    def leaves(self, block: str) -> Params:
        """The parameters, those of a block with a gradient."""
        return {
            name: value.clone().requires_grad_(name.startswith(f"{block}."))
            for name, value in self.params.items()
        }


def scaled(params: Params, observation: Tensor) -> Tensor:
    """An observation as the networks see it."""
    mean, square = params["normaliser.mean"], params["normaliser.square"]
    spread = (square - mean**2).sqrt().clamp(min=0.01)
    return ((observation - mean) / spread).clamp(-10, 10)


def played(
    params: Params, noise: Noise, environment: EnvironmentSpec, setting: Mapping[str, Any]
) -> Episodes:
    """Every episode of the first lane, one step after the other, by the environment in float64."""
    firm, rate = Firm(environment), torch.tensor(environment.interface.action_high).double() / 2
    draws, sharing = noise.environment[0].double(), setting["episodes_per_shock"]
    groups = EPISODES // sharing
    group = [episode // sharing for episode in range(EPISODES)]
    starts = draws[:groups][group] ** setting["start_power"]
    shocks = draws[groups:].view(STEPS, groups, 2)[:, group]
    normal = noise.agent[0].double().view(STEPS, EPISODES, 2)
    world = firm.reset(starts.view(1, EPISODES, 1))
    running = torch.ones(EPISODES, 1, dtype=torch.float64)
    shown = []
    for step in range(STEPS):
        seen = scaled(params, firm.observe(world)[0])
        mean = perceptron(params, "policy", seen, torch.relu)
        raw = mean + params["policy.log_std"].exp() * normal[step]
        outcome = firm.step(world, ((1 + torch.tanh(raw)) * rate)[None], shocks[None, step])
        shown.append((seen, raw, outcome.reward[0] * running, running))
        running = running * (1 - outcome.terminated[0])
        world = outcome.state
    return Episodes(*(torch.stack(part) for part in zip(*shown, strict=True)))


def iteration_of(parameters: Mapping[str, Any], gamma: float = 1.0) -> Iteration:
    """The fourth iteration of a run whose networks have moved, with a discount of its own."""
    spec = solver_spec("mc_pg", {"n_trajectories": [EPISODES], **WEIGHTED, **parameters})
    training = Training(pack_of(spec, [0]), make_context(spec))
    training.train_block(3)
    program, state = training.program, training.state
    state["gamma"].fill_(gamma)
    noise = program.noise(training.streams.draw(1), 3, "cpu").step(0)
    before: State = copy.deepcopy(state)
    solver = program.solver  # type: ignore[attr-defined]
    params = {name: part[0].double() for name, part in solver.learned_params(before).items()}
    output = program.step(state, noise, torch.tensor(3), True)
    return Iteration(
        solver,
        before,
        state,
        params,
        played(params, noise, spec.environment, spec.sweep.setting(0)),
        spec.sweep.setting(0),
        {name: float(value[0]) for name, value in output.metrics.items()},
    )


def returns_of(made: Iteration, gamma: float) -> Tensor:
    """G of every step by a loop over episodes and steps, `(steps, episodes, 1)`."""
    reward = made.episodes.reward
    found = torch.zeros_like(reward)
    for episode in range(EPISODES):
        for step in range(STEPS):
            start = 0 if made.setting["returns"] == "trajectory" else step
            later = range(start, STEPS)
            found[step, episode] = sum(gamma ** (n - start) * reward[n, episode] for n in later)
    return found


def baseline_of(made: Iteration, params: Params) -> Tensor:
    """b of every step; of whole episodes' returns that of the first observation."""
    value = perceptron(params, "baseline", made.episodes.observation, torch.tanh)
    return value[:1].expand_as(value) if made.setting["returns"] == "trajectory" else value


def mean(made: Iteration, values: Tensor) -> Tensor:
    """Over the steps of running episodes."""
    return values[made.episodes.running[..., 0] > 0].mean()


def beyond_others(made: Iteration, advantage: Tensor) -> Tensor:
    """Less the mean, at each step, of the other running episodes of the same shocks, by a loop."""
    sharing, found = made.setting["episodes_per_shock"], advantage.clone()
    for step, running in enumerate(made.episodes.running[..., 0] > 0):
        for episode in range(EPISODES):
            first = episode // sharing * sharing
            others = [n for n in range(first, first + sharing) if n != episode and running[n]]
            if others:
                found[step, episode] -= advantage[step, others].mean()
    return found


def policy_loss(made: Iteration, params: Params, gamma: float) -> Tensor:
    """The loss by torch's own normal distribution."""
    advantage = (returns_of(made, gamma) - baseline_of(made, made.params))[..., 0]
    advantage = beyond_others(made, advantage)
    if made.setting["normalise_advantages"]:
        kept = advantage[made.episodes.running[..., 0] > 0]
        advantage = (advantage - kept.mean()) / (kept.std(correction=0) + 1e-8)
    mu = perceptron(params, "policy", made.episodes.observation, torch.relu)
    policy = torch.distributions.Normal(mu, params["policy.log_std"].exp())
    density = policy.log_prob(made.episodes.raw).sum(-1)
    size = ((1 + torch.tanh(mu)) / 2).square().sum(-1)
    entropy = params["policy.log_std"].sum()
    return (
        -mean(made, advantage * density)
        - made.setting["entropy_weight"] * entropy
        + made.setting["action_reg_weight"] * mean(made, size)
    )


@pytest.mark.parametrize("gamma", [1.0, 0.9])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_policy_is_given_the_gradient_of_its_loss(form: dict[str, Any], gamma: float) -> None:
    """Adam is given autograd's gradient of the loss, with returns of plain loops over episodes of
    which some end early."""
    made = iteration_of({**form, "max_grad_norm": [1e6]}, gamma)
    assert 0 < made.episodes.running.sum() < STEPS * EPISODES
    leaves = made.leaves("policy")
    policy_loss(made, leaves, gamma).backward()
    for name, slope in made.slope("policy").items():
        expected = leaves[name].grad
        assert expected is not None
        assert expected.abs().max() > 0, name
        torch.testing.assert_close(slope, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("gamma", [1.0, 0.9])
@pytest.mark.parametrize("form", FORMS[::2], ids=str)
def test_the_baseline_is_given_the_gradient_of_its_loss(form: dict[str, Any], gamma: float) -> None:
    """Adam is given autograd's gradient of the mean squared distance from the returns."""
    made = iteration_of(form, gamma)
    leaves = made.leaves("baseline")
    loss = mean(made, (baseline_of(made, leaves) - returns_of(made, gamma)).square())
    loss.backward()
    assert made.metrics["baseline_loss"] == pytest.approx(loss.item(), rel=1e-4)
    for name, slope in made.slope("baseline").items():
        expected = leaves[name].grad
        assert expected is not None
        assert expected.abs().max() > 0, name
        torch.testing.assert_close(slope, expected, rtol=1e-3, atol=1e-5)


def test_metrics_are_of_the_episodes() -> None:
    """The return, the length and the entropy told are those of the simulated episodes and of σ."""
    made = iteration_of({})
    episodes = made.episodes
    entropy = torch.distributions.Normal(0.0, made.params["policy.log_std"].exp()).entropy().sum()
    worth, length = (part.sum(0).mean() for part in (episodes.reward, episodes.running))
    assert made.metrics["return"] == pytest.approx(float(worth), rel=1e-4)
    assert made.metrics["episode_length"] == pytest.approx(float(length))
    assert made.metrics["entropy"] == pytest.approx(float(entropy), rel=1e-5)


@pytest.mark.parametrize("longest", [0.01, 0.1])
def test_a_longer_gradient_is_cut(longest: float) -> None:
    """The policy's gradient keeps its direction and is no longer than `max_grad_norm`; a shorter
    one is as it was, and the baseline's is never cut."""
    cut, whole = (iteration_of({"max_grad_norm": [norm]}) for norm in (longest, 1e6))
    # what was cut before has led elsewhere, so that only the cut iteration's own norm is known
    assert cut.metrics["grad_norm"] > longest
    assert norm_of(cut.slope("policy")) == pytest.approx(longest, rel=1e-3)
    assert norm_of(whole.slope("policy")) == pytest.approx(whole.metrics["grad_norm"], rel=1e-3)
    assert norm_of(cut.slope("baseline")) > 2 * longest


def norm_of(slope: Params) -> float:
    """The length of a gradient."""
    return math.sqrt(sum(float(part.square().sum()) for part in slope.values()))


def after(parameters: Mapping[str, Any], steps: int = 40) -> dict[str, Any]:
    """The record of one run of some iterations."""
    every = {"total_timesteps": steps, "eval_interval_timesteps": steps}
    many = {"n_trajectories": [50], "lr_policy": [0.01], "max_grad_norm": [100.0]}
    spec = solver_spec("mc_pg", many | dict(parameters), every)
    return train(spec, [0])[0]


def test_sigma_begins_where_it_is_told() -> None:
    """The first log σ is that of the setting, in every component and lane."""
    spec = solver_spec("mc_pg", {"log_std_init": [-1.5, 0.25]})
    state = Training(pack_of(spec, [0, 2]), make_context(spec)).state
    assert state["policy"][:, -2:].tolist() == [[-1.5, -1.5], [0.25, 0.25]]


def test_shocks_are_shared_by_whole_groups() -> None:
    """A number of episodes that is no multiple of those that share shocks is refused."""
    with pytest.raises(SpecError, match="episodes_per_shock"):
        solver_spec("mc_pg", {"n_trajectories": [6], "episodes_per_shock": [4]})


def test_entropy_is_sought() -> None:
    """The larger its weight, the larger σ after some iterations."""
    runs = [after({"entropy_weight": [weight]}) for weight in (0.0, 0.1, 1.0)]
    sizes = np.array([run["learned_params"]["policy.log_std"] for run in runs])
    assert (np.diff(sizes, axis=0) > 0.02).all()


def test_large_actions_are_avoided() -> None:
    """The larger the weight of their size, the smaller the greedy actions after some iterations."""
    shares = []
    for weight in (0.0, 0.03, 0.3):
        run = after({"action_reg_weight": [weight]})
        params = {name: torch.from_numpy(part) for name, part in run["learned_params"].items()}
        cash = torch.stack([torch.linspace(0, 1, 11), torch.ones(11)], -1)
        mu = perceptron(params, "policy", cash, torch.relu)
        shares.append(((1 + torch.tanh(mu)) / 2).mean(0).numpy())
    assert (np.diff(shares, axis=0) < -0.02).all()


def test_sigma_stays_in_its_range() -> None:
    """Whatever the weight of the entropy, log σ ends at 2 at most."""
    run = after({"entropy_weight": [1e3], "lr_policy": [0.5]})
    assert (run["learned_params"]["policy.log_std"] == 2.0).all()


@pytest.mark.parametrize("form", [*FORMS[1:3], FORMS[-1]], ids=str)
@pytest.mark.parametrize("shape", [(6, [16, 16]), (333, [17, 5])], ids=str)
def test_lanes_are_independent(shape: tuple[int, list[int]], form: dict[str, Any]) -> None:
    """Whatever shares its pack, whichever lane it is on, every bit of a run is the same."""
    episodes, hidden = shape
    sizes = {"n_trajectories": [episodes], "policy_hidden": [hidden], "value_hidden": [[9]]}
    spec = solver_spec("mc_pg", {**form, **sizes}, {"total_timesteps": 4})
    run_of_same_bits(spec, 1, ([1, 4], [0, 2, 1], [3, 4, 5, 6, 1, 7, 8]))


@pytest.mark.slow
def test_a_short_training_improves_the_return() -> None:
    """With steps of 0.1 years every run comes to earn clearly more than at its start, and what it
    falls short of the best is at most 0.6 of what it was."""
    steps = {"total_timesteps": 150, "eval_interval_timesteps": 150}
    sizes = {"n_trajectories": [60], "lr_policy": [0.01], "max_grad_norm": [0.5]}
    spec = solver_spec("mc_pg", sizes | {"entropy_weight": [0.01]}, LEARNING | steps)
    for run in train(spec, range(2)).values():
        before, now = run["eval_episode_rewards"].mean(1)
        first_gap, last_gap = run["eval_metrics"]["oracle_gap"]
        assert now > before + 0.2
        assert last_gap < 0.6 * first_gap


@pytest.mark.parametrize(("schedule", "share"), [("linear", 0.25), ("constant", 1.0)])
def test_step_sizes_fall_in_a_line_or_stay(schedule: str, share: float) -> None:
    """With three quarters of the steps done, the same iteration moves both networks a quarter as
    far as the first does, or as far."""
    spec = solver_spec("mc_pg", {"n_trajectories": [EPISODES], "lr_schedule": [schedule]})
    training = Training(pack_of(spec, [0]), make_context(spec))
    noise = training.program.noise(training.streams.draw(1), 0, "cpu").step(0)
    total = spec.environment.total_timesteps
    moves = []
    for step in (0, total * 3 // 4):
        state: State = copy.deepcopy(training.state)
        training.program.step(state, noise, torch.tensor(step), True)
        moves.append([state[name] - training.state[name] for name in ("policy", "baseline")])
    for first, later in zip(*moves, strict=True):
        torch.testing.assert_close(later, share * first, rtol=1e-3, atol=1e-7)
