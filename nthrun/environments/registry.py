"""The dictionary of environments: add a declaration here and specs can name it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from nthrun.environments.access_control.declaration import ACCESS_CONTROL
from nthrun.environments.acrobot.declaration import (
    ACROBOT,
    ANGLE_ACROBOT,
    DENSE_ACROBOT,
    DENSE_ANGLE_ACROBOT,
)
from nthrun.environments.bewley.declaration import BEWLEY
from nthrun.environments.bimodal.declaration import (
    ASYMMETRIC_BIMODAL,
    BIMODAL,
    STOCHASTIC_BIMODAL,
)
from nthrun.environments.cartpole.declaration import CARTPOLE, CONTINUOUS_CARTPOLE, STRONG_CARTPOLE
from nthrun.environments.ghm.declaration import GHM
from nthrun.environments.gridworld.declaration import (
    CELL_GRIDWORLD,
    GRIDWORLD,
    INDEX_GRIDWORLD,
    NUMBER_GRIDWORLD,
    XY_GRIDWORLD,
)
from nthrun.environments.krusell_smith.declaration import KRUSELL_SMITH
from nthrun.environments.matrix_game.declaration import MATRIX_GAME
from nthrun.environments.mountain_car.declaration import (
    DENSE_MOUNTAIN_CAR_CONTINUOUS,
    MOUNTAIN_CAR,
    MOUNTAIN_CAR_CONTINUOUS,
    POSITION_MOUNTAIN_CAR_CONTINUOUS,
)
from nthrun.environments.pendulum.declaration import (
    COSINE_PENDULUM,
    EARLY_SPARSE_PENDULUM,
    PENDULUM,
    SPARSE_PENDULUM,
)
from nthrun.environments.puddle_world.declaration import PUDDLE_WORLD
from nthrun.environments.rbc.declaration import RBC
from nthrun.environments.short_corridor.declaration import CONTINUOUS_SHORT_CORRIDOR
from nthrun.errors import Fault, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration, load_program
from nthrun.specs.documents import Document, name_of
from nthrun.specs.environment_spec import PLATFORMS
from nthrun.specs.field import Field, did_you_mean, shown
from nthrun.specs.interface import Interface
from nthrun.specs.trust import require_may_run
from nthrun.specs.user_class import (
    EXAMPLE,
    Checks,
    require_attributes,
    user_class,
    user_interface,
)

DECLARATIONS = (
    PENDULUM,
    COSINE_PENDULUM,
    SPARSE_PENDULUM,
    EARLY_SPARSE_PENDULUM,
    MOUNTAIN_CAR,
    MOUNTAIN_CAR_CONTINUOUS,
    DENSE_MOUNTAIN_CAR_CONTINUOUS,
    POSITION_MOUNTAIN_CAR_CONTINUOUS,
    ACROBOT,
    DENSE_ACROBOT,
    ANGLE_ACROBOT,
    DENSE_ANGLE_ACROBOT,
    CARTPOLE,
    CONTINUOUS_CARTPOLE,
    STRONG_CARTPOLE,
    PUDDLE_WORLD,
    GRIDWORLD,
    INDEX_GRIDWORLD,
    XY_GRIDWORLD,
    CELL_GRIDWORLD,
    NUMBER_GRIDWORLD,
    BIMODAL,
    ASYMMETRIC_BIMODAL,
    STOCHASTIC_BIMODAL,
    CONTINUOUS_SHORT_CORRIDOR,
    ACCESS_CONTROL,
    GHM,
    BEWLEY,
    KRUSELL_SMITH,
    MATRIX_GAME,
    RBC,
)


ENVIRONMENTS: dict[str, EnvironmentDeclaration] = {
    declared.name: declared for declared in DECLARATIONS
}
ADAPTERS = {
    "gymnasium": "nthrun.environments.from_gymnasium.declaration:gymnasium_declaration",
    "dmcontrol": "nthrun.environments.from_dm_control.declaration:dm_control_declaration",
}
"""Platform -> the function that declares its environments, imported when one is named."""
CHECKS: Checks = {
    "interface": (
        lambda value: isinstance(value, Interface) or callable(value),
        "an Interface, or a function of the spec's values that gives one",
    ),
    "fields": (lambda value: _is_tuple_of(Field, value), "a tuple of Fields"),
    "continuous": (
        lambda value: bool(value) and _is_tuple_of(bool, value),
        "a tuple of True, False or both, the default first",
    ),
    "on_host": (lambda value: isinstance(value, bool), "True or False"),
    "viewer": (lambda value: isinstance(value, str), 'a string, "package.module:Class"'),
}
"""What the attributes of a user's own class have to be."""


def environment_declaration(document: Document) -> EnvironmentDeclaration:
    """The declaration of the environment a document names.

    A name with a colon, `package.module:Class`, is a user's own, but that the platform gymnasium
    spells its names `module:Id-v0`; other names are of nthrun's own environments, or else of the
    platform's.

    Raises:
        SpecError: it names none, one that does not exist, or one that may not be run.
        MissingExtraError: it needs a package that is not installed.
    """
    name, origin = name_of(document, "env_name"), document.origin("env_name")
    require_may_run(document.values, document.trust, origin)
    platform = document.values.get("platform", "gym")
    if ":" in name and platform != "gymnasium":
        return _own_environment(name, origin)
    known = isinstance(platform, str) and platform in PLATFORMS
    if name in ENVIRONMENTS and (platform == "gym" or not known):
        return ENVIRONMENTS[name]  # reading the spec then says what is wrong with the platform
    if not known:
        problem = f"got {shown(platform)}, allowed: {', '.join(PLATFORMS)}"
        raise SpecError([Fault(document.origin("platform"), "platform", problem)])
    adapter = load_program(ADAPTERS["dmcontrol" if platform == "dmcontrol" else "gymnasium"])
    try:
        declared: EnvironmentDeclaration = adapter(document)
    except SpecError as error:
        raise SpecError([_with_suggestion(fault, name) for fault in error.faults]) from error
    return declared


def _with_suggestion(fault: Fault, name: str) -> Fault:
    """A fault of the name itself, with the most similar one of nthrun's where no hint is better."""
    if fault.key != "env_name" or fault.hint:
        return fault
    return replace(fault, hint=did_you_mean(name, ENVIRONMENTS))


def _is_tuple_of(kind: type, value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, kind) for item in value)


def _own_environment(name: str, origin: str) -> EnvironmentDeclaration:
    """The declaration of a user's own class, made of its attributes.

    Raises:
        SpecError: it cannot be imported, or is no environment.
    """
    own = user_class(name, "env_name", origin, "interface", "environment")
    require_attributes(own, name, (origin, "env_name"), CHECKS)
    interface = own.interface
    if isinstance(interface, Interface):
        if problem := interface.problem():
            message = f"got {name!r}: its `interface` cannot be: {problem}"
            raise SpecError([Fault(origin, "env_name", message, EXAMPLE)])
        continuous: tuple[bool, ...] = (not interface.discrete,)
    else:
        continuous, interface = (True, False), partial(user_interface, name, origin, interface)
    return EnvironmentDeclaration(
        name=name,
        interface=interface,
        program=name,
        viewer=getattr(own, "viewer", ""),
        fields=getattr(own, "fields", ()),
        continuous=getattr(own, "continuous", continuous),
        on_host=getattr(own, "on_host", False),
    )
