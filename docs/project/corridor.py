"""A corridor of some cells, whose steps go astray now and then. The goal is its right end."""

import torch

from nthrun import Field, Interface, Transition


class Corridor:
    """An environment: pure functions of tensors, whose first two axes are lanes and episodes."""

    interface = Interface(
        observation_low=(0.0, 0.0),
        observation_high=(1.0, 1.0),
        num_actions=2,
        state_dim=1,
        num_step_draws=1,
    )
    fields = (Field("cells", "int", 10, "length of the corridor", minimum=2, maximum=1000),)

    def __init__(self, spec):
        self.cells = spec.integer("cells")

    def reset(self, draws):
        return torch.zeros(*draws.shape[:-1], 1)

    def observe(self, state):
        return torch.cat((state / self.cells, 1 - state / self.cells), -1)

    def step(self, state, action, draws):
        right = (action > 0.5) ^ (draws < 0.1)
        moved = (state + torch.where(right, 1.0, -1.0)).clamp(0, self.cells)
        return Transition(moved, torch.full_like(state, -1.0), (moved >= self.cells).float())
