"""Networks with convolutions against PyTorch's own, and what learns with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from packs import pack_of, run_of_same_bits
from torch.nn.functional import conv2d

from nthrun.agents.convolutions import ConvolutionalNetwork, network_of
from nthrun.agents.sac.declaration import SAC
from nthrun.agents.sizes import ConvolutionalShape
from nthrun.environments.from_gymnasium.declaration import interface_of
from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.training.context import make_context
from nthrun.training.loop import Training

SHAPES = [
    ConvolutionalShape((6, 5, 2), ((16, 3),), (7,), 3),
    ConvolutionalShape((6, 7, 3), ((5, 3), (18, 2)), (16,), 1),
]


def spec_of(name: str, value: list[int], **fields: Any) -> ExperimentSpec:
    """A small agent with these convolutions on a grid, whose observation is an image of it."""
    grid = {"env_name": "IndexGridworld", "rows": 5, "cols": 6, "steps_per_episode": 20}
    protocol = {"total_timesteps": 80, "eval_interval_timesteps": 40, "eval_episodes": 1}
    parameters = {"policy_type": ["Softmax"], "convolutions": [value], "critic_lr": [1e-2, 1e-3]}
    small = {"hidden_dim": [8], "batch_size": [4], "replay_capacity": [50]}
    agent = {"agent_name": name, "parameters": parameters | small}
    return experiment_spec_of(protocol | grid | fields, agent, "test")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_is_a_convolution(shape: ConvolutionalShape) -> None:
    """Outputs and gradients are those of PyTorch's convolutions and linear layers with the same
    named weights, and what is padding stays without gradient."""
    network = network_of(shape, "tanh")
    assert isinstance(network, ConvolutionalNetwork)
    rows = [network.initial(np.random.default_rng(seed), "xavier_uniform") for seed in range(2)]
    assert all(len(row) == shape.num_params() for row in rows)
    parameters = torch.tensor(np.stack(rows), requires_grad=True)
    images = torch.randn(2, 9, *shape.image)
    outputs = network(parameters, images.flatten(2))
    (slope,) = torch.autograd.grad(outputs.sin().sum(), parameters)
    named = network.named(parameters.detach(), "")
    assert {key: part.shape[1:] for key, part in named.items()} == shape.named_shapes("")
    slopes, kept = network.named(slope, ""), torch.zeros_like(slope)
    for part in network.named(kept, "").values():
        part.fill_(1.0)
    assert (slope[kept == 0] == 0).all()
    for net in range(2):
        own = {key: part[net].clone().requires_grad_() for key, part in named.items()}
        hidden = images[net].permute(0, 3, 1, 2)
        for number in range(1, len(shape.layers) + 1):
            kernel = own[f"kernel{number}"].permute(3, 2, 0, 1)
            hidden = torch.tanh(conv2d(hidden, kernel, own[f"kernel_bias{number}"]))
        flat = hidden.permute(0, 2, 3, 1).flatten(1)
        flat = torch.tanh(flat @ own["weight1"] + own["bias1"])
        expected = flat @ own["weight2"] + own["bias2"]
        torch.testing.assert_close(outputs[net], expected, rtol=1e-4, atol=1e-5)
        expected.sin().sum().backward()
        for key, part in own.items():
            torch.testing.assert_close(slopes[key][net], part.grad, rtol=1e-3, atol=1e-4)


def test_first_weights_are_those_of_torch() -> None:
    """First weights reach up to the bound that PyTorch has for a convolution of this shape."""
    shape = ConvolutionalShape((10, 10, 4), ((32, 3),), (8,), 2)
    network = network_of(shape, "relu")
    rows = torch.from_numpy(network.initial(np.random.default_rng(0), "xavier_uniform_gain"))
    kernel = network.named(rows.unsqueeze(0), "")["kernel1"]
    there = torch.empty(32, 4, 3, 3)
    torch.nn.init.xavier_uniform_(there, torch.nn.init.calculate_gain("relu"))
    assert float(kernel.abs().max()) == pytest.approx(float(there.abs().max()), rel=0.01)


@pytest.mark.parametrize(
    ("name", "value", "backend"),
    [
        ("SAC", [6, 3, 4, 2], "eager"),
        ("VAC", [4, 2], "compile"),
        pytest.param("SAC", [6, 3, 4, 2], "compile", marks=pytest.mark.slow),
        pytest.param("VAC", [16, 3], "eager", marks=pytest.mark.slow),
    ],
)
def test_a_run_has_the_same_bits_alone_and_in_a_pack(
    name: str, value: list[int], backend: str
) -> None:
    """Whatever shares its pack, every bit of a record is the same."""
    run = run_of_same_bits(spec_of(name, value), 2, ([2, 5, 6], [0, 1, 3, 2]), backend)
    assert run["status"] == "completed"
    assert {"actor.kernel1", "critic.kernel1", "target_critic.kernel1"} <= set(
        run["learned_params"]
    )


def test_every_layer_learns_and_padding_stays() -> None:
    """Kernels and weights move, and what is padding is 0 for ever."""
    training = Training(pack_of(spec := spec_of("SAC", [3, 2]), [0, 1]), make_context(spec))
    network = training.program.agent.networks["actor"]
    block = training.state["actor"]
    before = {key: part.clone() for key, part in network.named(block, "").items()}
    training.run()
    after = network.named(training.state["actor"], "")
    assert all((after[key] != part).any() for key, part in before.items())
    kept = torch.zeros_like(block)
    for part in network.named(kept, "").values():
        part.fill_(1.0)
    assert (training.state["actor"][kept == 0] == 0).all()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([16], "channels and kernels in turn are an even number"),
        ([16, 6], "a kernel of 6 is larger than an image of 5 x 6, allowed: 1 to 5"),
        ([16, 3, 8, 4], "a kernel of 4 is larger than an image of 3 x 4, allowed: 1 to 3"),
    ],
)
def test_what_is_no_convolution(value: list[int], problem: str) -> None:
    """Convolutions that are none, or that do not fit an image, are refused in one line."""
    with pytest.raises(SpecError, match=problem) as refused:
        spec_of("SAC", value)
    (fault,) = refused.value.faults
    assert fault.hint


@pytest.mark.parametrize(
    ("shape", "value", "problem"),
    [
        ((4, 84, 84), [16, 3], "observations of 4 x 84 x 84 seem to have channels first"),
        ((84, 84, 4), [16, 17], "a kernel has a side of 17, allowed: 1 to 16"),
        ((84, 84, 4), [16, 16], ""),
        ((10, 12), [16, 3], ""),
    ],
)
def test_images_of_gymnasium(shape: tuple[int, ...], value: list[int], problem: str) -> None:
    """Channels are last in Gymnasium's boxes, of one channel without that axis; frames that are
    stacked first and kernels of more than 16 are refused."""
    interface = interface_of(Box(0, 1, shape), Discrete(3))
    values = {"policy_type": ("Softmax",), "convolutions": (tuple(value),)}
    found = [problem for _, problem, _ in SAC.fits(interface, lambda name: values[name])]
    assert len(found) == bool(problem)
    assert problem in "".join(found)
