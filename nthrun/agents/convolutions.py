"""Networks whose first layers are convolutions, over observations that are images.

Every place of an image at which a whole kernel fits gives a row of what the kernel covers, line by
line, channels last; a convolution is the product of these rows with a matrix that has a column for
each channel. Kernels move by one place, and images are not padded. What the last convolution puts
out is the input of a perceptron, place by place.

Columns are padded as layers of perceptrons are, for the same reason; see
`nthrun.agents.networks`. Padding is taken away before the next layer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.networks import ACTIVATIONS, MLP, Network, uniform_bound
from nthrun.agents.sizes import Convolution, ConvolutionalShape, Shape


@dataclass(frozen=True, slots=True)
class ConvolutionalNetwork:
    """Convolutions and a perceptron; the parameters are one row of a `(nets, P)` block.

    Attributes:
        convolutions: the layers, in order.
        head: the perceptron that takes what they put out, whose activation is also theirs.
    """

    convolutions: tuple[Convolution, ...]
    head: MLP

    def __call__(self, parameters: Tensor, inputs: Tensor) -> Tensor:
        """Outputs `(nets, batch, out_dim)`.

        Args:
            parameters: `(nets, P)`.
            inputs: `(nets, batch, height * width * channels)`.
        """
        activate = ACTIVATIONS[self.head.activation]
        *blocks, own = parameters.split(self._sizes(), 1)
        hidden = inputs
        for layer, weight, bias in zip(self.convolutions, blocks[::2], blocks[1::2], strict=True):
            nets, batch, _ = hidden.shape
            matrix = weight.view(nets, layer.patch, layer.columns)
            rows = _patches(layer, hidden)
            channels = activate(torch.baddbmm(bias.unsqueeze(1), rows, matrix))
            channels = channels.narrow(-1, 0, layer.channels)
            hidden = channels.reshape(nets, batch, layer.num_places * layer.channels)
        return self.head(own, hidden)

    def _sizes(self) -> list[int]:
        """Entries of weight 1, bias 1, weight 2, …, and of the perceptron, in a row."""
        sizes = [size for layer in self.convolutions for size in layer.sizes()]
        return [*sizes, self.head.num_params()]

    def initial(self, generator: np.random.Generator, weight_init: str) -> np.ndarray:
        """Fresh parameters `(P,)`, drawn as a perceptron's are.

        Inputs of a channel are those that a kernel covers, and its outputs the places at which a
        kernel covers an input (Glorot and Bengio, 2010, as PyTorch counts them).
        """
        parts = []
        for layer in self.convolutions:
            fan_out = layer.channels * layer.kernel**2
            bound = uniform_bound(weight_init, layer.patch, fan_out, self.head.activation)
            weight = np.zeros((layer.patch, layer.columns), np.float32)
            shape = (layer.patch, layer.channels)
            weight[:, : layer.channels] = generator.uniform(-bound, bound, shape)
            parts += [weight.ravel(), np.zeros(layer.columns, np.float32)]
        return np.concatenate([*parts, self.head.initial(generator, weight_init)])

    def named(self, parameters: Tensor, prefix: str) -> dict[str, Tensor]:
        """Kernels `(nets, size, size, channels in, channels)`, and what a perceptron has, by name.

        All are views, so that what is copied into them is in `parameters`.
        """
        *blocks, own = parameters.split(self._sizes(), 1)
        named = {}
        pairs = zip(self.convolutions, blocks[::2], blocks[1::2], strict=True)
        for number, (layer, weight, bias) in enumerate(pairs, 1):
            matrix = weight.unflatten(1, (layer.kernel, layer.kernel, -1, layer.columns))
            named[f"{prefix}kernel{number}"] = matrix[..., : layer.channels]
            named[f"{prefix}kernel_bias{number}"] = bias[:, : layer.channels]
        return named | self.head.named(own, prefix)


def _patches(layer: Convolution, images: Tensor) -> Tensor:
    """What a kernel covers at each place, `(nets, batch * places, patch)`.

    Args:
        images: `(nets, batch, height * width * in_channels)`.
    """
    height, width = layer.places
    whole = images.unflatten(2, (layer.height, layer.width, layer.in_channels))
    shifted = [
        whole.narrow(2, down, height).narrow(3, right, width)
        for down, right in product(range(layer.kernel), repeat=2)
    ]
    rows = torch.cat(shifted, -1)
    return rows.reshape(len(images), math.prod(rows.shape[1:4]), layer.patch)


def network_of(shape: Shape, activation: str) -> Network:
    """The network of a shape."""
    if isinstance(shape, ConvolutionalShape):
        head = shape.head()
        own = MLP(head.in_dim, head.hidden, head.out_dim, activation)
        return ConvolutionalNetwork(shape.convolutions, own)
    return MLP(shape.in_dim, shape.hidden, shape.out_dim, activation)
