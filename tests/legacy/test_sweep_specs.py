"""What sweep files of other tools become: names, scripts, and what is told of them."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from nthrun.agents.registry import AGENTS
from nthrun.legacy.sweeps.seml import read_seml
from nthrun.legacy.sweeps.specs import Specs, read_sweeps, specs_of


def specs(content: dict[str, Any], agent_name: str = "", program: str = "") -> Specs:
    """The specs of a file of one sweep."""
    [sweep] = read_sweeps("s.yaml", content, program)
    return specs_of(sweep, "s", AGENTS, agent_name, starts_script=bool(program))


def hydra(params: Any, **others: Any) -> dict[str, Any]:
    """A configuration of Hydra."""
    return {**others, "hydra": {"sweeper": {"params": params}}}


META_KEY = "metaParameters"
SAC: dict[str, Any] = {"agent": "SAC", "env_name": "Pendulum-v1"}
TOLD: dict[str, tuple[dict[str, Any], str]] = {
    "two keys of one hyperparameter": (
        {**SAC, META_KEY: {"actor.critic_lr": [1, 2], "critic.critic_lr": [3]}},
        "critic.critic_lr: not carried over: another key is critic_lr",
    ),
    "two keys of one field": (
        {"steps": 10, "total_timesteps": 20, **SAC, META_KEY: {}},
        "total_timesteps: not carried over: another key is total_timesteps of the environment",
    ),
    "a field and a part of it": (
        {"env.noise": 1, "env.noise.std": 2, **SAC, META_KEY: {}},
        "env.noise.std: not carried over: another key is noise.std of the environment",
    ),
    "a part of a field and it": (
        {"env.noise.std": 2, "env.noise": 1, **SAC, META_KEY: {}},
        "env.noise: not carried over: another key is noise of the environment",
    ),
    "a second agent": (
        {**SAC, "algorithm": "foo", META_KEY: {}},
        'algorithm: not carried over: "foo" beside "SAC"',
    ),
    "a second environment": (
        {**SAC, "problem": "foo", META_KEY: {}},
        'problem: not carried over: "foo" beside "Pendulum-v1"',
    ),
    "a constant that joins names": (
        {**SAC, "a/b": 1, META_KEY: {}},
        "a/b: not carried over: / joins names here: write a dot",
    ),
    "parameters of Hydra that are none": (
        {"hydra": {"sweeper": {"params": "x", "search_space": {"a": {}}}}},
        'hydra.sweeper.params: not carried over: got "x", no mapping',
    ),
    "a count of Hydra that is none": (
        {"hydra": {"sweeper": {"params": {}, "n_trials": "x"}}},
        'hydra.sweeper.n_trials: not carried over: got "x", no integer',
    ),
    "a group that is taken away": (
        hydra({"~db": "null"}),
        "~db: not carried over: it takes a key away: write it into the script's configuration",
    ),
    "a block of SEML that is none": (
        {"seml": {}, "fixed": "x"},
        'fixed: not carried over: got "x", no mapping',
    ),
    "parts of SEML within parts": (
        {"seml": {}, "p": functools.reduce(lambda inner, _: {"p": inner}, range(50), {})},
        f"{'_'.join('p' * 12)}: not carried over: parts are nested too deeply",
    ),
    "a huge end of SEML": (
        {"seml": {}, "grid": {"a": {"type": "range", "min": 1, "max": 10**400, "step": 1}}},
        "a: not carried over: no parameter of a grid that is known here: got a number too large",
    ),
    "a huge end that SEML draws to": (
        {"seml": {}, "random": {"a": {"type": "uniform", "min": 1, "max": 10**400}}},
        "a: not carried over: nothing that can be drawn here: got a number too large",
    ),
    "an agent beside a script": (
        {"method": "grid", "program": "t.py", "agent_name": "SAC", "parameters": {}},
        "python t.py {args}: not carried over: SAC is the agent",
    ),
    "a name that is no agent's": (
        {
            **{"method": "grid", "program": "t.py", "agent_name": "net"},
            "parameters": {"a": {"value": 1}},
        },
        'agent_name: not carried over: "net": the script starts',
    ),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_is_told(case: str) -> None:
    """What is not carried over has one line, and the rest is read."""
    content, line = TOLD[case]
    assert specs(content).told.count(line) == 1


def test_the_first_of_two_keys() -> None:
    """Of two keys of one hyperparameter, or of one field, the first is carried over."""
    content = {**SAC, META_KEY: {"actor.critic_lr": [1, 2], "critic.critic_lr": [3]}}
    done = specs({**content, "steps": 10, "total_timesteps": 20})
    assert done.agent["parameters"]["critic_lr"] == [1, 2]
    assert done.environment["total_timesteps"] == 10


def test_names_of_arguments() -> None:
    """An argument has the script's own name, and its hyperparameter one that joins nothing, is
    not reserved and is no other's."""
    params = {"db/engine": "a,b", "db.engine": "1,2", "+lr": "3", "index": "4", "index_": "5"}
    done = specs(hydra(params), program="app.py").agent
    assert done["parameters"] == {
        **{"index_": [5], "index__": [4], "lr": [3], "db.engine_": [1, 2], "db.engine": ["a", "b"]},
    }
    assert sorted(done["command"][2:]) == [
        *("+lr={lr}", "db.engine={db.engine_}", "db/engine={db.engine}"),
        *("index={index__}", "index_={index_}"),
    ]
    joined = specs({META_KEY: {"a/b": [1, 2]}}, program="app.py").agent
    assert joined["parameters"] == {"a.b": [1, 2]}
    assert joined["command"][2] == "--a/b={a.b}"


def test_whose_file_it_is() -> None:
    """A key `tracking` makes a file SEML's beside its parameters alone; a text says nothing."""
    for other in (hydra({"a": "1"}), {META_KEY: {"a": [1]}}):
        assert specs({"tracking": {"wandb": True}, **other}).agent["parameters"]["a"] == [1]
    assert not read_sweeps("s.yaml", {"tracking": {}, "lr": 1})
    [found] = read_sweeps("s.yaml", {"seml": "x", "tracking": {}, "fixed": {"a": 1}})
    assert (found.tool, found.values) == ("SEML", {"a": [1]})


def test_seeds_of_a_grid() -> None:
    """Seeds of a grid are runs of each draw, and parts that begin with `_` have names of their
    own."""
    seeds = {"type": "choice", "options": [1, 2, 3, 4, 5]}
    drawn = {"samples": 3, "lr": {"type": "uniform", "min": 0, "max": 1}}
    content = {"seml": {"executable": "t.py"}, "grid": {"seed": seeds}, "random": drawn}
    assert specs(content).agent["search"]["capacity"] == 3
    parts = read_seml({"seml": {}, "_x": {"fixed": {"a": 1}}, "x": {"fixed": {"a": 2}}})
    assert [part.part for part in parts] == ["_x", "x"]


def test_a_seed_that_is_zipped() -> None:
    """A seed that changes together with another parameter is a parameter as that is."""
    pair = {"type": "choice", "options": [1, 2], "zip_id": "z"}
    content = {"seml": {"executable": "t.py"}, "grid": {"lr": pair, "train.seed": pair}}
    assert specs(content).agent["parameters"] == {"lr/train.seed": [[1, 1], [2, 2]]}


AGENT_AND_SCRIPT = {
    "an agent's name": {"agent_name": "SAC"},
    "an agent": {"agent": "SAC"},
    "an agent and a script": {"agent_name": "SAC", "program": "train.py"},
}


@pytest.mark.parametrize("case", AGENT_AND_SCRIPT)
def test_a_script_that_the_user_names(case: str) -> None:
    """The script that the user names starts, also where the file names an agent of nthrun's."""
    sweep = {"method": "grid", "parameters": {"tau": {"values": [0.1, 0.2]}}}
    named = AGENT_AND_SCRIPT[case]
    content = {**sweep, **named} if "agent_name" in named else {**named, META_KEY: {"tau": [0.1]}}
    done = specs(content, program="mine.py")
    assert done.agent["agent_name"] == "command"
    assert done.agent["command"][:2] == ["python", "mine.py"]
    assert any("--tau={tau}" in word for word in done.agent["command"])
