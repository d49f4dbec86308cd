"""What a spec may say of an environment that is registered with Gymnasium."""

from __future__ import annotations

import gymnasium

from nthrun.environments.from_gymnasium.making import make
from nthrun.environments.from_gymnasium.spaces import UnsupportedSpaceError, interface_of
from nthrun.errors import Fault, NthrunError, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.documents import Document, flatten, name_of
from nthrun.specs.field import Field, Kind

KEYWORDS = "kwargs"
"""The spec's mapping of keywords for the environment's constructor."""
KINDS: dict[type, Kind] = {bool: "bool", int: "int", float: "float", str: "str", list: "floats"}


def gymnasium_declaration(document: Document) -> EnvironmentDeclaration:
    """The declaration of the registered environment that a document names.

    It is made once, to see its spaces.

    Raises:
        SpecError: there is none of that name, or it refuses its keywords, or its spaces are not
            supported.
        MissingExtraError: it needs a package that is not installed.
    """
    name = name_of(document, "env_name")
    fields = keyword_fields(document)
    keywords = dict(document.values.get(KEYWORDS) or {})

    def fault(key: str, problem: str, hint: str = "") -> SpecError:
        return SpecError([Fault(document.origin(key), key, problem, hint)])

    try:
        environment = make(name, keywords)
    except gymnasium.error.Error as error:
        reason = " ".join(str(error).split())
        raise fault("env_name", f"got {name!r}: {reason}") from error
    except NthrunError:
        raise
    except Exception as error:  # whatever its constructor raises
        reason = " ".join(str(error).split())
        raise fault(KEYWORDS if keywords else "env_name", f"refused by {name}: {reason}") from error
    try:
        interface = interface_of(environment.observation_space, environment.action_space)
    except UnsupportedSpaceError as error:
        raise fault("env_name", f"{name}: {error}") from error
    finally:
        environment.close()
    return EnvironmentDeclaration(
        name=name,
        interface=interface,
        program="nthrun.environments.from_gymnasium.program:GymnasiumEnvironment",
        viewer="nthrun.environments.from_gymnasium.viewer:GymnasiumViewer",
        fields=fields,
        continuous=(not interface.discrete,),
        on_host=True,
    )


def keyword_fields(document: Document) -> tuple[Field, ...]:
    """A field for every keyword a document hands on; its value decides the type.

    Raises:
        SpecError: a value is of no type that a spec can hold.
    """
    keywords = document.values.get(KEYWORDS) or {}
    fields = []
    for name, value in flatten({KEYWORDS: keywords} if keywords else {}):
        if type(value) not in KINDS:
            problem = f"got {value!r}, allowed: a number, a word, true, false or a list of numbers"
            raise SpecError([Fault(document.origin(name), name, problem)])
        fields.append(Field(name, KINDS[type(value)], None, "handed to the environment"))
    return tuple(fields)
