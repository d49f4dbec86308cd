"""Gradients of agents with replay, against their losses written out for one run in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from agents.deep_runs import (
    DISCRETE,
    Params,
    Update,
    critic_loss,
    deep_spec,
    gaussian,
    log_density_at,
    numbers_drawn,
    perceptron,
    probabilities,
    smallest,
    squashed,
    update_of,
    value,
    value_of_number,
    with_new,
)
from agents.policies.cases import clamped_entropy
from torch import Tensor
from torch.distributions import Categorical, kl_divergence

ALPHA = 0.4
Loss = Callable[[Update, Params], Tensor]


def numbers(step: Update) -> Tensor:
    """The update's numbers: for a', then for each sampled action, `(1 + count, batch, draws)`."""
    draws = step.agent.num_draws
    return step.normal[draws:].view(-1, len(step.batch[0]), draws)


def is_gaussian(step: Update) -> bool:
    return step.agent.statics["policy_type"] == "Gaussian"


def policy_of(step: Update, outputs: Tensor) -> torch.distributions.Distribution:
    """A policy over continuous actions by torch's own distributions."""
    return (gaussian if is_gaussian(step) else squashed)(outputs)


def raw_actions(step: Update, name: str, s: Tensor, normal: Tensor) -> Tensor:
    """Raw values of actions of the actor or the proposal."""
    mean, log_std = perceptron(step.params, name, s).chunk(2, -1)
    if is_gaussian(step):
        return (torch.tanh(mean) + log_std.exp() * normal).clamp(-1, 1)
    return mean + log_std.exp() * normal


def action_of(step: Update, raw: Tensor) -> Tensor:
    """The actions of raw values."""
    return raw if is_gaussian(step) else torch.tanh(raw)


def log_density_of(step: Update, outputs: Tensor, raw: Tensor) -> Tensor:
    """log π at the actions of raw values."""
    if is_gaussian(step):
        return gaussian(outputs).log_prob(raw).sum(-1)
    return log_density_at(outputs, raw)


def sampled(step: Update, name: str, s: Tensor, normal: Tensor) -> Tensor:
    """Actions of the actor or the proposal."""
    return action_of(step, raw_actions(step, name, s, normal))


# Values of the next state, v̄(s').


def of_a_sampled_action(step: Update) -> Tensor:
    """Q̄(s', a'), a' ~ π."""
    s2 = step.batch[3]
    return smallest(step.params, "target_critic", s2, sampled(step, "actor", s2, numbers(step)[0]))


def of_a_sampled_action_softly(step: Update) -> Tensor:
    """Q̄(s', a') - α log π(a'|s'), a' ~ π."""
    s2 = step.batch[3]
    action = sampled(step, "actor", s2, numbers(step)[0])
    log_density = policy_of(step, perceptron(step.params, "actor", s2)).log_prob(action).sum(-1)
    return of_a_sampled_action(step) - ALPHA * log_density


def of_a_drawn_number(step: Update) -> Tensor:
    """Q̄(s', a'), a' a discrete action of π."""
    s2 = step.batch[3]
    action = numbers_drawn(probabilities(step.params, s2), numbers(step)[0])
    return value_of_number(step.params, "target_critic", s2, action)


def of_every_number(step: Update, alpha: float = 0.0) -> Tensor:
    """Σ_a π (Q̄ - α log π)."""
    probability = probabilities(step.params, step.batch[3])
    values = perceptron(step.params, "target_critic", step.batch[3]) - alpha * probability.log()
    return (probability * values).sum(-1)


def of_every_number_softly(step: Update) -> Tensor:
    """The same with the entropy."""
    return of_every_number(step, ALPHA)


def of_the_best_number(step: Update) -> Tensor:
    """max_a Q̄(s', a)."""
    return perceptron(step.params, "target_critic", step.batch[3]).amax(-1)


def of_the_target_actor(step: Update) -> Tensor:
    """Q̄(s', μ̄(s'))."""
    s2 = step.batch[3]
    return value(
        step.params, "target_critic", s2, torch.tanh(perceptron(step.params, "target_actor", s2))
    )


def of_the_search(step: Update) -> Tensor:
    """Q̄(s', a*), a* what the search finds on Q̄."""
    s2 = step.batch[3]
    best = step.agent.maximiser.best(step.before, "target_", s2[None].float())[0].double()
    return value(step.params, "target_critic", s2, best)


def critic(next_value: Callable[[Update], Tensor]) -> Loss:
    """E[(Q(s, a) - y)²], y = r + γ (1 - d) v̄(s')."""
    return lambda step, params: critic_loss(step, params, next_value(step))


# Losses of actors and proposals, under the critic just updated.


def likelihood_ratio(step: Update, actor: Params) -> Tensor:
    """-E[(g(a) - b) log π(a|s)], g = Q - α log π, b the mean of the other actions' g, if any."""
    s = step.batch[0]
    raw = raw_actions(step, "actor", s, numbers(step)[1:])
    density = gaussian(perceptron(step.params, "actor", s)).log_prob(raw).sum(-1)
    soft = value(with_new(step, "critic"), "critic", s, raw) - ALPHA * density
    count = len(soft)
    others = [soft[[j for j in range(count) if j != i]].mean(0) for i in range(count)]
    baseline = torch.stack(others) if count > 1 else 0.0
    log_density = gaussian(perceptron(actor, "actor", s)).log_prob(raw).sum(-1)
    return -((soft - baseline) * log_density).mean()


def soft_values(step: Update, actor: Params) -> Tensor:
    """-Σ_a π (Q - α log π)."""
    probability = probabilities(actor, step.batch[0])
    values = perceptron(with_new(step, "critic"), "critic", step.batch[0])
    return -(probability * (values - ALPHA * probability.log())).sum(-1).mean()


def importance(step: Update, actor: Params) -> Tensor:
    """-Σ_i w_i log π(a_i|s), w_i ∝ exp(Q/α)/π at actions of the actor's own."""
    s = step.batch[0]
    raw = raw_actions(step, "actor", s, numbers(step)[1:])
    values = value(with_new(step, "critic"), "critic", s, action_of(step, raw))
    density = log_density_of(step, perceptron(step.params, "actor", s), raw).exp()
    weight = (values / ALPHA).exp() / density
    weight = weight / weight.sum(0)
    return -(weight * log_density_of(step, perceptron(actor, "actor", s), raw)).sum(0).mean()


def boltzmann(step: Update) -> Categorical:
    """B ∝ exp(Q/α) over discrete actions."""
    values = perceptron(with_new(step, "critic"), "critic", step.batch[0])
    return Categorical(logits=values / ALPHA)


def forward_divergence(step: Update, actor: Params) -> Tensor:
    """KL(B ‖ π)."""
    return kl_divergence(boltzmann(step), Categorical(probabilities(actor, step.batch[0]))).mean()


def reverse_divergence(step: Update, actor: Params) -> Tensor:
    """α KL(π ‖ B)."""
    policy = Categorical(probabilities(actor, step.batch[0]))
    return ALPHA * kl_divergence(policy, boltzmann(step)).mean()


def best_actions(step: Update) -> Tensor:
    """The three of ten actions of the proposal, or without one of the actor, with the largest
    values, `(3, batch, 1)`."""
    s, name = step.batch[0], "proposal" if "proposal" in step.before else "actor"
    actions = sampled(step, name, s, numbers(step)[1:])
    values = smallest(with_new(step, "critic"), "critic", s, actions)
    chosen = torch.stack([values[:, n].argsort(descending=True)[:3] for n in range(len(s))], 1)
    return actions.gather(0, chosen.unsqueeze(-1))


def best_likelihood(step: Update, params: Params, name: str = "actor") -> Tensor:
    """-E[log π] of the best actions."""
    policy = policy_of(step, perceptron(params, name, step.batch[0]))
    return -policy.log_prob(best_actions(step)).sum(-1).mean()


def best_likelihood_and_entropy(step: Update, params: Params) -> Tensor:
    """-E[log π̃] of the best actions - α H(π̃): the entropy of a clamped Gaussian's actions, else
    the mean of -log π̃ at the ten."""
    s = step.batch[0]
    outputs = perceptron(params, "proposal", s)
    if is_gaussian(step):
        entropy = clamped_entropy(outputs.unsqueeze(0)).mean()
    else:
        mean, log_std = outputs.chunk(2, -1)
        actions = torch.tanh(mean + log_std.exp() * numbers(step)[1:])
        entropy = -squashed(outputs).log_prob(actions).sum(-1).mean()
    return best_likelihood(step, params, "proposal") - ALPHA * entropy


def greedy_likelihood(step: Update, actor: Params) -> Tensor:
    """-E[log π(a*|s)], a* the discrete action of the largest value."""
    s = step.batch[0]
    greedy = perceptron(with_new(step, "critic"), "critic", s).argmax(-1, keepdim=True)
    return -probabilities(actor, s).log().gather(-1, greedy).mean()


def climbed_values(step: Update, actor: Params) -> Tensor:
    """-E[Q(s, μ(s))]."""
    s = step.batch[0]
    return -value(actor, "critic", s, torch.tanh(perceptron(actor, "actor", s))).mean()


class Case(NamedTuple):
    """An agent's options, and what a block of its parameters descends."""

    agent: str
    parameters: dict[str, Any]
    block: str
    loss: Loss


SOFTMAX = {"policy_type": ["Softmax"]}
ARGMAX = {"policy_type": ["Argmax"]}
CLAMPED = {"policy_type": ["Gaussian"]}
FIVE, SIX, TEN = {"num_samples": [5]}, {"num_samples": [6]}, {"n_rho": [[10, 0.3]]}
SQUASHED_TEN = {"policy_type": ["SquashedGaussian"], **TEN}
HARD, REVERSE = {"soft_q": [False]}, {"kl": ["reverse"]}
SOFT_TWICE = {"soft_q": [True], "double_q": [True]}
GREEDY_SHARE = {**SOFTMAX, "n_rho": [[30, 0.1]]}
CASES = [
    Case("VAC", FIVE, "critic", critic(of_a_sampled_action)),
    Case("VAC", FIVE, "actor", likelihood_ratio),
    Case("VAC", {"num_samples": [1]}, "actor", likelihood_ratio),
    Case("VAC", SOFTMAX, "critic", critic(of_a_drawn_number)),
    Case("VAC", SOFTMAX, "actor", soft_values),
    Case("FKL", SIX, "critic", critic(of_a_sampled_action_softly)),
    Case("FKL", {**SIX, **HARD}, "critic", critic(of_a_sampled_action)),
    Case("FKL", SIX, "actor", importance),
    Case("FKL", {**SIX, **CLAMPED}, "critic", critic(of_a_sampled_action_softly)),
    Case("FKL", {**SIX, **CLAMPED}, "actor", importance),
    Case("FKL", SOFTMAX, "critic", critic(of_every_number_softly)),
    Case("FKL", {**SOFTMAX, **HARD}, "critic", critic(of_every_number)),
    Case("FKL", SOFTMAX, "actor", forward_divergence),
    Case("FKL", {**SOFTMAX, **REVERSE}, "actor", reverse_divergence),
    *(
        Case("GreedyAC", policy, block, loss)
        for policy in (TEN, SQUASHED_TEN)
        for block, loss in (
            ("critic", critic(of_a_sampled_action)),
            ("actor", best_likelihood),
            ("proposal", best_likelihood_and_entropy),
        )
    ),
    Case("GreedyAC", {**TEN, **SOFT_TWICE}, "critic", critic(of_a_sampled_action_softly)),
    Case("GreedyAC", {**TEN, **SOFT_TWICE}, "actor", best_likelihood),
    Case("GreedyACNoEntReg", TEN, "actor", best_likelihood),
    Case("GreedyAC", GREEDY_SHARE, "critic", critic(of_a_drawn_number)),
    Case("GreedyAC", GREEDY_SHARE, "actor", greedy_likelihood),
    Case("epsgreedy", ARGMAX, "critic", critic(of_the_best_number)),
    Case("epsgreedy", {}, "critic", critic(of_the_target_actor)),
    Case("epsgreedy", {}, "actor", climbed_values),
    Case("epsgreedy_SGD", {}, "critic", critic(of_the_search)),
    Case("epsgreedy_optimizer", {}, "critic", critic(of_the_search)),
]
UPDATES: dict[str, Update] = {}
"""Updates by agent and options, each taken once."""


def updated(case: Case) -> Update:
    """One update of a case's agent on Pendulum, or with discrete actions."""
    key = f"{case.agent} {case.parameters}"
    if key not in UPDATES:
        tempered = {"VAC", "FKL", "GreedyAC"}
        alpha = {"alpha": [ALPHA]} if case.agent in tempered else {}
        numbered = case.parameters.get("policy_type") in (["Softmax"], ["Argmax"])
        spec = deep_spec(case.agent, case.parameters | alpha, DISCRETE if numbered else {})
        UPDATES[key] = update_of(spec)
    return UPDATES[key]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.agent}-{c.parameters}-{c.block}")
def test_a_block_is_given_the_gradient_of_its_loss(case: Case) -> None:
    """Adam is given the gradient of the loss as autograd finds it in float64; the critic's loss is
    reported."""
    step = updated(case)
    params = step.params if case.block == "critic" else with_new(step, "critic")
    if case.block == "critic":
        assert step.metrics["critic_loss"] == pytest.approx(
            float(case.loss(step, params)), rel=1e-4
        )
    step.assert_slope(case.block, lambda leaves: case.loss(step, leaves), params)


@pytest.mark.parametrize("parameters", [TEN, SQUASHED_TEN], ids=str)
def test_the_best_actions_become_likelier(parameters: dict[str, Any]) -> None:
    """GreedyAC's update raises the likelihood of the actions that its actor follows."""
    step = updated(Case("GreedyAC", parameters, "actor", best_likelihood))
    before, after = (best_likelihood(step, params) for params in (step.params, step.new_params))
    assert after < before
