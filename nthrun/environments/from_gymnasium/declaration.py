"""What a spec may say of an environment that is registered with Gymnasium."""

from __future__ import annotations

import gymnasium

from nthrun.environments.from_gymnasium.keywords import KEYWORDS, keyword_fields
from nthrun.environments.from_gymnasium.making import make
from nthrun.environments.from_gymnasium.spaces import interface_of
from nthrun.environments.hosting import UnsupportedSpaceError
from nthrun.errors import Fault, NthrunError, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.documents import Document, name_of


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
    keywords = document.values.get(KEYWORDS, {})

    def fault(key: str, problem: str) -> SpecError:
        return SpecError([Fault(document.origin(key), key, problem)])

    try:
        environment = make(name, keywords)
    except gymnasium.error.Error as error:
        reason = " ".join(str(error).split())
        raise fault("env_name", f"got {name!r}: {reason}") from error
    except NthrunError:
        raise
    except Exception as error:  # whatever its module or its constructor raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
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
