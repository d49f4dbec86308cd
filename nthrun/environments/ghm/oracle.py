"""What the best policy of the simulated firm earns on average."""

from __future__ import annotations

from nthrun.environments.ghm.declaration import calibration_of, rules_of
from nthrun.environments.ghm.dynamic_programme import value_of_step
from nthrun.specs.environment_spec import EnvironmentSpec

MAX_STEPS = 20_000
"""Of an episode; with more of them finding it takes too long."""


def best_return(spec: EnvironmentSpec) -> float | None:
    """Its value at the start, over the start states of the spec; None where steps are too many.

    Raises:
        SpecError: the firm can be simulated, but not solved.
    """
    firm, rules = calibration_of(spec.values), rules_of(spec.values)
    if rules.num_steps > MAX_STEPS:
        return None
    if start := spec.items("start_state"):
        cash, left = start
        return float(value_of_step(firm, rules, rules.num_steps - int(left)).at(cash))
    return value_of_step(firm, rules).mean(0.0, spec.number("cash_max"))
