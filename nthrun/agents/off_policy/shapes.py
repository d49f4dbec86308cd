"""Shapes of critics and actors, without torch."""

from __future__ import annotations

from nthrun.agents.policies.sizes import PolicySpec
from nthrun.agents.shapes import MLPShape
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface


def critic_shape(setting: Setting, environment: Interface) -> MLPShape:
    """Q(s, a) of a state and a continuous action, or of all discrete actions of a state."""
    num_inputs, num_outputs = environment.observation_dim, environment.num_actions
    if not environment.discrete:
        num_inputs, num_outputs = num_inputs + environment.action_dim, 1
    return MLPShape(num_inputs, (setting["hidden_dim"],) * 2, num_outputs)


def policy_spec(setting: Setting, environment: Interface) -> PolicySpec:
    """The policy that a setting chooses in an environment."""
    size = environment.num_actions or environment.action_dim
    components = setting.get("num_components", 1)
    return PolicySpec(setting["policy_type"], size, components, setting["clip_stddev"])


def actor_shape(setting: Setting, environment: Interface) -> MLPShape:
    """The parameters of the policy in a state."""
    num_outputs = policy_spec(setting, environment).num_outputs
    return MLPShape(environment.observation_dim, (setting["hidden_dim"],) * 2, num_outputs)
