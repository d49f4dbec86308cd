"""The dictionary of policies over continuous actions; `softmax` is the one over discrete ones."""

from __future__ import annotations

from nthrun.agents.policies.base import Policy
from nthrun.agents.policies.beta import Beta
from nthrun.agents.policies.gaussian import Gaussian
from nthrun.agents.policies.squashed_gaussian import SquashedGaussian
from nthrun.agents.policies.squashed_mixture import SquashedGaussianMixture

POLICIES: dict[str, type[Policy]] = {
    "SquashedGaussian": SquashedGaussian,
    "Gaussian": Gaussian,
    "Beta": Beta,
    "SquashedGaussianMixture": SquashedGaussianMixture,
}
"""policy_type -> class."""
