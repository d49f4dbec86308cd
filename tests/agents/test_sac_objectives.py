"""The variants of SAC's actor and target against their equations, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from agents.policies.cases import clamped_entropy, log_density
from torch import Tensor
from torch.distributions import Categorical

from nthrun.agents.registry import AGENTS
from nthrun.agents.sac.declaration import num_update_draws
from nthrun.agents.sac.program import SoftActorCritic
from nthrun.agents.sizes import policy_spec
from nthrun.specs.interface import Interface

BOUNDS = (9.0,) * 3
CONTINUOUS = Interface(BOUNDS, BOUNDS, (-1.0,), (1.0,))
DISCRETE = Interface(BOUNDS, BOUNDS, num_actions=4)
POLICIES = ["SquashedGaussian", "Gaussian", "Beta", "SquashedGaussianMixture"]
BATCH, SAMPLES, BASELINE = 5, 3, 2
ALPHA = torch.tensor([[0.3]], dtype=torch.float64)


class Case:
    """Objectives of some hyperparameters, with random critics, states, outputs and noise."""

    def __init__(self, environment: Interface = CONTINUOUS, **changes: Any) -> None:
        defaults = {field.name: field.default for field in AGENTS["SAC"].hyperparameters}
        setting = {
            **defaults,
            **{"hidden_dim": 16, "batch_size": BATCH, "num_components": 3, "activation": "tanh"},
            **({"policy_type": "Softmax"} if environment.discrete else {}),
            **changes,
        }
        self.batch = setting["batch_size"]
        agent = SoftActorCritic(setting, environment)
        self.critic, self.objectives = agent.critic, agent.objectives
        spec = policy_spec(setting, environment)
        critics = agent.networks["critic"]
        start = 2 * critics.initial(np.random.default_rng(0), setting["weight_init"])
        self.parameters = torch.from_numpy(start)[None].double()
        draw = torch.Generator().manual_seed(1)
        self.observation = torch.randn(1, self.batch, 3, generator=draw).double()
        self.outputs = torch.randn(1, self.batch, spec.num_outputs, generator=draw).double()
        size = num_update_draws(setting, environment)
        normal = torch.randn(1, size, generator=draw).double()
        self.normal = normal.unflatten(1, (-1, spec.num_draws))

    def value(self, observation: Tensor, action: Tensor) -> Tensor:
        """min_i Q_i(s, a) of one batch."""
        return self.critic.value(self.parameters, observation, action).amin(1)

    def actor_loss(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and mean log-density."""
        given = (outputs, self.observation, self.normal, ALPHA, self.parameters)
        return self.objectives.actor_loss(*given)

    def next_value(self) -> Tensor:
        """Of the observation, as if it were the next."""
        given = (self.outputs, self.observation, self.normal, ALPHA, self.parameters)
        return self.objectives.next_value(*given)


def slope_of(loss: Tensor, outputs: Tensor) -> Tensor:
    """The gradient in the outputs."""
    return torch.autograd.grad(loss.sum(), outputs)[0]


def pathwise(case: Case, name: str, outputs: Tensor) -> Tensor:
    """Eq. 9 for the Gaussians and their mixture, component by component, sample by sample."""
    noise, parts = case.normal[:, case.batch :, :1], 3 if name.endswith("Mixture") else 1
    *logits, means, logs = outputs.split(parts, -1)
    weights = torch.softmax(logits[0], -1) if logits else torch.ones_like(means)
    total = torch.zeros((), dtype=torch.float64)
    for sample in noise.split(case.batch, 1):
        for k in range(parts):
            mean = means[..., k : k + 1]
            mean = torch.tanh(mean) if name == "Gaussian" else mean
            raw = mean + logs[..., k : k + 1].exp() * sample
            action = raw.clamp(-1, 1) if name == "Gaussian" else torch.tanh(raw)
            gaussian = name == "Gaussian"
            log = -clamped_entropy(outputs) if gaussian else log_density(name, outputs, raw)
            cost = ALPHA * log - case.value(case.observation, action)
            total = total + (weights[..., k] * cost).mean() / SAMPLES
    return total


@pytest.mark.parametrize("name", [name for name in POLICIES if name != "Beta"])
def test_the_reparameterised_loss_is_equation_9(name: str) -> None:
    """Loss and gradient are those of E[α log π - min Q] written with torch's distributions, a
    mixture's components weighted by their probabilities, a clamped Gaussian's E[log π] exact."""
    case = Case(policy_type=name, num_samples=SAMPLES)
    outputs = case.outputs.clone().requires_grad_()
    loss, expected = case.actor_loss(outputs)[0], pathwise(case, name, outputs)
    error = {"rtol": 1e-5, "atol": 1e-6} if name == "Gaussian" else {"rtol": 1e-7, "atol": 1e-7}
    torch.testing.assert_close(loss.squeeze(), expected, **error)
    torch.testing.assert_close(slope_of(loss, outputs), slope_of(expected, outputs), **error)


@pytest.mark.parametrize("baseline", [0, BASELINE])
@pytest.mark.parametrize("name", POLICIES)
def test_the_likelihood_ratio_is_its_equation(name: str, baseline: int) -> None:
    """The loss is the mean of c = α log π - min Q, and its gradient that of
    mean[log π (c - mean of the baseline's c)] with the bracket held fixed."""
    case = Case(policy_type=name, num_samples=SAMPLES, reparam_baseline=(False, baseline))
    outputs = case.outputs.clone().requires_grad_()
    costs, logs = [], []
    for noise in case.normal[:, case.batch :].split(case.batch, 1):
        action, _, raw = case.objectives.policy.sample(case.outputs, noise)
        logs.append(log_density(name, outputs, raw))
        value = case.value(case.observation, action)
        costs.append((ALPHA * logs[-1] - value).detach())
    assert len(costs) == SAMPLES + baseline
    level = sum(costs[SAMPLES:]) / baseline if baseline else 0.0
    pairs = list(zip(logs, costs, strict=True))[:SAMPLES]
    expected = sum((log * (cost - level)).mean() for log, cost in pairs) / SAMPLES
    loss, mean_log = case.actor_loss(outputs)
    torch.testing.assert_close(loss.squeeze(), sum(costs[:SAMPLES]).mean() / SAMPLES)
    torch.testing.assert_close(mean_log.squeeze(), sum(logs[:SAMPLES]).mean().detach() / SAMPLES)
    torch.testing.assert_close(slope_of(loss, outputs), slope_of(expected, outputs))


@pytest.mark.parametrize("name", [name for name in POLICIES if name != "Gaussian"])
def test_both_gradients_agree_in_expectation(name: str) -> None:
    """Over 40,000 states that are all the same, the reparameterised gradient and the likelihood
    ratio's, with and without baseline, have one mean, within four standard errors."""
    number, means = 40_000, []
    for variant in ((True, 0), (False, 0), (False, 2)):
        case = Case(policy_type=name, reparam_baseline=variant, batch_size=number)
        case.observation = case.observation[:, :1].expand(-1, number, -1)
        outputs = case.outputs[:, :1].expand(-1, number, -1).clone().requires_grad_()
        each = number * slope_of(case.actor_loss(outputs)[0], outputs)[0]
        means.append((each.mean(0), each.var(0) / number))
    (first, spread), *others = means
    assert (first.abs() > 4 * spread.sqrt()).any()
    for mean, variance in others:
        assert ((mean - first).abs() < 4 * (spread + variance).sqrt()).all()


def test_a_baseline_removes_a_constant_from_q() -> None:
    """Adding 100 to Q changes the gradient without a baseline, and not at all with one."""
    for baseline, same in ((0, False), (BASELINE, True)):
        case = Case(reparam_baseline=(False, baseline))
        outputs = case.outputs.clone().requires_grad_()
        slopes = []
        for level in (0.0, 100.0):
            case.critic.smallest = lambda p, s, a, c=level: c + a.sum(-1)  # type: ignore[method-assign,misc]
            slopes.append(slope_of(case.actor_loss(outputs)[0], outputs))
        assert torch.allclose(*slopes, rtol=1e-9, atol=1e-9) == same


@pytest.mark.parametrize("name", POLICIES)
def test_the_target_is_soft_on_request(name: str) -> None:
    """v̄ is min Q̄ - α log π of a sampled action, or min Q̄ of the same action."""
    soft, hard = (Case(policy_type=name, soft_q=soft_q) for soft_q in (True, False))
    noise = soft.normal[:, :BATCH]
    action, _, raw = soft.objectives.policy.sample(soft.outputs, noise)
    value = soft.value(soft.observation, action)
    torch.testing.assert_close(hard.next_value(), value)
    expected = value - ALPHA * log_density(name, soft.outputs, raw)
    torch.testing.assert_close(soft.next_value(), expected)


@pytest.mark.parametrize("soft_q", [True, False])
def test_discrete_expectations_are_exact(soft_q: bool) -> None:
    """Target, loss and gradient are Christodoulou's sums over actions, by torch's Categorical."""
    case = Case(DISCRETE, soft_q=soft_q)
    outputs = case.outputs.clone().requires_grad_()
    policy = Categorical(logits=outputs)
    numbers = torch.arange(4.0).view(4, 1, 1, 1).expand(-1, 1, BATCH, 1)
    values = torch.stack([case.value(case.observation, number) for number in numbers], -1)
    bonus = ALPHA * policy.entropy() if soft_q else 0.0
    next_value = (policy.probs * values).sum(-1) + bonus
    torch.testing.assert_close(case.next_value(), next_value.detach())
    expected = (-ALPHA * policy.entropy() - (policy.probs * values).sum(-1)).mean()
    loss, mean_log = case.actor_loss(outputs)
    torch.testing.assert_close(loss.squeeze(), expected)
    torch.testing.assert_close(mean_log.squeeze(), -policy.entropy().mean())
    torch.testing.assert_close(slope_of(loss, outputs), slope_of(expected, outputs))


@pytest.mark.parametrize("environment", [CONTINUOUS, DISCRETE])
def test_one_critic_is_the_first_of_two(environment: Interface) -> None:
    """Without double_q there is one network and its value; with it, the smaller of two."""
    one, two = (Case(environment, double_q=double) for double in (False, True))
    action = torch.zeros(1, BATCH, 1, dtype=torch.float64)
    values = two.critic.value(two.parameters, two.observation, action)
    assert values.shape == (1, 2, BATCH)
    alone = one.critic.value(one.parameters, one.observation, action)
    torch.testing.assert_close(alone, values[:, :1])
    if environment.discrete:
        smallest = two.critic.smallest_of_all(two.parameters, two.observation)[..., 0]
    else:
        smallest = two.critic.smallest(two.parameters, two.observation, action)
    assert torch.equal(smallest, torch.minimum(values[:, 0], values[:, 1]))


def test_target_entropies() -> None:
    """-dim(A) for continuous actions, 0.98 log |A| for discrete ones."""
    wide = Interface(BOUNDS, BOUNDS, (-1.0,) * 6, (1.0,) * 6)
    assert Case(wide).objectives.target_entropy == -6
    assert Case(DISCRETE).objectives.target_entropy == pytest.approx(0.98 * math.log(4))
