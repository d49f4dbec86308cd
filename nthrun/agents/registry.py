"""The dictionary of agents: add a declaration here and specs can name it."""

from nthrun.agents.sac.hyperparameters import SAC
from nthrun.errors import Fault, SpecError
from nthrun.specs.declaration import AgentDeclaration, did_you_mean
from nthrun.specs.documents import Document, name_of

AGENTS: dict[str, AgentDeclaration] = {SAC.name: SAC}


def agent_declaration(document: Document) -> AgentDeclaration:
    """The declaration of the agent a document names.

    Raises:
        SpecError: it names none, or one that does not exist.
    """
    name = name_of(document, "agent_name")
    if name not in AGENTS:
        problem = f"got {name!r}, allowed: {', '.join(AGENTS)}"
        hint = did_you_mean(name, AGENTS)
        raise SpecError([Fault(document.origin("agent_name"), "agent_name", problem, hint)])
    return AGENTS[name]
