"""Footprints: what one lane of an agent costs, in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AgentFootprint:
    """What one lane of an agent costs, as planning needs it.

    A layout has it, and a user's own class is measured; such a class may also give one itself.

    Attributes:
        state_bytes: the tensors of its state, but for `replay`.
        learned_bytes: the arrays of `learned_params`.
        replay_capacity: rows of `replay`; 0 for an agent without one.
        replay_row_bytes: of one of them.
        num_agent_draws, num_replay_draws: numbers drawn for one step; where updates run apart
            from it the latter are those of one update.
        num_metrics: numbers that one update reports.
        num_repeated_products: multiply-adds of a sample beside one for each learned parameter, such
            as those of a kernel at every place but one.
        update_bytes: bound on what one update holds beside the state, gradients included.
        acting_bytes: bound on what choosing one action holds.
        num_simulation_draws: numbers drawn for the simulations of a solver's step.
        max_updates: the most updates that follow one step.
        num_update_draws: numbers that one update draws, where it runs apart from the step.
        num_play_draws: numbers that one action of evaluation draws, where it is by chance.
        update_interval: steps of which updates follow one.
        updates_apart: whether updates run apart from the step, with numbers of their own, as they
            do wherever there may be several.
        gathers: whether the agent gathers a rollout before the first of them.
    """

    state_bytes: int = 0
    learned_bytes: int = 0
    replay_capacity: int = 0
    replay_row_bytes: int = 0
    num_agent_draws: int = 0
    num_replay_draws: int = 0
    num_metrics: int = 0
    num_repeated_products: int = 0
    update_bytes: int = 0
    acting_bytes: int = 0
    num_simulation_draws: int = 0
    max_updates: int = 1
    num_update_draws: int = 0
    num_play_draws: int = 0
    update_interval: int = 1
    updates_apart: bool = False
    gathers: bool = False

    @property
    def replay_bytes(self) -> int:
        """The whole replay."""
        return self.replay_capacity * self.replay_row_bytes
