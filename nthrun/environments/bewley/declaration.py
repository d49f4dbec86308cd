"""What a spec may say of an economy of households."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import cast

from nthrun.environments.bewley.calibration import Calibration
from nthrun.environments.bewley.coefficients import (
    CALIBRATION,
    FIELDS,
    ability_states_of,
    calibration_of,
)
from nthrun.errors import Fault, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.field import Field, Value, shown
from nthrun.specs.interface import Interface

MOST_SAVED = 0.999
"""The highest share of its resources that a household saves."""
MOST_LABOUR = 10.0
"""The highest labour that an action can be where the calibration has no bound."""
INCOMPLETE, COMPLETE = "Bewley", "Bewley with complete markets"
"""The models that a spec may describe and agents may solve."""
OWN = (
    Field("households", "int", 100, "how many there are", minimum=1, maximum=100_000),
    Field("ability_states", "int", 15, "states of ability, each", minimum=2, maximum=99),
    Field("complete_markets", "bool", False, "whether all risk is shared: ability is always 1"),
    Field(
        "observation",
        "str",
        "own",
        "own: wealth, ability and both prices; cross_section: without the prices",
        choices=("own", "cross_section"),
    ),
    Field("initial_wealth", "float", 5.0, "mean wealth at the start", above=0, maximum=1e6),
)
"""The fields beside the coefficients."""


def _action_bounds(calibration: Calibration) -> tuple[tuple[float, float], ...]:
    """Lowest and highest (ζ, l) of one household; without l where labour is inelastic."""
    lowest, highest = calibration.labour_bounds
    savings = (0.0, MOST_SAVED)
    if lowest == highest:
        return (savings,)
    return savings, (lowest, highest if math.isfinite(highest) else MOST_LABOUR)


def _interface(values: Mapping[str, Value]) -> Interface:
    """The interface of the economy a spec describes.

    Raises:
        SpecError: there is no such economy.
    """
    calibration = calibration_of(values)
    if faults := list(_faults(values, calibration)):
        raise SpecError(faults)
    count = cast(int, values["households"])
    seen = [(0.0, math.inf)] * (2 * count)  # of wealth and ability
    if values["observation"] == "own":
        seen += [(-calibration.technology.delta, math.inf), (0.0, math.inf)]  # r and w
    given = list(chain.from_iterable([pair] * count for pair in _action_bounds(calibration)))
    return Interface(
        observation_low=tuple(low for low, _ in seen),
        observation_high=tuple(high for _, high in seen),
        action_low=tuple(low for low, _ in given),
        action_high=tuple(high for _, high in given),
        state_dim=2 * count + 1,
        num_reset_draws=2 * count,
        num_step_draws=count,
        terminates=False,
        model=_model(values, calibration),
        num_kinds=ability_states_of(values),
    )


def _model(values: Mapping[str, Value], calibration: Calibration) -> str:
    """The model that a spec describes."""
    if values["complete_markets"]:
        return COMPLETE if calibration.taxes.is_zero else f"{COMPLETE} and taxes"
    steep = calibration.taxes.wealth.elasticity > 0
    return f"{INCOMPLETE} with a progressive wealth tax" if steep else INCOMPLETE


def _faults(values: Mapping[str, Value], calibration: Calibration) -> Iterator[Fault]:
    """What of the other fields does not go with the calibration."""
    beta, (lowest, highest) = calibration.preferences.beta, calibration.labour_bounds
    if values["gamma"] != beta:
        problem = f"got {values['gamma']}, allowed: {beta}, which is {CALIBRATION}beta"
        yield Fault("", "gamma", problem, "give both the same value")
    if math.isinf(highest) and lowest >= MOST_LABOUR:
        problem = f"got {lowest}, allowed without labour_max: below {MOST_LABOUR:g}"
        yield Fault("", CALIBRATION + "labour_min", problem)
    start = cast(tuple[float, ...], values["start_state"])
    count, states = cast(int, values["households"]), range(ability_states_of(values))
    if len(start) == 2 * count + 1 and not (
        min(start) >= 0 and all(state in states for state in start[count:-1])
    ):
        allowed = f"[every wealth >= 0, every state from 0 to {states[-1]}, labour >= 0]"
        yield Fault("", "start_state", f"got {shown(start)}, allowed: {allowed}")


BEWLEY = EnvironmentDeclaration(
    name="Bewley",
    interface=_interface,
    program="nthrun.environments.bewley.program:Bewley",
    gamma=Calibration().preferences.beta,
    fields=(*FIELDS, *OWN),
    doc=(
        "Households with uninsured risk to their ability save and work at the prices that they "
        "make together. The action is the share of what it has that every household saves, then, "
        "unless labour is inelastic, the labour of each; the reward is the mean of their "
        "utilities, and gamma is calibration.beta. The observation is the wealth of each, the "
        "ability of each, and by default r and w at the present capital and the last labour. No "
        "state is terminal, so that evaluation needs steps_per_episode. A start state is [wealth "
        "of each, number of the ability state of each, last labour per household]."
    ),
    source=(
        "after Aiyagari (1994), Uninsured idiosyncratic risk and aggregate saving, Quarterly "
        "Journal of Economics 109(3), and Mi et al. (2023), TaxAI, arXiv 2309.16307"
    ),
)
