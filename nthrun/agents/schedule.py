"""Step sizes that fall on a plateau of the loss, and a way back for lanes that lose their numbers.

The loss is averaged over steps, J ← d J + (1 - d) |loss|, and is on a plateau once `lr_patience`
steps have not brought J below 98 % of what it was. Then the step size is multiplied by
`lr_factor`. Every 100 steps what a lane has learned is kept; a lane whose loss, gradient or
parameters are not finite goes back there, with a smaller step size, up to `max_resets` times. At
the next loss of its numbers it goes back there for good.

Nets that have losses of their own have step sizes of their own, each with its `StepSize`; a lane
goes back with all its nets, and all its step sizes are smaller then.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nthrun.agents.base import TINY, State, lane_column
from nthrun.agents.layouts import (
    GOOD,
    GOOD_STEP,
    LR_FACTOR,
    LR_PATIENCE,
    MAX_RESETS,
    ONE_SIZE,
    RESETS,
    StepSize,
    schedule_shapes,
)
from nthrun.specs.declaration import Setting

MEMORY = 0.98
PROGRESS = 0.98
KEPT_EVERY = 100
WARM_UP_STEPS = 100
"""Steps over which the step size grows to its full size."""


def schedule_state(
    settings: Sequence[Setting], kept: State, sizes: tuple[StepSize, ...] = ONE_SIZE
) -> State:
    """What is kept of each lane: its numbers, and the first good state.

    Args:
        kept: what a lane goes back to, `(lanes, ...)` each: all nets, what their optimisers keep of
            them, and what else a step changes.
    """
    rates = (*(size.lr for size in sizes), LR_FACTOR, LR_PATIENCE, MAX_RESETS)
    state = {name: torch.zeros(len(settings), 1) for name in schedule_shapes({}, sizes)}
    state |= {name: lane_column([float(s[name]) for s in settings]) for name in rates}
    for size in sizes:
        state[size.prefix + "best"] += torch.finfo(torch.float32).max
    return state | {GOOD + name: tensor.clone() for name, tensor in kept.items()}


def step_size(state: State, step: Tensor, size: StepSize = ONE_SIZE[0]) -> Tensor:
    """The step size of this step, `(lanes, 1)`.

    Args:
        step: how many there were before with this step size.
    """
    share = ((step.to(torch.float32) + 1.0) / WARM_UP_STEPS).clamp(max=1.0)
    return state[size.lr] * share


def look_at_loss(state: State, loss: Tensor, size: StepSize = ONE_SIZE[0]) -> None:
    """Count the step, unless its loss is no number, and lower the step size on a plateau.

    Args:
        loss: `(lanes, 1)`.
    """
    mean, weight, best, since = (state[name] for name in size.counters())
    finite = torch.isfinite(loss)
    memory = torch.where(finite, MEMORY, 1.0)
    mean.mul_(memory).add_((1.0 - memory) * torch.where(finite, loss.abs(), 0.0))
    weight.mul_(memory).add_(1.0 - memory)
    average = mean / weight.clamp(min=TINY)
    better = finite & (average < PROGRESS * best)
    waited = torch.where(better, 0.0, since + finite)
    tired = finite & (waited >= state[LR_PATIENCE])
    best.copy_(torch.where(better | tired, average, best))
    since.copy_(torch.where(tired, 0.0, waited))
    state[size.lr].mul_(torch.where(tired, state[LR_FACTOR], 1.0))


def keep_good(state: State, sound: Tensor, step: Tensor) -> None:
    """Keep what a lane has every 100 steps, before the step changes it.

    Args:
        sound: whether the loss and the gradient at it are finite, `(lanes, 1)`.
    """
    due = (sound & ~_is_lost(state))[:, 0] & (step % KEPT_EVERY == 0)
    state[GOOD_STEP].copy_(torch.where(due.unsqueeze(1), step.float(), state[GOOD_STEP]))
    for name in _names(state):
        kept, now = state[GOOD + name], state[name]
        kept.copy_(torch.where(_beside(due, now), now, kept))


def go_back(
    state: State, loss: Tensor, sound: Tensor, sizes: tuple[StepSize, ...] = ONE_SIZE
) -> Tensor:
    """Take back what was kept where the step was not sound, or has left what is not finite.

    Args:
        loss: `(lanes, 1)`, of the parameters before this step.
        sound: see `keep_good`.

    Returns:
        the loss, 0 for a lane that has gone back, NaN once it has more than `max_resets` times.
    """
    was_lost = _is_lost(state)
    good = (sound & ~was_lost)[:, 0]
    for name in _names(state):
        good = good & torch.isfinite(state[name]).flatten(1).all(1)
    for name in _names(state):
        now = state[name]
        now.copy_(torch.where(_beside(good, now), now, state[GOOD + name]))
    lost = ~good.unsqueeze(1)
    for size in sizes:
        state[size.lr].mul_(torch.where(lost, state[LR_FACTOR], 1.0))
    state[RESETS].add_((lost & ~was_lost).to(loss.dtype))
    return torch.where(_is_lost(state), torch.nan, torch.where(lost, 0.0, loss))


def last_good(state: State, lane: int) -> str:
    """What is left of a lane that has lost its numbers for good; "" where nothing was kept.

    Args:
        state: of any agent.
    """
    if GOOD_STEP not in state or not _is_lost(state)[lane]:
        return ""
    step, most = (int(state[name][lane]) for name in (GOOD_STEP, MAX_RESETS))
    return (
        f"it had gone back {most} time{'s' * (most != 1)}, as often as max_resets allows; "
        f"learned_params are those of step {step}, the last good ones"
    )


def _is_lost(state: State) -> Tensor:
    """Whether lanes have lost their numbers more often than they may, `(lanes, 1)`."""
    return state[RESETS] > state[MAX_RESETS]


def _names(state: State) -> list[str]:
    """Names of what is kept of a lane."""
    return [name.removeprefix(GOOD) for name in state if name.startswith(GOOD)]


def _beside(lanes: Tensor, other: Tensor) -> Tensor:
    """`(lanes,)` in a shape that broadcasts with `(lanes, ...)`."""
    return lanes.view(-1, *[1] * (other.dim() - 1))
