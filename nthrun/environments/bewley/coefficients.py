"""How a spec names the coefficients of the Bewley model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from nthrun.environments.bewley.calibration import (
    AbilityProcess,
    Calibration,
    Preferences,
    Superstar,
    Technology,
)
from nthrun.environments.bewley.taxes import Taxes, TaxSchedule
from nthrun.errors import Fault, SpecError
from nthrun.specs.field import Field, Value

CALIBRATION = "calibration."
"""What every key of a coefficient begins with."""
LOWEST_LABOUR, HIGHEST_LABOUR = Calibration().labour_bounds


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
"""All of them, in the order documentation lists them."""
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
            faults += [_renamed(found, part) for found in error.faults]
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


def _renamed(found: Fault, part: str) -> Fault:
    """A fault of a part under the key that the spec has for it."""
    names = {c.symbol: c.field.name for c in COEFFICIENTS if c.part == part}
    return replace(found, file="", key=CALIBRATION + names[found.key])


def ability_states_of(values: Mapping[str, Value]) -> int:
    """How many states of ability the spec's economy has: one where all risk is shared."""
    if values["complete_markets"]:
        return 1
    superstars = cast(float, values[CALIBRATION + "superstar_enter"]) > 0
    return cast(int, values["ability_states"]) * (2 if superstars else 1)
