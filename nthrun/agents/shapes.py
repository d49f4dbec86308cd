"""Shapes of networks and replay rows, without torch: what planning counts and programs build on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from nthrun.specs.interface import Interface

HIDDEN_MULTIPLE = 16
HEAD_MULTIPLE = 4


@dataclass(frozen=True, slots=True)
class MLPShape:
    """The shape of a perceptron; `nthrun.agents.networks` says why padded.

    Attributes:
        in_dim, hidden, out_dim: layer widths, without padding; `hidden` has one or more.
    """

    in_dim: int
    hidden: tuple[int, ...]
    out_dim: int

    def widths(self) -> tuple[int, ...]:
        """Layer widths with padding."""
        hidden = (_padded(width, HIDDEN_MULTIPLE) for width in self.hidden)
        head = 1 if self.out_dim == 1 else _padded(self.out_dim, HEAD_MULTIPLE)
        return self.in_dim, *hidden, head

    def true_widths(self) -> tuple[int, ...]:
        """Layer widths without padding."""
        return self.in_dim, *self.hidden, self.out_dim

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
