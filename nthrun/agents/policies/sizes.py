"""What a policy is and how many numbers it takes, without torch: planning counts with it."""

from __future__ import annotations

from dataclasses import dataclass

from nthrun.specs.declaration import Actions

BETA_TRIES = 5
"""Proposals for each of a Beta's two gamma variates; `beta` says how many fail."""
BETA_DRAWS = 2 * 2 * BETA_TRIES
"""A proposal and its uniform number, for each try of both variates."""

POLICY_ACTIONS: dict[str, Actions] = {
    "SquashedGaussian": "continuous",
    "Gaussian": "continuous",
    "Beta": "continuous",
    "SquashedGaussianMixture": "continuous",
    "Softmax": "discrete",
}
"""policy_type -> the actions it is a distribution over."""


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """A policy as hyperparameters and an environment determine it.

    Attributes:
        policy_type: one of `POLICY_ACTIONS`.
        action_size: components of a continuous action, or the number of discrete actions.
        num_components: of a mixture; the others have one.
        clip_stddev: a Gaussian's σ stays within [1/clip_stddev, clip_stddev].
    """

    policy_type: str
    action_size: int
    num_components: int = 1
    clip_stddev: float = 1000.0

    @property
    def num_outputs(self) -> int:
        """What the network puts out for a state."""
        size = self.action_size
        if self.policy_type == "Softmax":
            return size
        if self.policy_type == "SquashedGaussianMixture":
            return self.num_components * (1 + 2 * size)
        return 2 * size

    @property
    def num_draws(self) -> int:
        """Standard normal numbers that one sampled action takes."""
        if self.policy_type == "Softmax":
            return 1
        if self.policy_type == "SquashedGaussianMixture":
            return 1 + self.action_size
        return self.action_size * (BETA_DRAWS if self.policy_type == "Beta" else 1)

    @property
    def num_strata(self) -> int:
        """Samples that `Policy.strata` takes of a state."""
        return self.num_components if self.policy_type == "SquashedGaussianMixture" else 1
