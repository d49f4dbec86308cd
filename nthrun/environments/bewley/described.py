"""The ability chain of the economy that a spec describes.

It is apart from the declaration, which does without scipy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np

from nthrun.environments.bewley.ability import AbilityChain, rouwenhorst
from nthrun.environments.bewley.coefficients import calibration_of
from nthrun.specs.field import Value


def chain_of(values: Mapping[str, Value]) -> AbilityChain:
    """Rouwenhorst's chain, or that of v = 1 where `complete_markets` share all risk.

    Args:
        values: of the spec, dotted key -> value.
    """
    if values["complete_markets"]:
        return AbilityChain(np.ones(1), np.ones((1, 1)), np.ones(1))
    return rouwenhorst(calibration_of(values).ability, cast(int, values["ability_states"]))
