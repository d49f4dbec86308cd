"""What an actor of SAC contributes to the equations, whatever its actions are."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from nthrun.agents.policies.base import Policy
from nthrun.agents.policies.softmax import Softmax


class Objectives(Protocol):
    """Expectations over a policy's actions; what they take is `(lanes, batch, ...)`.

    Attributes:
        target_entropy: H̄, what the temperature is tuned for.
    """

    target_entropy: float

    @property
    def policy(self) -> Policy | Softmax:
        """Whose outputs the actor network puts out."""

    def next_value(
        self, outputs: Tensor, observation: Tensor, normal: Tensor, alpha: Tensor, targets: Tensor
    ) -> Tensor:
        """The value v̄(s') of the critic's target, without gradient, `(lanes, batch)`.

        Args:
            outputs: of the actor at the next observation.
            observation: the next one.
            normal: standard normal numbers of a whole update, `(lanes, actions, num_draws)`.
            alpha: the temperature, `(lanes, 1)`.
            targets: parameters of the target critics.
        """

    def actor_loss(
        self, outputs: Tensor, observation: Tensor, normal: Tensor, alpha: Tensor, critics: Tensor
    ) -> tuple[Tensor, Tensor]:
        """J_π, whose gradient in the outputs is the update's, and E[log π]; `(lanes,)` each.

        Args:
            outputs: of the actor at the observation.
            critics: parameters of the critics.
        """
