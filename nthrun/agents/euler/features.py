"""What a rule of the Bewley economy sees of a household.

A household sees its wealth, as two logarithms that tell small and large wealth apart, and r; where
the environment shows the cross-section instead of prices, the wealth and the ability of all.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.agents.euler.scale import Scale

SMALL, LARGE = 0.05, 1.0
"""Wealth below which either logarithm is flat, in fifths of a usual household's."""
GAIN = 2.0
"""Of all features, for weights of the usual size to bend the rule where it bends."""


class Features:
    """Features of households, `(lanes, households, width)`.

    Args:
        scale: of the economy.
    """

    def __init__(self, scale: Scale) -> None:
        self._unit = scale.wealth / 5.0
        self._r, self._spread = scale.r, scale.spread

    def of(self, wealth: Tensor, r: Tensor, crowd: Tensor | None) -> Tensor:
        """Not normalised.

        Args:
            wealth: a, `(lanes, households)`.
            r: `(lanes, households)`.
            crowd: `crowd` of the world of each; None where prices are seen.
        """
        own = [*self._wealth(wealth)]
        if crowd is None:
            return torch.stack([*own, GAIN * (r - self._r) / self._spread], -1)
        return torch.cat([torch.stack(own, -1), crowd], -1)

    def crowd(self, wealth: Tensor, ability: Tensor) -> Tensor:
        """A world as each of its households sees it, `(lanes, worlds × households, 2 households)`.

        Args:
            wealth, ability: a and v, `(lanes, worlds, households)`.
        """
        seen = torch.cat([self._wealth(wealth)[0], torch.log(ability)], -1)
        lanes, worlds, households = wealth.shape
        return (
            seen.unsqueeze(2).expand(-1, -1, households, -1).reshape(lanes, worlds * households, -1)
        )

    def _wealth(self, wealth: Tensor) -> tuple[Tensor, Tensor]:
        owned = wealth / self._unit
        return GAIN * (torch.log(owned + LARGE) - 1.5), GAIN * 0.7 * torch.log(owned + SMALL)
