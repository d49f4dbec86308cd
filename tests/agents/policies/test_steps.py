"""Policies within steps of packs: the same bits in every lane, and compiled."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from agents.policies.cases import NAMES, policy
from torch import Tensor

from nthrun.agents.policies.softmax import Softmax
from nthrun.agents.sizes import PolicySpec
from nthrun.compiler.kernel import Kernel

LANES, BATCH, SIZE = 33, 7, 3
Tensors = dict[str, Tensor]


def continuous(name: str, given: Tensors) -> Tensors:
    """Everything that agents ask of a policy, with gradients."""
    agent = policy(name, SIZE)
    with torch.enable_grad():
        leaf = given["outputs"].detach().requires_grad_()
        sample, weight = agent.strata(leaf, given["noise"])
        loss = sample.log_density - sample.action.sum(-1)
        (slope,) = torch.autograd.grad((loss if weight is None else weight * loss).sum(), leaf)
        taken = agent.sample(leaf, given["noise"]).raw.detach()
        (score,) = torch.autograd.grad(agent.log_density(leaf, taken).sum(), leaf)
    return {
        "action": sample.action.detach(),
        "log_density": sample.log_density.detach(),
        "slope": slope,
        "score": score,
        "raw": taken,
        "back": agent.raw_of(0.9 * agent.mode(leaf.detach())),
    }


def discrete(name: str, given: Tensors) -> Tensors:
    """The same of the discrete policy."""
    agent = Softmax(PolicySpec(name, SIZE))
    with torch.enable_grad():
        leaf = given["outputs"].detach().requires_grad_()
        action = agent.sample_action(leaf.detach(), given["noise"])
        loss = agent.entropy(leaf) + agent.log_density(leaf, action)
        (slope,) = torch.autograd.grad(loss.sum(), leaf)
    return {"action": action, "slope": slope, "mode": agent.mode(leaf.detach())}


CASES = [(name, continuous) for name in NAMES] + [("Softmax", discrete)]


def inputs(name: str) -> Tensors:
    """Random outputs and noise of every lane."""
    spec = PolicySpec(name, SIZE, 3)
    draw = torch.Generator().manual_seed(5)
    return {
        "outputs": torch.randn(LANES, BATCH, spec.num_outputs, generator=draw),
        "noise": torch.randn(LANES, BATCH, spec.num_draws, generator=draw),
    }


@pytest.mark.parametrize(("name", "work"), CASES)
def test_a_lane_alone_has_the_same_bits(name, work) -> None:  # type: ignore[no-untyped-def]
    """Any of 33 lanes gives, alone, every bit of what it gives among them."""
    given = inputs(name)
    together = work(name, given)
    for lane in range(LANES):
        alone = work(name, {key: part[lane : lane + 1] for key, part in given.items()})
        for key, part in alone.items():
            assert torch.equal(part[0], together[key][lane]), (key, lane)


@pytest.mark.parametrize(("name", "work"), CASES)
def test_compiled_code_gives_what_torch_gives(name, work) -> None:  # type: ignore[no-untyped-def]
    """Samples, densities and gradients agree with eager ones to rounding."""
    given = inputs(name)
    examples = {key: part[:1] for key, part in given.items()}
    kernel = Kernel([lambda tensors: work(name, tensors)], examples, frozenset())
    steps = {key: part.unsqueeze(1) for key, part in given.items()}
    state = {"lanes": torch.zeros(LANES)}
    found = kernel(state, steps, np.zeros(1, np.uint8), range(LANES))
    for key, expected in work(name, given).items():
        torch.testing.assert_close(found[key].squeeze(1), expected, rtol=2e-4, atol=2e-4)
