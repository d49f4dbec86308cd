"""FKL: its estimates against integrals."""

from __future__ import annotations

import torch
from agents.deep_runs import (
    Params,
    Update,
    deep_spec,
    expected_soft_value,
    grid_of_actions,
    log_density_at,
    perceptron,
    similarity,
    update_of,
    value,
    with_new,
)
from torch import Tensor

ALPHA = 0.4


def stepped(kl: str, soft: bool = True, num_samples: int = 6) -> Update:
    """One update of a run on Pendulum."""
    parameters = {"kl": [kl], "soft_q": [soft], "num_samples": [num_samples], "alpha": [ALPHA]}
    return update_of(deep_spec("FKL", parameters))


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
