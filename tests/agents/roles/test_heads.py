"""Decisions of several parts, beside torch's own distributions."""

from __future__ import annotations

import torch
from torch.distributions import Categorical

from nthrun.agents.roles.heads import Heads

SIZES = (4, 4, 3, 4, 7)


def segments(logits: torch.Tensor) -> list[Categorical]:
    """Torch's distribution of each head."""
    return [Categorical(logits=part) for part in logits.split(SIZES, -1)]


def test_probabilities_and_entropies_are_those_of_all_heads_together() -> None:
    """log π(a) and the entropy are the sums over heads, and so is what sampling says of π(a)."""
    torch.manual_seed(0)
    heads, logits = Heads(SIZES), 3 * torch.randn(2, 50, sum(SIZES))
    choices, log_probability = heads.sample(logits, torch.rand(2, 50, len(SIZES)))
    decided = heads.decided(logits, choices)
    parts = segments(logits)
    expected = sum(part.log_prob(choices[..., n]) for n, part in enumerate(parts))
    torch.testing.assert_close(decided.log_probability[..., 0], expected)
    torch.testing.assert_close(log_probability[..., 0], expected)
    torch.testing.assert_close(decided.entropy[..., 0], sum(part.entropy() for part in parts))
    best = torch.stack([part.logits.argmax(-1) for part in parts], -1)
    assert torch.equal(heads.best(logits), best.float())


def test_choices_come_as_often_as_their_probability() -> None:
    """Evenly spread draws meet every choice in proportion to its probability."""
    torch.manual_seed(1)
    logits = torch.randn(1, 1, sum(SIZES))
    draws = ((torch.arange(10_000) + 0.5) / 10_000).view(1, -1, 1).expand(1, -1, len(SIZES))
    choices, _ = Heads(SIZES).sample(logits.expand(1, 10_000, -1), draws)
    for place, (size, part) in enumerate(zip(SIZES, segments(logits), strict=True)):
        shares = torch.bincount(choices[0, :, place].long(), minlength=size) / 10_000
        torch.testing.assert_close(shares, part.probs[0, 0], rtol=0, atol=2e-4)


def test_what_is_masked_is_never_chosen() -> None:
    """Choices whose logits have -1000 added are met by no draw, the least and the greatest too."""
    torch.manual_seed(2)
    mask = torch.tensor([0.0, -1000.0, -2000.0, 0.0, -1000.0])
    logits = 30 * torch.randn(1, 1000, 5) + mask
    draws = torch.rand(1, 1000, 1)
    draws[:, :10], draws[:, 10:20] = 0.0, 1.0 - 2.0**-24
    choices, _ = Heads((5,)).sample(logits, draws)
    assert {*choices.unique().tolist()} <= {0.0, 3.0}
    only = torch.full((1, 1000, 5), -1000.0)
    only[..., 2] = 0.0
    assert (Heads((5,)).sample(only, draws)[0] == 2.0).all()
