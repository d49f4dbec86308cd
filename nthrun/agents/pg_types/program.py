"""The plain policy gradient in games; `nthrun.agents.roles.losses` has the loss."""

from __future__ import annotations

from nthrun.agents.roles.solver import RolesSolver


class PGTypes(RolesSolver):
    """pg_types."""

    clips = False
