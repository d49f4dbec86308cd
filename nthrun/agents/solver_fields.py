"""Hyperparameters that solvers share."""

from __future__ import annotations

from nthrun.specs.field import Field


def normaliser_momentum(default: float) -> Field:
    """The momentum of `nthrun.agents.normaliser`."""
    doc = "weight of the past in the running means that normalise inputs; 1 leaves them as they are"
    return Field("normaliser_momentum", "float", default, doc, minimum=0, maximum=1)
