"""VAC against its equations, written out plainly for one run in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from agents.deep_bandit import NUMBERED, played
from agents.deep_runs import (
    DISCRETE,
    Params,
    Update,
    actions_of,
    critic_loss,
    deep_spec,
    expected_soft_value,
    gaussian,
    numbers_drawn,
    perceptron,
    probabilities,
    similarity,
    update_of,
    value,
    value_of_number,
    with_new,
)
from packs import pack_of
from torch import Tensor

from nthrun.training.context import make_context
from nthrun.training.loop import Training

ALPHA = 0.3


@pytest.fixture(scope="module")
def step() -> Update:
    """One update of a run on Pendulum with a clamped Gaussian, 5 actions a state."""
    return update_of(deep_spec("VAC", {"num_samples": [5], "alpha": [ALPHA]}))


@pytest.fixture(scope="module")
def numbered() -> Update:
    """One update of a run with discrete actions."""
    return update_of(deep_spec("VAC", {"policy_type": ["Softmax"], "alpha": [ALPHA]}, DISCRETE))


def test_the_critics_values_are_hard(step: Update) -> None:
    """The critic descends E[(Q - y)²], y = r + γ(1-d) Q̄(s', a'), whatever α is."""
    s2 = step.batch[3]
    policy = gaussian(perceptron(step.params, "actor", s2))
    action = (policy.mean + policy.stddev * actions_of(step, 5)[0]).clamp(-1, 1)
    target = value(step.params, "target_critic", s2, action)
    step.assert_slope("critic", lambda p: critic_loss(step, p, target), step.params)


def test_the_actors_gradient_is_a_likelihood_ratio(step: Update) -> None:
    """Each of five clamped actions counts by Q - α log π less the mean of the others' of its
    state."""
    params, s = with_new(step, "critic"), step.batch[0]
    policy = gaussian(perceptron(params, "actor", s))
    raw = (policy.mean + policy.stddev * actions_of(step, 5)[1:]).clamp(-1, 1)
    assert (raw.abs() == 1).any()
    soft = value(params, "critic", s, raw) - ALPHA * policy.log_prob(raw).sum(-1)
    others = torch.stack([soft[[j for j in range(5) if j != i]].mean(0) for i in range(5)])

    def loss(actor: Params) -> Tensor:
        log_density = gaussian(perceptron(actor, "actor", s)).log_prob(raw).sum(-1)
        return -((soft - others) * log_density).mean()

    step.assert_slope("actor", loss, step.params)
    assert step.metrics["actor_loss"] == pytest.approx(-float(soft.mean()), rel=1e-4)


def test_one_action_has_no_baseline() -> None:
    """With a single action a state it counts by Q - α log π itself."""
    step = update_of(deep_spec("VAC", {"num_samples": [1], "alpha": [ALPHA]}))
    params, s = with_new(step, "critic"), step.batch[0]
    policy = gaussian(perceptron(params, "actor", s))
    raw = (policy.mean + policy.stddev * actions_of(step, 1)[1]).clamp(-1, 1)
    soft = value(params, "critic", s, raw) - ALPHA * policy.log_prob(raw).sum(-1)

    def loss(actor: Params) -> Tensor:
        return -(soft * gaussian(perceptron(actor, "actor", s)).log_prob(raw).sum(-1)).mean()

    step.assert_slope("actor", loss, step.params)


def test_the_estimate_is_that_of_the_expectation() -> None:
    """With many actions the gradient is that of ∫ π (Q - α log π), integrated numerically."""
    parameters = {"policy_type": ["SquashedGaussian"], "num_samples": [2000], "alpha": [ALPHA]}
    step = update_of(deep_spec("VAC", parameters))

    def loss(actor: Params) -> Tensor:
        return -expected_soft_value(step, actor, ALPHA)

    assert similarity(step, loss) > 0.999


def test_the_discrete_gradient_is_exact(numbered: Update) -> None:
    """The actor of discrete actions ascends Σ_a π (Q - α log π)."""
    s = numbered.batch[0]
    values = perceptron(with_new(numbered, "critic"), "critic", s)

    def loss(actor: Params) -> Tensor:
        probability = probabilities(actor, s)
        return -(probability * (values - ALPHA * probability.log())).sum(-1).mean()

    numbered.assert_slope("actor", loss, numbered.params)
    entropy = torch.distributions.Categorical(probabilities(numbered.params, s)).entropy().mean()
    assert numbered.metrics["entropy"] == pytest.approx(float(entropy), rel=1e-4)


def test_discrete_critic(numbered: Update) -> None:
    """The critic of discrete actions learns from an action drawn from the actor."""
    s2 = numbered.batch[3]
    action = numbers_drawn(probabilities(numbered.params, s2), actions_of(numbered, 0)[0])
    target = value_of_number(numbered.params, "target_critic", s2, action)
    numbered.assert_slope("critic", lambda p: critic_loss(numbered, p, target), numbered.params)


def test_entropy_is_that_of_the_policy(step: Update) -> None:
    """The entropy reported is the mean of -log π at the sampled, clamped actions."""
    policy = gaussian(perceptron(step.params, "actor", step.batch[0]))
    raw = (policy.mean + policy.stddev * actions_of(step, 5)[1:]).clamp(-1, 1)
    expected = -float(policy.log_prob(raw).sum(-1).mean())
    assert step.metrics["entropy"] == pytest.approx(expected, rel=1e-4)


def test_it_finds_the_higher_hill() -> None:
    """On a bandit with two hills it ends near the top of the higher one."""
    best = played("VAC", {"policy_type": "SquashedGaussian"}, 300)
    assert ((best - 0.8).abs() < 0.25).all(), best


def test_it_finds_the_best_arm() -> None:
    """On a bandit with four arms it ends at the best one."""
    best = played("VAC", {"policy_type": "Softmax"}, 300, NUMBERED)
    assert (best == 2).all(), best


@pytest.mark.slow
def test_it_learns_pendulum() -> None:
    """In 12,000 steps of the default policy and temperature three of three runs swing up and
    balance, a median return above -450 over the last ten episodes, and σ ends within its clip."""
    parameters = {
        "critic_lr": [0.001],
        "hidden_dim": [64],
        "batch_size": [32],
        "replay_capacity": [100_000],
    }
    environment = {"total_timesteps": 12_000, "steps_per_episode": 200, "eval_episodes": 0}
    spec = deep_spec("VAC", parameters, environment)
    training = Training(pack_of(spec, [0, 1, 2]), make_context(spec, "compile"))
    for run in training.run():
        assert np.median(run["train_episode_rewards"][-10:]) > -450
    actor = training.program.agent.actor  # type: ignore[attr-defined]
    outputs = actor(training.state["actor"], training.state["replay"][:, :500, :3])
    assert outputs[..., 1].abs().mean(1).max() < 5.0
