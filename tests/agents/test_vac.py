"""VAC: what it reports, its estimate against an integral, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from agents.deep_runs import (
    DISCRETE,
    Params,
    Update,
    actions_of,
    deep_spec,
    expected_soft_value,
    gaussian,
    perceptron,
    probabilities,
    similarity,
    update_of,
    value,
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


def test_the_objective_is_reported(step: Update) -> None:
    """The actor's loss is the mean of α log π - Q at five actions, some of them clamped."""
    params, s = with_new(step, "critic"), step.batch[0]
    policy = gaussian(perceptron(params, "actor", s))
    raw = (policy.mean + policy.stddev * actions_of(step, 5)[1:]).clamp(-1, 1)
    assert (raw.abs() == 1).any()
    soft = value(params, "critic", s, raw) - ALPHA * policy.log_prob(raw).sum(-1)
    assert step.metrics["actor_loss"] == pytest.approx(-float(soft.mean()), rel=1e-4)


def test_the_estimate_is_that_of_the_expectation() -> None:
    """With many actions the gradient is that of ∫ π (Q - α log π), integrated numerically."""
    parameters = {"policy_type": ["SquashedGaussian"], "num_samples": [2000], "alpha": [ALPHA]}
    step = update_of(deep_spec("VAC", parameters))

    def loss(actor: Params) -> Tensor:
        return -expected_soft_value(step, actor, ALPHA)

    assert similarity(step, loss) > 0.999


def test_a_discrete_policys_entropy_is_exact(numbered: Update) -> None:
    """The entropy reported is -Σ_a π log π."""
    policy = torch.distributions.Categorical(probabilities(numbered.params, numbered.batch[0]))
    expected = float(policy.entropy().mean())
    assert numbered.metrics["entropy"] == pytest.approx(expected, rel=1e-4)


def test_entropy_is_that_of_the_policy(step: Update) -> None:
    """The entropy reported is the mean of -log π at the sampled, clamped actions."""
    policy = gaussian(perceptron(step.params, "actor", step.batch[0]))
    raw = (policy.mean + policy.stddev * actions_of(step, 5)[1:]).clamp(-1, 1)
    expected = -float(policy.log_prob(raw).sum(-1).mean())
    assert step.metrics["entropy"] == pytest.approx(expected, rel=1e-4)


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
