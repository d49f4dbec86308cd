"""Stacked multilayer perceptrons, and what brings their inputs and outputs to a common scale.

Many small networks are evaluated as one batched product. A network's result must not depend on how
many are stacked. Batched products of some widths do (an output width of 1, 6, 34 or 50 was seen
to), and so do products of matrices that lie otherwise in memory. So layers are padded with units
that are zero and stay zero, hidden layers to a multiple of 16 and heads to a multiple of 4, which
with a padded row puts every matrix on a 64-byte boundary. A head of width 1 is computed as
multiply-and-sum.

Inputs are normalised by running statistics. Of each input x the means of x and x² are kept, moving
by a share 1 - m of the way to those of every new batch, and

    z = (x - mean) / max(0.01, √(mean of x² - mean²)), kept within ±10.

`accumulate` has the mean and variance of everything up to now instead, in the form that loses no
digits where the mean is large (Chan, Golub and LeVeque, 1983). With δ between the means of n old
and k new inputs,

    mean ← mean + δ k/(n + k),    variance ← (n variance + k variance' + δ² n k/(n + k)) / (n + k).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import State
from nthrun.agents.layouts import MOMENTUM, NORMALISER
from nthrun.agents.sizes import MLPShape
from nthrun.environments.tensors import Constants
from nthrun.specs.interface import Interface


def silu(x: Tensor) -> Tensor:
    """x / (1 + e^(-x)) (Elfwing, Uchibe and Doya, 2018)."""
    return 0.5 * x * (1.0 + torch.tanh(0.5 * x))


ORTHOGONAL = "orthogonal"


def orthogonal(generator: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """A random matrix whose columns are orthonormal, or whose rows if it has more columns."""
    normal = generator.standard_normal((max(rows, columns), min(rows, columns)))
    basis, triangle = np.linalg.qr(normal)
    basis = basis * np.where(np.diag(triangle) < 0.0, -1.0, 1.0)  # uniform (Mezzadri, 2007)
    return np.asarray(basis if rows >= columns else basis.T)


ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "silu": silu}
GAINS = {"relu": 2.0**0.5, "tanh": 5 / 3}
"""Activation -> the factor by which `xavier_uniform_gain` is wider, as PyTorch has it."""


def uniform_bound(weight_init: str, fan_in: int, fan_out: int, activation: str) -> float:
    """Bound of a layer's first weights, which are uniform."""
    if weight_init == "kaiming_uniform":
        return float(np.sqrt(1 / fan_in))
    bound = float(np.sqrt(6 / (fan_in + fan_out)))
    return bound * GAINS[activation] if weight_init == "xavier_uniform_gain" else bound


class Network(Protocol):
    """A function of parameters and inputs, evaluated for many parameters side by side."""

    def __call__(self, parameters: Tensor, inputs: Tensor) -> Tensor:
        """Outputs `(nets, batch, out_dim)` of parameters `(nets, P)` and inputs
        `(nets, batch, in_dim)`."""

    def initial(self, generator: np.random.Generator, weight_init: str) -> np.ndarray:
        """Fresh parameters, `(P,)`."""

    def named(self, parameters: Tensor, prefix: str) -> dict[str, Tensor]:
        """Views of the parameters by name, `(nets, ...)` each, without padding."""


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

    def initial(
        self,
        generator: np.random.Generator,
        weight_init: str,
        heads: Sequence[tuple[int, float]] = (),
    ) -> np.ndarray:
        """Fresh parameters `(P,)`: random weights, zero biases.

        `xavier_uniform` has bound sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010), and
        `xavier_uniform_gain` that times the activation's gain;
        `kaiming_uniform` has bound sqrt(1 / fan_in), which is PyTorch's default for a layer;
        `orthogonal` has orthonormal rows or columns, times √2 in hidden layers (Saxe, McClelland
        and Ganguli, 2014).

        Args:
            heads: where weights are orthogonal, parts of the last layer: outputs and their scale.
        """
        parts = []
        layers = list(zip(pairwise(self.true_widths()), pairwise(self.widths()), strict=True))
        for number, ((fan_in, fan_out), (rows, columns)) in enumerate(layers, 1):
            weight = np.zeros((rows, columns), np.float32)
            if weight_init == ORTHOGONAL:
                scaled = heads if number == len(layers) else [(fan_out, np.sqrt(2.0))]
                drawn = [scale * orthogonal(generator, fan_in, width) for width, scale in scaled]
                weight[:fan_in, :fan_out] = np.concatenate(drawn, 1)
            else:
                bound = uniform_bound(weight_init, fan_in, fan_out, self.activation)
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


LEAST_DEVIATION = 0.01
FARTHEST = 10.0


@dataclass(frozen=True, slots=True)
class NetworkStack:
    """Networks of one shape on the same inputs, evaluated as one batched product.

    Their parameters lie side by side in `(nets, count * P)`.
    """

    network: Network
    count: int

    def __call__(self, parameters: Tensor, inputs: Tensor) -> Tensor:
        """Outputs `(nets, count, batch, out_dim)`.

        Args:
            parameters: `(nets, count * P)`.
            inputs: `(nets, batch, in_dim)`.
        """
        nets, batch, width = inputs.shape
        shared = inputs.unsqueeze(1).expand(nets, self.count, batch, width)
        rows = parameters.view(self.count * nets, -1)
        outputs = self.network(rows, shared.reshape(-1, batch, width))
        return outputs.view(nets, self.count, batch, -1)

    def initial(self, generator: np.random.Generator, weight_init: str) -> np.ndarray:
        """Fresh parameters, `(count * P,)`."""
        return np.concatenate(
            [self.network.initial(generator, weight_init) for _ in range(self.count)]
        )

    def named(self, parameters: Tensor, prefix: str) -> dict[str, Tensor]:
        """Weights and biases by name, `(nets, count, ...)` each."""
        nets = len(parameters)
        stacked = self.network.named(parameters.view(self.count * nets, -1), prefix)
        return {name: part.unflatten(0, (nets, -1)) for name, part in stacked.items()}


def normaliser_state(num_lanes: int, width: int) -> State:
    """Mean 0 and deviation 1, `(lanes, width)` each."""
    mean, square = NORMALISER
    return {mean: torch.zeros(num_lanes, width), square: torch.ones(num_lanes, width)}


def update_normaliser(state: State, inputs: Tensor, weights: Tensor) -> None:
    """Move the running means towards a batch's.

    Args:
        inputs: `(lanes, batch, width)`.
        weights: >= 0, of each of the batch, `(lanes, batch, 1)`, not all 0.
    """
    momentum = state[MOMENTUM]
    shares = weights / weights.sum(1, keepdim=True)
    for name, values in zip(NORMALISER, (inputs, inputs * inputs), strict=True):
        state[name].copy_(momentum * state[name] + (1.0 - momentum) * (shares * values).sum(1))


def normalised(state: State, inputs: Tensor) -> Tensor:
    """z, shaped like the inputs."""
    mean, square = (state[name].unsqueeze(1) for name in NORMALISER)
    spread = (square - mean * mean).clamp(min=0.0).sqrt().clamp(min=LEAST_DEVIATION)
    return ((inputs - mean) / spread).clamp(-FARTHEST, FARTHEST)


def accumulate(state: State, name: str, inputs: Tensor) -> None:
    """Take inputs into the statistics of `name`, in place.

    Args:
        state: with `<name>.count` `(lanes, 1)`, `<name>.mean` and `<name>.variance`
            `(lanes, width)`; before the first inputs 0, 0 and 1.
        inputs: `(lanes, batch, width)`.
    """
    count, mean, variance = (state[f"{name}.{kept}"] for kept in STATISTICS)
    batch = inputs.shape[1]
    new_mean = inputs.mean(1)
    new_variance = (inputs - new_mean.unsqueeze(1)).square().mean(1)
    total = count + batch
    share, change = batch / total, new_mean - mean
    spread = variance * (1.0 - share) + new_variance * share
    variance.copy_(spread + change * change * (share * (1.0 - share)))
    mean.copy_(mean + change * share)
    count.copy_(total)


STATISTICS = ("count", "mean", "variance")
LEAST_VARIANCE = 1e-8


def standardised(state: State, name: str, inputs: Tensor) -> Tensor:
    """(x - mean) / √(variance + 10⁻⁸) by the statistics of `name`, kept within ±10."""
    mean, variance = (state[f"{name}.{kept}"].unsqueeze(1) for kept in STATISTICS[1:])
    return ((inputs - mean) / (variance + LEAST_VARIANCE).sqrt()).clamp(-FARTHEST, FARTHEST)


class ActionScale:
    """a = center + half_range u, component by component, for continuous actions.

    Rounding may take an end of [-1, 1] a step beyond a bound, where bounds are not symmetric; there
    the bound is played. A component whose bounds are one number has the unit value 0.
    """

    def __init__(self, interface: Interface) -> None:
        low, high = (
            np.array(bound, np.float32) for bound in (interface.action_low, interface.action_high)
        )
        pairs = list(zip(interface.action_low, interface.action_high, strict=True))
        half_range = [(high - low) / 2 for low, high in pairs]
        self._center = _Factor([(high + low) / 2 for low, high in pairs])
        self._half_range = _Factor(half_range)
        fixed = (low == high) | (np.array(half_range) < np.finfo(np.float32).tiny)
        self._unit = _Factor(np.where(fixed, np.inf, half_range).tolist())
        self._bounds: tuple[_Factor, _Factor] | None = None
        ends = self.to_environment(torch.tensor([[-1.0], [1.0]]).expand(2, len(pairs))).numpy()
        if (ends[0] < low).any() or (ends[1] > high).any():
            self._bounds = _Factor(low.tolist()), _Factor(high.tolist())

    def to_environment(self, action: Tensor) -> Tensor:
        """An action in [-1, 1], `(..., action_dim)`, within the environment's bounds."""
        device = action.device
        scaled = action * self._half_range.on(device) + self._center.on(device)
        if self._bounds is None:
            return scaled
        low, high = (bound.on(device) for bound in self._bounds)
        return scaled.clamp(low, high)  # type: ignore[arg-type]

    def to_unit(self, action: Tensor) -> Tensor:
        """The inverse of `to_environment`."""
        device = action.device
        return (action - self._center.on(device)) / self._unit.on(device)


class _Factor:
    """A number a component: a plain number where all share it, which costs no tensor."""

    def __init__(self, values: list[float]) -> None:
        self._shared = values[0] if len(set(values)) == 1 else None
        self._values = Constants(torch.tensor(values))

    def on(self, device: torch.device) -> Tensor | float:
        """The numbers on a device."""
        return self._values.on(device)[0] if self._shared is None else self._shared
