"""What a learned rule is worth: the law of motion that it makes, and how far it is from the exact
one."""

from __future__ import annotations

from functools import cached_property, partial

import numpy as np
from torch import Tensor

from nthrun.agents.krusell_smith.rule import NetworkRule
from nthrun.environments.krusell_smith.classical import Grids
from nthrun.environments.krusell_smith.evaluation import Exact, evaluated
from nthrun.environments.krusell_smith.exact_solution import exact_solution
from nthrun.environments.krusell_smith.histogram import Rule
from nthrun.environments.krusell_smith.law import curved_by_default
from nthrun.errors import NoSolutionError

Measures = tuple[dict[str, np.ndarray], tuple[str, ...]]
"""Numbers by name, `(lanes,)` each, and why some are missing, a text a lane."""


class Worth:
    """How rules of one economy are measured.

    Args:
        rule: whose network is.
    """

    def __init__(self, rule: NetworkRule) -> None:
        self._rule = rule
        self._economy = rule.households.economy.economy
        self._curved = curved_by_default(self._economy)

    def rule(self, row: Tensor) -> Rule:
        """The rule that parameters are, `(1, P)`."""
        exact = row.detach().double()
        return Rule(partial(self._rule.next_assets, exact), self._rule.panel.shows_crowd)

    def of(self, rows: Tensor) -> Measures:
        """The measures of the rules that parameters are, `(lanes, P)`."""
        exact, problem = self._exact
        found = []
        for row in rows.split(1):
            found.append(evaluated(self._economy, self.rule(row), self._curved, exact, problem))
        numbers = {
            name: np.array([each.measures[name] for each in found]) for name in found[0].measures
        }
        return numbers, tuple(each.missing for each in found)

    @cached_property
    def _exact(self) -> tuple[Exact | None, str]:
        """What the exact rule does, and why there is none."""
        try:
            return exact_solution(self._economy, self._curved, Grids()).exact, ""
        except NoSolutionError as error:
            return None, f"the exact solution is not found: {error.message}"
