"""The policy over discrete actions."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch.distributions import Categorical

from nthrun.agents.policies.softmax import Softmax
from nthrun.agents.sizes import PolicySpec

ACTIONS = 5
POLICY = Softmax(PolicySpec("Softmax", ACTIONS))


def logits(batch: int) -> torch.Tensor:
    """`(1, batch, 5)`, in float64."""
    draw = torch.Generator().manual_seed(0)
    return torch.randn(1, batch, ACTIONS, generator=draw, dtype=torch.float64)


def test_probabilities_and_entropy_are_those_of_torch() -> None:
    """Probabilities, their logarithms and the entropy, with gradients, are Categorical's."""
    given = logits(20).requires_grad_()
    known = Categorical(logits=given)
    torch.testing.assert_close(POLICY.probabilities(given), known.probs)
    torch.testing.assert_close(POLICY.log_probabilities(given), known.logits)
    torch.testing.assert_close(POLICY.entropy(given), known.entropy())
    entropies = (POLICY.entropy(given), known.entropy())
    torch.testing.assert_close(*(torch.autograd.grad(e.sum(), given) for e in entropies))


def test_log_density_is_the_actions_log_probability() -> None:
    """Each state's own action is looked up."""
    given, action = logits(7), torch.arange(7.0).view(1, 7, 1) % ACTIONS
    expected = Categorical(logits=given).log_prob(action[..., 0])
    torch.testing.assert_close(POLICY.log_density(given, action), expected)


def test_samples_have_the_probabilities() -> None:
    """Counts of 100,000 actions pass a chi-squared test at 1 %."""
    given, number = logits(1), 100_000
    noise = torch.randn(1, number, 1, generator=torch.Generator().manual_seed(1))
    action = POLICY.sample_action(given.expand(1, number, -1), noise)
    assert action.shape == (1, number, 1)
    assert action.dtype == given.dtype
    counts = torch.bincount(action.long().flatten(), minlength=ACTIONS).numpy()
    expected = number * POLICY.probabilities(given).flatten().numpy()
    assert stats.chisquare(counts, expected).pvalue > 0.01


@pytest.mark.parametrize("place", [-40.0, 0.0, 40.0])
def test_every_draw_names_an_action(place: float) -> None:
    """However far out a normal number lies and however certain the policy, the action exists and,
    for numbers that occur, has a probability above 0."""
    given = torch.tensor([[[0.0] * 5, [-200.0, 0, 0, 0, -200], [200.0, 0, 0, 0, 0]]])
    action = POLICY.sample_action(given, torch.full((1, 3, 1), place))
    assert ((action >= 0) & (action < ACTIONS)).all()
    assert torch.isfinite(POLICY.entropy(given)).all()
    if place == 0.0:
        assert (POLICY.log_density(given, action) > -100).all()


def test_the_mode_is_the_most_probable_action() -> None:
    """The first of the largest outputs."""
    given = torch.tensor([[[0.0, 3, 1, 3, 2], [5.0, 1, 1, 1, 1]]])
    assert POLICY.mode(given).flatten().tolist() == [1.0, 0.0]
