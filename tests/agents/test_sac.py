"""SAC against its equations, written out plainly for one run."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from packs import pack_of, small_spec, train
from torch import Tensor

from nthrun.agents.base import State
from nthrun.training.context import make_context
from nthrun.training.loop import Training


def ready(parameters: dict[str, list[object]] | None = None) -> Training:
    """A run of SAC that has taken 40 steps."""
    spec = small_spec({"eval_episodes": 0}, parameters)
    training = Training(pack_of(spec, [1]), make_context(spec))
    training.train_block(40)
    return training


def perceptron(params: dict[str, Tensor], name: str, x: Tensor, net: int | None = None) -> Tensor:
    """A network evaluated layer by layer with its recorded parameters."""
    for layer in (1, 2, 3):
        weight, bias = params[f"{name}.weight{layer}"][0], params[f"{name}.bias{layer}"][0]
        if net is not None:
            weight, bias = weight[net], bias[net]
        x = x @ weight + bias
        x = torch.relu(x) if layer < 3 else x
    return x


def squashed(outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Action and log-density by torch's own distributions."""
    mean, log_std = outputs.chunk(2, -1)
    unsquashed = mean + log_std.exp() * noise
    log_normal = torch.distributions.Normal(mean, log_std.exp()).log_prob(unsquashed)
    action = torch.tanh(unsquashed)
    return action, (log_normal - torch.log(1 - action**2 + 1e-12)).sum(-1)


def values(params: dict[str, Tensor], name: str, s: Tensor, a: Tensor) -> Tensor:
    """Q_i(s, a) of both critics, `(2, batch)`."""
    x = torch.cat([s, a], -1)
    return torch.stack([perceptron(params, name, x, net)[:, 0] for net in (0, 1)])


@pytest.fixture(scope="module")
def step() -> dict[str, object]:
    """One update: the state before, the batch it used, its noise, and what it reported."""
    training = ready({"alpha_lr": [0.02], "actor_lr_scale": [2.0], "critic_lr": [0.001]})
    program, state = training.program, training.state
    state["replay"][0, ::2, -1] = 1.0  # as if every other step had reached a terminal state
    noise = program.noise(training.streams.draw(1), 40, "cpu").step(0)
    before: State = copy.deepcopy(state)
    output = program.step(state, noise, torch.tensor(40), True)
    params = {k: v.double() for k, v in program.agent.learned_params(before).items()}
    after = {k: v.double() for k, v in program.agent.learned_params(state).items()}
    rows = state["replay"][0, noise.replay[0] % 100].double()
    s, a, r, s2, d = rows.split([3, 1, 1, 3, 1], -1)
    normal = noise.agent[0, 1:].double().view(2, 8, 1)
    return {
        "before": before,
        "state": state,
        "agent": program.agent,
        "params": params,
        "after": after,
        "batch": (s, a / 2, r[:, 0], s2, d[:, 0]),
        "normal": normal,
        "metrics": output.metrics,
    }


def critic_loss_of(step, params: dict[str, Tensor]) -> Tensor:  # type: ignore[no-untyped-def]
    """J_Q with `params` for the critics and the values before the step for all else."""
    old, (s, a, r, s2, d) = step["params"], step["batch"]
    assert 0 < d.sum() < len(d)
    action, log_density = squashed(perceptron(old, "actor", s2), step["normal"][0])
    soft = values(old, "target_critic", s2, action).amin(0)
    soft = soft - old["log_alpha"].exp()[0] * log_density
    target = (r + 0.99 * (1 - d) * soft).detach()
    return ((values(params, "critic", s, a) - target) ** 2).mean(1).sum()


def actor_loss_of(step, params: dict[str, Tensor]) -> Tensor:  # type: ignore[no-untyped-def]
    """J_π with `params` for the actor and the critics after the step."""
    s, alpha = step["batch"][0], step["params"]["log_alpha"].exp()[0]
    action, log_density = squashed(perceptron(params, "actor", s), step["normal"][1])
    return (alpha * log_density - values(step["after"], "critic", s, action).amin(0)).mean()


def slope_seen(step, block: str) -> Tensor:  # type: ignore[no-untyped-def]
    """The gradient that Adam's first moment says it was given: (m' - β₁ m) / (1 - β₁)."""
    before, after = step["before"][f"{block}.mean"], step["state"][f"{block}.mean"]
    return (after.double() - 0.9 * before.double()) / 0.1


def test_critic_loss(step) -> None:  # type: ignore[no-untyped-def]
    """The critic's loss is Σ_i E[(Q_i - y)²], y = r + γ(1-d)(min Q̄ - α log π)."""
    loss = float(critic_loss_of(step, step["params"]))
    assert float(step["metrics"]["critic_loss"]) == pytest.approx(loss, rel=1e-4)


def test_actor_loss_uses_the_updated_critic(step) -> None:  # type: ignore[no-untyped-def]
    """The actor's loss is E[α log π - min Q] under the critic just updated."""
    loss = float(actor_loss_of(step, step["params"]))
    assert float(step["metrics"]["actor_loss"]) == pytest.approx(loss, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(
    ("block", "loss_of"), [("critic", critic_loss_of), ("actor", actor_loss_of)]
)
def test_gradients_are_those_of_the_losses(step, block, loss_of) -> None:  # type: ignore[no-untyped-def]
    """Adam is given the gradient of J_Q, and of J_π, as autograd finds them in float64."""
    leaves = {
        name: value.clone().requires_grad_(name.startswith(f"{block}."))
        for name, value in step["params"].items()
    }
    loss_of(step, leaves).backward()
    slope = step["agent"].learned_params({**step["state"], block: slope_seen(step, block)})
    for name, leaf in leaves.items():
        if leaf.requires_grad:
            assert leaf.grad.abs().max() > 0
            torch.testing.assert_close(slope[name], leaf.grad, rtol=2e-3, atol=2e-5)


def test_the_temperature_falls_while_entropy_exceeds_its_target(step) -> None:  # type: ignore[no-untyped-def]
    """The gradient on log α is entropy minus its target -dim(A)."""
    entropy = float(step["metrics"]["entropy"])
    assert float(slope_seen(step, "log_alpha")) == pytest.approx(entropy + 1, rel=1e-3)


@pytest.mark.parametrize(
    ("block", "rate"), [("critic", 0.001), ("actor", 0.002), ("log_alpha", 0.02)]
)
def test_each_part_steps_downhill_with_its_own_rate(step, block, rate) -> None:  # type: ignore[no-untyped-def]
    """θ' = θ - lr m̂ / (√v̂ + ε) with the critic's, the actor's and the temperature's step size."""
    before, state = step["before"], step["state"]
    mean_bias, square_bias = (1 - state["adam.powers"][0].double()).tolist()
    mean = state[f"{block}.mean"].double() / mean_bias
    root = (state[f"{block}.square"].double() / square_bias).sqrt()
    expected = before[block].double() - rate * mean / (root + 1e-8)
    torch.testing.assert_close(state[block].double(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_it_learns_pendulum() -> None:
    """In 12,000 steps of the shipped settings three of three runs swing up and balance: a mean
    return above -300 over the last ten episodes, where random actions give about -1,200."""
    environment = {"total_timesteps": 12_000, "steps_per_episode": 200, "eval_episodes": 0}
    parameters = {
        "critic_lr": [0.001],
        "alpha": [0.2],
        "alpha_lr": [0.001],
        "hidden_dim": [64],
        "batch_size": [32],
        "replay_capacity": [100_000],
    }
    runs = train(small_spec(environment, parameters), [0, 1, 2])
    for run in runs.values():
        assert run["train_episode_rewards"][-10:].mean() > -300


@pytest.mark.slow
@pytest.mark.parametrize("tuned", [True, False])
def test_a_clamped_gaussian_learns_pendulum(tuned: bool) -> None:
    """In 10,000 steps three of three runs swing up and balance, a median return above -450 over the
    last ten episodes, with a temperature tuned or fixed, and σ ends within its clip."""
    environment = {"total_timesteps": 10_000, "steps_per_episode": 200, "eval_episodes": 0}
    parameters = {
        "policy_type": ["Gaussian"],
        "automatic_entropy_tuning": [tuned],
        "critic_lr": [0.001],
        "alpha": [0.1],
        "hidden_dim": [64],
        "batch_size": [32],
        "replay_capacity": [100_000],
    }
    spec = small_spec(environment, parameters)
    training = Training(pack_of(spec, [0, 1, 2]), make_context(spec, "compile"))
    for run in training.run():
        assert np.median(run["train_episode_rewards"][-10:]) > -450
    actor = training.program.agent.actor  # type: ignore[attr-defined]
    outputs = actor(training.state["actor"], training.state["replay"][:, :500, :3])
    assert outputs[..., 1].abs().mean(1).max() < 5.0


def test_target_follows_the_critic(step) -> None:  # type: ignore[no-untyped-def]
    """θ̄ moves by τ of its distance to θ."""
    params, after = step["params"], step["after"]
    for name in ("weight1", "weight2", "weight3"):
        old, new = params[f"target_critic.{name}"], after[f"target_critic.{name}"]
        torch.testing.assert_close(
            new, old + 0.005 * (after[f"critic.{name}"] - old), atol=1e-6, rtol=1e-4
        )


def test_both_critics_are_drawn(step) -> None:  # type: ignore[no-untyped-def]
    """The two critics begin and stay apart."""
    weights = step["params"]["critic.weight2"]
    assert (weights[0, 0] != weights[0, 1]).any()


def test_fixed_temperature_stays() -> None:
    """Without automatic tuning α keeps its value."""
    training = ready({"automatic_entropy_tuning": [False], "alpha": [0.3]})
    assert float(training.state["log_alpha"].exp()) == pytest.approx(0.3)
