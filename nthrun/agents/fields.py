"""Hyperparameters that agents of several kinds share."""

from __future__ import annotations

from nthrun.specs.field import Field

BETAS = Field(
    "betas", "floats", (0.9, 0.999), "Adam's decay rates", minimum=0, maximum=0.999999, length=2
)


def normaliser_momentum(default: float) -> Field:
    """The momentum of `nthrun.agents.normaliser`."""
    doc = "weight of the past in the running means that normalise inputs; 1 leaves them as they are"
    return Field("normaliser_momentum", "float", default, doc, minimum=0, maximum=1)
