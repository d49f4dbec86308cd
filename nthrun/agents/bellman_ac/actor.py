"""The actor of the Bellman equation: a rule for the share of resources that is saved.

s is the logistic function of the network's output and of what an insured household would save.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.agents.krusell_smith.households import Found
from nthrun.agents.krusell_smith.rule import NetworkRule
from nthrun.environments.krusell_smith.declaration import MOST_SAVED
from nthrun.environments.tensors import TINY

LEAST_SHARE, MOST_SHARE = 0.02, 0.995
"""Within which an insured household's share is taken for what it is."""


class Actor(NetworkRule):
    """A rule for the share that is saved."""

    def savings(self, outputs: Tensor, found: Found) -> Tensor:
        """See `NetworkRule`."""
        return self.share(outputs, found) * found.resources

    def share(self, outputs: Tensor, found: Found) -> Tensor:
        """s, shaped like the outputs."""
        kept = 1.0 - found.insured / found.resources.clamp(min=TINY)
        kept = kept.clamp(LEAST_SHARE, MOST_SHARE)
        raw = outputs + torch.log(kept / (1.0 - kept))
        return MOST_SAVED * 0.5 * (1.0 + torch.tanh(0.5 * raw))
