"""Layouts: what one lane of an agent is made of, said without making a tensor.

What a lane costs, and whether a saved state is an agent's, both follow from its layout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nthrun.specs.footprint import AgentFootprint

Shapes = Mapping[str, tuple[int, ...]]
"""Name of a tensor -> its shape behind the lane axis."""
FLOAT32 = "float32"
ITEM_BYTES = {FLOAT32: 4, "float64": 8, "int64": 8}


@dataclass(frozen=True, slots=True)
class Layout:
    """What a lane of an agent is made of; it depends on the static hyperparameters alone.

    Attributes:
        state: every tensor of the state, but for `replay`.
        learned: every tensor of `learned_params`.
        metrics: names of what an update reports.
        dtypes: types of tensors that are not float32, by name.
        num_agent_draws: standard normal numbers drawn for one step.
        num_replay_draws: steps drawn from the replay for one step, or for one of several updates.
        num_simulation_draws: uniform numbers drawn for the simulations of a solver's step.
        replay_capacity: rows of `replay`; 0 for an agent without one.
        replay_width: numbers of one of them, float32.
        num_repeated_products: multiply-adds of a sample beside one for each learned parameter, such
            as those of a kernel at every place but one.
        update_bytes: bound on what one update holds beside the state, gradients included.
        acting_bytes: bound on what choosing one action holds.
        max_updates: the most updates that follow one step.
        num_update_draws: standard normal numbers drawn for one update apart from the step.
        num_play_draws: uniform numbers drawn for one action of evaluation, where it is by chance.
        update_interval: steps of which updates follow one.
        gathers: whether the agent gathers a rollout before the first of them.
        largest: whether shapes are the largest that there may be, which only the solution knows.
    """

    state: Shapes
    learned: Shapes
    metrics: tuple[str, ...] = ()
    dtypes: Mapping[str, str] = field(default_factory=dict)
    num_agent_draws: int = 0
    num_replay_draws: int = 0
    num_simulation_draws: int = 0
    replay_capacity: int = 0
    replay_width: int = 0
    num_repeated_products: int = 0
    update_bytes: int = 0
    acting_bytes: int = 0
    largest: bool = False
    max_updates: int = 1
    num_update_draws: int = 0
    num_play_draws: int = 0
    update_interval: int = 1
    gathers: bool = False

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Layout:
        """The layout of a state that was made, whose tensors have a lane axis."""
        shapes = {name: tuple(tensor.shape[1:]) for name, tensor in state.items()}
        return cls(shapes, {}, dtypes={name: _dtype(tensor) for name, tensor in state.items()})

    def footprint(self) -> AgentFootprint:
        """The same in bytes and counts, as planning needs it."""
        return AgentFootprint(
            state_bytes=self._bytes(self.state),
            learned_bytes=self._bytes(self.learned),
            replay_capacity=self.replay_capacity,
            replay_row_bytes=ITEM_BYTES[FLOAT32] * self.replay_width,
            num_agent_draws=self.num_agent_draws,
            num_replay_draws=self.num_replay_draws,
            num_metrics=len(self.metrics),
            num_repeated_products=self.num_repeated_products,
            update_bytes=self.update_bytes,
            acting_bytes=self.acting_bytes,
            num_simulation_draws=self.num_simulation_draws,
            max_updates=self.max_updates,
            num_update_draws=self.num_update_draws,
            num_play_draws=self.num_play_draws,
            update_interval=self.update_interval,
            updates_apart=self.max_updates > 1 or self.gathers,
            gathers=self.gathers,
        )

    def mismatch(self, state: Mapping[str, Any]) -> str:
        """What of a lane's state is not as declared, in words; "" if nothing is.

        Args:
            state: name -> a tensor or an array without the lane axis, of the agent alone.
        """
        for name in sorted({*self.state, *state} - {"replay"}):
            if name not in state or name not in self.state:
                return f"{name} is {'missing' if name not in state else 'unknown'}"
            shape, dtype = tuple(state[name].shape), _dtype(state[name])
            expected, allowed = self.state[name], self.dtypes.get(name, FLOAT32)
            if dtype != allowed or not self._fits(shape, expected):
                return f"{name} is {dtype} {shape}, expected {allowed} {expected}"
        return ""

    def _fits(self, shape: tuple[int, ...], expected: tuple[int, ...]) -> bool:
        if not self.largest:
            return shape == expected
        pairs = zip(shape, expected, strict=False)
        return len(shape) == len(expected) and all(size <= most for size, most in pairs)

    def _bytes(self, shapes: Shapes) -> int:
        return sum(
            ITEM_BYTES[self.dtypes.get(name, FLOAT32)] * math.prod(shape)
            for name, shape in shapes.items()
        )


def _dtype(tensor: Any) -> str:
    """The type of the numbers of a tensor or an array."""
    return str(tensor.dtype).removeprefix("torch.")
