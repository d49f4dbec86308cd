"""Small experiments of the deep agents, single updates of them, and their gradients."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from packs import ENVIRONMENT, pack_of
from torch import Tensor

from nthrun.agents.base import State
from nthrun.agents.registry import AGENTS
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.specs.agent_spec import read_agent_spec
from nthrun.specs.documents import Document
from nthrun.specs.environment_spec import read_environment_spec
from nthrun.training.context import make_context
from nthrun.training.loop import Training

SMALL = {
    "n_steps": [24],
    "n_epochs": [2],
    "critic_lr": [0.001, 0.0003, 0.002],
    "hidden_dim": [16],
    "batch_size": [8],
    "replay_capacity": [100],
}
DISCRETE = {"env_name": "CartPole-v1"}
Params = dict[str, Tensor]


def deep_spec(
    agent_name: str,
    parameters: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
) -> ExperimentSpec:
    """A small experiment of an agent (3 settings), on Pendulum unless another is named."""
    declaration = AGENTS[agent_name]
    own = {field.name for field in declaration.hyperparameters}
    small = {name: values for name, values in SMALL.items() if name in own}
    agent = {"agent_name": agent_name, "parameters": small | dict(parameters or {})}
    document = ENVIRONMENT | dict(environment or {})
    return ExperimentSpec(
        read_agent_spec(Document(agent, {}, ("agent.json",)), declaration),
        read_environment_spec(
            Document(document, {}, ("environment.json",)), ENVIRONMENTS[document["env_name"]]
        ),
    )


def started(spec: ExperimentSpec, num_steps: int, indices: Sequence[int] = (1,)) -> Training:
    """A pack that has taken some steps."""
    training = Training(pack_of(spec, indices), make_context(spec))
    training.train_block(num_steps)
    return training


@dataclass
class Update:
    """One update of one run.

    Attributes:
        agent: the program.
        before, after: the state.
        params, new_params: learned parameters before and after, of one lane, in float64.
        batch: observation, action in [-1, 1] or its number, reward, next observation, terminated.
        normal: the agent's numbers of the step, float64.
        metrics: reported, of one lane.
    """

    agent: Any
    before: State
    after: State
    params: Params
    new_params: Params
    batch: tuple[Tensor, ...]
    normal: Tensor
    metrics: dict[str, float]

    def slope(self, block: str) -> Params:
        """The gradient that Adam's first moment says it was given: (m' - β₁ m) / (1 - β₁)."""
        old, new = self.before[f"{block}.mean"].double(), self.after[f"{block}.mean"].double()
        named = self.agent.learned_params({**self.after, block: (new - 0.9 * old) / 0.1})
        return {name: value[0] for name, value in named.items() if name.startswith(f"{block}.")}

    def assert_slope(self, block: str, loss: Callable[[Params], Tensor], params: Params) -> None:
        """Adam was given the gradient of a loss of a block's parameters, all else as in params."""
        leaves = {
            name: value.clone().requires_grad_(name.startswith(f"{block}."))
            for name, value in params.items()
        }
        loss(leaves).backward()
        for name, slope in self.slope(block).items():
            expected = leaves[name].grad
            assert expected is not None
            assert expected.abs().max() > 0, name
            torch.testing.assert_close(slope, expected, rtol=2e-3, atol=2e-5)


def update_of(spec: ExperimentSpec, num_steps: int = 40) -> Update:
    """One update of index 1 after some steps, half of its batch at terminal states."""
    training = started(spec, num_steps)
    program, state = training.program, training.state
    state["replay"][0, ::2, -1] = 1.0
    noise = program.noise(training.streams.draw(1), num_steps, "cpu").step(0)
    before: State = copy.deepcopy(state)
    output = program.step(state, noise, torch.tensor(num_steps), True)
    agent = program.agent
    widths = agent.widths  # type: ignore[attr-defined]
    rows = state["replay"][0, noise.replay[0] % agent.replay_capacity].double()
    s, a, r, s2, d = rows.split(widths, -1)
    if not program.interface.discrete:
        a = agent.actions.to_unit(a)  # type: ignore[attr-defined]
    return Update(
        agent,
        before,
        state,
        *({k: v[0].double() for k, v in agent.learned_params(x).items()} for x in (before, state)),
        (s, a, r[:, 0], s2, d[:, 0]),
        noise.agent[0].double(),
        {name: float(value[0]) for name, value in output.metrics.items()},
    )


def perceptron(params: Params, name: str, x: Tensor) -> Tensor:
    """A network evaluated layer by layer with its recorded parameters."""
    for layer in (1, 2, 3):
        x = x @ params[f"{name}.weight{layer}"] + params[f"{name}.bias{layer}"]
        x = torch.relu(x) if layer < 3 else x
    return x


def smallest(params: Params, name: str, s: Tensor, a: Tensor) -> Tensor:
    """The smaller of Q(s, a) of two critics of continuous actions, or that of the only one."""
    values = value(params, name, s, a)
    return values.amin(0) if params[f"{name}.weight1"].dim() > 2 else values


def value(params: Params, name: str, s: Tensor, a: Tensor) -> Tensor:
    """Q(s, a) of continuous actions; any leading axes, before which two critics have their own."""
    if params[f"{name}.weight1"].dim() > 2:
        each = [
            {key: array[number] for key, array in params.items() if key.startswith(f"{name}.")}
            for number in range(2)
        ]
        return torch.stack([value(one, name, s, a) for one in each])
    return perceptron(params, name, torch.cat([s.expand(*a.shape[:-1], -1), a], -1))[..., 0]


def value_of_number(params: Params, name: str, s: Tensor, a: Tensor) -> Tensor:
    """Q(s, a) of discrete actions."""
    return perceptron(params, name, s).gather(-1, a.long())[..., 0]


def with_new(update: Update, *blocks: str) -> Params:
    """The parameters before the update, with those of some blocks from after it."""
    return {
        name: (update.new_params if name.split(".")[0] in blocks else update.params)[name]
        for name in update.params
    }


def critic_loss(update: Update, params: Params, next_value: Tensor) -> Tensor:
    """E[(Q(s, a) - y)²], y = r + γ (1 - d) v̄, with γ = 0.99, of continuous or discrete actions; of
    two critics the sum."""
    s, a, r, _, d = update.batch
    assert 0 < d.sum() < len(d)
    numbered = params["critic.weight1"].shape[-2] == s.shape[-1]
    values = (value_of_number if numbered else value)(params, "critic", s, a)
    return ((values - (r + 0.99 * (1 - d) * next_value)) ** 2).mean(-1).sum()


def actions_of(update: Update, count: int) -> Tensor:
    """The update's numbers: for a', then for each action, `(1 + count, batch, num_draws)`."""
    draws = update.agent.num_draws
    return update.normal[draws:].view(1 + count, len(update.batch[0]), draws)


def gaussian(outputs: Tensor) -> torch.distributions.Normal:
    """The Gaussian policy before it is clamped."""
    mean, log_std = outputs.chunk(2, -1)
    return torch.distributions.Normal(torch.tanh(mean), log_std.exp())


def squashed(outputs: Tensor) -> torch.distributions.Distribution:
    """The squashed Gaussian policy by torch's own transformations."""
    mean, log_std = outputs.chunk(2, -1)
    normal = torch.distributions.Normal(mean, log_std.exp())
    squash = torch.distributions.transforms.TanhTransform(cache_size=1)
    return torch.distributions.TransformedDistribution(normal, [squash])


def probabilities(params: Params, s: Tensor) -> Tensor:
    """Of the discrete actions."""
    return torch.softmax(perceptron(params, "actor", s), -1)


def numbers_drawn(probability: Tensor, normal: Tensor) -> Tensor:
    """The discrete actions that numbers draw by cumulative probabilities, `(batch, 1)`."""
    uniform = torch.distributions.Normal(0.0, 1.0).cdf(normal)
    return (uniform >= probability.cumsum(-1)[:, :-1]).sum(-1, keepdim=True)


def grid_of_actions() -> tuple[Tensor, Tensor]:
    """Points u of a fine grid with a = tanh(u), and da/du times the spacing, `(points, 1, 1)`."""
    raw = torch.linspace(-40, 40, 8001, dtype=torch.float64).view(-1, 1, 1)
    return raw, log_slope(raw).exp() * (80 / 8000)


def log_density_at(outputs: Tensor, raw: Tensor) -> Tensor:
    """log π of a squashed Gaussian at a = tanh(u), `(points, batch)`."""
    mean, log_std = outputs.chunk(2, -1)
    normal = torch.distributions.Normal(mean, log_std.exp()).log_prob(raw)
    return (normal - log_slope(raw)).squeeze(-1)


def log_slope(raw: Tensor) -> Tensor:
    """log da/du = log(1 - tanh² u)."""
    return 2 * (math.log(2) - raw - torch.nn.functional.softplus(-2 * raw))


def expected_soft_value(update: Update, actor: Params, alpha: float) -> Tensor:
    """E_s ∫ π(a|s) (Q(s, a) - α log π(a|s)) da for a squashed Gaussian, by quadrature."""
    s, (raw, width) = update.batch[0], grid_of_actions()
    actions = torch.tanh(raw).expand(-1, len(s), 1)
    values = value(with_new(update, "critic"), "critic", s, actions).detach()
    log_density = log_density_at(perceptron(actor, "actor", s), raw)
    soft = values - alpha * log_density
    return (log_density.exp() * soft * width.squeeze(-1)).sum(0).mean()


def similarity(update: Update, loss: Callable[[Params], Tensor]) -> float:
    """Cosine between the actor's gradient and a loss's."""
    leaves = {
        name: part.clone().requires_grad_(name.startswith("actor."))
        for name, part in update.params.items()
    }
    loss(leaves).backward()
    slope = update.slope("actor")
    pairs = [(part.flatten(), leaves[name].grad) for name, part in slope.items()]
    found = torch.cat([part for part, _ in pairs])
    expected = torch.cat([grad.flatten() for _, grad in pairs if grad is not None])
    return float(torch.cosine_similarity(found, expected, dim=0))
