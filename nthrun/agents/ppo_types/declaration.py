"""What a spec may say of proximal policy optimisation in games."""

from __future__ import annotations

from nthrun.agents.roles.fields import fields, fits_roles, roles_layout
from nthrun.specs.declaration import AgentDeclaration

PPO_TYPES = AgentDeclaration(
    name="ppo_types",
    program="nthrun.agents.ppo_types.program:PPOTypes",
    layout=roles_layout,
    fits=fits_roles,
    solves=True,
    doc=(
        "Proximal policy optimisation in a game, with a network for each role, which all its "
        "agents share. A step plays an episode in each of many worlds; then the roles that learn "
        "by then take a few updates each. What may be chosen can open as learning goes on."
    ),
    source=(
        "after Curry, Trott, Phade, Bai and Zheng (2022), arXiv 2201.01163; Schulman et al. "
        "(2017), arXiv 1707.06347"
    ),
    hyperparameters=fields(clipped=True),
)
