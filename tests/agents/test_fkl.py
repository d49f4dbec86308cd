"""FKL against its equations, written out plainly for one run in float64."""

from __future__ import annotations

import pytest
import torch
from agents.deep_bandit import BOUNDED, NUMBERED, played
from agents.deep_runs import (
    DISCRETE,
    Params,
    Update,
    actions_of,
    critic_loss,
    deep_spec,
    expected_soft_value,
    grid_of_actions,
    log_density_at,
    perceptron,
    probabilities,
    similarity,
    squashed,
    update_of,
    value,
    with_new,
)
from torch import Tensor

from nthrun.specs.interface import Interface

ALPHA = 0.4


def stepped(kl: str, soft: bool = True, num_samples: int = 6) -> Update:
    """One update of a run on Pendulum."""
    parameters = {"kl": [kl], "soft_q": [soft], "num_samples": [num_samples], "alpha": [ALPHA]}
    return update_of(deep_spec("FKL", parameters))


def numbered(kl: str, soft: bool = True) -> Update:
    """One update of a run with discrete actions."""
    parameters = {"policy_type": ["Softmax"], "kl": [kl], "soft_q": [soft], "alpha": [ALPHA]}
    return update_of(deep_spec("FKL", parameters, DISCRETE))


@pytest.mark.parametrize("soft", [True, False])
def test_the_critics_values_are_soft_on_request(soft: bool) -> None:
    """y = r + γ(1-d) (Q̄(s', a') - α log π(a'|s')), or the same without the entropy."""
    step = stepped("forward", soft)
    s2 = step.batch[3]
    outputs = perceptron(step.params, "actor", s2)
    mean, log_std = outputs.chunk(2, -1)
    action = torch.tanh(mean + log_std.exp() * actions_of(step, 6)[0])
    target = value(step.params, "target_critic", s2, action)
    if soft:
        target = target - ALPHA * squashed(outputs).log_prob(action).sum(-1)
    step.assert_slope("critic", lambda p: critic_loss(step, p, target), step.params)


def test_forward_weights_the_likelihood_by_importance() -> None:
    """The actor ascends Σ_i w_i log π(a_i|s), w_i ∝ exp(Q/α)/π at six actions of its own."""
    step = stepped("forward")
    params, s = with_new(step, "critic"), step.batch[0]
    mean, log_std = perceptron(params, "actor", s).chunk(2, -1)
    raw = mean + log_std.exp() * actions_of(step, 6)[1:]
    values = value(params, "critic", s, torch.tanh(raw))
    density = log_density_at(perceptron(params, "actor", s), raw).exp()
    weight = (values / ALPHA).exp() / density
    weight = weight / weight.sum(0)

    def loss(actor: Params) -> Tensor:
        return -(weight * log_density_at(perceptron(actor, "actor", s), raw)).sum(0).mean()

    step.assert_slope("actor", loss, step.params)


def test_forward_estimates_the_divergence_from_the_boltzmann_policy() -> None:
    """With many actions the gradient is that of -∫ B log π, integrated numerically."""
    step = stepped("forward", num_samples=3000)
    s, (raw, width) = step.batch[0], grid_of_actions()
    values = value(with_new(step, "critic"), "critic", s, torch.tanh(raw).expand(-1, len(s), 1))
    boltzmann = (values / ALPHA).exp() * width.squeeze(-1)
    boltzmann = boltzmann / boltzmann.sum(0)

    def loss(actor: Params) -> Tensor:
        return -(boltzmann * log_density_at(perceptron(actor, "actor", s), raw)).sum(0).mean()

    assert similarity(step, loss) > 0.999


def test_reverse_estimates_the_divergence_to_the_boltzmann_policy() -> None:
    """With many actions the gradient is that of ∫ π (α log π - Q), integrated numerically."""
    step = stepped("reverse", num_samples=2000)
    assert similarity(step, lambda actor: -expected_soft_value(step, actor, ALPHA)) > 0.999


@pytest.mark.parametrize("soft", [True, False])
def test_discrete_critic_takes_every_action(soft: bool) -> None:
    """v̄(s') = Σ_a π (Q̄ - α log π), or the same without the entropy."""
    step = numbered("forward", soft)
    s2 = step.batch[3]
    probability = probabilities(step.params, s2)
    values = perceptron(step.params, "target_critic", s2) - soft * ALPHA * probability.log()
    target = (probability * values).sum(-1)
    step.assert_slope("critic", lambda p: critic_loss(step, p, target), step.params)


@pytest.mark.parametrize("kl", ["forward", "reverse"])
def test_discrete_divergences_are_exact(kl: str) -> None:
    """The actor descends KL(B ‖ π), or α KL(π ‖ B), of B ∝ exp(Q/α) over all actions."""
    step = numbered(kl)
    s = step.batch[0]
    values = perceptron(with_new(step, "critic"), "critic", s)
    boltzmann = torch.distributions.Categorical(logits=values / ALPHA)

    def loss(actor: Params) -> Tensor:
        policy = torch.distributions.Categorical(probabilities(actor, s))
        if kl == "forward":
            return torch.distributions.kl_divergence(boltzmann, policy).mean()
        return ALPHA * torch.distributions.kl_divergence(policy, boltzmann).mean()

    step.assert_slope("actor", loss, step.params)


@pytest.mark.parametrize("kl", ["forward", "reverse"])
@pytest.mark.parametrize("interface", [BOUNDED, NUMBERED], ids=["hills", "arms"])
def test_it_finds_the_best_action(kl: str, interface: Interface) -> None:
    """On a bandit with two hills or four arms it ends at the best action."""
    policy = "Softmax" if interface.discrete else "SquashedGaussian"
    best = played("FKL", {"policy_type": policy, "kl": kl}, 300, interface)
    expected, room = (2.0, 0.0) if interface.discrete else (0.8, 0.25)
    assert ((best - expected).abs() <= room).all(), best
