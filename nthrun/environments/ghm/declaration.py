"""What a spec may say of the firm, and how finely its cash is divided."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from nthrun.environments.ghm.calibration import (
    CONTROLS,
    TERMINALS,
    Calibration,
    Rules,
    check_calibration,
    check_rules,
)
from nthrun.errors import Fault, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.field import Field, Value, shown
from nthrun.specs.interface import Interface

CALIBRATION = "calibration."
FIRM = Calibration()
RULES = Rules()
MAX_STEPS = 10**6
"""Most steps of an episode; float32 counts no further than 1.6e7."""
SOLVABLE, SAFE, FINE = "GHM", "GHM without passing shocks", "GHM in very short steps"
"""The models that a spec may describe: the optimum of the first alone can be computed."""
CALIBRATED = (
    Field("alpha", "float", FIRM.alpha, "mean cash flow per unit of productivity", above=0),
    Field("mu", "float", FIRM.mu, "growth of productivity; below r"),
    Field("r", "float", FIRM.r, "interest rate"),
    Field("lambda", "float", FIRM.lambda_, "what cash earns less than r", minimum=0),
    Field("sigma_a", "float", FIRM.sigma_a, "volatility of productivity", minimum=0),
    Field("sigma_x", "float", FIRM.sigma_x, "volatility of the cash flow", minimum=0),
    Field("rho", "float", FIRM.rho, "correlation of their shocks", minimum=-1, maximum=1),
    Field(
        "issuance_cost",
        "float",
        FIRM.issuance_cost,
        "what shareholders pay for one unit of new cash",
        minimum=1,
    ),
    Field("fixed_cost", "float", FIRM.fixed_cost, "what issuing costs beside", minimum=0),
)
"""The parameters, named as in a spec; those of `Calibration`, but for `lambda_`."""
RULED = (
    Field("horizon", "float", RULES.horizon, "years of an episode", above=0, maximum=1000),
    Field("dt", "float", RULES.dt, "years of a step; divides the horizon", above=0, maximum=10),
    Field(
        "dividend_max",
        "float",
        RULES.dividend_max,
        "highest rate of dividends, or largest amount a step",
        above=0,
        maximum=1e6,
    ),
    Field(
        "issuance_max",
        "float",
        RULES.issuance_max,
        "highest rate of issuance, or largest amount a step",
        above=0,
        maximum=1e6,
    ),
    Field(
        "issuance_min_share",
        "float",
        RULES.issuance_min_share,
        "issuance below this share of issuance_max is none",
        minimum=0,
        maximum=1,
    ),
    Field("terminal", "str", RULES.terminal, "what the horizon pays", choices=TERMINALS),
    Field(
        "liquidation_value",
        "float",
        RULES.liquidation_value,
        "what bankruptcy pays, and the horizon if so",
        minimum=0,
        maximum=1e6,
    ),
    Field(
        "controls",
        "str",
        RULES.controls,
        "whether actions are rates per year or amounts a step, at once",
        choices=CONTROLS,
    ),
)
"""The rules, named as in `Rules`."""
CASH_MAX = Field(
    "cash_max", "float", 2.0, "an episode starts with cash up to this", above=0, maximum=1e6
)
MAX_NODES = 4096
"""Most nodes of a grid [measured: the default firm's has 1539 with steps of 0.001 years, and as
many as this with steps of 0.00011]."""


@dataclass(frozen=True, slots=True)
class GridShape:
    """How finely cash is divided: evenly where a firm lives, ever more coarsely above.

    Attributes:
        top: highest node; functions go on linearly above it.
        fine_until: the even part ends here, in units of σ_X.
        nodes_per_shock: nodes of the even part per standard deviation of one step at c = 0.
        growth: each interval above the even part is longer than the one before by this share.
    """

    top: float = 3.0
    fine_until: float = 2.5
    nodes_per_shock: float = 16.0
    growth: float = 0.02

    def spacing(self, sigma_x: float, dt: float) -> float:
        """Length of the even intervals for steps of dt years."""
        return sigma_x * math.sqrt(dt) / self.nodes_per_shock

    def even_nodes(self, sigma_x: float, dt: float) -> int:
        """How many nodes the even part has, σ_X > 0."""
        end = min(self.fine_until * sigma_x, self.top)
        return math.ceil(end / self.spacing(sigma_x, dt))

    def longer_intervals(self, sigma_x: float, dt: float) -> int:
        """How many intervals lie above it.

        Theirs is the least n with a sum of spacing × (1 + growth)^k, k = 1 … n, that reaches the
        top.
        """
        spacing, ratio = self.spacing(sigma_x, dt), 1 + self.growth
        even_end = (self.even_nodes(sigma_x, dt) - 1) * spacing
        reach = (self.top - even_end) / spacing
        return math.ceil(math.log1p(reach * self.growth / ratio) / math.log(ratio))

    def num_nodes(self, sigma_x: float, dt: float) -> int:
        """How many nodes the whole grid has."""
        return self.even_nodes(sigma_x, dt) + self.longer_intervals(sigma_x, dt)


def calibration_of(values: Mapping[str, Value]) -> Calibration:
    """The calibration that a spec's values give."""
    named = {field.name: values[CALIBRATION + field.name] for field in CALIBRATED}
    return Calibration(lambda_=cast(float, named.pop("lambda")), **cast(dict[str, float], named))


def rules_of(values: Mapping[str, Value]) -> Rules:
    """The rules that a spec's values give."""
    return Rules(**cast(dict[str, Any], {field.name: values[field.name] for field in RULED}))


def _interface(values: Mapping[str, Value]) -> Interface:
    """The interface of the firm a spec describes.

    Raises:
        SpecError: there is no such firm, or it cannot be simulated.
    """
    rules, firm = rules_of(values), calibration_of(values)
    try:
        check_calibration(firm)
    except SpecError as error:
        named = [replace(fault, key=CALIBRATION + fault.key) for fault in error.faults]
        raise SpecError(named) from error
    check_rules(rules)
    if faults := list(_faults(values, rules.num_steps)):
        raise SpecError(faults)
    return Interface(
        observation_low=(0.0, 0.0),
        observation_high=(math.inf, 1.0),
        action_low=(0.0, 0.0),
        action_high=(rules.dividend_max, rules.issuance_max),
        state_dim=2,
        num_reset_draws=1,
        num_step_draws=2,
        horizon_steps=rules.num_steps,
        model=_model(firm, rules),
    )


def _model(firm: Calibration, rules: Rules) -> str:
    """The model that a spec describes."""
    if firm.sigma_x == 0:
        return SAFE
    fine = GridShape().num_nodes(firm.sigma_x, rules.dt) > MAX_NODES
    return FINE if fine else SOLVABLE


def _faults(values: Mapping[str, Value], num_steps: int) -> Iterator[Fault]:
    """What of the other fields does not go with an episode of so many steps."""
    if num_steps > MAX_STEPS:
        problem = f"got {values['dt']}, allowed: at most {MAX_STEPS} steps up to the horizon"
        yield Fault("", "dt", problem)
    if 0 < cast(int, values["steps_per_episode"]) < num_steps:
        got = values["steps_per_episode"]
        problem = f"got {got}, allowed: 0, or at least horizon / dt, which is {num_steps}"
        yield Fault("", "steps_per_episode", problem, "a firm cut short is paid nothing at its end")
    if values["gamma"] != 1.0:
        problem = f"got {values['gamma']}, allowed: 1, as rewards are present values"
        yield Fault("", "gamma", problem, "leave it out")
    start = cast(tuple[float, ...], values["start_state"])
    if len(start) == 2 and not (start[0] >= 0 and start[1] in range(1, num_steps + 1)):
        problem = f"got {shown(start)}, allowed: [cash >= 0, steps left from 1 to {num_steps}]"
        yield Fault("", "start_state", problem)


GHM = EnvironmentDeclaration(
    name="GHM",
    interface=_interface,
    program="nthrun.environments.ghm.program:Firm",
    gamma=1.0,
    oracle="nthrun.environments.ghm.dynamic_programme:best_return",
    fields=(
        *(replace(field, name=CALIBRATION + field.name) for field in CALIBRATED),
        *RULED,
        CASH_MAX,
    ),
    doc=(
        "A firm without debt pays dividends and issues equity while its cash lasts. The "
        "observation is cash over cash_max and the share of the time left, the action the rates "
        "(a_L, a_E) of dividends and issuance, or with controls impulse their amounts in a step, "
        "and the reward their difference in present value, so that gamma is 1. An episode ends "
        "with bankruptcy or at the horizon. A start state is [cash, steps left]."
    ),
    source=(
        "after Décamps, Gryglewicz, Morellec and Villeneuve (2017), Corporate policies with "
        "permanent and transitory shocks, Review of Financial Studies 30(1)"
    ),
)
