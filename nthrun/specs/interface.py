"""The interface of an environment: its shapes and bounds, as agents and planning see them."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interface:
    """What an environment of a given spec takes and gives.

    Attributes:
        observation_low, observation_high: bounds of every component of an observation, infinite
            where there is none.
        action_low, action_high: bounds of every component of a continuous action; empty where
            actions are discrete.
        num_actions: how many discrete actions there are; 0 where actions are continuous.
        state_dim: size of the last axis of a tensor environment's state.
        num_reset_draws, num_step_draws: uniform numbers on [0, 1) that one reset and one step
            consume; on the host, where seeds are all that is drawn, both are 0.
        terminates: whether any state is terminal; else only `steps_per_episode` ends an episode.
        horizon_steps: steps after which every episode has reached a terminal state; 0 where there
            is no such number.
        model: whose equations it follows, for solvers that know them; "" for none.
        num_kinds: how many states each household of such a model can be in; 0 where it has none.
        num_states: how many states all of them together can be in, such as those of productivity; 0
            where there are none.
        crowd_dim: numbers that such a model shows of all households beside their mean wealth.
        discount: β of its households; 0 where there are none.
        host_bytes: memory of one lane beside its tensors, where the environment runs on the host.
    """

    observation_low: tuple[float, ...]
    observation_high: tuple[float, ...]
    action_low: tuple[float, ...] = ()
    action_high: tuple[float, ...] = ()
    num_actions: int = 0
    state_dim: int = 0
    num_reset_draws: int = 0
    num_step_draws: int = 0
    terminates: bool = True
    horizon_steps: int = 0
    model: str = ""
    num_kinds: int = 0
    num_states: int = 0
    crowd_dim: int = 0
    discount: float = 0.0
    host_bytes: int = 0

    def problem(self) -> str:
        """What of it no environment can have, in words; "" if nothing."""
        for name, low, high in (
            ("observation", self.observation_low, self.observation_high),
            ("action", self.action_low, self.action_high),
        ):
            if len(low) != len(high):
                return f"{name}_low has {len(low)} numbers and {name}_high {len(high)}"
            for place, (least, greatest) in enumerate(zip(low, high, strict=True)):
                if not least <= greatest:
                    return f"{name}_low[{place}] is {least} and {name}_high[{place}] {greatest}"
        if not self.observation_low:
            return "an observation has no component"
        if bool(self.action_low) == bool(self.num_actions):
            both = "both num_actions and bounds" if self.num_actions else "neither"
            return f"it has {both}, allowed: num_actions or action_low and action_high"
        if not all(map(math.isfinite, (*self.action_low, *self.action_high))):
            return "actions are not bounded"
        counts = (self.num_actions, self.state_dim, self.num_reset_draws, self.num_step_draws)
        return "" if min(counts) >= 0 else "a count is negative"

    @property
    def observation_dim(self) -> int:
        """Components of an observation."""
        return len(self.observation_low)

    @property
    def action_dim(self) -> int:
        """Components of a continuous action; 1 for a discrete one, which is its number."""
        return 1 if self.num_actions else len(self.action_low)

    @property
    def discrete(self) -> bool:
        """Whether an action is one of a few."""
        return self.num_actions > 0
