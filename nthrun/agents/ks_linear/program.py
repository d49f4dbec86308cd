"""The classical solution as an agent: what solvers of Krusell and Smith's economies are measured
by."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Noise, State
from nthrun.agents.ks_linear.declaration import DEFAULT, NUM_NODES, QUADRATIC, TABLES
from nthrun.environments.krusell_smith.classical import Grids, Solution
from nthrun.environments.krusell_smith.cross_sections import resources
from nthrun.environments.krusell_smith.declaration import MOST_SAVED, economy_of
from nthrun.environments.krusell_smith.economy_torch import EconomyTensors
from nthrun.environments.krusell_smith.evaluation import Evaluation, evaluated
from nthrun.environments.krusell_smith.exact_solution import exact_solution
from nthrun.environments.krusell_smith.histogram import Rule, wealth_grid
from nthrun.environments.krusell_smith.law import curved_by_default
from nthrun.environments.krusell_smith.program import distribution_of
from nthrun.environments.markov_chains import Array
from nthrun.environments.tensors import TINY
from nthrun.errors import NoSolutionError
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec


class ClassicalSolution:
    """Plays the share of x that the solution saves, linearly between points of wealth and of log K.

    The state is float64: `assets` `(lanes, num_points)`, `log_capital` `(lanes, nodes)`, `saving`
    `(lanes, states, kinds, nodes, num_points)`, a' / x at them, and `law` `(lanes, states, 3)`.
    """

    num_simulation_draws = 0
    num_agent_draws = 0
    missing: Sequence[str] = ()

    def __init__(self, statics: Setting, environment: EnvironmentSpec) -> None:
        self._economy = economy_of(environment.values)
        names = ("num_points", "num_choices", "capital_step", "tolerance", "max_rounds")
        self._grids = Grids(top=statics["wealth_top"], **{name: statics[name] for name in names})
        self._usual = curved_by_default(self._economy)
        law = statics["law"]
        self._curved = self._usual if law == DEFAULT else law == QUADRATIC
        self._distribution = distribution_of(environment, EconomyTensors(self._economy))

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        """See `Solver`; solves.

        Raises:
            NoSolutionError: no law is its own forecast, or it does not fit the grids.
        """
        arrays = self._tables()
        tensors = {name: torch.from_numpy(arrays[name]) for name in TABLES}
        lanes = len(settings)
        return {name: table.expand(lanes, *table.shape).clone() for name, table in tensors.items()}

    def solve(self, state: State, noise: Noise, step: Tensor) -> dict[str, Tensor]:
        """See `Solver`; all is known."""
        return {}

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """See `Solver`; beyond the points of wealth and of K as at the last ones."""
        seen = self._distribution.seen(observation)
        assets, nodes, table = state["assets"], state["log_capital"], state["saving"]
        lanes, points = assets.shape
        owned = seen.wealth.double().clamp(min=0.0)
        owned = torch.minimum(owned, assets[:, -1:, None])
        above = torch.searchsorted(assets, owned.flatten(1)).clamp(1, points - 1)
        low, high = assets.gather(1, above - 1), assets.gather(1, above)
        rich = ((owned.flatten(1) - low) / (high - low)).view(owned.shape)
        first, last = nodes[:, :1, None], nodes[:, -1:, None]
        logs = torch.log(seen.capital.double().clamp(min=TINY))
        place = ((logs - first) / (last - first) * (NUM_NODES - 1)).clamp(0.0, NUM_NODES - 1.0)
        node = place.floor().clamp(max=NUM_NODES - 2.0)
        cell = seen.state * table.shape[2] + seen.kind
        index = ((cell * NUM_NODES + node) * points).long() + above.view(owned.shape)
        flat = table.view(lanes, -1)

        def saved(index: Tensor) -> Tensor:
            below, over = (flat.gather(1, each.flatten(1)) for each in (index - 1, index))
            return torch.lerp(below, over, rich.flatten(1)).view(owned.shape)

        share = torch.lerp(saved(index), saved(index + points), place - node)
        return share.clamp(0.0, MOST_SAVED).float()

    def rule(self, state: State, lane: int) -> Rule:
        """What households of a lane do, by the tables."""
        assets, nodes, table = (state[name][lane].numpy(force=True) for name in TABLES[:3])

        def next_assets(owned: Array, masses: Array, capital: float, number: int) -> Array:
            place = float(np.interp(np.log(capital), nodes, np.arange(len(nodes))))
            low = min(int(place), len(nodes) - 2)
            below, over = table[number, :, low], table[number, :, low + 1]
            rows = (low + 1 - place) * below + (place - low) * over
            share = np.stack([np.interp(owned, assets, row) for row in rows])
            return share * resources(self._economy, owned, capital, number)

        return Rule(next_assets)

    def learned_params(self, state: State) -> dict[str, Tensor]:
        return {name: state[name] for name in TABLES}

    def measures(self, state: State) -> dict[str, np.ndarray]:
        """See `Solver`: of the solution, whose gap is to that with the usual form of the law."""
        lanes = len(state["assets"])
        self.missing = (self._evaluation.missing,) * lanes
        found = self._evaluation.measures
        return {name: np.full(lanes, number) for name, number in found.items()}

    @cached_property
    def _solution(self) -> Solution:
        return exact_solution(self._economy, self._curved, self._grids)

    @cached_property
    def _evaluation(self) -> Evaluation:
        usual: Solution | None = self._solution
        missing = ""
        if self._curved != self._usual:
            try:
                usual = exact_solution(self._economy, self._usual, self._grids)
            except NoSolutionError as error:
                usual, missing = None, f"no law of the usual form is found: {error.message}"
        rule, exact = self._solution.rule(self._economy), usual.exact if usual else None
        return evaluated(self._economy, rule, self._curved, exact, missing)

    def _tables(self) -> dict[str, Array]:
        """What is played, by its name."""
        economy, solution = self._economy, self._solution
        top = float(solution.exact.assets[-1])
        assets = wealth_grid(economy, self._grids.num_points, top)
        ends = solution.choices.log_capital[[0, -1]]
        nodes = np.linspace(float(ends[0]), float(ends[1]), NUM_NODES)
        rule, nobody = solution.rule(economy), np.zeros((economy.num_kinds, len(assets)))
        saving = np.empty((economy.num_states, NUM_NODES, *nobody.shape))
        for state, node in np.ndindex(*saving.shape[:2]):
            capital = float(np.exp(nodes[node]))
            saved = rule.next_assets(assets, nobody, capital, state)
            x = resources(economy, assets, capital, state)
            saving[state, node] = saved / np.maximum(x, TINY)
        ordered = np.ascontiguousarray(saving.swapaxes(1, 2))
        law = solution.law.coefficients
        return {"assets": assets, "log_capital": nodes, "saving": ordered, "law": law.copy()}
