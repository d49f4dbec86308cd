"""What a spec may say of policy gradients in games."""

from __future__ import annotations

from nthrun.agents.roles.fields import fields, fits_roles, roles_layout
from nthrun.specs.declaration import AgentDeclaration

PG_TYPES = AgentDeclaration(
    name="pg_types",
    program="nthrun.agents.pg_types.program:PGTypes",
    layout=roles_layout,
    fits=fits_roles,
    solves=True,
    doc=(
        "The plain policy gradient in a game, with a network for each role, which all its agents "
        "share. A step plays an episode in each of many worlds; then the roles that learn by then "
        "take one update each. What may be chosen can open as learning goes on."
    ),
    source="after Curry, Trott, Phade, Bai and Zheng (2022), arXiv 2201.01163",
    hyperparameters=fields(clipped=False),
)
