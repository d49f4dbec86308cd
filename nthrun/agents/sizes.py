"""Sizes of what agents are made of, without torch: what planning counts and programs build on.

They are those of networks and rows of replay, of policies, of critics and actors, and of tile
codings, with the fields that set a tile coding and what it cannot code.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product

from nthrun.specs.declaration import Actions, Misfit, Setting, ValuesOf
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface

HIDDEN_MULTIPLE = 16
HEAD_MULTIPLE = 4


@dataclass(frozen=True, slots=True)
class MLPShape:
    """The shape of a perceptron; `nthrun.agents.networks` says why padded.

    Attributes:
        in_dim, hidden, out_dim: layer widths, without padding; `hidden` has one or more.
    """

    in_dim: int
    hidden: tuple[int, ...]
    out_dim: int

    def widths(self) -> tuple[int, ...]:
        """Layer widths with padding."""
        hidden = (padded_width(width, HIDDEN_MULTIPLE) for width in self.hidden)
        head = 1 if self.out_dim == 1 else padded_width(self.out_dim, HEAD_MULTIPLE)
        return self.in_dim, *hidden, head

    def true_widths(self) -> tuple[int, ...]:
        """Layer widths without padding."""
        return self.in_dim, *self.hidden, self.out_dim

    def sizes(self) -> list[int]:
        """Entries of weight 1, bias 1, weight 2, ... in a row; the last is padded."""
        sizes = [size for a, b in pairwise(self.widths()) for size in (a * b, b)]
        return [*sizes[:-1], padded_width(sizes[-1], HIDDEN_MULTIPLE)]

    def num_params(self) -> int:
        """Entries of a row, padding included."""
        return sum(self.sizes())

    def num_repeated_products(self) -> int:
        """Multiply-adds of a sample beside one for each parameter."""
        return 0

    def named_shapes(self, prefix: str) -> dict[str, tuple[int, ...]]:
        """Shapes of weights and biases by name, without padding."""
        named: dict[str, tuple[int, ...]] = {}
        for number, (fan_in, fan_out) in enumerate(pairwise(self.true_widths()), 1):
            named[f"{prefix}weight{number}"] = (fan_in, fan_out)
            named[f"{prefix}bias{number}"] = (fan_out,)
        return named


@dataclass(frozen=True, slots=True)
class Convolution:
    """A layer that moves a square kernel over images, by one place and without padding.

    Attributes:
        height, width, in_channels: of the images.
        channels: that it puts out.
        kernel: side of its kernel, at most height and width.
    """

    height: int
    width: int
    in_channels: int
    channels: int
    kernel: int

    @property
    def places(self) -> tuple[int, int]:
        """Height and width of what it puts out."""
        return self.height - self.kernel + 1, self.width - self.kernel + 1

    @property
    def num_places(self) -> int:
        """Places at which the kernel fits."""
        return math.prod(self.places)

    @property
    def patch(self) -> int:
        """Numbers that the kernel covers."""
        return self.kernel**2 * self.in_channels

    @property
    def columns(self) -> int:
        """Channels with padding."""
        return padded_width(self.channels, HIDDEN_MULTIPLE)

    def sizes(self) -> list[int]:
        """Entries of its weight and of its bias."""
        return [self.patch * self.columns, self.columns]


@dataclass(frozen=True, slots=True)
class ConvolutionalShape:
    """The shape of convolutions followed by a perceptron.

    Attributes:
        image: height, width and channels of an observation.
        layers: channels and side of the kernel, of each convolution.
        hidden, out_dim: of the perceptron, without padding.
    """

    image: tuple[int, ...]
    layers: tuple[tuple[int, int], ...]
    hidden: tuple[int, ...]
    out_dim: int

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """The layers, in order."""
        height, width, seen = self.image
        found: list[Convolution] = []
        for channels, kernel in self.layers:
            found.append(Convolution(height, width, seen, channels, kernel))
            (height, width), seen = found[-1].places, channels
        return tuple(found)

    def head(self) -> MLPShape:
        """The perceptron."""
        last = self.convolutions[-1]
        return MLPShape(last.num_places * last.channels, self.hidden, self.out_dim)

    def widths(self) -> tuple[int, ...]:
        """Numbers that an observation becomes, layer by layer, with what kernels cover."""
        numbers = (layer.num_places * (layer.patch + layer.columns) for layer in self.convolutions)
        return math.prod(self.image), *numbers, *self.head().widths()

    def num_params(self) -> int:
        """Entries of a row, padding included."""
        own = sum(sum(layer.sizes()) for layer in self.convolutions)
        return own + self.head().num_params()

    def num_repeated_products(self) -> int:
        """Multiply-adds of a sample beside one for each parameter: a kernel's at every place."""
        return sum(
            layer.patch * (layer.num_places * layer.columns - layer.channels)
            for layer in self.convolutions
        )

    def named_shapes(self, prefix: str) -> dict[str, tuple[int, ...]]:
        """Shapes of kernels, weights and biases by name, without padding."""
        named: dict[str, tuple[int, ...]] = {}
        for number, layer in enumerate(self.convolutions, 1):
            side = layer.kernel
            named[f"{prefix}kernel{number}"] = (side, side, layer.in_channels, layer.channels)
            named[f"{prefix}kernel_bias{number}"] = (layer.channels,)
        return named | self.head().named_shapes(prefix)


Shape = MLPShape | ConvolutionalShape


def row_widths(environment: Interface) -> list[int]:
    """Widths of the parts of a replay row, in the order of `Experience`."""
    observation = environment.observation_dim
    return [observation, environment.action_dim, 1, observation, 1]


def padded_width(width: int, multiple: int) -> int:
    """A width, made a multiple."""
    return -(-width // multiple) * multiple


BETA_TRIES = 5
"""Proposals for each of a Beta's two gamma variates; `beta` says how many fail."""
BETA_DRAWS = 2 * 2 * BETA_TRIES
"""A proposal and its uniform number, for each try of both variates."""

POLICY_ACTIONS: dict[str, Actions] = {
    "SquashedGaussian": "continuous",
    "Gaussian": "continuous",
    "Beta": "continuous",
    "SquashedGaussianMixture": "continuous",
    "Softmax": "discrete",
}
"""policy_type -> the actions it is a distribution over."""


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """A policy as hyperparameters and an environment determine it.

    Attributes:
        policy_type: one of `POLICY_ACTIONS`.
        action_size: components of a continuous action, or the number of discrete actions.
        num_components: of a mixture; the others have one.
        clip_stddev: a Gaussian's σ stays within [1/clip_stddev, clip_stddev].
    """

    policy_type: str
    action_size: int
    num_components: int = 1
    clip_stddev: float = 1000.0

    @property
    def num_outputs(self) -> int:
        """What the network puts out for a state."""
        size = self.action_size
        if self.policy_type == "Softmax":
            return size
        if self.policy_type == "SquashedGaussianMixture":
            return self.num_components * (1 + 2 * size)
        return 2 * size

    @property
    def num_draws(self) -> int:
        """Standard normal numbers that one sampled action takes."""
        if self.policy_type == "Softmax":
            return 1
        if self.policy_type == "SquashedGaussianMixture":
            return 1 + self.action_size
        return self.action_size * (BETA_DRAWS if self.policy_type == "Beta" else 1)

    @property
    def num_strata(self) -> int:
        """Samples that `Policy.strata` takes of a state."""
        return self.num_components if self.policy_type == "SquashedGaussianMixture" else 1


CONVOLUTIONS = "convolutions"
"""The hyperparameter that lists channels and kernels of the first layers."""


def critic_shape(setting: Setting, environment: Interface) -> Shape:
    """Q(s, a) of a state and a continuous action, or of all discrete actions of a state."""
    if environment.discrete:
        return _shape_of_observations(setting, environment, environment.num_actions)
    num_inputs = environment.observation_dim + environment.action_dim
    return MLPShape(num_inputs, (setting["hidden_dim"],) * 2, 1)


def _shape_of_observations(setting: Setting, environment: Interface, num_outputs: int) -> Shape:
    """A network that sees observations alone, by convolutions where the setting has any."""
    hidden = setting["hidden_dim"]
    if layers := convolution_layers(setting.get(CONVOLUTIONS, ())):
        return ConvolutionalShape(environment.image, layers, (hidden,), num_outputs)
    return MLPShape(environment.observation_dim, (hidden,) * 2, num_outputs)


def convolution_layers(value: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Channels and side of the kernel of each layer, as `CONVOLUTIONS` lists them in turn."""
    return tuple(zip(value[::2], value[1::2], strict=False))


def policy_spec(setting: Setting, environment: Interface) -> PolicySpec:
    """The policy that a setting chooses in an environment."""
    size = environment.num_actions or environment.action_dim
    components = setting.get("num_components", 1)
    return PolicySpec(setting["policy_type"], size, components, setting["clip_stddev"])


def actor_shape(setting: Setting, environment: Interface) -> Shape:
    """The parameters of the policy in a state."""
    return _shape_of_observations(
        setting, environment, policy_spec(setting, environment).num_outputs
    )


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
        """Tiles of one tiling."""
        return int((self.num_bins + 1) ** len(self.groups()[0]))

    @property
    def num_features(self) -> int:
        """Tiles of all tilings, and the bias."""
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
