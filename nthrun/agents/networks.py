"""Stacked multilayer perceptrons: many small networks evaluated as one batched product.

Operations are chosen so that a network's result does not depend on how many are stacked:
`baddbmm` throughout, and a head of width 1 as multiply-and-sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh}
WEIGHT_INITS = ("xavier_uniform", "kaiming_uniform")


@dataclass(frozen=True, slots=True)
class MLP:
    """A perceptron with two hidden layers; its parameters are one row of a `(nets, P)` block.

    Attributes:
        in_dim, hidden_dim, out_dim: layer widths.
        activation: a key of `ACTIVATIONS`.
    """

    in_dim: int
    hidden_dim: int
    out_dim: int
    activation: str

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of each parameter, in block order."""
        widths = (self.in_dim, self.hidden_dim, self.hidden_dim, self.out_dim)
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, (fan_in, fan_out) in enumerate(zip(widths[:-1], widths[1:], strict=True), 1):
            shapes[f"weight{layer}"] = (fan_in, fan_out)
            shapes[f"bias{layer}"] = (fan_out,)
        return shapes

    def sizes(self) -> list[int]:
        """Number of entries of each parameter, in block order."""
        return [int(np.prod(shape)) for shape in self.shapes().values()]

    def __call__(self, parameters: Tensor, inputs: Tensor) -> Tensor:
        """Outputs `(nets, batch, out_dim)` for parameters `(nets, P)`, inputs `(nets, batch, in_dim)`."""
        activate = ACTIVATIONS[self.activation]
        w1, b1, w2, b2, w3, b3 = parameters.split(self.sizes(), 1)
        width = self.hidden_dim
        hidden = torch.baddbmm(b1.unsqueeze(1), inputs, w1.view(-1, self.in_dim, width))
        hidden = torch.baddbmm(b2.unsqueeze(1), activate(hidden), w2.view(-1, width, width))
        hidden = activate(hidden)
        if self.out_dim == 1:
            return (hidden * w3.unsqueeze(1)).sum(-1, keepdim=True) + b3.unsqueeze(1)
        return torch.baddbmm(b3.unsqueeze(1), hidden, w3.view(-1, width, self.out_dim))

    def initial(self, generator: np.random.Generator, weight_init: str) -> np.ndarray:
        """Fresh parameters `(P,)`: uniform weights, zero biases.

        `xavier_uniform` has bound sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010);
        `kaiming_uniform` has bound sqrt(1 / fan_in), which is PyTorch's default for a layer.
        """
        parts = []
        for shape in self.shapes().values():
            if len(shape) == 1:
                parts.append(np.zeros(shape, np.float32))
                continue
            fan_in, fan_out = shape
            variance = 6 / (fan_in + fan_out) if weight_init == "xavier_uniform" else 1 / fan_in
            bound = np.sqrt(variance)
            parts.append(generator.uniform(-bound, bound, shape).astype(np.float32))
        return np.concatenate([part.ravel() for part in parts])

    def named(self, parameters: Tensor, prefix: str) -> dict[str, Tensor]:
        """Each parameter by name, `(nets, *shape)`."""
        parts = parameters.split(self.sizes(), 1)
        return {
            f"{prefix}{name}": part.reshape(-1, *shape)
            for (name, shape), part in zip(self.shapes().items(), parts, strict=True)
        }
