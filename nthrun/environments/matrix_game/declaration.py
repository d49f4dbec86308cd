"""What a spec may say of a matrix game: roles, how many play each, and what they earn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nthrun.errors import Fault, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.environment_spec import SCORE
from nthrun.specs.field import Field, Value, did_you_mean, shown
from nthrun.specs.interface import Interface, Role

PAYOFFS, ROLES, COUNTS = "payoffs", "roles", "counts"
MAX_NUMBERS = 100_000
"""Most numbers that the tables of a game have together: every record holds them."""
MAX_COUNT = 10_000
MAX_STAGES = 1 << 24
"""Most stages of an episode: float32 has a number for each."""
FIRST = "first"
"""The value of `score` that is the first role."""
PRISONERS_DILEMMA = {"row": [[-1, -3], [0, -2]], "column": [[-1, 0], [-3, -2]]}
FIELDS = (
    Field(ROLES, "strs", ("row", "column"), "names of the roles, in the order of a table's axes"),
    Field(
        PAYOFFS,
        "mapping",
        PRISONERS_DILEMMA,
        "role -> what it earns, nested by the choice of each role",
    ),
    Field(
        COUNTS,
        "ints",
        (),
        "agents of each role; [] is one each",
        minimum=1,
        maximum=MAX_COUNT,
    ),
    Field(SCORE, "str", FIRST, "role whose mean reward a step and an evaluation have, or `first`"),
)


def payoff_tables(values: Mapping[str, Value]) -> dict[str, np.ndarray]:
    """What each role earns: name -> float64 with an axis of choices for each role, in their order.

    Args:
        values: of a spec.

    Raises:
        SpecError: roles are named twice or badly, or the tables are not of these roles, not of one
            shape, or no numbers.
    """
    names, payoffs = values[ROLES], values[PAYOFFS]
    assert isinstance(names, tuple)
    assert isinstance(payoffs, Mapping)
    if len(set(names)) < max(2, len(names)):
        raise _fault(ROLES, f"got {shown(names)}, allowed: two names or more, all different")
    if bad := next((name for name in names if not name.isidentifier()), ""):
        raise _fault(ROLES, f"got {shown(bad)}, allowed: one word a role")
    for name in (*names, *payoffs):
        if name not in payoffs or name not in names:
            is_ = "missing" if name in names else "no role"
            hint = did_you_mean(name, names)
            raise _fault(f"{PAYOFFS}.{name}", f"{is_}, allowed: {', '.join(names)}", hint)
    tables = {name: _table(name, payoffs[name], len(names)) for name in names}
    first = tables[names[0]]
    for name, table in tables.items():
        if table.shape != first.shape:
            problem = f"got shape {table.shape}, allowed: {first.shape}, that of {names[0]}"
            raise _fault(f"{PAYOFFS}.{name}", problem)
    if first.size * len(names) > MAX_NUMBERS:
        problem = f"got {first.size * len(names):,} numbers, allowed: {MAX_NUMBERS:,}"
        raise _fault(PAYOFFS, problem)
    return tables


def _table(name: str, payoffs: Any, num_roles: int) -> np.ndarray:
    """One role's table.

    Raises:
        SpecError: it is no array of finite numbers with an axis for each role.
    """
    key = f"{PAYOFFS}.{name}"
    try:
        table = np.array(payoffs)
    except ValueError:  # rows of different lengths
        table = np.array(None)
    if table.dtype.kind not in "iuf":
        problem = f"got {shown(payoffs)}, allowed: numbers in lists of equal length"
        raise _fault(key, problem)
    if table.ndim != num_roles or not table.size:
        problem = f"got lists {table.ndim} deep of shape {table.shape}, allowed: {num_roles} deep"
        raise _fault(key, problem, "a list for each choice of the first role, and so on")
    if not np.isfinite(table).all() or np.abs(table).max() > np.finfo(np.float32).max:
        raise _fault(key, f"got {shown(payoffs)}, allowed: finite numbers")
    return table.astype(np.float64)


def score_of(values: Mapping[str, Value]) -> str:
    """The role whose mean reward a step and an evaluation have.

    Raises:
        SpecError: there is no such role.
    """
    names, score = values[ROLES], values[SCORE]
    assert isinstance(names, tuple)
    if score == FIRST:
        return str(names[0])
    if score not in names:
        hint = did_you_mean(str(score), names)
        raise _fault(SCORE, f"got {shown(score)}, allowed: {FIRST} or {', '.join(names)}", hint)
    return str(score)


def num_stages(values: Mapping[str, Value]) -> int:
    """How many times the game is played in an episode: `steps_per_episode`, once where it is 0.

    Raises:
        SpecError: more often than can be counted.
    """
    steps = values["steps_per_episode"]
    assert isinstance(steps, int)
    if steps > MAX_STAGES:
        raise _fault("steps_per_episode", f"got {steps}, a matrix game allows: 0 to {MAX_STAGES}")
    return max(1, steps)


def matrix_game_interface(values: Mapping[str, Value]) -> Interface:
    """The roles of the tables; everybody sees the share of stages that have been played, and of
    each role the shares of its agents that made each choice in the last one.

    Raises:
        SpecError: see `payoff_tables`, `score_of` and `num_stages`; or counts are not one a role.
    """
    tables, counts = payoff_tables(values), values[COUNTS]
    assert isinstance(counts, tuple)
    score_of(values)
    if counts and len(counts) != len(tables):
        problem = f"got {shown(counts)}, allowed: {len(tables)} integers, one a role, or []"
        raise _fault(COUNTS, problem)
    sizes = next(iter(tables.values())).shape
    seen = 1 + sum(sizes)
    roles = tuple(
        Role(name, count, seen, (size,))
        for name, count, size in zip(tables, counts or (1,) * len(sizes), sizes, strict=True)
    )
    return Interface(
        observation_low=(0.0,) * seen,
        observation_high=(1.0,) * seen,
        roles=roles,
        state_dim=seen,
        horizon_steps=num_stages(values),
    )


def _fault(key: str, problem: str, hint: str = "") -> SpecError:
    return SpecError([Fault("", key, problem, hint)])


MATRIX_GAME = EnvironmentDeclaration(
    name="MatrixGame",
    interface=matrix_game_interface,
    program="nthrun.environments.matrix_game.program:MatrixGame",
    fields=FIELDS,
    continuous=(False,),
    gamma=1.0,
    doc="A game in normal form, of two roles or more. All choose at the same time, and a role's "
    "table says what its agents earn; where several agents play a role, everybody meets everybody "
    "of the other roles and earns the mean. An episode plays it `steps_per_episode` times, and "
    "before each everybody sees what was chosen last. Without fields it is the prisoner's dilemma. "
    "`nthrun.nash_equilibria` finds the equilibria of two roles, `nthrun.responses` what each "
    "choice earns against given mixed strategies.",
    source='von Stengel, 2007, "Equilibrium computation for two-player games in strategic and '
    'extensive form"',
)
