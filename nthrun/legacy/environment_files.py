"""Environment files of the older tool, read as nthrun's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from nthrun.legacy.conventions import KEY as CONVENTIONS_KEY
from nthrun.legacy.conventions import environment_by_conventions
from nthrun.legacy.reading import Findings, Reading, is_number
from nthrun.legacy.spec_keys import (
    MINATAR,
    MINATAR_GAMES,
    NOT_OF_SUITE,
    OF_SUITE,
    RENAMED_FIELDS,
    UNUSED_FIELDS,
    Unused,
)
from nthrun.specs.documents import KEYWORDS, Document
from nthrun.specs.field import shown

CONTROL_COST = "ctrl_cost_weight"
MINIMAL_ACTIONS = "use_minimal_action_set"
MAX_EPISODES = "max_episodes"


def read_older_environment(
    document: Document, conventions: str, is_endless: Callable[[str], bool]
) -> Reading:
    """The environment spec that a document of either tool stands for.

    Args:
        document: not checked yet.
        conventions: whose meaning it has, one of `CONVENTIONS`; "" is ours.
        is_endless: whether episodes of an environment end by `steps_per_episode` alone.
    """
    findings = Findings(document)
    values = {key: value for key, value in document.values.items() if key != CONVENTIONS_KEY}
    is_older = values.get("rewards") == {}
    if MAX_EPISODES in values and is_endless(str(values.get("env_name"))):
        _count_episodes(findings, values)
    for key, unused in UNUSED_FIELDS.items():
        if key in values:
            _pass_over_field(findings, values, key, unused)
    _pass_over_rewards(findings, values)
    _name_environment(findings, values)
    values = _renamed_fields(findings, values)
    if CONTROL_COST in values:
        values[KEYWORDS] = {**_mapping(values.get(KEYWORDS)), CONTROL_COST: values[CONTROL_COST]}
        del values[CONTROL_COST]
        findings.renamed.append(f"{CONTROL_COST} as {KEYWORDS}.{CONTROL_COST}")
    if conventions:
        values = environment_by_conventions(values)
    return findings.reading(values, "keys", is_older=is_older)


def _renamed_fields(findings: Findings, values: dict[str, Any]) -> dict[str, Any]:
    """The values under our keys, in their order, where the environment has others there."""
    ours = RENAMED_FIELDS.get(str(values.get("env_name")), {})
    for key in ours.keys() & values.keys():
        if ours[key] in values:
            findings.fault(key, f"says what {ours[key]} says too, allowed: one of both")
        findings.renamed.append(f"{key} as {ours[key]}")
    return {ours.get(key, key): value for key, value in values.items()}


def _pass_over_field(findings: Findings, values: dict[str, Any], key: str, unused: Unused) -> None:
    value = values[key]
    if unused.values == (None,) and value is not None:  # the key is one of ours
        return
    del values[key]
    if isinstance(value, (list, dict)):
        kind = "list" if isinstance(value, list) else "mapping"
        problem = f"got a {kind} of what has no effect here, allowed: one value"
        findings.fault(key, problem, f"environments are not swept, and {unused.instead}")
    elif key == MAX_EPISODES and (binding := _ends_runs(value, values)):
        findings.fault(key, *binding)
    elif unused.values and not any(value is one for one in unused.values):
        problem = f"got {shown(value)}, allowed: {shown(unused.values[0])}"
        findings.fault(key, problem, unused.instead)
    else:
        findings.passed.append(f"{key} ({unused.instead})")


def _count_episodes(findings: Findings, values: dict[str, Any]) -> None:
    """Write a number of episodes as steps, where every episode has `steps_per_episode`."""
    episodes, longest = (_positive(values.get(key)) for key in (MAX_EPISODES, "steps_per_episode"))
    total = _positive(values.get("total_timesteps"))
    if not (episodes and longest and total):
        return
    steps = min(episodes * longest, total)
    if steps == total:
        values[MAX_EPISODES] = 0  # no limit beside so few steps
        return
    del values[MAX_EPISODES]
    values["total_timesteps"] = steps
    findings.renamed.append(f"{MAX_EPISODES} {episodes} as total_timesteps {steps}")


def _positive(value: Any) -> int:
    """A value that is a positive integer; 0 of any other."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _ends_runs(episodes: Any, values: dict[str, Any]) -> tuple[str, str] | None:
    """Problem and hint where so many episodes may be over before `total_timesteps`.

    An episode has a step at least, and 0 episodes or fewer are no limit there.
    """
    total: Any = values.get("total_timesteps")
    longest: Any = values.get("steps_per_episode")
    if is_number(episodes) and (episodes <= 0 or (is_number(total) and episodes >= total)):
        return None
    hint = "give total_timesteps"
    if is_number(episodes) and is_number(longest) and longest > 0:
        steps = min(episodes * longest, total if is_number(total) else math.inf)
        hint = f"if every episode has {longest} steps, give total_timesteps {steps}"
    problem = f"got {shown(episodes)}, allowed: 0 or less, or total_timesteps or more"
    return f"{problem}, as all runs take that many steps, side by side", hint


def _pass_over_rewards(findings: Findings, values: dict[str, Any]) -> None:
    """Leave out what is not read of `rewards` there, on this platform."""
    rewards = values.get("rewards")
    if not isinstance(rewards, dict):
        return
    is_suite = values.get("platform") == "dmcontrol"
    unread = dict(OF_SUITE if is_suite else NOT_OF_SUITE)
    if "shift" not in rewards:
        unread.setdefault("gamma", "it is of rewards.shift")
    taken = [key for key in unread if key in rewards]
    findings.passed += [f"rewards.{key} ({unread[key]})" for key in taken]
    kept = {key: value for key, value in rewards.items() if key not in taken}
    values["rewards"] = kept
    if not kept:
        del values["rewards"]


def _name_environment(findings: Findings, values: dict[str, Any]) -> None:
    """Write the environment's name as ours."""
    name = values.get("env_name")
    if not isinstance(name, str):
        return
    game = MINATAR_GAMES.get(name.lower().removeprefix(MINATAR))
    if name.lower().startswith(MINATAR) and game:
        minimal = values.pop(MINIMAL_ACTIONS, True)
        values["env_name"] = f"MinAtar/{game}-v{1 if minimal else 0}"
        findings.renamed.append(f"env_name {name} as {values['env_name']}")
    elif values.get("platform") == "dmcontrol" and "-" in name and "task_name" not in values:
        values["env_name"], values["task_name"] = name.split("-", 1)
        said = f"env_name {values['env_name']}, task_name {values['task_name']}"
        findings.renamed.append(f"env_name {name} as {said}")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
