"""Start states: the one a spec fixes, or drawn ones."""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.specs.environment_spec import EnvironmentSpec


def started(spec: EnvironmentSpec, drawn: Tensor) -> Tensor:
    """The states at which episodes begin, `(lanes, episodes, state_dim)`.

    Args:
        drawn: states an environment draws where the spec fixes none.
    """
    fixed = spec.items("start_state")
    if not fixed:
        return drawn
    start = torch.tensor(fixed, dtype=drawn.dtype, device=drawn.device)
    return start.expand_as(drawn).clone()


def same_start(spec: EnvironmentSpec, draws: Tensor, *state: float) -> Tensor:
    """The same for an environment that draws nothing: episodes begin at `state`.

    Args:
        draws: `(lanes, episodes, 0)`.
    """
    start = torch.tensor(state, dtype=draws.dtype, device=draws.device)
    return started(spec, start.expand(*draws.shape[:-1], len(state)).clone())
