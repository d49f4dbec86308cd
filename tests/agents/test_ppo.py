"""PPO against its equations in float64, written out plainly, and its laws as a run of a pack."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import attempt, experiment_in
from packs import BACKENDS, beside_neighbours, pack_of, run_of_same_bits, train
from torch import Tensor

from nthrun.agents.base import Experience, Noise, State
from nthrun.agents.networks import STATISTICS, accumulate, orthogonal
from nthrun.agents.ppo.declaration import PPO
from nthrun.agents.ppo.program import LARGEST, ProximalPolicyOptimisation, discounted
from nthrun.errors import InterruptedRunError, SpecError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.schema import first_difference
from nthrun.specs.interface import Interface
from nthrun.training.context import make_context
from nthrun.training.loop import Training

WORLDS = {
    "continuous": Interface((-1.0,) * 3, (1.0,) * 3, (-2.0, 1.0), (2.0, 4.0)),
    "discrete": Interface((-1.0,) * 3, (1.0,) * 3, num_actions=4),
    "heads": Interface((-1.0,) * 3, (1.0,) * 3, heads=(2, 3)),
}
GAMMA, LANES, N_STEPS, BATCH = 0.97, 2, 12, 6
SMALL = {"n_steps": N_STEPS, "batch_size": BATCH, "hidden_dim": 5, "n_epochs": 2}
NUMBERS = {
    "lr": 0.003,
    "clip_range": 0.1,
    "clip_range_vf": 0.01,
    "entropy_weight": 0.02,
    "value_weight": 0.4,
    "max_grad_norm": 0.3,
    "gae_lambda": 0.9,
    "log_std_init": -0.3,
}
Params = dict[str, Tensor]


def setting_of(**changes: Any) -> dict[str, Any]:
    """A whole setting, small."""
    defaults = {field.name: field.default for field in PPO.hyperparameters}
    return defaults | SMALL | NUMBERS | changes


def agent_of(world: str, **changes: Any) -> tuple[ProximalPolicyOptimisation, State]:
    """An agent of two lanes, and its first state, whose last layers are not small."""
    torch.manual_seed(7)
    setting, interface = setting_of(**changes), WORLDS[world]
    agent = ProximalPolicyOptimisation(setting, interface)
    generators = [np.random.default_rng(lane) for lane in range(LANES)]
    state = agent.initial_state([setting] * LANES, GAMMA, generators)
    stirred(agent, state, 0.3)
    return agent, state


def stirred(agent: ProximalPolicyOptimisation, state: State, size: float) -> None:
    """Move every parameter a little, and no padding."""
    for name, value in agent.learned_params(state).items():
        if name not in agent.statistics:
            value.add_(size * torch.randn(value.shape))


def filled(agent: ProximalPolicyOptimisation, state: State, world: str) -> dict[str, np.ndarray]:
    """Let an agent observe a rollout with ends of both kinds; what it saw, `(lanes, steps, …)`, by
    step, then world."""
    seen: dict[str, list[np.ndarray]] = {}
    interface, worlds = WORLDS[world], agent.num_worlds
    for step in range(agent.n_steps):
        number = torch.tensor(step)
        observation, following = torch.randn(2, LANES, worlds, 3)
        nothing = torch.empty(LANES, 1, 0)
        normal = torch.randn(LANES, worlds * interface.action_dim)
        noise = Noise(nothing, nothing, nothing, normal, nothing)
        action = agent.act(state, observation, noise, number)
        terminated = torch.full((LANES, worlds, 1), float(step in (3, 11)))
        terminated[:, 1:] = float(step == 2)
        ended = terminated.bool() | torch.full((LANES, 1, 1), step == 7)
        reward = torch.randn(LANES, worlds, 1)
        experience = Experience(observation, action, reward, following, terminated)
        agent.observe(state, experience, number, ended)
        raw = action if agent.discrete else state["raw_action"]
        row = {**experience._asdict(), "ended": ended, "raw": raw}
        for name, tensor in row.items():
            seen.setdefault(name, []).append(tensor.double().numpy().copy())
    return {name: np.concatenate(steps, 1) for name, steps in seen.items()}


def params_of(agent: ProximalPolicyOptimisation, state: State, lane: int = 1) -> Params:
    """A lane's parameters in float64."""
    named = agent.learned_params(state)
    return {name: tensor[lane].double().clone() for name, tensor in named.items()}


def perceptron(params: Params, name: str, x: Tensor) -> Tensor:
    """A tanh network, layer by layer."""
    for layer in (1, 2, 3):
        x = x @ params[f"{name}.weight{layer}"] + params[f"{name}.bias{layer}"]
        x = torch.tanh(x) if layer < 3 else x
    return x


def both_of(params: Params, x: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs of the policy, and values."""
    if "value.weight1" in params:
        return perceptron(params, "policy", x), perceptron(params, "value", x)[..., 0]
    out = perceptron(params, "policy_value", x)
    return out[..., :-1], out[..., -1]


def distributions(world: str, params: Params, outputs: Tensor) -> list[Any]:
    """The distribution of each component of an action."""
    if world == "continuous":
        std = params["policy.log_std"].exp()
        return [torch.distributions.Normal(outputs[..., i], std[i]) for i in range(2)]
    heads = [4] if world == "discrete" else [2, 3]
    return [torch.distributions.Categorical(logits=x) for x in outputs.split(heads, -1)]


def log_density(world: str, params: Params, outputs: Tensor, raw: Tensor) -> Tensor:
    """log π(a|s)."""
    parts = distributions(world, params, outputs)
    return torch.stack([part.log_prob(raw[..., i]) for i, part in enumerate(parts)]).sum(0)


def advantages_of(
    seen: dict[str, np.ndarray], value: np.ndarray, following: np.ndarray, worlds: int
) -> np.ndarray:
    """Generalised advantages of one lane by a plain loop backwards, world after world."""
    advantage, later = np.zeros(N_STEPS), np.zeros(worlds)
    for t in reversed(range(N_STEPS)):
        goes_on = GAMMA * (1 - seen["terminated"][t, 0])
        error = seen["reward"][t, 0] + goes_on * following[t] - value[t]
        carried = GAMMA * NUMBERS["gae_lambda"] * (1 - seen["ended"][t, 0])
        advantage[t] = later[t % worlds] = error + carried * later[t % worlds]
    return advantage


def updated(
    agent: ProximalPolicyOptimisation, state: State, rows: list[int], step: int = N_STEPS - 1
) -> dict[str, Tensor]:
    """One update of all lanes on some rows of the rollout."""
    nothing = torch.empty(LANES, 1, 0)
    experience = Experience(*[nothing] * 5)
    noise = Noise(nothing, nothing, nothing, nothing, torch.tensor([rows] * LANES))
    return agent.update(state, experience, nothing, noise, torch.tensor(step), torch.tensor(0))


CASES = [
    ("continuous", {}),
    ("continuous", {"shared_trunk": True, "normalise_advantages": False}),
    ("discrete", {}),
    ("discrete", {"clip_range_vf": 0.0, "max_grad_norm": 0.0}),
    ("heads", {}),
    ("continuous", {"num_worlds": 2, "n_steps": N_STEPS // 2}),
]


@pytest.mark.parametrize(("world", "changes"), CASES)
@torch.no_grad()
def test_a_rollout_is_gathered_by_the_equations(world: str, changes: dict[str, Any]) -> None:
    """Values, log-densities, advantages and returns of a rollout with a terminal state and a
    truncated episode are those of a plain loop, which starts anew behind every end."""
    agent, state = agent_of(world, **changes)
    seen = filled(agent, state, world)
    agent.gather(state, torch.tensor(N_STEPS - 1))
    table = state["rollout"][1].double().numpy()
    lane = {name: values[1] for name, values in seen.items()}
    params = params_of(agent, state)
    outputs, value = both_of(params, torch.from_numpy(lane["observation"]))
    _, following = both_of(params, torch.from_numpy(lane["next_observation"]))
    density = log_density(world, params, outputs, torch.from_numpy(lane["raw"]))
    advantage = advantages_of(lane, value.numpy(), following.numpy(), agent.num_worlds)
    parts = [lane["observation"], lane["raw"]]
    parts += [x[:, None] for x in (density, value, advantage, advantage + value.numpy())]
    np.testing.assert_allclose(table, np.concatenate(parts, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("world", "changes"), CASES)
@torch.no_grad()
def test_an_update_is_the_step_of_the_equations(world: str, changes: dict[str, Any]) -> None:
    """A batch, some of whose ratios and values are clipped, moves parameters by one step of Adam
    on the gradient of the whole objective in float64, cut to its bound."""
    agent, state = agent_of(world, **changes)
    filled(agent, state, world)
    agent.gather(state, torch.tensor(N_STEPS - 1))
    stirred(agent, state, 0.03)
    rows = [11, 0, 5, 5, 7, 2]
    before, numbers = params_of(agent, state), setting_of(**changes)
    metrics = {name: float(value[1]) for name, value in updated(agent, state, rows).items()}
    after = params_of(agent, state)

    leaves = {name: value.clone().requires_grad_() for name, value in before.items()}
    batch = state["rollout"][1, rows].double()
    observation, raw = batch[:, :3], batch[:, 3:-4]
    old, old_value, advantage, target = batch[:, -4:].unbind(1)
    if numbers["normalise_advantages"]:
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    with torch.enable_grad():
        outputs, value = both_of(leaves, observation)
        ratio = (log_density(world, leaves, outputs, raw) - old).exp()
        near = ratio.clamp(0.9, 1.1)
        policy_loss = -torch.minimum(ratio * advantage, near * advantage).mean()
        bound = numbers["clip_range_vf"] or math.inf
        clipped = old_value + (value - old_value).clamp(-bound, bound)
        value_loss = torch.maximum((value - target) ** 2, (clipped - target) ** 2).mean()
        parts = distributions(world, leaves, outputs)
        entropy = torch.stack([part.entropy().expand(BATCH) for part in parts]).sum(0).mean()
        (policy_loss + 0.4 * value_loss - 0.02 * entropy).backward()
    assert 0 < metrics["clip_fraction"] < 1
    assert numbers["clip_range_vf"] == 0 or bool((value != clipped).any())
    slopes = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
    norm = torch.cat([slope.flatten() for slope in slopes.values()]).norm()
    assert norm > 0.3
    share = min(1.0, (numbers["max_grad_norm"] or math.inf) / float(norm + 1e-6))
    for name, slope in slopes.items():
        cut = share * slope
        expected = before[name] - 0.003 * cut / (cut.abs() + 1e-5)
        torch.testing.assert_close(after[name], expected, rtol=1e-4, atol=3e-5)
    assert metrics == pytest.approx(
        {
            "policy_loss": float(policy_loss),
            "value_loss": float(value_loss),
            "entropy": float(entropy),
            "approx_kl": float((ratio - 1 - ratio.log()).mean()),
            "clip_fraction": float(((ratio - 1).abs() > 0.1).double().mean()),
            "grad_norm": float(norm),
            "updates_used": 1.0,
        },
        rel=1e-3,
        abs=1e-5,
    )


@torch.no_grad()
def test_beyond_the_target_nothing_changes() -> None:
    """Once a batch of a lane diverges too far, its updates leave everything that is learned as it
    is, while another lane goes on; after the next rollout it learns again."""
    agent, state = agent_of("continuous")
    filled(agent, state, "continuous")
    agent.gather(state, torch.tensor(N_STEPS - 1))
    state["target_kl"][0] = 1e-4
    agent.learned_params(state)["policy.log_std"][0].add_(0.2)
    kept = ("network", "network.mean", "network.square", "adam.powers")
    before = {name: state[name].clone() for name in kept}
    used = [updated(agent, state, [1, 2, 3, 4, 5, 6])["updates_used"].tolist() for _ in range(2)]
    assert used == [[0.0, 1.0], [0.0, 2.0]]
    for name in kept:
        assert torch.equal(state[name][0], before[name][0]), name
        assert not torch.equal(state[name][1], before[name][1]), name
    agent.gather(state, torch.tensor(2 * N_STEPS - 1))
    assert updated(agent, state, [1, 2, 3, 4, 5, 6])["updates_used"].tolist() == [1.0, 1.0]
    assert not torch.equal(state["network"][0], before["network"][0])


@torch.no_grad()
def test_a_refused_batch_may_be_anything() -> None:
    """A batch beyond the target whose gradient is not finite changes neither parameters nor what
    Adam keeps, and no metric says that the run has diverged; one that is learned from does."""
    for target, refused in ((0.02, True), (math.inf, False)):
        agent, state = agent_of("continuous")
        filled(agent, state, "continuous")
        agent.gather(state, torch.tensor(N_STEPS - 1))
        state["target_kl"][0] = target
        state["rollout"][0, :, -4] = -200.0  # an old density, of which the ratio is infinite
        kept = ("network", "network.mean", "network.square", "adam.powers")
        before = {name: state[name][0].clone() for name in kept}
        metrics = updated(agent, state, [1, 2, 3, 4, 5, 6])
        assert [torch.equal(state[name][0], before[name]) for name in kept] == [refused] * 4
        assert bool(torch.stack(list(metrics.values())).isfinite().all(0)[0]) is refused
        if refused:
            assert metrics["grad_norm"][0] == metrics["approx_kl"][0] == LARGEST


@pytest.mark.parametrize("steps", [1, 2, 7, 64, 100])
@pytest.mark.parametrize("forward", [False, True])
def test_doubling_is_the_loop(steps: int, forward: bool) -> None:
    """Discounted sums by doubling are those of a loop, whatever the number of steps."""
    values, decay = torch.randn(2, 2, steps, 3, dtype=torch.float64)
    expected, carried = torch.zeros_like(values), torch.zeros(2, 3, dtype=torch.float64)
    for t in range(steps) if forward else reversed(range(steps)):
        carried = values[:, t] + decay[:, t] * carried
        expected[:, t] = carried
    torch.testing.assert_close(discounted(values, decay, forward), expected)


def test_statistics_are_those_of_two_passes() -> None:
    """Mean and variance of batches of different sizes, taken in one after the other, are those of
    all inputs, also where the mean is a thousand deviations."""
    inputs = 1000.0 + torch.randn(LANES, 500, 3)
    state = {f"x.{kept}": torch.zeros(LANES, 1 if kept == "count" else 3) for kept in STATISTICS}
    state["x.variance"] += 1.0
    for batch in inputs.split([1, 99, 300, 100], 1):
        accumulate(state, "x", batch)
    mean = inputs.double().mean(1)
    variance = (inputs.double() - mean.unsqueeze(1)).square().mean(1)
    torch.testing.assert_close(state["x.mean"].double(), mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(state["x.variance"].double(), variance, rtol=1e-3, atol=0)


@torch.no_grad()
def test_normalising_changes_between_rollouts() -> None:
    """Observations are normalised by the rollouts before, and rewards divided by the deviation of
    discounted returns, which begin anew with episodes and not with rollouts."""
    flags = {"normalise_observations": True, "normalise_rewards": True}
    agent, state = agent_of("continuous", **flags)
    rollouts, returns, carried = [], [], 0.0
    for number in range(2):
        seen = {name: values[1] for name, values in filled(agent, state, "continuous").items()}
        before = np.concatenate(rollouts) if rollouts else None
        agent.gather(state, torch.tensor((number + 1) * N_STEPS - 1))
        shown = state["rollout"][1, :, :3].double().numpy()
        expected = seen["observation"]
        if before is not None:
            expected = (expected - before.mean(0)) / np.sqrt(before.var(0) + 1e-8)
        np.testing.assert_allclose(shown, expected, rtol=1e-4, atol=1e-5)
        rollouts.append(seen["observation"])
        for t in range(N_STEPS):
            carried = seen["reward"][t, 0] + GAMMA * carried
            returns.append(carried)
            carried *= 1 - seen["ended"][t, 0]
        assert float(state["return.variance"][1]) == pytest.approx(np.var(returns), rel=1e-4)
        assert float(state["observation.count"][1]) == len(returns)
    learned = agent.learned_params(state)
    assert {"observation.mean", "observation.variance", "return.variance"} <= learned.keys()


@pytest.mark.parametrize(("rows", "columns"), [(5, 3), (3, 5), (64, 64), (4, 1)])
def test_orthogonal_weights(rows: int, columns: int) -> None:
    """The shorter side of an orthogonal matrix is orthonormal."""
    weight = orthogonal(np.random.default_rng(0), rows, columns)
    square = weight.T @ weight if rows >= columns else weight @ weight.T
    np.testing.assert_allclose(square, np.eye(min(rows, columns)), atol=1e-12)
    assert weight.shape == (rows, columns)


def test_first_weights_have_their_scales() -> None:
    """Hidden layers are √2 times orthonormal, the policy's last 0.01 times, the value's last once,
    also where they share a trunk."""
    agent, _ = agent_of("continuous")
    for shared in (False, True):
        setting = setting_of(shared_trunk=shared, log_std_init=-1.0)
        made = ProximalPolicyOptimisation(setting, WORLDS["continuous"])
        state = made.initial_state([setting], GAMMA, [np.random.default_rng(3)])
        params = {name: value[0].numpy() for name, value in made.learned_params(state).items()}
        first = "policy_value" if shared else "policy"
        singular = np.linalg.svd(params[f"{first}.weight1"], compute_uv=False)
        np.testing.assert_allclose(singular, math.sqrt(2), rtol=1e-5)
        last = params[f"{first}.weight3"]
        value = last[:, -1:] if shared else params["value.weight3"]
        np.testing.assert_allclose(np.linalg.svd(last[:, :2], compute_uv=False), 0.01, rtol=1e-5)
        assert np.linalg.norm(value) == pytest.approx(1.0)
        np.testing.assert_array_equal(params["policy.log_std"], np.full(2, -1.0, np.float32))
    assert agent.max_updates == 4


def test_step_sizes_fall_in_a_line() -> None:
    """With the linear schedule the step size is what is left when a rollout begins."""
    agent, state = agent_of("discrete", lr_schedule="linear")
    agent.total_timesteps = 48
    sizes = [agent._learning_rate(state, torch.tensor(step))[0, 0] for step in (11, 23, 47)]
    np.testing.assert_allclose(sizes, [0.003, 0.00225, 0.00075], rtol=1e-6)


PENDULUM = {
    "env_name": "Pendulum-v1",
    "total_timesteps": 110,
    "steps_per_episode": 25,
    "eval_interval_timesteps": 40,
    "eval_episodes": 1,
    "record": ["metrics", "update_rewards", "train_actions"],
}
CARTPOLE = PENDULUM | {"env_name": "CartPole-v1"}
HOSTED = {"platform": "gymnasium"}
EVERYTHING = {
    "normalise_observations": True,
    "normalise_rewards": True,
    "lr_schedule": "linear",
    "target_kl": 0.02,
    "clip_range_vf": 0.2,
}


def run_spec(environment: dict[str, Any], **parameters: Any) -> ExperimentSpec:
    """A small experiment of 2 settings."""
    small = {"n_steps": 32, "batch_size": 16, "n_epochs": 3, "hidden_dim": 16, "lr": [0.01, 0.001]}
    policy = "Softmax" if environment["env_name"] == "CartPole-v1" else "Gaussian"
    given = {"policy_type": policy} | small | parameters
    return experiment_spec_of(environment, {"agent_name": "PPO", "parameters": given}, "test")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("environment", "worlds"),
    [(CARTPOLE, 2), (PENDULUM | HOSTED, 1)],
    ids=["tensors", "hosted"],
)
def test_an_index_has_the_same_bits_in_every_pack(
    environment: dict[str, Any], worlds: int, backend: str
) -> None:
    """Alone and in packs, by both backends, with everything that may be switched on."""
    spec = run_spec(environment, **EVERYTHING, num_worlds=worlds, n_steps=32 // worlds)
    run = run_of_same_bits(spec, 3, beside_neighbours(3, (3,)), backend)
    assert run["metrics"]["policy_loss"].shape == (18,)
    assert np.isfinite(run["metrics"]["value_loss"]).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_continues_within_a_rollout_and_after_it(tmp_path: Path, backend: str) -> None:
    """Interrupted after every block, packed otherwise each time, a run has every bit of an
    undisturbed one; blocks end within rollouts and with them."""
    protocol = {"eval_interval_timesteps": 16, "checkpoint_interval_seconds": 1e-9}
    spec = run_spec(PENDULUM | protocol, **EVERYTHING)
    experiment = experiment_in(tmp_path, spec)
    for number in range(6):
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, [0, 1] if number % 2 else [1, 2], 1, backend)
            attempt(spec, experiment, [1], 1, backend)
    (run,) = attempt(spec, experiment, [1], None, backend)
    begun = {each["step"] for each in run["provenance"]["attempts"]}
    assert {step % 32 for step in begun} == {0, 16}
    assert first_difference(train(spec, [1], context=make_context(spec, backend))[1], run) is None


@pytest.mark.parametrize("environment", [{}, HOSTED], ids=["tensors", "hosted"])
def test_compiled_training_follows_eager_training(environment: dict[str, Any]) -> None:
    """Both backends compute the same updates, but for rounding."""
    spec = run_spec(PENDULUM | environment, **EVERYTHING)
    eager = train(spec, [0, 1])[1]
    compiled = train(spec, [0, 1], context=make_context(spec, "compile"))[1]
    np.testing.assert_array_equal(compiled["update_indices"], eager["update_indices"])
    for name, series in eager["metrics"].items():
        np.testing.assert_allclose(compiled["metrics"][name], series, rtol=5e-3, atol=1e-3)


@torch.no_grad()
def test_one_update_of_a_whole_rollout_is_a2c() -> None:
    """With one epoch of one batch, whatever is clipped else, the step is Adam's on the gradient of
    advantages times log-probabilities, squared errors of values and entropy."""
    whole = {"n_epochs": 1, "batch_size": N_STEPS, "normalise_advantages": False}
    agent, state = agent_of("discrete", **whole, max_grad_norm=0.0, betas=(0.0, 0.99))
    filled(agent, state, "discrete")
    agent.gather(state, torch.tensor(N_STEPS - 1))
    before = params_of(agent, state)
    updated(agent, state, list(range(N_STEPS)))
    leaves = {name: value.clone().requires_grad_() for name, value in before.items()}
    batch = state["rollout"][1].double()
    advantage, target = batch[:, -2], batch[:, -1]
    with torch.enable_grad():
        outputs, value = both_of(leaves, batch[:, :3])
        density = log_density("discrete", leaves, outputs, batch[:, 3:-4])
        (choice,) = distributions("discrete", leaves, outputs)
        loss = -(advantage * density).mean() + 0.4 * (value - target).square().mean()
        (loss - 0.02 * choice.entropy().mean()).backward()
    after = params_of(agent, state)
    for name, leaf in leaves.items():
        assert leaf.grad is not None
        expected = before[name] - 0.003 * leaf.grad / (leaf.grad.abs() + 1e-5)
        torch.testing.assert_close(after[name], expected, rtol=1e-4, atol=3e-5)


def test_a_run_with_one_update_a_rollout_clips_nothing() -> None:
    """With one epoch of one batch the ratio is 1 in every update of a run."""
    once = {"n_steps": 10, "batch_size": 10, "n_epochs": 1, "betas": [[0.0, 0.99]]}
    spec = run_spec(CARTPOLE, **once, normalise_advantages=False)
    run = train(spec, [1], context=make_context(spec, "compile"))[1]
    assert run["metrics"]["approx_kl"].shape == (11,)
    np.testing.assert_allclose(run["metrics"]["approx_kl"], 0.0, atol=1e-6)
    assert not run["metrics"]["clip_fraction"].any()


@pytest.mark.parametrize("backend", ["eager", pytest.param("compile", marks=pytest.mark.slow)])
def test_components_of_an_action_are_chosen_by_themselves(backend: str) -> None:
    """Where an action is several whole numbers, each is learned by itself, without one number for
    all of them; a policy that is rewarded for their sum comes to play the greatest."""
    world = {
        "env_name": "environments.registered:maze/Strict-v0",
        "kwargs": {"kind": "MultiDiscrete", "nvec": [5, 3, 4]},
        "platform": "gymnasium",
        "total_timesteps": 512,
        "steps_per_episode": 8,
        "eval_interval_timesteps": 512,
        "eval_episodes": 1,
    }
    spec = run_spec(world, policy_type="Softmax", lr=0.01, n_steps=64, n_epochs=10)
    assert spec.environment.interface.action_heads == (5, 3, 4)
    run = train(spec, [0], context=make_context(spec, backend))[0]
    first, *_, last = run["eval_episode_rewards"][:, 0]
    assert last > first
    assert last > 8 * 0.8 * (4 + 2 + 3)


def test_the_world_gets_what_is_within_its_bounds() -> None:
    """However wide the policy, actions are cut at the environment's bounds, and it learns from what
    they were before."""
    training = Training(
        pack_of(spec := run_spec(PENDULUM, log_std_init=2.0), [0]), make_context(spec)
    )
    training.train_block(31)
    raw = training.state["replay"][0, :31, 3]
    (run,) = training.run()
    assert np.abs(run["train_actions"]).max() == 2.0
    assert float(raw.abs().max()) > 2.0


def test_what_is_not_finite_has_diverged() -> None:
    """A run whose advantages are not finite ends at its rollout as diverged."""
    training = Training(pack_of(spec := run_spec(PENDULUM), [0, 1]), make_context(spec))
    training.train_block(20)
    training.state["replay"][0, 5, 4] = torch.inf
    first, second = training.run()
    assert (first["status"], first["total_timesteps"]) == ("diverged", 32)
    assert second["status"] == "completed"


@pytest.mark.parametrize(
    ("parameters", "line"),
    [
        ({"batch_size": 20}, "batch_size 20 with n_steps 32 and num_worlds 1, allowed: n_steps * "),
        ({"batch_size": 64}, "batch_size 64 with n_steps 32 and num_worlds 1, allowed: n_steps * "),
        ({"policy_type": "Softmax"}, "got Softmax, allowed with continuous actions: Gaussian"),
        (
            {"n_steps": 128, "batch_size": 128},
            "a rollout has 128 steps, and total_timesteps is 110",
        ),
    ],
)
def test_what_cannot_be_is_one_line(parameters: dict[str, Any], line: str) -> None:
    """A batch that does not divide a rollout or exceeds it, or a run too short for a rollout, is
    told before anything trains."""
    with pytest.raises(SpecError) as caught:
        run_spec(PENDULUM, **parameters)
    [fault] = caught.value.faults
    assert line in fault.problem
