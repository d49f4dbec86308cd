"""The dictionary of agents: add a declaration here and specs can name it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from nthrun.agents.bellman_ac.declaration import BELLMAN_AC
from nthrun.agents.best_response.declaration import BEST_RESPONSE
from nthrun.agents.bewley_oracle.declaration import EGM
from nthrun.agents.epsilon_greedy.declaration import (
    EPSILON_GREEDY,
    EPSILON_GREEDY_OPTIMIZER,
    EPSILON_GREEDY_SGD,
)
from nthrun.agents.euler.declaration import EULER_ALL_IN_ONE, EULER_QUADRATURE
from nthrun.agents.euler_ks.declaration import EULER_KS
from nthrun.agents.exact_response.declaration import EXACT_RESPONSE
from nthrun.agents.fields import PARENT_NAMES
from nthrun.agents.fkl.declaration import FKL
from nthrun.agents.ghm_oracles.declaration import BARRIER, DP
from nthrun.agents.greedy_ac.declaration import GREEDY_AC, GREEDY_AC_NO_ENT_REG
from nthrun.agents.ks_linear.declaration import KS_LINEAR
from nthrun.agents.linear_actor_critic.declaration import LINEAR_AC, SOFTMAX_AC
from nthrun.agents.linear_sarsa.declaration import EXPECTED_SARSA, SARSA
from nthrun.agents.mc_pg.declaration import MC_PG
from nthrun.agents.pg_types.declaration import PG_TYPES
from nthrun.agents.ppo.declaration import PPO
from nthrun.agents.ppo_types.declaration import PPO_TYPES
from nthrun.agents.random_agent.declaration import RANDOM
from nthrun.agents.sac.declaration import SAC
from nthrun.agents.vac.declaration import VAC
from nthrun.errors import Fault, SpecError
from nthrun.specs.algorithm_spec import algorithm_declaration, is_algorithm
from nthrun.specs.declaration import (
    NUM_WORLDS,
    AgentDeclaration,
    AtMost,
    Divides,
    Setting,
    fits_numbered,
    fits_single,
    load_program,
)
from nthrun.specs.documents import Document, name_of
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.field import MAPPINGS, Field, did_you_mean
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout
from nthrun.specs.program_spec import COMMAND, FUNCTION, program_declaration
from nthrun.specs.trust import require_may_run
from nthrun.specs.user_class import (
    EXAMPLE,
    Checks,
    is_list_of,
    raised_by,
    require_attribute,
    require_attributes,
    user_misfits,
    user_object,
)

AGENTS: dict[str, AgentDeclaration] = {
    agent.name: agent
    for agent in (
        SAC,
        GREEDY_AC,
        GREEDY_AC_NO_ENT_REG,
        VAC,
        FKL,
        EPSILON_GREEDY,
        EPSILON_GREEDY_SGD,
        EPSILON_GREEDY_OPTIMIZER,
        LINEAR_AC,
        SOFTMAX_AC,
        SARSA,
        EXPECTED_SARSA,
        PPO_TYPES,
        PG_TYPES,
        BEST_RESPONSE,
        EXACT_RESPONSE,
        RANDOM,
        MC_PG,
        BARRIER,
        DP,
        EGM,
        EULER_QUADRATURE,
        EULER_ALL_IN_ONE,
        KS_LINEAR,
        BELLMAN_AC,
        EULER_KS,
        PPO,
    )
}

RULES = (AtMost, Divides)
MAPPED = frozenset({"mapping", MAPPINGS})
CHECKS: Checks = {
    "hyperparameters": (
        lambda value: is_list_of(Field, value) and not MAPPED.intersection(o.kind for o in value),
        "a tuple of Fields, of any kind but mapping",
    ),
    "rules": (lambda value: is_list_of(RULES, value), "a tuple of AtMost and Divides"),
    "fits": (lambda value: value is None or callable(value), "a function of interface and values"),
    "layout": (lambda value: value is None or callable(value), "a function that gives a Layout"),
    "parent": (lambda value: isinstance(value, str), "the name of a hyperparameter"),
    "footprint": (
        lambda value: value is None or callable(value),
        "a function that gives an AgentFootprint",
    ),
}
"""What the attributes of a user's own class have to be."""
PROGRAM_CHECKS: Checks = {"hyperparameters": CHECKS["hyperparameters"]}
"""What those of a user's own function have to be."""


def agent_declaration(document: Document) -> AgentDeclaration:
    """The declaration of the agent a document names.

    A name with a colon is a user's own: `package.module:Class` an agent, `package.module:function`
    a program; `command` is a program, too.

    Raises:
        SpecError: it names none, one that does not exist, or one that may not be run.
    """
    name, origin = name_of(document, "agent_name"), document.origin("agent_name")
    require_may_run(document.values, document.trust, origin)
    if name == COMMAND:
        return program_declaration(name, COMMAND, document, None)
    if is_algorithm(name):
        return algorithm_declaration(name, document)
    if ":" in name:
        return _own_agent(name, document)
    if name not in AGENTS:
        own = "your own package.module:Class or package.module:function, or command"
        problem = f"got {name!r}, allowed: {', '.join(AGENTS)}, {own}"
        raise SpecError([Fault(origin, "agent_name", problem, did_you_mean(name, AGENTS))])
    return AGENTS[name]


def _own_agent(name: str, document: Document) -> AgentDeclaration:
    """The declaration of a user's own class or function, made of its attributes.

    Raises:
        SpecError: it cannot be imported, or is neither an agent nor a program.
    """
    origin = document.origin("agent_name")
    own = user_object(name, "agent_name", origin)
    if callable(own) and not isinstance(own, type):
        declared = getattr(own, "hyperparameters", None)
        require_attributes(own, name, (origin, "agent_name"), PROGRAM_CHECKS)
        fields = None if declared is None else tuple(declared)
        return program_declaration(name, FUNCTION, document, fields)
    require_attribute(own, name, ("agent_name", origin), "hyperparameters", "agent")
    require_attributes(own, name, (origin, "agent_name"), CHECKS)
    fits, takes_heads = getattr(own, "fits", None), bool(getattr(own, "takes_heads", False))
    anywhere = fits_single if takes_heads else fits_numbered
    layout = getattr(own, "layout", getattr(own, "footprint", None))
    solves = bool(getattr(own, "solves", False))
    if not solves:
        _require_whole_worlds(own.hyperparameters, name, origin)
    return AgentDeclaration(
        name=name,
        hyperparameters=tuple(own.hyperparameters),
        program=name,
        layout=None if layout is None else partial(_own_layout, name, origin, layout),
        rules=tuple(getattr(own, "rules", ())),
        fits=anywhere if fits is None else partial(user_misfits, name, origin, fits),
        takes_heads=takes_heads,
        solves=solves,
        parent=_own_parent(own, name, origin),
    )


def _require_whole_worlds(fields: Iterable[Field], name: str, origin: str) -> None:
    """Check what a user's agent that acts step by step declares of its worlds.

    Raises:
        SpecError: their number is not a static int from 1.
    """
    for field in fields:
        known = field.static and field.kind == "int" and field.minimum and field.minimum >= 1
        if field.name == NUM_WORLDS and not known:
            problem = f"got {name!r}: its hyperparameter {NUM_WORLDS} is not a static int from 1"
            hint = f'write Field("{NUM_WORLDS}", "int", 1, "worlds", minimum=1, static=True)'
            raise SpecError([Fault(origin, "agent_name", problem, hint)])


def _own_parent(own: type, name: str, origin: str) -> str:
    """The hyperparameter of a user's class that names its runs' parents; "" if it has none.

    Raises:
        SpecError: the class lacks hyperparameters that go with it.
    """
    parent: str = getattr(own, "parent", "")
    declared = {field.name for field in own.hyperparameters}  # type: ignore[attr-defined]
    lacking = [field for field in (parent, *PARENT_NAMES) if field not in declared]
    if parent and lacking:
        problem = f"got {name!r}: its `parent` is {parent!r}, and of its hyperparameters "
        problem += f"{', '.join(lacking)} are missing, allowed: those of nthrun.parent_fields"
        raise SpecError([Fault(origin, "agent_name", problem, EXAMPLE)])
    return parent


def _own_layout(
    name: str, origin: str, layout: Callable[..., object], setting: Setting, interface: Interface
) -> Layout | AgentFootprint:
    """What a user's function says that a lane is made of.

    Raises:
        SpecError: it gives something else.
    """
    made = layout(setting, interface)
    if not isinstance(made, (Layout, AgentFootprint)):
        problem = f"got {name!r}: its layout gives {made!r}, allowed: a Layout or AgentFootprint"
        raise SpecError([Fault(origin, "agent_name", problem, EXAMPLE)])
    return made


def agent_footprint(
    declaration: AgentDeclaration, setting: Setting, environment: EnvironmentSpec
) -> AgentFootprint:
    """What a lane of an agent costs, from its layout, or measured where it declares none.

    A user's own agent that raises anything here costs nothing: its runs will tell what it raised.
    """
    try:
        return _footprint(declaration, setting, environment)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        of_ours = isinstance(error, SpecError) and not raised_by(error, [declaration.name])
        if of_ours or ":" not in declaration.name:
            raise
        return AgentFootprint()


def _footprint(
    declaration: AgentDeclaration, setting: Setting, environment: EnvironmentSpec
) -> AgentFootprint:
    if declaration.layout is None:
        measured = load_program("nthrun.agents.measured_memory:measured_footprint")
        footprint: AgentFootprint = measured(declaration, setting, environment)
        return footprint
    said = declaration.layout(setting, environment.interface)
    return said.footprint() if isinstance(said, Layout) else said
