"""How finely the cash of a firm is divided, and how many nodes that takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

MAX_NODES = 4096
"""Of a grid at most [measured: the default firm's has 1539 with steps of 0.001 years, and as many
as this with steps of 0.00011]."""


@dataclass(frozen=True, slots=True)
class GridShape:
    """How finely cash is divided: evenly where a firm lives, ever more coarsely above.

    Attributes:
        top: highest node; functions go on linearly above it.
        fine_until: the even part ends here, in units of σ_X.
        nodes_per_shock: nodes of the even part per standard deviation of one step at c = 0.
        growth: each interval above the even part is longer than the one before by this share.
    """

    top: float = 3.0
    fine_until: float = 2.5
    nodes_per_shock: float = 16.0
    growth: float = 0.02

    def spacing(self, sigma_x: float, dt: float) -> float:
        """Length of the even intervals for steps of dt years."""
        return sigma_x * math.sqrt(dt) / self.nodes_per_shock

    def even_nodes(self, sigma_x: float, dt: float) -> int:
        """How many nodes the even part has, σ_X > 0."""
        end = min(self.fine_until * sigma_x, self.top)
        return math.ceil(end / self.spacing(sigma_x, dt))

    def longer_intervals(self, sigma_x: float, dt: float) -> int:
        """How many intervals lie above it.

        Theirs is the least n with a sum of spacing × (1 + growth)^k, k = 1 … n, that reaches the
        top.
        """
        spacing, ratio = self.spacing(sigma_x, dt), 1 + self.growth
        even_end = (self.even_nodes(sigma_x, dt) - 1) * spacing
        reach = (self.top - even_end) / spacing
        return math.ceil(math.log1p(reach * self.growth / ratio) / math.log(ratio))

    def num_nodes(self, sigma_x: float, dt: float) -> int:
        """Of the whole grid."""
        return self.even_nodes(sigma_x, dt) + self.longer_intervals(sigma_x, dt)
