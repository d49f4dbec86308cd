"""Networks, Adam, replay and noise against plain implementations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nthrun.agents.base import (
    Experience,
    adam_state,
    adam_step,
    adam_tick,
    lane_column,
    recall,
    store,
)
from nthrun.agents.networks import MLP
from nthrun.agents.sizes import row_widths
from nthrun.environments.pendulum.declaration import PENDULUM
from nthrun.index import Purpose
from nthrun.specs.interface import Interface
from nthrun.training.noise import Streams, generator, sampled_steps


@pytest.mark.parametrize("out_dim", [1, 2, 5])
@pytest.mark.parametrize("hidden", [(7, 7), (16, 16), (5,), (16, 3, 9)], ids=str)
def test_a_network_is_a_perceptron(hidden: tuple[int, ...], out_dim: int) -> None:
    """A stacked network computes what torch's layers compute with its unpadded parameters."""
    network = MLP(3, hidden, out_dim, "tanh")
    rng = np.random.default_rng(0)
    blocks = torch.from_numpy(np.stack([network.initial(rng, "xavier_uniform") for _ in range(2)]))
    inputs = torch.randn(2, 10, 3)
    outputs = network(blocks, inputs)
    params = network.named(blocks, "")
    assert outputs.shape == (2, 10, out_dim)
    for net in range(2):
        x = inputs[net]
        for layer in range(1, len(hidden) + 2):
            x = x @ params[f"weight{layer}"][net] + params[f"bias{layer}"][net]
            x = torch.tanh(x) if layer <= len(hidden) else x
        torch.testing.assert_close(outputs[net], x)


@pytest.mark.parametrize("out_dim", [1, 3])
def test_named_parameters_can_be_written_to(out_dim: int) -> None:
    """What is copied into the named parameters is in the row, so that a network with another's
    weights and biases computes what that one does."""
    network = MLP(3, (7, 16), out_dim, "tanh")
    rng = np.random.default_rng(0)
    one, other = (torch.from_numpy(network.initial(rng, "xavier_uniform")[None]) for _ in range(2))
    one += (one != 0) * 0.1
    for name, tensor in network.named(other, "").items():
        tensor.copy_(network.named(one, "")[name])
    assert torch.equal(one, other)
    inputs = torch.randn(1, 10, 3)
    assert torch.equal(network(one, inputs), network(other, inputs))


def test_padding_stays_zero() -> None:
    """No gradient reaches a padded parameter, so padding never becomes part of the network."""
    network = MLP(3, (7, 7), 2, "relu")
    rng = np.random.default_rng(0)
    block = torch.from_numpy(network.initial(rng, "kaiming_uniform")[None])
    ones = torch.ones_like(block)
    true = sum(array.numel() for array in network.named(ones, "").values())
    block.requires_grad_()
    network(block, torch.randn(1, 64, 3)).square().sum().backward()
    assert block.grad is not None
    assert int((block.grad != 0).sum()) <= true < block.shape[1]
    padded = block.detach() == 0
    assert (block.grad[padded] != 0).sum() <= 7 + 7 + 2  # the true biases start at 0


@pytest.mark.parametrize(("scheme", "bound"), [("xavier_uniform", 0.5), ("kaiming_uniform", 0.25)])
def test_initial_weights_have_the_documented_bounds(scheme: str, bound: float) -> None:
    """Weights of the second layer (16 to 8 wide) are uniform up to the scheme's bound."""
    network = MLP(16, (8, 8), 1, "relu")
    block = torch.from_numpy(network.initial(np.random.default_rng(0), scheme)[None])
    weight = network.named(block, "")["weight1"]
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.95 * bound


def test_adam_is_torchs_adam_on_every_lane() -> None:
    """Each lane's parameters move as torch.optim.Adam moves them with that lane's settings."""
    rates, betas = [0.1, 0.003], [(0.9, 0.999), (0.5, 0.9)]
    start = torch.randn(2, 20)
    state = adam_state([{"betas": pair} for pair in betas], {"net": start.clone()})
    state["net"] = start.clone()
    peers = [start[lane].clone().requires_grad_() for lane in range(2)]
    optimisers = [
        torch.optim.Adam([peer], lr=rate, betas=pair)
        for peer, rate, pair in zip(peers, rates, betas, strict=True)
    ]
    for _ in range(50):
        slope = torch.randn(2, 20)
        adam_step(state, "net", slope, lane_column(rates), adam_tick(state))
        for lane, optimiser in enumerate(optimisers):
            peers[lane].grad = slope[lane].clone()
            optimiser.step()
    for lane in range(2):
        torch.testing.assert_close(state["net"][lane], peers[lane].detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("worlds", [1, 3, 4])
def test_replay_recalls_what_was_stored(worlds: int) -> None:
    """A step is recalled as stored, until `capacity` newer ones have replaced it, whether or not
    steps of all worlds fill it evenly."""
    assert isinstance(PENDULUM.interface, Interface)
    widths = row_widths(PENDULUM.interface)
    buffer = torch.zeros(2, 5, sum(widths))
    for step in range(12 // worlds):
        numbers = step * worlds + torch.arange(float(worlds)).view(1, -1, 1)
        values = [numbers.expand(2, -1, width) for width in widths]
        store(buffer, Experience(*values), torch.tensor(step))
    steps = torch.tensor([[7, 8, 11], [9, 10, 7]])
    batch = recall(buffer, widths, steps)
    assert batch.observation.shape == (2, 3, 3)
    for part in batch:
        assert torch.equal(part[..., 0], steps.float())


@given(st.integers(1, 50), st.integers(0, 200), st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_sampled_steps_are_stored_ones(capacity: int, first: int, seed: int) -> None:
    """Every sampled step is among the newest `capacity` ones, even for the largest draw."""
    uniform = np.random.default_rng(seed).random((2, 3, 4))
    uniform[0, 0, 0] = np.nextafter(1.0, 0.0)
    uniform[0, 1, 0] = 0.0
    steps = sampled_steps(uniform, first, capacity)
    present = np.arange(first, first + 3)[:, None]
    assert (steps <= present).all()
    assert (steps > present - capacity).all()
    assert (steps >= 0).all()


def test_sampling_is_uniform() -> None:
    """All stored steps are equally likely."""
    uniform = np.random.default_rng(0).random((1, 1, 100_000))
    counts = np.bincount(sampled_steps(uniform, 99, 10).ravel() - 90, minlength=10)
    assert np.abs(counts / 10_000 - 1).max() < 0.05


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_draws_do_not_depend_on_block_lengths(lengths: list[int]) -> None:
    """A lane draws the same numbers in any blocks, beside any neighbours, after any resumption."""
    sizes = {Purpose.ENVIRONMENT: 2, Purpose.AGENT: 17, Purpose.REPLAY: 3}
    total = sum(lengths)
    whole = Streams([5], sizes).draw(total)
    neighbours = Streams([8, 5, 9], sizes)
    blocks = []
    for length in lengths:
        resumed = Streams([8, 5, 9], sizes)
        for lane in range(3):
            resumed.restore_lane(lane, neighbours.lane_state(lane))
        neighbours = resumed
        blocks.append(neighbours.draw(length))
    for purpose, numbers in whole.items():
        joined = np.concatenate([block[purpose][1] for block in blocks])
        assert joined.tobytes() == numbers[0].tobytes()


def test_streams_of_other_purposes_and_seeds_differ() -> None:
    """Purposes and seeds have streams of their own."""
    firsts = [generator(seed, purpose).random() for seed in range(4) for purpose in Purpose]
    firsts += [generator(seed, Purpose.EVALUATION, k).random() for seed in range(4) for k in (1, 2)]
    assert len(set(firsts)) == len(firsts)
