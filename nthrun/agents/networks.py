"""Stacked multilayer perceptrons: many small networks evaluated as one batched product.

A network's result must not depend on how many are stacked. Batched products of some widths do
(an output width of 1, 6, 34 or 50 was seen to), and so do products of matrices that lie otherwise
in memory. So layers are padded with units that are zero and stay zero, hidden layers to a
multiple of 16 and heads to a multiple of 4, which with a padded row puts every matrix on a
64-byte boundary. A head of width 1 is computed as multiply-and-sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.shapes import MLPShape


def silu(x: Tensor) -> Tensor:
    """x / (1 + e^(-x)) (Elfwing, Uchibe and Doya, 2018)."""
    return 0.5 * x * (1.0 + torch.tanh(0.5 * x))


ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "silu": silu}


@dataclass(frozen=True, slots=True)
class MLP(MLPShape):
    """A perceptron; its parameters are one row of a `(nets, P)` block.

    Attributes:
        in_dim, hidden, out_dim: layer widths, without padding.
        activation: a key of `ACTIVATIONS`; all give 0 at 0, which padding relies on.
    """

    activation: str

    def __call__(self, parameters: Tensor, inputs: Tensor) -> Tensor:
        """Outputs `(nets, batch, out_dim)`.

        Args:
            parameters: `(nets, P)`.
            inputs: `(nets, batch, in_dim)`.
        """
        activate = ACTIVATIONS[self.activation]
        *widths, head = self.widths()
        *layers, weight, bias = parameters.split(self.sizes(), 1)
        hidden = inputs
        for (rows, columns), w, b in zip(pairwise(widths), layers[::2], layers[1::2], strict=True):
            product = torch.baddbmm(b.unsqueeze(1), hidden, w.view(-1, rows, columns))
            hidden = activate(product)
        bias = bias[:, :head].unsqueeze(1)
        if head == 1:
            outputs: Tensor = bias + (hidden * weight.unsqueeze(1)).sum(-1, keepdim=True)
        else:
            outputs = torch.baddbmm(bias, hidden, weight.view(-1, widths[-1], head))
        return outputs.narrow(-1, 0, self.out_dim)

    def initial(self, generator: np.random.Generator, weight_init: str) -> np.ndarray:
        """Fresh parameters `(P,)`: uniform weights, zero biases.

        `xavier_uniform` has bound sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010);
        `kaiming_uniform` has bound sqrt(1 / fan_in), which is PyTorch's default for a layer.
        """
        parts = []
        layers = zip(pairwise(self.true_widths()), pairwise(self.widths()), strict=True)
        for (fan_in, fan_out), (rows, columns) in layers:
            square = 6 / (fan_in + fan_out) if weight_init == "xavier_uniform" else 1 / fan_in
            weight = np.zeros((rows, columns), np.float32)
            bound = np.sqrt(square)
            weight[:fan_in, :fan_out] = generator.uniform(-bound, bound, (fan_in, fan_out))
            parts += [weight.ravel(), np.zeros(columns, np.float32)]
        row = np.concatenate(parts)
        return np.pad(row, (0, self.num_params() - len(row)))

    def named(self, parameters: Tensor, prefix: str) -> dict[str, Tensor]:
        """Weights `(nets, fan_in, fan_out)` and biases `(nets, fan_out)` by name, unpadded.

        All are views, so that what is copied into them is in `parameters`.
        """
        parts = iter(parameters.split(self.sizes(), 1))
        named = {}
        layers = zip(pairwise(self.true_widths()), pairwise(self.widths()), strict=True)
        for number, ((fan_in, fan_out), (rows, columns)) in enumerate(layers, 1):
            weight = next(parts).reshape(-1, rows, columns)
            named[f"{prefix}weight{number}"] = weight[:, :fan_in, :fan_out]
            named[f"{prefix}bias{number}"] = next(parts)[:, :fan_out]
        return named
