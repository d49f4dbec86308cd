"""Hyperparameters that several agents share, most of them agents that learn critics from replay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from nthrun.agents.sizes import CONVOLUTIONS, convolution_layers
from nthrun.specs.declaration import MOST_WORLDS, NUM_WORLDS, AtMost, Fits, Misfit, ValuesOf
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface

BETAS = Field(
    "betas", "floats", (0.9, 0.999), "Adam's decay rates", minimum=0, maximum=0.999999, length=2
)


def normaliser_momentum(default: float) -> Field:
    """The momentum of `nthrun.agents.networks`."""
    doc = "weight of the past in the running means that normalise inputs; 1 leaves them as they are"
    return Field("normaliser_momentum", "float", default, doc, minimum=0, maximum=1)


RULES = (AtMost("batch_size", "replay_capacity"), AtMost(NUM_WORLDS, "replay_capacity"))

CRITIC_LR = Field("critic_lr", "float", 1e-3, "critic step size", minimum=0)
ACTOR_LR_SCALE = Field(
    "actor_lr_scale", "float", 1.0, "actor step size as a multiple of critic_lr", minimum=0
)
NUM_SAMPLES = Field(
    "num_samples",
    "int",
    30,
    "actions sampled in a state to update the actor; without effect for Softmax",
    minimum=1,
    maximum=10**4,
    static=True,
)
CLIP_STDDEV = Field(
    "clip_stddev",
    "float",
    1000.0,
    "the policy's σ stays within [1/clip_stddev, clip_stddev]; without effect for Softmax",
    above=1,
    static=True,
)
TAU = Field(
    "tau", "float", 0.01, "weight of a network in its target's average", minimum=0, maximum=1
)
WORLDS = Field(
    NUM_WORLDS,
    "int",
    1,
    "worlds that a run acts in at once; steps are counted in all of them together",
    minimum=1,
    maximum=MOST_WORLDS,
    static=True,
)
SCHEDULE = (
    Field(
        "target_update_interval",
        "int",
        1,
        "steps between updates of the targets; where a step has several updates, updates; a step "
        "of all worlds counts once",
        minimum=1,
        maximum=10**9,
        static=True,
    ),
    BETAS,
    Field(
        "batch_size",
        "int",
        32,
        "steps in one update's batch",
        minimum=1,
        maximum=10**6,
        static=True,
    ),
    Field(
        "replay_capacity",
        "int",
        100_000,
        "most recent steps kept",
        minimum=1,
        maximum=10**9,
        static=True,
    ),
    Field(
        "hidden_dim",
        "int",
        64,
        "width of both hidden layers",
        minimum=2,
        maximum=16_384,
        static=True,
    ),
    Field(
        "activation",
        "str",
        "relu",
        "activation of the hidden layers",
        choices=("relu", "tanh"),
        static=True,
    ),
    Field(
        "weight_init",
        "str",
        "xavier_uniform",
        "distribution of the first weights; a gain is √2 of relu and 5/3 of tanh",
        choices=("xavier_uniform", "kaiming_uniform", "xavier_uniform_gain"),
        static=True,
    ),
    Field(
        "uniform_exploration_steps",
        "int",
        0,
        "first steps whose actions are uniform",
        minimum=0,
        maximum=10**12,
        static=True,
    ),
    Field(
        "steps_before_learning",
        "int",
        0,
        "steps before the first update",
        minimum=0,
        maximum=10**12,
        static=True,
    ),
    Field(
        "updates_per_step",
        "int",
        1,
        "updates after every step, of several worlds after one of all, each on a batch of its own",
        minimum=1,
        maximum=32,
        static=True,
    ),
    WORLDS,
)
LEARNING = (TAU, *SCHEDULE)


MAX_KERNEL = 16
"""The largest side of a kernel: each of its places is an operation of its own."""
CONVOLUTIONAL = Field(
    CONVOLUTIONS,
    "ints",
    (),
    "channels and side of the kernel of each convolution that observations go through before one "
    "hidden layer: [16, 3] is one of 16 channels, [16, 3, 32, 3] is two; [] is none; a side is at "
    f"most {MAX_KERNEL}",
    minimum=1,
    maximum=4096,
    static=True,
)


def with_convolutions(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """The fields of networks that may have convolutions, after which one hidden layer comes."""
    doc = "width of both hidden layers, or of the one after convolutions"
    said = (replace(each, doc=doc) if each.name == "hidden_dim" else each for each in fields)
    return *said, CONVOLUTIONAL


@dataclass(frozen=True, slots=True)
class FitsImages:
    """An agent whose networks may have convolutions.

    Attributes:
        fits: what else keeps it from an environment.
    """

    fits: Fits

    def __call__(self, interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
        """What else does, and convolutions that are none, or not over its observations."""
        yield from self.fits(interface, values_of)
        for value in cast("tuple[tuple[int, ...], ...]", values_of(CONVOLUTIONS)):
            if problem := _problem_of_convolutions(interface, value):
                yield CONVOLUTIONS, f"got {list(value)}: {problem[0]}", problem[1]


def _problem_of_convolutions(
    interface: Interface, value: tuple[int, ...]
) -> tuple[str, str] | None:
    """What keeps observations from going through convolutions, and what to do; None for nothing."""
    if not value:
        return None
    if len(value) % 2:
        return "channels and kernels in turn are an even number", "such as [16, 3]"
    if not interface.image:
        hint = f'leave out "{CONVOLUTIONS}", or choose an environment whose observations are images'
        return "the environment's observations are vectors, not images", hint
    if not interface.discrete:
        return "networks that see actions have none", f'leave out "{CONVOLUTIONS}"'
    return _problem_of_image(interface) or _problem_of_kernels(interface.image, value)


def _problem_of_image(interface: Interface) -> tuple[str, str] | None:
    """Frames stacked in front of an image, which Gymnasium does not tell from its height."""
    height, width, channels = interface.image
    if not (interface.host_bytes and height < width == channels):
        return None
    shape = f"{height} x {width} x {channels}"
    problem = f"observations of {shape} seem to have channels first, which are last here"
    return problem, "move that axis behind the others with a wrapper of your own"


def _problem_of_kernels(image: tuple[int, ...], value: tuple[int, ...]) -> tuple[str, str] | None:
    """A kernel that is too large for what it moves over, or for any."""
    height, width, _ = image
    for _, kernel in convolution_layers(value):
        most = min(height, width, MAX_KERNEL)
        if kernel > most:
            problem = f"a kernel of {kernel} is larger than an image of {height} x {width}"
            problem = f"a kernel has a side of {kernel}" if most == MAX_KERNEL else problem
            return f"{problem}, allowed: 1 to {most}", "take smaller kernels, or fewer convolutions"
        height, width = height - kernel + 1, width - kernel + 1
    return None


def policy_type(*choices: str) -> Field:
    """The field that chooses the policy, the first choice its default."""
    doc = "distribution over actions; Softmax is for discrete ones"
    return Field("policy_type", "str", choices[0], doc, choices=choices, static=True)


def temperature(default: float, doc: str) -> Field:
    """The field of an entropy's weight."""
    return Field("alpha", "float", default, doc, minimum=0)


NO_PARENT = "none"
"""Names the experiment of no run."""
PARENT_NAMES = ("parent_stage", "parent_index", "parent_step")
"""Hyperparameters that say which run of an experiment another starts from, and when."""


def parent_fields(directory: str, doc: str, default: str | None = NO_PARENT) -> tuple[Field, ...]:
    """The hyperparameters that name a parent.

    Args:
        directory: the name of the one that says in which experiment it is recorded.
        doc: its meaning.
        default: of it; None makes it required.
    """
    stage, index, step = PARENT_NAMES
    return (
        Field(directory, "str", default, f"{doc}; {NO_PARENT} is no parent", static=True),
        Field(index, "int", 0, f"index of the run in `{directory}`", minimum=0),
        Field(stage, "int", 0, "its stage", minimum=0),
        Field(step, "int", -1, "training steps it had taken; -1 is its end", minimum=-1),
    )
