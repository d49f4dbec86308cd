"""Faults of an environment spec that show only when its fields are read together."""

from __future__ import annotations

from collections.abc import Mapping

from nthrun.errors import Fault
from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.documents import Document
from nthrun.specs.field import Value, shown
from nthrun.specs.interface import Interface


def joint_faults(
    values: Mapping[str, Value],
    raw: Mapping[str, object],
    declaration: EnvironmentDeclaration,
    document: Document,
) -> list[Fault]:
    """Faults that show only when fields are read together; a field at fault has no value."""

    def fault(key: str, problem: str, hint: str = "") -> Fault:
        return Fault(document.origin(key), key, problem, hint)

    faults = []
    if values.get("continuous", declaration.continuous[0]) not in declaration.continuous:
        allowed = " or ".join(shown(value) for value in declaration.continuous)
        got = shown(values["continuous"])
        faults.append(fault("continuous", f"got {got}, {declaration.name} allows: {allowed}"))
    if values.get("eval_episodes") and values.get("steps_per_episode") == 0:
        hint = "give steps_per_episode, or switch evaluation off with eval_episodes 0"
        faults.append(fault("steps_per_episode", "got 0, allowed with evaluation: >= 1", hint))
    if values.get("overwrite_rewards") and "rewards.timestep" not in raw:
        hint = 'write "rewards": {"timestep": -1.0, "goal": 0.0}'
        faults.append(fault("rewards", "missing while overwrite_rewards is true", hint))
    return faults


def start_faults(
    values: Mapping[str, Value], interface: Interface, document: Document
) -> list[Fault]:
    """Faults of a start state that is no state of the environment."""
    start = values.get("start_state", ())
    assert isinstance(start, tuple)
    if len(start) in (0, interface.state_dim):
        return []
    numbers = f" or {interface.state_dim} numbers" if interface.state_dim else ""
    problem = f"got {shown(start)}, allowed: []{numbers}"
    return [Fault(document.origin("start_state"), "start_state", problem)]
