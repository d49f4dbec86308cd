"""Counts of SAC's parts, without torch."""

from __future__ import annotations

from nthrun.agents.off_policy.shapes import policy_spec
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface


def num_critics(setting: Setting) -> int:
    """Critics that are learned."""
    return 2 if setting["double_q"] else 1


def num_baseline_actions(setting: Setting) -> int:
    """Actions sampled in a state for the baseline, which only likelihood ratios have."""
    reparam, baseline_actions = setting["reparam_baseline"]
    return 0 if reparam else baseline_actions


def num_agent_draws(setting: Setting, environment: Interface) -> int:
    """Standard normal numbers of a step.

    One action is taken; for every state of the batch, one is sampled for the critic's target,
    and those of the actor's update. Expectations over discrete actions need none.
    """
    draws = policy_spec(setting, environment).num_draws
    if environment.discrete:
        return draws
    batch_size: int = setting["batch_size"]
    num_samples: int = setting["num_samples"]
    return draws * (1 + batch_size * (1 + num_samples + num_baseline_actions(setting)))
