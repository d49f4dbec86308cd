"""The dictionary of environments: add a declaration here and specs can name it."""

from __future__ import annotations

from dataclasses import replace

from nthrun.environments.declarations import DECLARATIONS
from nthrun.errors import Fault, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration, load_program
from nthrun.specs.documents import Document, name_of
from nthrun.specs.environment_spec import PLATFORMS
from nthrun.specs.field import did_you_mean, shown
from nthrun.specs.own_class import own_class

ENVIRONMENTS: dict[str, EnvironmentDeclaration] = {
    declared.name: declared for declared in DECLARATIONS
}
ADAPTERS = {
    "gymnasium": "nthrun.environments.from_gymnasium.declaration:gymnasium_declaration",
    "dmcontrol": "nthrun.environments.from_dm_control.declaration:dm_control_declaration",
}
"""A platform -> what declares its environments; imported when one is asked for."""


def environment_declaration(document: Document) -> EnvironmentDeclaration:
    """The declaration of the environment a document names.

    A name with a colon, `package.module:Class`, is a user's own; other names are of nthrun's own
    environments, or else of the platform's.

    Raises:
        SpecError: it names none, or one that does not exist.
        MissingExtraError: it needs a package that is not installed.
    """
    name, origin = name_of(document, "env_name"), document.origin("env_name")
    if ":" in name:
        return _own_environment(name, origin)
    platform = document.values.get("platform", "gym")
    known = isinstance(platform, str) and platform in PLATFORMS
    if name in ENVIRONMENTS and (platform == "gym" or not known):
        return ENVIRONMENTS[name]  # reading the spec then tells what is wrong with the platform
    if not known:
        problem = f"got {shown(platform)}, allowed: {', '.join(PLATFORMS)}"
        raise SpecError([Fault(document.origin("platform"), "platform", problem)])
    adapter = load_program(ADAPTERS["dmcontrol" if platform == "dmcontrol" else "gymnasium"])
    try:
        declared: EnvironmentDeclaration = adapter(document)
    except SpecError as error:
        meant = did_you_mean(name, ENVIRONMENTS)
        raise SpecError([replace(f, hint=f.hint or meant) for f in error.faults]) from error
    return declared


def _own_environment(name: str, origin: str) -> EnvironmentDeclaration:
    """The declaration of a user's own class, made of its attributes.

    Raises:
        SpecError: it cannot be imported, or is no environment.
    """
    own = own_class(name, "env_name", origin, "interface")
    return EnvironmentDeclaration(
        name=name,
        interface=own.interface,
        program=name,
        viewer=getattr(own, "viewer", ""),
        fields=tuple(getattr(own, "fields", ())),
        continuous=tuple(getattr(own, "continuous", (True, False))),
        on_host=getattr(own, "on_host", False),
    )
