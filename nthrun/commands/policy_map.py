"""What the policy of a recorded GHM run does, and what it expects, by cash and the time left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from nthrun.agents.ghm_oracles.declaration import TABLES
from nthrun.agents.ghm_oracles.program import DynamicProgramme
from nthrun.agents.mc_pg.program import MonteCarloPolicyGradient
from nthrun.agents.networks import normalised
from nthrun.analysis.figures.base import Drawn, plot
from nthrun.analysis.figures.policy_map import MapPicture, Surface, policy_map_figure
from nthrun.environments.ghm.calibration import Rules
from nthrun.environments.ghm.declaration import calibration_of, rules_of
from nthrun.environments.ghm.dynamic_programme import Optimum
from nthrun.environments.ghm.free_boundary import FreeBoundary, solve
from nthrun.errors import NthrunError, SpecError
from nthrun.training.saved_policy import Learned, Policy, restored

ENVIRONMENT = "GHM"
SLICES = (0.05, 0.25, 0.5, 0.75, 1.0)
"""Times of the slices, as shares of the horizon that are left."""
CASH_BEYOND = 2.5
"""Highest cash that is drawn, as a multiple of the payout boundary."""
MARGIN = 1e-9
"""Share of a time that rounding may have taken from it."""


@dataclass(frozen=True, slots=True)
class MapView:
    """What to look at.

    Attributes:
        points: of cash, and of time at most.
        cash_max: the highest cash; None is 2.5 times the payout boundary, or that of the spec where
            it is less or there is no boundary.
        slices: years left; none is 5, 25, 50, 75 and 100 % of the horizon.
    """

    points: int = 101
    cash_max: float | None = None
    slices: tuple[float, ...] = ()


def _years(context: click.Context, option: click.Parameter, text: str | None) -> tuple[float, ...]:
    """Numbers with commas between them.

    Raises:
        BadParameter: it is something else.
    """
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.BadParameter(f"got {text}, allowed: years such as 0.5,2.5,10") from None


@plot(
    of="policy",
    demo="solvers/GHM_mc_pg.h5",
    options=[
        click.Option(
            ["--points"],
            type=click.IntRange(2, 2000),
            default=MapView().points,
            show_default=True,
            help="Levels of cash, and times at most.",
        ),
        click.Option(
            ["--cash-max"],
            type=float,
            help="Highest cash.  [default: 2.5 payout boundaries, at most that of the start]",
        ),
        click.Option(
            ["--slices"],
            callback=_years,
            metavar="YEARS",
            help="Years left, such as 0.5,2.5,10.  [default: 5, 25, 50, 75 and 100 % of the "
            "horizon]",
        ),
    ],
    file_name=lambda learned, values: f"policy_map_index{learned.index}",
)
def policy_map(learned: Learned, **view: Any) -> Drawn:
    """Plot the policy of a GHM run: dividends and issuance over cash and the time left.

    The run's agent decides, with what it had learned at the end or at the --step of a snapshot;
    shown is its action in evaluation, before the firm pays no more than it has and takes an issue
    below the least (a grey line) for none. The value is what the agent itself expects, where it
    does: the baseline of mc_pg, the table of dp.

    Vertical lines are the optimum in continuous time without end: the payout boundary, above which
    all cash is paid out, and the target up to which equity is issued when cash runs out.

    Without --out the file is policy_map_index<I>.png.
    """
    return policy_map_figure(map_picture(learned, MapView(**view))), ()


def map_picture(learned: Learned, view: MapView) -> MapPicture:
    """Compute what the figure shows.

    Raises:
        NthrunError: the run is of another environment, or there is no such time or cash.
    """
    environment = learned.spec.environment
    if environment.env_name != ENVIRONMENT:
        raise NthrunError(f"policy maps are of {ENVIRONMENT}, got {environment.env_name}")
    rules, boundary = rules_of(environment.values), _boundary(learned)
    cash = _cash(learned, view, boundary)
    slices = _slices(view, rules)
    policy = restored(learned)
    num_times = min(view.points, rules.num_steps)
    left = np.unique(np.linspace(1, rules.num_steps, num_times).round().astype(int))
    stage = f", stage {learned.stage}" if learned.stage else ""
    return MapPicture(
        surface=_surface(policy, rules, cash, left),
        slices=_surface(policy, rules, cash, slices),
        highest=(rules.dividend_max, rules.issuance_max),
        least_issue=rules.issuance_min,
        unit="amount a step" if rules.lump_sums else "a year",
        payout=boundary.payout_boundary if boundary else None,
        target=boundary.refinancing_target if boundary else None,
        title=f"{learned.spec.agent.agent_name} on {ENVIRONMENT}, index {learned.index}{stage}, "
        f"{learned.after}",
    )


def _boundary(learned: Learned) -> FreeBoundary | None:
    """The optimum of continuous time without end; None where there is none."""
    values = learned.spec.environment.values
    rules = rules_of(values)
    try:
        return solve(calibration_of(values), rules.liquidation_value, rules.issuance_max > 0)
    except SpecError:
        return None


def _cash(learned: Learned, view: MapView, boundary: FreeBoundary | None) -> np.ndarray:
    """Levels of cash, all above 0, where the firm is bankrupt."""
    top = view.cash_max
    if top is None:
        top = learned.spec.environment.number("cash_max")
        if boundary is not None:
            top = min(top, CASH_BEYOND * boundary.payout_boundary)
    elif not 0 < top < np.inf:
        raise NthrunError(f"--cash-max {top:g}: allowed: above 0")
    return np.linspace(top / view.points, top, view.points)


def _slices(view: MapView, rules: Rules) -> np.ndarray:
    """Steps left, of times in whole steps.

    Raises:
        NthrunError: a time is not between one step and the horizon.
    """
    least, most = rules.dt * (1 - MARGIN), rules.horizon * (1 + MARGIN)
    if not all(least <= time <= most for time in view.slices):
        given = ",".join(f"{time:g}" for time in view.slices)
        allowed = f"years from {rules.dt:g} to {rules.horizon:g}"
        raise NthrunError(f"--slices {given}: allowed: {allowed}")
    # a share of a short horizon may be less than a step
    years = view.slices or [max(share * rules.horizon, rules.dt) for share in SLICES]
    return np.unique([round(time / rules.dt) for time in years])


def _surface(policy: Policy, rules: Rules, cash: np.ndarray, left: np.ndarray) -> Surface:
    """What the policy does at each cash and number of steps left."""
    levels, steps = np.meshgrid(cash, left)
    state = torch.from_numpy(np.stack([levels.ravel(), steps.ravel()], -1)).float()
    observation = policy.program.environment.observe(state.unsqueeze(0))
    action = policy.act(observation[0].numpy()).reshape(*levels.shape, 2)
    return Surface(
        cash=cash,
        years_left=left * rules.dt,
        dividend=action[..., 0],
        issuance=action[..., 1],
        value=_value(policy, rules, levels, steps, observation),
    )


def _value(
    policy: Policy, rules: Rules, cash: np.ndarray, left: np.ndarray, observation: Tensor
) -> np.ndarray | None:
    """What the agent expects to be paid from then on, in present value then; None where it does not
    say so.

    A baseline is of rewards in present value at the start, which a time t after it are worth
    exp((r - μ) t) times as much.
    """
    agent, state = getattr(policy.program, "solver", None), policy.state
    elapsed = rules.num_steps - left
    if isinstance(agent, MonteCarloPolicyGradient) and not agent.whole:
        with torch.no_grad():
            seen = normalised(state, observation)
            expected = agent.baseline(state["baseline"], seen)[0, :, 0].double().numpy()
        rate = calibration_of(policy.learned.spec.environment.values).discount_rate
        return np.asarray(expected.reshape(cash.shape) * np.exp(rate * rules.dt * elapsed))
    if isinstance(agent, DynamicProgramme):
        nodes, value, dividend, issuance = (state[name][0].numpy() for name in TABLES)
        optimum = Optimum(nodes, value, dividend, issuance, rules.liquidation_value)
        pairs = zip(cash, elapsed[:, 0], strict=True)
        return np.stack([optimum.value_at(levels, int(step)) for levels, step in pairs])
    return None
