"""The contract of a policy over continuous actions.

Actions are in [-1, 1] here; the agent scales them to the environment's bounds. Every tensor is
`(lanes, batch, ...)`, and what a lane gets does not depend on the others.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

from nthrun.agents.policies.sizes import PolicySpec


class Sample(NamedTuple):
    """Sampled actions.

    Attributes:
        action: as the environment gets it, in [-1, 1], `(lanes, batch, action_dim)`.
        log_density: log π(a|s), `(lanes, batch)`.
        raw: what the density is a function of, `(lanes, batch, action_dim)`: it keeps the digits
            that an action near the bounds has lost.
    """

    action: Tensor
    log_density: Tensor
    raw: Tensor


class Policy(Protocol):
    """A distribution over actions, given a network's outputs `(lanes, batch, num_outputs)`.

    Attributes:
        num_outputs: of the network, for a state.
        num_draws: standard normal numbers that a sampled action takes.
        num_strata: samples that `strata` takes of a state.
    """

    num_outputs: int
    num_draws: int
    num_strata: int = 1

    def __init__(self, spec: PolicySpec) -> None: ...

    def sample(self, outputs: Tensor, noise: Tensor) -> Sample:
        """A reparameterised sample, differentiable in the outputs.

        Args:
            outputs: `(lanes, batch, num_outputs)`.
            noise: standard normal, `(lanes, batch, num_draws)`.
        """

    def sample_action(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """The action of `sample` alone, `(lanes, batch, action_dim)`."""

    def log_density(self, outputs: Tensor, raw: Tensor) -> Tensor:
        """The action's log-density at raw values `(lanes, batch, action_dim)`, `(lanes, batch)`."""

    def raw_of(self, action: Tensor) -> Tensor:
        """The raw values of actions strictly within (-1, 1)."""

    def mode(self, outputs: Tensor) -> Tensor:
        """The deterministic action, `(lanes, batch, action_dim)`."""

    def strata(self, outputs: Tensor, noise: Tensor) -> tuple[Sample, Tensor | None]:
        """Samples whose weighted mean has the exact gradient of an expectation.

        Args:
            outputs: `(lanes, batch, num_outputs)`.
            noise: standard normal, `(lanes, batch, num_draws)`.

        Returns:
            samples `(lanes, num_strata * batch, ...)`, a stratum of the whole batch behind
            another, and their weights `(lanes, num_strata * batch)`, or None where all are 1:

                E[f(a)] = Σ_k w_k E[f(a_k)]

            f may be linear in the log-density, which is that of the sample or its mean.
        """
        return self.sample(outputs, noise), None

    def entropy(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """The policy's entropy, differentiable, `(lanes, batch)`: the mean of -log π.

        Args:
            outputs: `(lanes, batch, num_outputs)`.
            noise: of the same number of samples of every state, one copy of the batch behind
                another, `(lanes, count * batch, num_draws)`.
        """
        count = noise.shape[1] // outputs.shape[1]
        log_density = self.sample(repeated(outputs, count), noise).log_density
        surprise: Tensor = -log_density.unflatten(1, (count, -1))
        return surprise.mean(1)


def repeated(rows: Tensor, times: int) -> Tensor:
    """A batch `(lanes, batch, dim)` several times, one copy behind another."""
    if times == 1:
        return rows
    return rows.unsqueeze(1).expand(-1, times, -1, -1).flatten(1, 2)
