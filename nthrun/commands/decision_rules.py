"""What a household of a recorded Bewley run does as one thing varies, beside the exact rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from torch import Tensor

from nthrun.analysis.figures.base import Drawn, plot
from nthrun.analysis.figures.decision_rules import RuleLine, RulePicture, decision_rules_figure
from nthrun.environments.bewley.ability import chain_of
from nthrun.environments.bewley.calibration import Array
from nthrun.environments.bewley.decision_rules import (
    DEFAULT_WEALTH,
    VARIED,
    Choice,
    Rule,
    Situation,
    States,
    Stationary,
    cut,
    require_within,
    rule_at_prices,
    stationary,
)
from nthrun.environments.bewley.declaration import calibration_of
from nthrun.environments.bewley.household_torch import prices
from nthrun.errors import NthrunError
from nthrun.training.saved_policy import Learned, Policy, last_evaluation, restored

ENVIRONMENT = "Bewley"
NO_RULES = "no exact rules at these prices"
FORCED = "the share forced, and the best labour with it, at the world's prices"


@dataclass(frozen=True, slots=True)
class View:
    """What to look at.

    Attributes:
        vary: "wealth", "ability" or "savings".
        bounds: lowest and highest value; None is 0.1 to 10 for wealth, else all there is.
        points: how many values.
        household: whose rules, from 0.
        world: the evaluation episode at whose end it is observed, from 0.
    """

    vary: str = "wealth"
    bounds: tuple[float, float] | None = None
    points: int = 50
    household: int = 0
    world: int = 0


@plot(
    of="policy",
    demo="solvers/Bewley_euler_quadrature.h5",
    options=[
        click.Option(
            ["--vary"],
            type=click.Choice(VARIED),
            default="wealth",
            show_default=True,
            help="What varies.",
        ),
        click.Option(
            ["--range", "bounds"],
            type=(float, float),
            metavar="LO HI",
            help="Values of it.  [default: 0.1 10 for wealth, else all there is]",
        ),
        click.Option(["--points"], type=click.IntRange(2, 10_000), default=50, show_default=True),
        click.Option(
            ["--household"], type=int, default=0, show_default=True, help="Whose rules, from 0."
        ),
        click.Option(
            ["--world"], type=int, default=0, show_default=True, help="In which world, from 0."
        ),
    ],
    file_name=lambda _, values: "decision_rules_agent{household}_batch{world}".format(**values),
)
def decision_rules(learned: Learned, **view: Any) -> Drawn:
    """Plot consumption, labour, savings and the savings ratio of a household of a Bewley run.

    The run's agent decides, with what it had learned at the end or at the --step of a snapshot;
    dashed are the exact rules at the prices that the household sees, dotted those of the exact
    equilibrium.

    All but what varies stays as it is in one world: world B is the state at the end of episode B
    of the last evaluation up to that step, played again with the run's own seeds. Wealth and
    ability of the other households and both prices are held. Between two states of ability, rules
    are interpolated linearly in the logarithm of ability. With --vary savings the share saved is
    forced, labour is the best with that share, and what the rules choose are points.

    What a record does not hold of the agent's own simulation is put in: the exact equilibrium's
    rebate and, where the environment shows no prices, its labour to form them with, at the end the
    world's.

    Without --out the file is decision_rules_agent<household>_batch<world>.png.
    """
    return decision_rules_figure(rule_picture(learned, View(**view))), ()


def rule_picture(learned: Learned, view: View) -> RulePicture:
    """Compute what the figure shows.

    Raises:
        NthrunError: the run is of another environment, or has no such household, world or range.
        SpecError, NoSolutionError: the economy has no exact solution.
    """
    environment = learned.spec.environment
    if environment.env_name != ENVIRONMENT:
        raise NthrunError(f"decision rules are of {ENVIRONMENT}, got {environment.env_name}")
    _require_below("household", view.household, environment.integer("households"))
    _require_below("world", view.world, environment.eval_episodes)
    exact = stationary(calibration_of(environment.values), chain_of(environment.values))
    policy = restored(learned)
    situation, rule = _looked_at(policy, exact, view)
    values = _values(situation, view)
    rules = {_learned_label(learned): rule}
    there = rule_at_prices(situation)
    if there:
        rules[f"exact rules at the world's prices: {_prices(situation.r, situation.w)}"] = there
    return RulePicture(
        vary=view.vary,
        values=values,
        lines=_lines(situation, view, values, rules, exact),
        own=situation.own(view.vary),
        title=_title(learned, view, situation) + ("" if there else f"\n{NO_RULES}"),
    )


def _require_below(option: str, number: int, count: int) -> None:
    if not 0 <= number < count:
        allowed = f"0 to {count - 1}" if count else "none, as eval_episodes is 0"
        raise NthrunError(f"--{option} {number}: allowed: {allowed}")


def _looked_at(policy: Policy, exact: Stationary, view: View) -> tuple[Situation, Rule]:
    """The household's situation at the end of its evaluation episode, and what the policy does.

    What a record does not hold of the agent's own simulation, the last labour and the rebate, is
    put in: the exact equilibrium's, then the labour of that world.
    """
    _put(policy, "rebate", exact.rebate)
    _put(policy, "labour", exact.labour)
    worlds, _ = last_evaluation(policy)
    world = worlds[view.world]
    _put(policy, "labour", float(world[-1]))
    values, count = policy.program.spec.values, policy.program.spec.integer("households")
    calibration = calibration_of(values)
    paid = prices(calibration.technology, world[:count].mean(-1, keepdim=True), world[-1:])
    situation = Situation(
        calibration,
        chain_of(values),
        float(world[view.household]),
        int(world[count + view.household]),
        float(paid.r),
        float(paid.w),
        exact.rebate,
    )
    return situation, _learned_rule(policy, situation, world, view.household)


def _put(policy: Policy, name: str, number: float) -> None:
    if name in policy.state and name not in policy.learned.params:
        policy.state[name].fill_(number)


def _learned_rule(policy: Policy, situation: Situation, world: Tensor, household: int) -> Rule:
    """What the policy does for one household, the others and the prices staying as they are."""
    count = policy.program.spec.integer("households")
    seen = policy.program.environment.observe(world[None, None])[0].numpy()
    lowest = situation.calibration.labour_bounds[0]

    def rule(wealth: Array, states: States) -> Choice:
        observation = np.repeat(seen, len(wealth), 0)
        observation[:, household] = wealth
        observation[:, count + household] = situation.chain.values[states]
        action = policy.act(observation)
        works = action.shape[1] > count
        labour = action[:, count + household] if works else np.full_like(wealth, lowest)
        return situation.chosen(action[:, household], labour, wealth, states)

    return rule


def _values(situation: Situation, view: View) -> Array:
    """The values varied over; those of ability are even in its logarithm."""
    default = DEFAULT_WEALTH if view.vary == "wealth" else situation.bounds(view.vary)
    low, high = default if view.bounds is None else view.bounds
    require_within(situation, view.vary, low, high)
    spaced = np.geomspace if view.vary == "ability" else np.linspace
    return np.asarray(spaced(low, high, view.points))


def _lines(
    situation: Situation, view: View, values: Array, rules: Mapping[str, Rule], exact: Stationary
) -> dict[str, RuleLine]:
    """What the figure draws, by its text; where savings are forced, what is chosen are points."""
    if view.vary != "savings":
        text = f"exact rules at equilibrium prices: {_prices(exact.r, exact.w)}"
        drawn = {**rules, text: exact.rule(situation.calibration)}
        cuts = {name: cut(rule, situation, view.vary, values) for name, rule in drawn.items()}
        return {name: RuleLine(values, choice) for name, choice in cuts.items()}
    lines = {}
    for name, rule in rules.items():
        choice = rule(np.array([situation.wealth]), np.array([situation.state]))
        lines[name] = RuleLine(choice.share, choice)
    return lines | {FORCED: RuleLine(values, situation.menu(values))}


def _learned_label(learned: Learned) -> str:
    agent = learned.spec.agent.agent_name
    return f"policy of {agent} {learned.after}, at the world's prices"


def _prices(r: float, w: float) -> str:
    return f"r = {100 * r:.2f} %, w = {w:.3f}"


def _title(learned: Learned, view: View, situation: Situation) -> str:
    stage = f", stage {learned.stage}" if learned.stage else ""
    able = float(situation.chain.values[situation.state])
    return (
        f"{learned.spec.agent.agent_name} on {ENVIRONMENT}, index {learned.index}{stage}: "
        f"household {view.household} of world {view.world}\n"
        f"a = {situation.wealth:.2f}, v = {able:.2f}, {_prices(situation.r, situation.w)}"
    )
