"""What a spec may say of an economy of households: its coefficients and its other fields."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, cast

from nthrun.environments.bewley.calibration import (
    AbilityProcess,
    Calibration,
    Preferences,
    Superstar,
    Taxes,
    TaxSchedule,
    Technology,
)
from nthrun.errors import Fault, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.field import Field, Value, shown
from nthrun.specs.interface import Interface

CALIBRATION = "calibration."
"""Prefix of the key of every coefficient."""
LOWEST_LABOUR, HIGHEST_LABOUR = Calibration().labour_bounds
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


def _labour_bounds(lowest: float, highest: float) -> tuple[float, float]:
    """Bounds of labour, checked."""
    return Calibration(labour_bounds=(lowest, highest)).labour_bounds


PARTS: Mapping[str, Callable[..., Any]] = {
    "preferences": Preferences,
    "technology": Technology,
    "ability": AbilityProcess,
    "superstar": Superstar,
    "labour": _labour_bounds,
    "income": TaxSchedule,
    "wealth": TaxSchedule,
    "taxes": Taxes,
}
"""What a calibration is made of -> what makes and checks it."""


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One number of a calibration.

    Attributes:
        part: the one of `PARTS` it belongs to.
        attribute: its name there.
        symbol: what that part calls it in a fault; "" if another coefficient is told instead.
        field: as a spec has it, without the prefix.
        zero_is_none: whether a spec's 0 means that there is no such bound.
    """

    part: str
    attribute: str
    symbol: str
    field: Field
    zero_is_none: bool = False


def _number(part: str, attribute: str, symbol: str, name: str, doc: str) -> Coefficient:
    """A coefficient with the default of its part, whose ranges the part checks."""
    default = getattr(PARTS[part](), attribute)
    return Coefficient(part, attribute, symbol, Field(name, "float", default, doc))


def _bound(part: str, attribute: str, symbol: str, field: Field) -> Coefficient:
    return Coefficient(part, attribute, symbol, field, zero_is_none=True)


COEFFICIENTS = (
    _number("preferences", "beta", "β", "beta", "weight of the next period, in (0, 1)"),
    _number("preferences", "theta", "θ", "theta", "risk aversion, > 0; 1 is logarithmic utility"),
    _number("preferences", "gamma", "γ", "gamma", "inverse Frisch elasticity of labour, > 0"),
    _number("preferences", "chi", "χ", "chi", "weight of labour, > 0"),
    _number("technology", "alpha", "α", "alpha", "share of capital, in (0, 1)"),
    _number("technology", "delta", "δ", "delta", "what capital loses a period, in [0, 1]"),
    _number("technology", "productivity", "A", "productivity", "of firms, > 0"),
    _number("ability", "rho", "ρ", "rho", "autocorrelation of log ability, in (-1, 1)"),
    _number("ability", "sigma", "σ", "sigma", "deviation of the shock to log ability, > 0"),
    _bound(
        "ability",
        "bound",
        "ability bound",
        Field(
            "ability_bound",
            "float",
            0.0,
            "deviations that log ability stays within; 0 is no bound",
            minimum=0,
        ),
    ),
    _number(
        "superstar",
        "enter",
        "superstar p",
        "superstar_enter",
        "probability of becoming a superstar, in [0, 1); 0 is no superstars",
    ),
    _number(
        "superstar",
        "stay",
        "superstar q",
        "superstar_stay",
        "probability of staying one, in [0, 1)",
    ),
    _number(
        "superstar",
        "factor",
        "superstar factor",
        "superstar_factor",
        "what a superstar's ability is multiplied by, > 0",
    ),
    Coefficient(
        "labour",
        "lowest",
        "",
        Field("labour_min", "float", LOWEST_LABOUR, "lowest labour of a household", minimum=0),
    ),
    _bound(
        "labour",
        "highest",
        "labour bounds",
        Field(
            "labour_max",
            "float",
            HIGHEST_LABOUR,
            "highest labour, which is all there is if it is the lowest; 0 is no bound",
            minimum=0,
        ),
    ),
    _number("income", "rate", "tax rate τ", "income_tax", "τ of income, in [0, 1)"),
    _number(
        "income",
        "elasticity",
        "tax elasticity ξ",
        "income_elasticity",
        "ξ of that tax, in [0, 1); 0 is a proportional one",
    ),
    _number("wealth", "rate", "tax rate τ", "wealth_tax", "τ of wealth, in [0, 1)"),
    _number(
        "wealth", "elasticity", "tax elasticity ξ", "wealth_elasticity", "ξ of that tax, in [0, 1)"
    ),
    _number(
        "taxes",
        "consumption_rate",
        "consumption tax τ_c",
        "consumption_tax",
        "on consumption, >= 0",
    ),
    Coefficient(
        "taxes",
        "rebated",
        "",
        Field("rebated", "bool", Taxes().rebated, "whether taxes go back in equal parts"),
    ),
)
"""All coefficients, in the order documentation lists them."""
FIELDS = tuple(replace(c.field, name=CALIBRATION + c.field.name) for c in COEFFICIENTS)


def calibration_of(values: Mapping[str, Value]) -> Calibration:
    """The calibration that a spec's values give.

    Raises:
        SpecError: every coefficient out of its range, by its key in the spec.
    """
    parts: dict[str, Any] = {}
    faults: list[Fault] = []
    for part in PARTS:
        try:
            parts[part] = _part(part, values)
        except SpecError as error:
            faults += [_renamed(fault, part) for fault in error.faults]
    if faults:
        raise SpecError(faults)
    return Calibration(
        parts["preferences"],
        parts["technology"],
        replace(parts["ability"], superstar=parts["superstar"]),
        replace(parts["taxes"], income=parts["income"], wealth=parts["wealth"]),
        parts["labour"],
    )


def _part(part: str, values: Mapping[str, Value]) -> Any:
    given: dict[str, Value] = {}
    for coefficient in COEFFICIENTS:
        if coefficient.part == part:
            value = values[CALIBRATION + coefficient.field.name]
            unbounded = coefficient.zero_is_none and value == 0
            given[coefficient.attribute] = math.inf if unbounded else value
    return PARTS[part](**given)


def _renamed(fault: Fault, part: str) -> Fault:
    """A fault of a part under the key that the spec has for it."""
    names = {c.symbol: c.field.name for c in COEFFICIENTS if c.part == part}
    return replace(fault, file="", key=CALIBRATION + names[fault.key])


def ability_states_of(values: Mapping[str, Value]) -> int:
    """How many states of ability the spec's economy has: one where all risk is shared."""
    if values["complete_markets"]:
        return 1
    superstars = cast(float, values[CALIBRATION + "superstar_enter"]) > 0
    return cast(int, values["ability_states"]) * (2 if superstars else 1)


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
        hint = f"give both the same value, as --set environment.gamma={beta} does"
        yield Fault("", "gamma", problem, hint)
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
