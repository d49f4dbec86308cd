"""Proximal policy optimisation in games; `nthrun.agents.roles.losses` has the loss."""

from __future__ import annotations

from nthrun.agents.roles.solver import RolesSolver


class PPOTypes(RolesSolver):
    """ppo_types."""

    clips = True
