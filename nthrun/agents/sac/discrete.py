"""SAC's expectations over discrete actions, exactly."""

from __future__ import annotations

import math

from torch import Tensor

from nthrun.agents.off_policy.shapes import policy_spec
from nthrun.agents.policies.softmax import Softmax
from nthrun.agents.sac.critics import Critics
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface

ENTROPY_FRACTION = 0.98


class ExactObjectives:
    """The objectives of Christodoulou (2019), "Soft Actor-Critic for Discrete Action Settings".

        v̄(s') = Σ_a' π(a'|s') (min_i Q̄_i(s', a') - α log π(a'|s'))                  (eq. 10)
        J_π = E_s[Σ_a π(a|s) (α log π(a|s) - min_i Q_i(s, a))]                      (eq. 12)
        H̄ = 0.98 log |A|

    v̄ has no α log π if Q is not soft.
    """

    def __init__(self, statics: Setting, environment: Interface, critics: Critics) -> None:
        self.policy = Softmax(policy_spec(statics, environment))
        self.target_entropy = ENTROPY_FRACTION * math.log(environment.num_actions)
        self._critics = critics
        self._soft: bool = statics["soft_q"]

    def next_value(
        self, outputs: Tensor, observation: Tensor, normal: Tensor, alpha: Tensor, targets: Tensor
    ) -> Tensor:
        values = self._critics.smallest_of_all(targets, observation)
        if self._soft:
            values = values - alpha.unsqueeze(2) * self.policy.log_probabilities(outputs)
        return (self.policy.probabilities(outputs) * values).sum(-1)

    def actor_loss(
        self, outputs: Tensor, observation: Tensor, normal: Tensor, alpha: Tensor, critics: Tensor
    ) -> tuple[Tensor, Tensor]:
        values = self._critics.smallest_of_all(critics, observation)
        log_density = self.policy.log_probabilities(outputs)
        cost = self.policy.probabilities(outputs) * (alpha.unsqueeze(2) * log_density - values)
        return cost.sum(-1).mean(1), -self.policy.entropy(outputs).mean(1)
