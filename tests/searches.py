"""Agent specs with a search, from plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from nthrun.agents.sac.declaration import SAC
from nthrun.errors import SpecError
from nthrun.specs.agent_spec import AgentSpec, read_agent_spec
from nthrun.specs.declaration import AgentDeclaration
from nthrun.specs.documents import Document
from nthrun.specs.field import Field

NESTED = AgentDeclaration(
    name="nested",
    program="nested:Nested",
    layout=SAC.layout,
    hyperparameters=(
        Field("training.rate", "float", 0.1, "", minimum=0),
        Field("training.epochs", "int", 3, "", minimum=1),
        Field("model.kind", "str", "linear", "", choices=("linear", "network")),
        Field("model.width", "int", 16, "", minimum=1, static=True),
        Field("model.depth", "int", 1, "", minimum=1, static=True),
        Field("layers", "ints", (8,), ""),
        Field("seedless", "bool", False, ""),
    ),
)
"""An agent of dotted hyperparameters, without rules between them."""
NEEDY = AgentDeclaration(
    name="needy",
    program="needy:Needy",
    layout=SAC.layout,
    hyperparameters=(Field("needed", "float", None, ""), Field("other", "int", 2, "")),
)
"""An agent with a hyperparameter that has no default."""


def document(parameters: Mapping[str, Any], **search: Any) -> dict[str, Any]:
    """An agent spec's file, without its agent's name."""
    return {"parameters": dict(parameters), **({"search": search} if search else {})}


def searched(
    parameters: Mapping[str, Any], agent: AgentDeclaration = NESTED, **search: Any
) -> AgentSpec:
    """An agent spec with a search."""
    return read(document(parameters, **search), agent)


def read(content: Mapping[str, Any], agent: AgentDeclaration = NESTED) -> AgentSpec:
    """An agent spec from a file's content."""
    whole = {"agent_name": agent.name, **content}
    return read_agent_spec(Document(whole, {}, ("agent.json",)), agent)


def refusal(
    parameters: Mapping[str, Any], agent: AgentDeclaration = NESTED, **search: Any
) -> list[str]:
    """The lines that refuse a spec."""
    with pytest.raises(SpecError) as refused:
        searched(parameters, agent, **search)
    return str(refused.value).splitlines()
