"""Sizes of a tile coding, the fields that set them, and what it cannot code; without torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product

from nthrun.specs.declaration import Misfit, Setting, ValuesOf
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface

MAX_FEATURES = 1_000_000
"""An update goes over all of them, and a float32 still counts them."""
MOST_NAMED = 4
"""Components without bounds that an error names."""

TILE_FIELDS = (
    Field(
        "num_tilings",
        "int",
        8,
        "tilings of each group of dimensions",
        minimum=1,
        maximum=1024,
        static=True,
    ),
    Field(
        "num_bins",
        "int",
        4,
        "tiles that span a dimension's range",
        minimum=1,
        maximum=10_000,
        static=True,
    ),
    Field(
        "tiling",
        "str",
        "joint",
        "what is tiled together: all dimensions, all pairs of them, or each alone",
        choices=("joint", "pairs", "separate"),
        static=True,
    ),
    Field("bias", "bool", True, "whether one more feature is always active", static=True),
)


@dataclass(frozen=True, slots=True)
class TileSizes:
    """A tile coding's sizes.

    Attributes:
        num_dims: components of an observation.
        num_tilings: tilings of each group of dimensions.
        num_bins: tiles that span a dimension's range; a tiling has one more, as it is offset.
        tiling: "joint", "pairs" or "separate".
        bias: whether one more feature is always active.
    """

    num_dims: int
    num_tilings: int
    num_bins: int
    tiling: str
    bias: bool

    def groups(self) -> list[tuple[int, ...]]:
        """The dimensions that are tiled together, of one length all."""
        length = {"joint": self.num_dims, "pairs": min(2, self.num_dims), "separate": 1}
        return list(combinations(range(self.num_dims), length[self.tiling]))

    @property
    def num_tiles(self) -> int:
        """Of one tiling."""
        return int((self.num_bins + 1) ** len(self.groups()[0]))

    @property
    def num_features(self) -> int:
        """Of all tilings, and the bias."""
        return len(self.groups()) * self.num_tilings * self.num_tiles + self.bias

    @property
    def num_active(self) -> int:
        """Features active for an observation: one of each tiling, and the bias."""
        return len(self.groups()) * self.num_tilings + self.bias


def tile_sizes(setting: Setting, environment: Interface) -> TileSizes:
    """The tile coding that a setting asks for."""
    return TileSizes(
        environment.observation_dim,
        setting["num_tilings"],
        setting["num_bins"],
        setting["tiling"],
        setting["bias"],
    )


def fits_tiles(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """What keeps observations from being tiled: no bounds, or too many tiles."""
    bounds = zip(interface.observation_low, interface.observation_high, strict=True)
    unbounded = [d for d, ends in enumerate(bounds) if not all(map(math.isfinite, ends))]
    if unbounded:
        which = ", ".join(map(str, unbounded[:MOST_NAMED]))
        if len(unbounded) > MOST_NAMED:
            which += f" and {len(unbounded) - MOST_NAMED:,} more"
        problem = (
            "tiles need bounded observations; without bounds are components "
            f"{which} (from 0) of {interface.observation_dim}"
        )
        yield "", problem, "choose another agent, or an environment whose observations have bounds"
        return
    largest = max(_asked(interface, values_of), key=lambda sizes: sizes.num_features)
    if largest.num_features > MAX_FEATURES:
        yield "num_bins", _too_many(largest), 'take fewer bins, or "tiling": ["pairs"]'


def _asked(interface: Interface, values_of: ValuesOf) -> Iterator[TileSizes]:
    names = [field.name for field in TILE_FIELDS]
    for values in product(*map(values_of, names)):
        yield tile_sizes(dict(zip(names, values, strict=True)), interface)


def _too_many(sizes: TileSizes) -> str:
    groups, dims = len(sizes.groups()), len(sizes.groups()[0])
    tilings = f"{sizes.num_tilings} tilings" + (f" of {groups} groups" if groups > 1 else "")
    count = f"{sizes.num_features:,}" if sizes.num_features < 10**15 else "over 10^15"
    return (
        f"{tilings} with ({sizes.num_bins} + 1)^{dims} tiles are {count} features, "
        f"allowed: at most {MAX_FEATURES:,}"
    )
