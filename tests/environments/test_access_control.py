"""Access control against its exact solution."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
import torch
from environments.worlds import world

SERVERS, PRIORITIES, FREEING = 10, 4, 0.06


def freeing() -> np.ndarray:
    """P(servers that become free in a step | free servers), 11 x 11: busy ones do, each with
    probability 0.06."""
    chances = np.zeros((SERVERS + 1, SERVERS + 1))
    for free in range(SERVERS + 1):
        busy = SERVERS - free
        for freed in range(busy + 1):
            chances[free, freed] = (
                comb(busy, freed) * FREEING**freed * (1 - FREEING) ** (busy - freed)
            )
    return chances


def solve() -> tuple[float, np.ndarray]:
    """Relative value iteration: the best average reward, and where it accepts, `(11, 4)`."""
    chances = freeing()
    pays = 2.0 ** np.arange(PRIORITIES)
    values = np.zeros((SERVERS + 1, PRIORITIES))
    for _ in range(1_500):
        reject = np.full_like(values, -np.inf)
        accept = np.full_like(values, -np.inf)
        mean = values.mean(1)
        for free in range(SERVERS + 1):
            reachable = SERVERS - free + 1
            reject[free] = chances[free, :reachable] @ mean[free:]
            if free:
                accept[free] = pays + chances[free, :reachable] @ mean[free - 1 : -1]
        new = np.maximum(accept, reject)
        gain = new[0, 0]
        values = new - gain
    return float(gain), accept > reject


def average_reward(accepts: np.ndarray, num_steps: int) -> float:
    """Of a policy, over 200 lanes of play after 300 steps of it."""
    environment, draw = world("AccessControl-v0"), torch.Generator().manual_seed(0)
    table = torch.from_numpy(accepts).float()
    state = environment.reset(torch.rand(200, 1, 1, generator=draw))
    total = 0.0
    for step in range(300 + num_steps):
        free, rank = state.long().split(1, -1)
        outcome = environment.step(state, table[free, rank], torch.rand(200, 1, 11, generator=draw))
        state = outcome.state
        total += float(outcome.reward.mean()) * (step >= 300)
    return total / num_steps


def test_the_best_policy_earns_the_best_average_reward() -> None:
    """Played in the environment, the policy that relative value iteration finds best for the model
    of Sutton and Barto's example earns that model's best average reward, within 1 in 100; always
    accepting earns distinctly less."""
    gain, accepts = solve()
    assert gain == pytest.approx(2.673, abs=0.001)
    assert average_reward(accepts, 2_000) == pytest.approx(gain, rel=0.01)
    assert average_reward(np.ones_like(accepts), 2_000) < 0.9 * gain


def test_servers_become_free_as_in_the_model() -> None:
    """From every number of free servers, the frequencies of how many become free are the model's,
    within five standard errors; one given away in that step does not."""
    environment, draw = world("AccessControl-v0"), torch.Generator().manual_seed(1)
    count = 40_000
    for free, expected in enumerate(freeing()):
        for action in (0.0, 1.0):
            state = torch.tensor([free, 0.0]).expand(1, count, 2)
            outcome = environment.step(
                state,
                torch.full((1, count, 1), action),
                torch.rand(1, count, 11, generator=draw),
            )
            left = free - (action if free else 0.0)
            freed = (outcome.state[0, :, 0] - left).long().numpy()
            shares = np.bincount(freed, minlength=SERVERS + 1) / count
            errors = np.sqrt(expected * (1 - expected) / count)
            assert (np.abs(shares - expected) <= 5 * errors + 1e-4).all()


def test_customers_are_of_all_priorities_alike_and_pay_by_priority() -> None:
    """A number u on [0, 1) draws the priority ⌊4u⌋; an accepted customer pays 1, 2, 4 or 8, if a
    server is free, which it then is not."""
    environment = world("AccessControl-v0")
    edges = torch.tensor([0.0, 0.24, 0.25, 0.5, 0.75, 1 - 2**-24])
    first = environment.reset(edges.view(1, -1, 1))[0]
    assert first.tolist() == [[10, rank] for rank in (0, 0, 1, 2, 3, 3)]
    none_freed = torch.ones(1, 4, 11)
    for free, paid in ((3.0, [1.0, 2.0, 4.0, 8.0]), (0.0, [0.0] * 4)):
        ranks = torch.arange(4.0)
        state = torch.stack((torch.full((4,), free), ranks), -1).unsqueeze(0)
        outcome = environment.step(state, torch.ones(1, 4, 1), none_freed * 0.99)
        assert outcome.reward[0, :, 0].tolist() == paid
        assert outcome.state[0, :, 0].tolist() == [max(0.0, free - 1.0)] * 4
        assert outcome.state[0, :, 1].tolist() == [3.0] * 4


def test_observations_are_shares() -> None:
    """The observation is (free servers / 10, priority / 3)."""
    state = torch.tensor([[[0.0, 0.0], [5.0, 1.0], [10.0, 3.0]]])
    observation = world("AccessControl-v0").observe(state)[0]
    np.testing.assert_allclose(observation.numpy(), [[0, 0], [0.5, 1 / 3], [1, 1]], rtol=1e-6)
