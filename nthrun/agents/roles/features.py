"""What networks see: numbers on a common scale, and large ones digit by digit.

A number x that ranges over many powers of ten is seen as (x mod 10ᵏ) / 10ᵏ, k = 1 … 10, in its own
place; others are divided by a scale.
"""

from __future__ import annotations

from itertools import groupby

import torch
from torch import Tensor

from nthrun.agents.roles.fields import NUM_DIGITS
from nthrun.environments.tensors import Constants
from nthrun.specs.interface import Role


class Features:
    """The inputs of a role's network."""

    def __init__(self, role: Role) -> None:
        self._role = role
        scales = role.scales or (1.0,) * role.observation_dim
        powers = 10.0 ** torch.arange(1, NUM_DIGITS + 1, dtype=torch.float64)
        self._constants = Constants(torch.tensor(scales), powers.float())
        self._shared = _pieces(role, range(role.shared))
        self._own = _pieces(role, range(role.shared, role.observation_dim))

    def __call__(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """What all agents of the role share `(lanes, worlds, s)`, and what each has of its own
        `(lanes, worlds, count, o)`.

        Args:
            seen: `(lanes, worlds, count, observation_dim)`.
        """
        return self._of(seen[:, :, 0], self._shared), self._of(seen, self._own)

    def _of(self, seen: Tensor, pieces: list[tuple[bool, int, int]]) -> Tensor:
        scales, powers = self._constants.on(seen.device)
        parts = [seen[..., :0]]
        for in_digits, begin, end in pieces:
            part = seen[..., begin:end]
            if in_digits:
                digits = torch.remainder(part.unsqueeze(-1), powers) / powers
                parts.append(digits.flatten(-2))
            else:
                parts.append(part / scales[begin:end])
        return torch.cat(parts, -1)


def _pieces(role: Role, places: range) -> list[tuple[bool, int, int]]:
    """Runs of numbers that are seen alike: whether in digits, and from where to where."""
    runs = [(kind, list(run)) for kind, run in groupby(places, lambda p: p in role.digits)]
    return [(kind, run[0], run[-1] + 1) for kind, run in runs]
