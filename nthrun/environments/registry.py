"""The dictionary of environments: add a declaration here and specs can name it."""

from nthrun.environments.pendulum.declaration import PENDULUM
from nthrun.errors import Fault, SpecError
from nthrun.specs.agent_spec import environment_name_of
from nthrun.specs.declaration import EnvironmentDeclaration, did_you_mean
from nthrun.specs.documents import Document

ENVIRONMENTS: dict[str, EnvironmentDeclaration] = {PENDULUM.name: PENDULUM}


def environment_declaration(document: Document) -> EnvironmentDeclaration:
    """The declaration of the environment a document names.

    Raises:
        SpecError: it names none, or one that does not exist.
    """
    name = environment_name_of(document)
    if name not in ENVIRONMENTS:
        problem = f"got {name!r}, allowed: {', '.join(ENVIRONMENTS)}"
        hint = did_you_mean(name, ENVIRONMENTS)
        raise SpecError([Fault(document.origin("env_name"), "env_name", problem, hint)])
    return ENVIRONMENTS[name]
