"""Shapes of networks and replay rows, without torch: what planning counts and programs build on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from nthrun.specs.interface import Interface

HIDDEN_MULTIPLE = 16
HEAD_MULTIPLE = 4


@dataclass(frozen=True, slots=True)
class MLPShape:
    """The shape of a perceptron with two hidden layers; `nthrun.agents.networks` says why padded.

    Attributes:
        in_dim, hidden_dim, out_dim: layer widths, without padding.
    """

    in_dim: int
    hidden_dim: int
    out_dim: int

    def widths(self) -> tuple[int, int, int, int]:
        """Layer widths with padding."""
        hidden = _padded(self.hidden_dim, HIDDEN_MULTIPLE)
        head = 1 if self.out_dim == 1 else _padded(self.out_dim, HEAD_MULTIPLE)
        return self.in_dim, hidden, hidden, head

    def true_widths(self) -> tuple[int, int, int, int]:
        """Layer widths without padding."""
        return self.in_dim, self.hidden_dim, self.hidden_dim, self.out_dim

    def sizes(self) -> list[int]:
        """Entries of weight 1, bias 1, weight 2, ... in a row; the last is padded."""
        sizes = [size for a, b in pairwise(self.widths()) for size in (a * b, b)]
        return [*sizes[:-1], _padded(sizes[-1], HIDDEN_MULTIPLE)]

    def num_params(self) -> int:
        """Entries of a row, padding included."""
        return sum(self.sizes())

    def num_learned(self) -> int:
        """Weights and biases without padding."""
        return sum((a + 1) * b for a, b in pairwise(self.true_widths()))


def row_widths(environment: Interface) -> list[int]:
    """Widths of the parts of a replay row, in the order of `Experience`."""
    observation = environment.observation_dim
    return [observation, environment.action_dim, 1, observation, 1]


def _padded(width: int, multiple: int) -> int:
    return -(-width // multiple) * multiple
