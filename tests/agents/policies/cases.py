"""Every continuous policy beside the same distribution of torch's own, in float64."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch import distributions as td

from nthrun.agents.off_policy import POLICIES
from nthrun.agents.policies.base import Policy
from nthrun.agents.sizes import PolicySpec

NUM_COMPONENTS = 3
NAMES = sorted(POLICIES)
DENSE = [name for name in NAMES if name != "Gaussian"]
"""Those whose actions have a density: a clamped Gaussian's have not."""


def policy(name: str, action_dim: int = 1) -> Policy:
    """A policy with σ within [1/1000, 1000], and three components if it is a mixture."""
    return POLICIES[name](PolicySpec(name, action_dim, NUM_COMPONENTS, 1000.0))


def outputs(name: str, action_dim: int, batch: int = 1, seed: int = 0) -> Tensor:
    """Random outputs of a network, `(1, batch, num_outputs)`, in float64."""
    draw = torch.Generator().manual_seed(seed)
    shape = (1, batch, policy(name, action_dim).num_outputs)
    return torch.randn(shape, generator=draw, dtype=torch.float64)


def normals(rows: int, columns: int, seed: int = 1) -> Tensor:
    """Standard normal noise, `(1, rows, columns)`, in float64."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(1, rows, columns, generator=draw, dtype=torch.float64)


def reference(name: str, given: Tensor, action_dim: int) -> td.Distribution:
    """torch's distribution of the raw value, or of the action for a Beta."""
    if name == "SquashedGaussianMixture":
        sizes = (NUM_COMPONENTS, *[NUM_COMPONENTS * action_dim] * 2)
        logits, means, logs = given.split(sizes, -1)
        means, logs = (part.unflatten(-1, (NUM_COMPONENTS, action_dim)) for part in (means, logs))
        parts = td.Independent(td.Normal(means, logs.exp()), 1)
        return td.MixtureSameFamily(td.Categorical(logits=logits), parts)
    first, second = given.chunk(2, -1)
    if name == "Beta":
        soft = torch.nn.functional.softplus
        unit = td.Beta(1 + soft(first), 1 + soft(second))
        scaled = td.TransformedDistribution(unit, td.AffineTransform(-1.0, 2.0))
        return td.Independent(scaled, 1)
    mean = torch.tanh(first) if name == "Gaussian" else first
    return td.Independent(td.Normal(mean, second.exp()), 1)


def log_density(name: str, given: Tensor, raw: Tensor) -> Tensor:
    """The action's log-density by torch's distributions, at raw values."""
    known = reference(name, given, raw.shape[-1])
    if name == "Beta":
        return known.log_prob(torch.tanh(raw))
    if name == "Gaussian":
        return known.log_prob(raw)
    log_slope = td.TanhTransform().log_abs_det_jacobian(raw, torch.tanh(raw))
    return known.log_prob(raw) - log_slope.sum(-1)


def mean_of(
    name: str, function: Callable[[Tensor, Tensor], Tensor], given: Tensor, points: int = 20_001
) -> Tensor:
    """E[f(a, log π(a))] for one action component by quadrature, differentiable in the outputs.

    Args:
        name: of a policy whose actions have a density.
        function: of (action `(1, n, 1)`, log-density `(1, n)`), both `(1, n)` afterwards.
        given: `(1, 1, num_outputs)`.
    """
    raw = torch.linspace(-12.0, 12.0, points, dtype=torch.float64).view(1, -1, 1)
    logs = log_density(name, given.expand(1, points, -1), raw)
    action = torch.tanh(raw)
    integrand = function(action, logs) * logs.exp() * (1 - action[..., 0] ** 2)
    return torch.trapezoid(integrand, raw[..., 0]).sum()


def clamped_entropy(given: Tensor, points: int = 20_001) -> Tensor:
    """The entropy of a Gaussian's clamped actions, `(lanes, batch)`, by quadrature over the density
    within the bounds, and of the probability of each bound."""
    mean, log_std = given.unsqueeze(0).chunk(2, -1)
    normal = td.Normal(torch.tanh(mean), log_std.exp())
    place = torch.linspace(-1.0, 1.0, points, dtype=torch.float64).view(-1, 1, 1, 1)
    logs = normal.log_prob(place)
    within = -torch.trapezoid(logs.exp() * logs, dx=2.0 / (points - 1), dim=0)
    ends = torch.stack((normal.cdf(-torch.ones(())), 1.0 - normal.cdf(torch.ones(()))))
    return (within - (ends * ends.clamp(min=1e-30).log()).sum(0)).sum(-1)[0]
