"""Figures of a recorded run in an economy of Krusell and Smith, beside the classical solution.

The arrays of each are what a script of one's own can use, too:

    arrays = law_arrays(read_learned(Path("results/KrusellSmith_bellman_ac")))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
import numpy as np

from nthrun.analysis.figures.base import Drawn, plot
from nthrun.analysis.figures.krusell_smith import (
    EXACT,
    Arrays,
    functions_figure,
    law_figure,
    path_figure,
    response_figure,
    scatter_figure,
)
from nthrun.environments.krusell_smith import pictures
from nthrun.environments.krusell_smith.classical import Grids, Solution
from nthrun.environments.krusell_smith.declaration import MODEL, economy_of
from nthrun.environments.krusell_smith.economy import Economy
from nthrun.environments.krusell_smith.evaluation import history_of
from nthrun.environments.krusell_smith.exact_solution import exact_solution
from nthrun.environments.krusell_smith.histogram import History, Households
from nthrun.environments.krusell_smith.law import curved_by_default
from nthrun.environments.krusell_smith.values import RuleValue
from nthrun.errors import NoSolutionError, NthrunError
from nthrun.terminal import warn
from nthrun.training.saved_policy import Learned, Policy, restored

DEMO = "solvers/KrusellSmith_bellman_ac.h5"
WEALTH_SHOWN = 4.0
"""Wealth up to which functions are drawn unless told otherwise, in K."""
LINE_POINTS, SCATTER_POINTS = 200, 10_000
NUM_DATES = 5
"""Dates at which the distribution of wealth is shown."""
NUM_BINS = 60
"""Bins in which it is drawn, up to the wealth that all but a thousandth have less than."""
EXOGENOUS = ("tfp",)
"""Of a path, what no rule changes."""
STATE = click.Option(
    ["--state"], type=int, help="Number of the state of Z, 0 the lowest.  [default: the middle one]"
)
CAPITAL = click.Option(
    ["--capital"],
    type=click.FloatRange(min=0, min_open=True),
    help="K that the cross-section is to be near.  [default: median]",
)
WEALTH = click.Option(
    ["--wealth"],
    type=click.FloatRange(min=0, min_open=True),
    help="Wealth to draw to.  [default: four times K]",
)
SCATTER = click.Option(["--scatter"], is_flag=True, help="Points over productivity and wealth.")
FIRST = click.Option(
    ["--first"],
    type=click.IntRange(0, 100_000),
    default=500,
    show_default=True,
    help="Periods of the path that are passed over.",
)
PERIODS = click.Option(
    ["--periods"],
    type=click.IntRange(10, 10_000),
    default=300,
    show_default=True,
    help="Periods that are drawn.",
)
FROM = click.Option(
    ["--from", "from_state"],
    type=int,
    help="Number of the state of Z before, 0 the lowest.  [default: the middle one]",
)
TO = click.Option(
    ["--to", "to_state"],
    type=int,
    help="And of the one after.  [default: the next higher, or lower]",
)
AFTER = click.Option(
    ["--periods"],
    type=click.IntRange(2, 1000),
    default=60,
    show_default=True,
    help="Periods after the change.",
)


@dataclass(frozen=True, slots=True, eq=False)
class Lived:
    """A rule, and what became of its households along the path of Z.

    Attributes:
        households: who follow it.
        history: theirs.
    """

    households: Households
    history: History


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """A run in an economy of Krusell and Smith.

    Attributes:
        policy: its own.
        solver: its agent.
        economy: that it is of.
        rules: by the prefix of their arrays: "" is the run's, `exact_` that of the classical
            solution where there is one.
        solution: that one, or None.
    """

    policy: Policy
    solver: Any
    economy: Economy
    rules: Mapping[str, Lived]
    solution: Solution | None


def title_of(learned: Learned, what: str) -> str:
    """The title of a figure of a run."""
    stage = f", stage {learned.stage}" if learned.stage else ""
    agent, environment = learned.spec.agent, learned.spec.environment
    return (
        f"{agent.agent_name} on {environment.env_name}, index {learned.index}{stage}, "
        f"{learned.after}: {what}"
    )


def _state(economy: Economy, option: str, number: int | None, usual: int) -> int:
    """A state of Z, the usual one if none is asked for.

    Raises:
        NthrunError: there is no such state.
    """
    if number is None:
        return usual
    if not 0 <= number < economy.num_states:
        allowed = f"allowed: 0 to {economy.num_states - 1}"
        raise NthrunError(f"--{option} {number}: {allowed}", "0 is the lowest state of Z")
    return number


def economy_in(learned: Learned) -> Economy:
    """The economy of a run.

    Raises:
        NthrunError: it is of another environment.
    """
    environment = learned.spec.environment
    if environment.interface.model != MODEL:
        problem = f"the figure is of KrusellSmith, got {environment.env_name}"
        raise NthrunError(problem, "give the directory of a run in that environment")
    return economy_of(environment.values)


def solved_run(learned: Learned) -> Solved:
    """A run's rule and the classical one, each lived along the path of Z.

    Raises:
        NthrunError: the run is of another environment or its agent has no rule for a household.
        NoSolutionError: its rule has no history.
    """
    economy = economy_in(learned)
    policy = restored(learned)
    solver = getattr(policy.program, "solver", None)
    rule_of = getattr(solver, "rule", None)
    if rule_of is None:
        agent = learned.spec.agent.agent_name
        problem = f"{agent}: its policy is not a rule of one household's wealth and kind"
        raise NthrunError(problem, "ks_linear, euler_ks and bellman_ac have such rules")
    try:
        solution = exact_solution(economy, curved_by_default(economy), Grids())
    except NoSolutionError as error:
        warn(f"no exact solution is drawn: {error.message}")
        solution = None
    exact = solution.exact if solution else None
    named = {"": rule_of(policy.state, 0)}
    if solution:
        named[EXACT] = solution.rule(economy)
    rules = {name: Lived(*history_of(economy, rule, exact)) for name, rule in named.items()}
    return Solved(policy, solver, economy, rules, solution)


def _prefixed(prefix: str, arrays: Arrays, without: Sequence[str] = ()) -> dict[str, np.ndarray]:
    return {prefix + name: array for name, array in arrays.items() if name not in without}


def function_arrays(
    learned: Learned, state: int | None, capital: float | None, wealth: float | None, scatter: bool
) -> Arrays:
    """c, a' and the value of every kind of household over its wealth, `(kinds, points)` each.

    All households are one cross-section of the path, that of Z's state whose K is nearest to what
    is asked for, among those of the exact solution where there is one. `distribution` has its
    masses by bins of `distribution_wealth`, `tfp` and `capital` its Z and K.

    Args:
        learned: of a run.
        state: of Z.
        capital: None is the median K in that state.
        wealth: up to which; None is four times K.
        scatter: whether 10 000 points are wanted.
    """
    economy = economy_in(learned)
    number = _state(economy, "state", state, economy.num_states // 2)
    run = solved_run(learned)
    whose = run.rules.get(EXACT, run.rules[""])
    section = pictures.nearest_section(whose.history, number, capital)
    top = WEALTH_SHOWN * section.capital if wealth is None else wealth
    points = -(-SCATTER_POINTS // run.economy.num_kinds) if scatter else LINE_POINTS
    assets = np.linspace(0.0, top, points)
    arrays: dict[str, np.ndarray] = {}
    for prefix, each in run.rules.items():
        found = pictures.functions(each.households, section, assets)
        arrays |= _prefixed(prefix, found, ("z", "a") if prefix else ())
    arrays |= _values(run, section, assets)
    return arrays | {
        "distribution": section.masses,
        "distribution_wealth": whose.households.assets,
        "tfp": run.economy.tfp[section.state],
        "capital": np.array(section.capital),
    }


def _values(run: Solved, section: pictures.Section, assets: np.ndarray) -> dict[str, np.ndarray]:
    """The value that the run learned, if it did, and that of the exact rule."""
    value = getattr(run.solver, "value", None)
    if value is None:
        return {}
    grid = run.rules.get(EXACT, run.rules[""]).households.assets
    masses = pictures.on_grid(assets, grid, section.masses)
    now = section.capital, section.state
    arrays = {"v": value(run.policy.state, 0, assets, masses, now)}
    if run.solution is None:
        return arrays
    log_capital = run.solution.choices.log_capital
    rule = run.rules[EXACT].households.rule
    try:
        exact = RuleValue(
            run.economy, rule, run.solution.law, run.solution.choices.saved, log_capital
        )
    except NoSolutionError as error:
        warn(f"no exact value is drawn: {error.message}")
        return arrays
    return arrays | {"exact_v": exact.at(assets, section.capital, section.state)}


@plot(
    of="policy",
    demo=DEMO,
    options=[STATE, CAPITAL, WEALTH, SCATTER],
    file_name=lambda *_: "equilibrium_functions",
    arrays=function_arrays,
)
def equilibrium_functions(learned: Learned, arrays: Arrays, **values: Any) -> Drawn:
    """Plot consumption, savings and, if it is learned, value in the economy of a KrusellSmith run.

    The run's agent decides, with what it had learned at the end or at the --step of a snapshot;
    dashed is the classical solution. All households are a cross-section of its path.

    Without --out the file is equilibrium_functions.png.
    """
    what = f"Z = {arrays['tfp']:.4g}, K = {arrays['capital']:.4g}"
    draw = scatter_figure if values["scatter"] else functions_figure
    return draw(arrays, title_of(learned, what)), ()


def path_arrays(learned: Learned, first: int, periods: int) -> Arrays:
    """Z, K, L, Y, C, r and w of a path of Z, `(periods,)`, and wealth at some of its dates.

    `z_index` are the states of Z, `date` the dates, `density` `(dates, bins)` of households by
    wealth, `wealth` the middles of the bins.
    """
    run = solved_run(learned)
    arrays: dict[str, np.ndarray] = {"period": np.arange(first, first + periods)}
    for prefix, each in run.rules.items():
        history = pictures.path(each.households, first, periods)
        arrays |= _prefixed(prefix, pictures.series(run.economy, history), EXOGENOUS * bool(prefix))
        if not prefix:
            arrays["z_index"] = history.states
            arrays |= pictures.densities(each.households, history, NUM_DATES, NUM_BINS)
    arrays["date"] = arrays["date"] + first
    return arrays


@plot(
    of="policy",
    demo=DEMO,
    options=[FIRST, PERIODS],
    file_name=lambda *_: "simulated_path",
    arrays=path_arrays,
)
def simulated_path(learned: Learned, arrays: Arrays, **_: Any) -> Drawn:
    """Plot a path of the economy of a KrusellSmith run, and the distribution of wealth along it.

    Households are counted, not drawn, so that only Z is random, whose path is the same for every
    run; dashed is the classical solution along it.

    Without --out the file is simulated_path.png.
    """
    title = title_of(learned, "a path of the economy")
    return path_figure(arrays, title, learned.spec.agent.agent_name), ()


def law_arrays(learned: Learned) -> Arrays:
    """The law of motion of capital; see `pictures.law`, of whose lines the exact ones are there,
    too, at the same K."""
    run = solved_run(learned)
    curved = curved_by_default(run.economy)
    own = run.rules[""]
    arrays = pictures.law(own.households, own.history, curved)
    if run.solution is None:
        return arrays
    rows = np.arange(run.economy.num_states)[:, None]
    lines = arrays["line_log_capital"]
    exact = run.solution.law
    return arrays | {
        "exact_line_log_growth": exact.log_next(lines, rows) - lines,
        "exact_coefficients": exact.coefficients,
    }


@plot(of="policy", demo=DEMO, options=[], file_name=lambda *_: "law_of_motion", arrays=law_arrays)
def law_of_motion(learned: Learned, arrays: Arrays) -> Drawn:
    """Plot what capital becomes in the economy of a KrusellSmith run, by state of Z.

    On the left capital's growth and the law fitted to it, beside that of the classical solution; on
    the right what the law leaves unexplained.

    Without --out the file is law_of_motion.png.
    """
    return law_figure(arrays, title_of(learned, "law of motion of capital")), ()


def response_arrays(
    learned: Learned, from_state: int | None, to_state: int | None, periods: int
) -> Arrays:
    """Responses to a change of Z's state in period 1, `(periods + 1,)`; see `responses`."""
    economy = economy_in(learned)
    before = _state(economy, "from", from_state, economy.num_states // 2)
    after = _state(economy, "to", to_state, before + (1 if before + 1 < economy.num_states else -1))
    if before == after:
        raise NthrunError(f"--to {after}: allowed: another state than --from, which is {before}")
    run = solved_run(learned)
    arrays: dict[str, np.ndarray] = {"period": np.arange(periods + 1)}
    for prefix, each in run.rules.items():
        section = pictures.nearest_section(each.history, before, None)
        found = pictures.responses(each.households, section, after, periods)
        arrays |= _prefixed(prefix, found, EXOGENOUS * bool(prefix))
    return arrays | {"states": economy.tfp[[before, after]]}


@plot(
    of="policy",
    demo=DEMO,
    options=[FROM, TO, AFTER],
    file_name=lambda *_: "impulse_response",
    arrays=response_arrays,
)
def impulse_response(learned: Learned, arrays: Arrays, **_: Any) -> Drawn:
    """Plot how the economy of a KrusellSmith run responds to a change of productivity.

    The mean over paths of Z that go to another state in period 1, less that over paths which stay
    and go on by the same luck; dashed is the classical solution.

    Without --out the file is impulse_response.png.
    """
    before, after = arrays["states"]
    title = title_of(learned, f"Z from {before:.4g} to {after:.4g}")
    return response_figure(arrays, title, learned.spec.agent.agent_name), ()
