"""GreedyAC against its equations, written out plainly for one run in float64."""

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
    gaussian,
    numbers_drawn,
    perceptron,
    probabilities,
    squashed,
    started,
    update_of,
    value,
    value_of_number,
    with_new,
)
from agents.policies.cases import clamped_entropy
from packs import train
from torch import Tensor

from nthrun.agents.greedy_ac.declaration import num_best
from nthrun.training.context import make_context

ALPHA = 0.5


@pytest.fixture(scope="module", params=["Gaussian", "SquashedGaussian"])
def step(request: pytest.FixtureRequest) -> Update:
    """One update of a run on Pendulum, with n = 10 and ρ = 0.3."""
    parameters = {"policy_type": [request.param], "n_rho": [[10, 0.3]], "alpha": [ALPHA]}
    return update_of(deep_spec("GreedyAC", parameters))


@pytest.fixture(scope="module")
def numbered() -> Update:
    """One update of a run with discrete actions."""
    spec = deep_spec("GreedyAC", {"policy_type": ["Softmax"], "n_rho": [[30, 0.1]]}, DISCRETE)
    return update_of(spec)


def is_gaussian(step: Update) -> bool:
    return step.agent.statics["policy_type"] == "Gaussian"


def sampled(step: Update, name: str, s: Tensor, normal: Tensor, params: Params) -> Tensor:
    """Actions of the actor or the proposal."""
    mean, log_std = perceptron(params, name, s).chunk(2, -1)
    if is_gaussian(step):
        return (torch.tanh(mean) + log_std.exp() * normal).clamp(-1, 1)
    return torch.tanh(mean + log_std.exp() * normal)


def best_actions(step: Update) -> Tensor:
    """The three of ten actions of the proposal with the largest values, `(3, batch, 1)`."""
    params = with_new(step, "critic")
    s = step.batch[0]
    actions = sampled(step, "proposal", s, actions_of(step, 10)[1:], params)
    values = value(params, "critic", s, actions)
    chosen = torch.stack([values[:, n].argsort(descending=True)[:3] for n in range(len(s))], 1)
    return actions.gather(0, chosen.unsqueeze(-1))


def likelihood(step: Update, name: str, params: Params) -> Tensor:
    """Mean log-density of the best actions."""
    policy = (gaussian if is_gaussian(step) else squashed)(perceptron(params, name, step.batch[0]))
    return policy.log_prob(best_actions(step)).sum(-1).mean()


def entropy(step: Update, params: Params) -> Tensor:
    """Of the proposal: of the clamped action if it is a Gaussian, else the mean of -log π̃ at its
    ten actions."""
    outputs = perceptron(params, "proposal", step.batch[0])
    if is_gaussian(step):
        return clamped_entropy(outputs.unsqueeze(0)).mean()
    actions = sampled(step, "proposal", step.batch[0], actions_of(step, 10)[1:], params)
    return -squashed(outputs).log_prob(actions).sum(-1).mean()


def test_the_critic_learns_values_of_the_actor(step: Update) -> None:
    """The critic descends E[(Q - y)²], y = r + γ(1-d) Q̄(s', a'), a' of the actor."""
    s2 = step.batch[3]
    action = sampled(step, "actor", s2, actions_of(step, 10)[0], step.params)
    target = value(step.params, "target_critic", s2, action)
    loss = critic_loss(step, step.params, target)
    assert step.metrics["critic_loss"] == pytest.approx(float(loss), rel=1e-4)
    step.assert_slope("critic", lambda p: critic_loss(step, p, target), step.params)


def test_the_actor_follows_the_best_actions(step: Update) -> None:
    """The actor ascends the mean log-likelihood of the ⌈ρn⌉ most valued proposed actions."""
    step.assert_slope("actor", lambda p: -likelihood(step, "actor", p), step.params)
    before, after = (float(likelihood(step, "actor", p)) for p in (step.params, step.new_params))
    assert after > before


def test_the_proposal_follows_them_and_its_entropy(step: Update) -> None:
    """The proposal ascends the same likelihood, and α times its entropy."""

    def loss(params: Params) -> Tensor:
        return -likelihood(step, "proposal", params) - ALPHA * entropy(step, params)

    step.assert_slope("proposal", loss, step.params)


def test_without_regularisation_the_actor_proposes() -> None:
    """Without an entropy term there is one policy, which follows the best of its own actions."""
    step = update_of(deep_spec("GreedyACNoEntReg", {"n_rho": [[10, 0.3]]}))
    assert not {"proposal", "alpha"} & step.after.keys()
    assert step.metrics.keys() == {"critic_loss", "actor_loss"}
    step.params |= {
        name.replace("actor", "proposal"): part
        for name, part in step.params.items()
        if name.startswith("actor.")
    }
    step.new_params |= step.params | step.new_params
    step.assert_slope("actor", lambda p: -likelihood(step, "actor", p), step.params)


def test_a_large_weight_of_entropy_widens_the_proposal() -> None:
    """With a large α the proposal's standard deviation grows beyond the actor's."""
    training = started(deep_spec("GreedyAC", {"alpha": [10.0], "critic_lr": [0.003]}), 150)
    state, agent = training.state, training.program.agent
    actor = agent.actor  # type: ignore[attr-defined]
    observation = state["environment.observation"]
    log_stds = [actor(state[name], observation)[0, 0, 1] for name in ("proposal", "actor")]
    assert log_stds[0] > log_stds[1] + 0.2


def test_discrete_actor_follows_the_greedy_action(numbered: Update) -> None:
    """With two actions and ρ = 0.1 the actor ascends log π of the action of the largest value."""
    params, s = with_new(numbered, "critic"), numbered.batch[0]
    greedy = perceptron(params, "critic", s).argmax(-1, keepdim=True)

    def loss(actor: Params) -> Tensor:
        return -probabilities(actor, s).log().gather(-1, greedy).mean()

    numbered.assert_slope("actor", loss, numbered.params)
    assert "proposal" not in numbered.after


def test_discrete_critic(numbered: Update) -> None:
    """The critic of discrete actions learns from an action drawn from the actor."""
    s2 = numbered.batch[3]
    action = numbers_drawn(probabilities(numbered.params, s2), actions_of(numbered, 0)[0])
    target = value_of_number(numbered.params, "target_critic", s2, action)
    numbered.assert_slope("critic", lambda p: critic_loss(numbered, p, target), numbered.params)


@pytest.mark.parametrize(
    ("count", "rho", "best"),
    [
        (30, 0.1, 3),
        (30, 0.11, 4),
        (10, 0.3, 3),
        (7, 0.1, 1),
        (1, 0.01, 1),
        (3, 1.0, 3),
        (5, 0.6, 3),
    ],
)
def test_the_share_rounds_up(count: int, rho: float, best: int) -> None:
    """⌈ρn⌉ actions count, whatever floating point makes of the product."""
    assert num_best(count, rho) == best


@pytest.mark.parametrize("name", ["GreedyAC", "GreedyACNoEntReg"])
def test_it_finds_the_higher_hill(name: str) -> None:
    """On a bandit with two hills it ends near the top of the higher one."""
    best = played(name, {"actor_lr_scale": 0.5}, 300)
    assert ((best - 0.8).abs() < 0.25).all(), best


def test_it_finds_the_best_arm() -> None:
    """On a bandit with four arms it ends at the best one."""
    best = played("GreedyAC", {"policy_type": "Softmax"}, 200, NUMBERED)
    assert (best == 2).all(), best


@pytest.mark.slow
@pytest.mark.parametrize("policy_type", ["Gaussian", "SquashedGaussian"])
def test_it_learns_pendulum(policy_type: str) -> None:
    """In 15,000 steps three of three runs swing up and balance: a median return above -450 over
    the last ten episodes, where random actions give about -1,200."""
    parameters = {
        "policy_type": [policy_type],
        "critic_lr": [0.001],
        "alpha": [0.01],
        "hidden_dim": [64],
        "batch_size": [32],
        "replay_capacity": [100_000],
    }
    environment = {"total_timesteps": 15_000, "steps_per_episode": 200, "eval_episodes": 0}
    spec = deep_spec("GreedyAC", parameters, environment)
    for run in train(spec, [0, 1, 2], context=make_context(spec, "compile")).values():
        assert np.median(run["train_episode_rewards"][-10:]) > -450
