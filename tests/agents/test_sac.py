"""SAC against its equations, written out plainly for one run."""

from __future__ import annotations

import copy

import pytest
import torch
from packs import pack_of, small_spec, surroundings
from torch import Tensor

from nthrun.agents.base import State
from nthrun.training.loop import Training


def ready(parameters: dict[str, list[object]] | None = None) -> Training:
    """A run of SAC that has taken 40 steps."""
    spec = small_spec({"eval_episodes": 0}, parameters)
    training = Training(pack_of(spec, [1]), surroundings(spec))
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
    training = ready()
    program, state = training.program, training.state
    (noise,) = program.noises(training.streams.draw(1), 40, "cpu")
    before: State = copy.deepcopy(state)
    output = program.step(state, noise, torch.tensor(40), True)
    params = {k: v.double() for k, v in program.agent.learned_params(before).items()}
    after = {k: v.double() for k, v in program.agent.learned_params(state).items()}
    rows = state["replay"][0, noise.replay[0] % 100].double()
    s, a, r, s2, d = rows.split([3, 1, 1, 3, 1], -1)
    normal = noise.agent[0, 1:].double().view(2, 8, 1)
    return {
        "params": params,
        "after": after,
        "batch": (s, a / 2, r[:, 0], s2, d[:, 0]),
        "normal": normal,
        "metrics": output.metrics,
    }


def test_critic_loss(step) -> None:  # type: ignore[no-untyped-def]
    """The critic's loss is Σ_i E[(Q_i - y)²], y = r + γ(1-d)(min Q̄ - α log π)."""
    params, (s, a, r, s2, d) = step["params"], step["batch"]
    action, log_density = squashed(perceptron(params, "actor", s2), step["normal"][0])
    alpha = params["log_alpha"].exp()[0]
    soft = values(params, "target_critic", s2, action).amin(0) - alpha * log_density
    target = r + 0.99 * (1 - d) * soft
    loss = ((values(params, "critic", s, a) - target) ** 2).mean(1).sum()
    assert float(step["metrics"]["critic_loss"]) == pytest.approx(float(loss), rel=1e-4)


def test_actor_loss_uses_the_updated_critic(step) -> None:  # type: ignore[no-untyped-def]
    """The actor's loss is E[α log π - min Q] under the critic just updated."""
    params, after, (s, *_) = step["params"], step["after"], step["batch"]
    action, log_density = squashed(perceptron(params, "actor", s), step["normal"][1])
    alpha = params["log_alpha"].exp()[0]
    loss = (alpha * log_density - values(after, "critic", s, action).amin(0)).mean()
    assert float(step["metrics"]["actor_loss"]) == pytest.approx(float(loss), rel=1e-3, abs=1e-4)
    assert float(step["metrics"]["entropy"]) == pytest.approx(float(-log_density.mean()), rel=1e-4)


def test_target_follows_the_critic(step) -> None:  # type: ignore[no-untyped-def]
    """θ̄ moves by τ of its distance to θ."""
    params, after = step["params"], step["after"]
    for name in ("weight1", "weight2", "weight3"):
        old, new = params[f"target_critic.{name}"], after[f"target_critic.{name}"]
        torch.testing.assert_close(
            new, old + 0.005 * (after[f"critic.{name}"] - old), atol=1e-6, rtol=1e-4
        )


def test_every_learned_part_moves(step) -> None:  # type: ignore[no-untyped-def]
    """Actor, both critics, targets and temperature all change in an update."""
    params, after = step["params"], step["after"]
    for name in ("actor.weight1", "critic.weight2", "target_critic.weight2", "log_alpha"):
        assert (params[name] != after[name]).any(), name
    assert (params["critic.weight2"][0, 0] != params["critic.weight2"][0, 1]).any()


def test_fixed_temperature_stays() -> None:
    """Without automatic tuning α keeps its value."""
    training = ready({"automatic_entropy_tuning": [False], "alpha": [0.3]})
    assert float(training.state["log_alpha"].exp()) == pytest.approx(0.3)


def test_uniform_exploration() -> None:
    """The first actions are uniform over the bounds, then the policy takes over."""
    spec = small_spec(
        {"total_timesteps": 3000, "record": ["train_actions"], "eval_episodes": 0},
        {"uniform_exploration_steps": [2000], "steps_before_learning": [5000]},
    )
    training = Training(pack_of(spec, [0]), surroundings(spec))
    (run,) = training.run()
    first = run["train_actions"][:2000, 0]
    assert abs(first.mean()) < 0.1
    assert first.std() == pytest.approx(4 / 12**0.5, rel=0.05)
    assert first.min() >= -2
    assert first.max() <= 2


def test_no_update_before_learning_starts() -> None:
    """Before `steps_before_learning` nothing is learnt."""
    training = ready({"steps_before_learning": [40]})
    start = training.program.initial_state(training.pack)
    assert torch.equal(training.state["actor"], start["actor"])
    training.train_block(41)
    assert not torch.equal(training.state["actor"], start["actor"])
