"""What a spec may say of access control."""

from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.interface import Interface

ACCESS_CONTROL = EnvironmentDeclaration(
    name="AccessControl-v0",
    interface=Interface(
        observation_low=(0.0, 0.0),
        observation_high=(1.0, 1.0),
        num_actions=2,
        state_dim=2,
        num_reset_draws=1,
        num_step_draws=11,
        terminates=False,
    ),
    program="nthrun.environments.access_control.program:AccessControl",
    continuous=(False,),
    doc=(
        "Reject (0) or accept (1) the customer at the head of a queue that never empties. One who "
        "is accepted while a server is free pays 1, 2, 4 or 8 by priority; each of 10 servers that "
        "is busy becomes free with probability 0.06 a step. Observation (free servers / 10, "
        "priority 0 to 3 / 3). A continuing problem, for average reward with steps_per_episode 0."
    ),
    source="Sutton and Barto (2018), Reinforcement learning: an introduction, example 10.2",
)
