"""Returns and losses beside the same in plain numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nthrun.agents.roles.heads import Decided
from nthrun.agents.roles.losses import (
    Targets,
    huber,
    policy_loss,
    returns_of,
    standardised,
    value_loss,
    value_losses,
)


def test_returns_are_discounted_or_those_of_the_source() -> None:
    """G_t = Σ γˢ r_{t+s}; the source's code has r_t + γ Σ_{s>0} r_{t+s}."""
    rewards = torch.tensor([[1.0, 2.0, 4.0, 8.0]]).view(1, 4, 1)
    gamma = torch.tensor([[0.5]])
    assert returns_of(rewards, gamma, True).flatten().tolist() == [4.0, 6.0, 8.0, 8.0]
    assert returns_of(rewards, gamma, False).flatten().tolist() == [8.0, 8.0, 8.0, 8.0]


def test_advantages_have_mean_0_and_deviation_1_in_each_lane() -> None:
    """By the deviation of n - 1, whatever other lanes have."""
    gaps = torch.randn(3, 4, 5, 2, 1) * torch.tensor([1.0, 10.0, 100.0]).view(3, 1, 1, 1, 1)
    rows = standardised(gaps).flatten(1).double().numpy()
    assert rows.mean(1) == pytest.approx([0.0] * 3, abs=1e-6)
    assert rows.std(1, ddof=1) == pytest.approx([1.0] * 3, rel=1e-4)


def batch(count: int) -> tuple[Decided, torch.Tensor, Targets]:
    """Random outputs of a network, values, and what they are compared with."""
    torch.manual_seed(0)
    decided = Decided(0.3 * torch.randn(1, count, 1) - 1, torch.rand(1, count, 1))
    numbers = [torch.randn(1, count, 1) for _ in range(2)]
    old = [0.3 * torch.randn(1, count, 1) - 1, torch.randn(1, count, 1)]
    return decided, torch.randn(1, count, 1), Targets(*numbers, *old, torch.zeros(1, count, 1))


def test_the_clipped_loss_is_that_of_every_row() -> None:
    """-min(ρA, clip(ρ)A), and the larger of Huber's losses of V and of V clipped about the old."""
    decided, value, targets = batch(50)
    clip = torch.full((1, 1, 1), 0.1)
    new, advantage, returns, old, old_value, now = (
        part.flatten().double().numpy() for part in (decided.log_probability, *targets[:4], value)
    )
    ratio = np.exp(new - old)
    expected = -np.minimum(ratio * advantage, np.clip(ratio, 0.9, 1.1) * advantage)
    assert policy_loss(decided, targets, clip).flatten().numpy() == pytest.approx(expected, 1e-5)

    def smooth(x: np.ndarray) -> np.ndarray:
        return np.where(np.abs(x) < 1, x * x / 2, np.abs(x) - 0.5)

    moved = old_value + np.clip(now - old_value, -0.1, 0.1)
    pair = smooth(now - returns), smooth(moved - returns)
    larger = np.maximum(*pair)
    found = value_loss(value, targets, clip, True).flatten().numpy()
    assert found == pytest.approx(larger, rel=1e-4, abs=1e-6)
    means = [loss.mean() for loss in value_losses(value, targets, clip)]
    assert [float(mean) for mean in means] == pytest.approx([part.mean() for part in pair], 1e-5)
    for which, part in enumerate(pair):
        chosen = targets._replace(clipped=torch.full_like(value, which))
        found = value_loss(value, chosen, clip, False).flatten().numpy()
        assert found == pytest.approx(part, rel=1e-4, abs=1e-6)


def test_the_plain_loss_is_that_of_every_row() -> None:
    """-A log π(a), and Huber's loss of V, which is torch's smooth one."""
    decided, value, targets = batch(50)
    expected = -decided.log_probability * targets.advantage
    torch.testing.assert_close(policy_loss(decided, targets, None), expected)
    smooth = torch.nn.functional.smooth_l1_loss(value, targets.returns, reduction="none")
    torch.testing.assert_close(value_loss(value, targets, None, True), smooth)
    torch.testing.assert_close(
        huber(3 * value),
        torch.nn.functional.smooth_l1_loss(3 * value, torch.zeros_like(value), reduction="none"),
    )
