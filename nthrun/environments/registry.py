"""The dictionary of environments: add a declaration here and specs can name it."""

from nthrun.environments.pendulum.declaration import PENDULUM
from nthrun.errors import Fault, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration, did_you_mean
from nthrun.specs.documents import Document, name_of

ENVIRONMENTS: dict[str, EnvironmentDeclaration] = {PENDULUM.name: PENDULUM}


def environment_declaration(document: Document) -> EnvironmentDeclaration:
    """The declaration of the environment a document names.

    Raises:
        SpecError: it names none, or one that does not exist.
    """
    name = name_of(document, "env_name")
    if name not in ENVIRONMENTS:
        problem = f"got {name!r}, allowed: {', '.join(ENVIRONMENTS)}"
        hint = did_you_mean(name, ENVIRONMENTS)
        raise SpecError([Fault(document.origin("env_name"), "env_name", problem, hint)])
    return ENVIRONMENTS[name]
