"""What a lane of greedification by KL divergences costs."""

from __future__ import annotations

from dataclasses import replace

from nthrun.agents.off_policy.sampling_footprint import sampling_footprint
from nthrun.agents.off_policy.shapes import policy_spec
from nthrun.specs.declaration import Setting
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface


def fkl_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane; over discrete actions an update takes all and draws none."""
    footprint = sampling_footprint(setting, environment)
    if not environment.discrete:
        return footprint
    return replace(footprint, num_agent_draws=policy_spec(setting, environment).num_draws)
