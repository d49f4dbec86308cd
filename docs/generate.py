"""Writes docs/agents.md and docs/environments.md from the declarations in the code.

python docs/generate.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.agents.registry import AGENTS
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.specs.declaration import AgentDeclaration, AtMost, EnvironmentDeclaration, Rule
from nthrun.specs.environment_spec import fields_of
from nthrun.specs.field import Field, plain, shown
from nthrun.specs.interface import Interface, Role

DOCS = Path(__file__).resolve().parent
NOTICE = "<!-- written by docs/generate.py from the code; edit the declarations instead -->\n"
AGENTS_HEAD = """# Agents

Each is named by `agent_name`, and its hyperparameters are what `parameters` may list. A *static*
one changes shapes or the course of the computation: runs that differ in one never share a pack.
[extending.md](extending.md) adds one of your own.

A *solver* learns from simulations of its own instead of acting step by step. A step of its run is
one iteration: `total_timesteps`, `eval_interval_timesteps` and the snapshots count those. It has
evaluations and `metrics` but no training episodes, and runs operation by operation unless
`--backend compile` is asked for.
"""
SOLVER = "A solver: a step is an iteration of its own."
ENVIRONMENTS_HEAD = """# Environments

Each is named by `env_name`. The fields that every environment has are in
[config/environment/README.md](../config/environment/README.md); the tables here are what an
environment has of its own. [extending.md](extending.md) adds one.

These are tensor programs, trained and packed as native code:
"""
ENVIRONMENTS_TAIL = """## From Gymnasium

Any other name is looked up in Gymnasium, so that `HalfCheetah-v5` or `MinAtar/Breakout-v1` is an
environment too. `platform: gymnasium` takes Gymnasium's program even where nthrun has one, and
then `my_package:Maze-v0` is what `my_package` registers as `Maze-v0`, in Gymnasium's own spelling.
It steps on the host, a world a lane, without Gymnasium's limit: `steps_per_episode` truncates. What
is under `kwargs` goes to the environment's constructor exactly as it stands, `null`, empty texts,
lists of mappings and dots in names too, and nothing else does. Observations of any fixed size are
flattened. To `convolutions` a Box of three axes is an image of height, width and channels, in this
order, and one of two an image of one channel: a wrapper of your own moves frames that are stacked
in front of it, as (4, 84, 84), behind it. Actions are discrete or bounded; one at the end of its
range is never a rounding step beyond it, and `train_actions` has what was played. Actions of
several whole numbers (MultiDiscrete, MultiBinary, a Box of integers with bounds) become one
discrete number, of which the first component changes fastest, if they are 4,096 at most; an agent
that takes heads chooses each component by itself, however many actions they make, and so does
`random` where they make more.

`wrappers` lists what the environment is wrapped in, the innermost first, each by its `name` and the
keywords of its constructor:

```json
{
    "env_name": "minigrid:MiniGrid-Empty-5x5-v0",
    "platform": "gymnasium",
    "wrappers": [
        {"name": "minigrid.wrappers:ImgObsWrapper"},
        {"name": "gymnasium.wrappers:FrameStackObservation", "stack_size": 2}
    ],
    "total_timesteps": 10000,
    "steps_per_episode": 100
}
```

Observations that are mappings are flattened where all of their parts have a fixed size; a part that
has none, such as the text of a mission, is named, and a wrapper leaves it out or encodes it. It may
be your own. What an environment needs is an extra:

```text
pip install ".[mujoco]"       # HalfCheetah-v5, Ant-v5, ...
pip install ".[minatar]"      # MinAtar/Breakout-v1, ...
pip install ".[dmcontrol]"    # platform: dmcontrol
pip install ".[render]"       # --monitor, act --render
```

## From the DeepMind control suite

`platform: dmcontrol` takes the domain from `env_name` and the task from `task_name`; the parts of
an observation are joined:

```json
{
    "env_name": "cartpole",
    "task_name": "swingup",
    "platform": "dmcontrol",
    "total_timesteps": 100000,
    "steps_per_episode": 1000
}
```
"""


def agents_page() -> str:
    """The text of docs/agents.md."""
    index = [f"- [{agent.name}](#{agent.name.lower()}): {agent.doc}" for agent in AGENTS.values()]
    sections = [_agent(agent) for agent in AGENTS.values()]
    return "\n".join([NOTICE, AGENTS_HEAD, *index, "", *sections])


def environments_page() -> str:
    """The text of docs/environments.md."""
    sections = [_environment(environment) for environment in ENVIRONMENTS.values()]
    return "\n".join([NOTICE, ENVIRONMENTS_HEAD, *sections, ENVIRONMENTS_TAIL])


def row(field: Field, *more: str) -> str:
    """The line of a table that says what a field is."""
    default = "required" if field.default is None else f"`{shown(plain(field.default))}`"
    return f"| {' | '.join((f'`{field.name}`', field.allowed(), default, field.doc, *more))} |"


def _agent(agent: AgentDeclaration) -> str:
    about = f"{agent.doc} {SOLVER}" if agent.solves else agent.doc
    lines = [f"## {agent.name}", "", about, *_source(agent.source), ""]
    lines += [*(f"- {note}" for note in agent.notes), ""] if agent.notes else []
    lines += [f"In every setting, {_rule_text(rule)}.\n" for rule in agent.rules]
    if agent.hyperparameters:
        lines += ["| name | allowed | default | meaning | static |", "|---|---|---|---|---|"]
        fields = agent.hyperparameters
        lines += [row(field, "yes" if field.static else "no") for field in fields]
    return "\n".join([*lines, ""])


def _rule_text(rule: Rule) -> str:
    """A relation between hyperparameters in words."""
    if isinstance(rule, AtMost):
        return f"`{rule.small}` <= `{rule.large}`"
    return f"`{rule.divisor}` divides {' times '.join(f'`{name}`' for name in rule.factors)}"


def _environment(environment: EnvironmentDeclaration) -> str:
    lines = [f"## {environment.name}", "", environment.doc, *_source(environment.source), ""]
    for continuous in environment.continuous:
        lines.append(f"- {_actions(environment, continuous)}")
    if environment.fields:
        lines += ["", "| name | allowed | default | meaning |", "|---|---|---|---|"]
        lines += [row(field) for field in environment.fields]
    for preset, declared in environment.presets[1:]:
        lines += ["", f"With `preset: {preset}` these are the fields and defaults that differ,"]
        lines += [f"and `gamma` is {declared.gamma:g} by default:", ""]
        lines += ["| name | allowed | default | meaning |", "|---|---|---|---|"]
        lines += [row(field) for field in declared.fields if field not in environment.fields]
    return "\n".join([*lines, ""])


def _actions(environment: EnvironmentDeclaration, continuous: bool) -> str:
    """What an environment shows and takes, at its fields' defaults."""
    values = {f.name: f.default for f in fields_of(environment) if f.default is not None}
    interface = environment.interface_of(values | {"continuous": continuous})
    pairs = zip(interface.observation_low, interface.observation_high, strict=True)
    seen = ", ".join(dict.fromkeys(f"[{low:.4g}, {high:.4g}]" for low, high in pairs))
    given = f"`continuous: {str(continuous).lower()}`: "
    return (
        f"{given}observations of {interface.observation_dim} within {seen}; {_range(interface)}; "
        + ("some states end an episode" if interface.terminates else "no state ends an episode")
    )


def _range(interface: Interface) -> str:
    if interface.roles:
        return "; ".join(_role(role) for role in interface.roles)
    if interface.discrete:
        return f"{interface.num_actions} actions"
    pairs = zip(interface.action_low, interface.action_high, strict=True)
    bounds = ", ".join(dict.fromkeys(f"[{low:.4g}, {high:.4g}]" for low, high in pairs))
    return f"actions of {interface.action_dim} within {bounds}"


def _role(role: Role) -> str:
    choices = " by ".join(map(str, role.heads))
    return f"{role.count} {role.name} of {choices} choices who sees {role.observation_dim} numbers"


def _source(source: str) -> list[str]:
    return ["", f"Source: {source}"] if source else []


if __name__ == "__main__":
    (DOCS / "agents.md").write_text(agents_page(), encoding="utf-8")
    (DOCS / "environments.md").write_text(environments_page(), encoding="utf-8")
