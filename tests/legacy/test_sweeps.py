"""Sweep files of other tools as specs."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from in_process import Outcome, ended

from nthrun.commands.convert import convert
from nthrun.legacy.sweeps.hydra import read_value
from nthrun.legacy.sweeps.seml import read_seml
from nthrun.planning.experiment_spec import ExperimentSpec, read_experiment_spec


def converted(
    folder: Path, content: dict[str, Any], *options: str, name: str = "s.yaml"
) -> Outcome:
    """How the command ends on a file with this content."""
    text = (
        json.dumps(content) if name.endswith("json") else yaml.safe_dump(content, sort_keys=False)
    )
    (folder / name).write_text(text)
    return ended(convert, folder / name, "--out", folder, *options)


def agent_of(folder: Path, name: str = "s_agent.json") -> dict[str, Any]:
    """An agent's spec that was written."""
    spec: dict[str, Any] = json.loads((folder / name).read_text())
    return spec


def spec_of(outcome: Outcome) -> ExperimentSpec:
    """The specs that were written."""
    assert outcome.code == 0, outcome.err
    agent, environment = outcome.out.split()
    return read_experiment_spec([environment], [agent])


VALUES: dict[str, Any] = {
    "1,2": [1, 2],
    "0.1,1e-2, 3": [0.1, 0.01, 3],
    "choice(a, b)": ["a", "b"],
    "'a,b','c'": ["a,b", "c"],
    "true,False,null": [True, False, None],
    "[1,2],[3]": [[1, 2], [3]],
    "range(3)": [0, 1, 2],
    "range(1,4)": [1, 2, 3],
    "range(0.1,0.4,0.1)": [0.1, 0.2, 0.3],
    "range(start=1,stop=7,step=3)": [1, 4],
    "range(3,0,-1)": [3, 2, 1],
    "sort(3,1,2)": [1, 2, 3],
    "sort(range(3),reverse=true)": [2, 1, 0],
    "shuffle(1,2)": [1, 2],
    "int(1.0,2.0)": [1, 2],
    "interval(0, 1)": {"uniform": [0, 1]},
    "int(interval(1, 9))": {"int": [1, 9]},
    "tag(log, interval(1e-4, 1e-2))": {"loguniform": [1e-4, 1e-2]},
    "tag(log, int(interval(1, 64)))": {"loguniform": [1, 64, 1]},
    "text": ["text"],
    "interval(end=1,start=0)": {"uniform": [0, 1]},
    "interval(0, end=1)": {"uniform": [0, 1]},
    "int(tag(log, interval(1, 100)))": {"loguniform": [1, 100, 1]},
    "float(tag(log, interval(1, 100)))": {"loguniform": [1.0, 100.0]},
    "tag(log, sweep=interval(1, 2))": {"loguniform": [1, 2]},
}


@pytest.mark.parametrize("text", VALUES)
def test_values_of_hydra(text: str) -> None:
    """A value of Hydra's command line is a list, or a range that is drawn from."""
    assert read_value(text) == VALUES[text]


UNREADABLE = ["glob(*)", "[1,2", "'a", "1,{a: 2}", "range(a)", "range(1,0)", "range(1,2,3,4)"]
UNREADABLE += ["sort(1,b)", "int(null)", "int([1,2])", "int(1e999)", "1e999", "int(abc)"]
UNREADABLE += [f"range(1,{'9' * 400})", f"range(1.5,{'9' * 400})", f"float({'9' * 400})"]
UNREADABLE += ["interval(1)", "interval(1,end=2,width=3)", "choice(a=1)", "9" * 5000]


@pytest.mark.parametrize("text", UNREADABLE, ids=lambda text: text[:20])
def test_what_hydra_alone_reads(text: str) -> None:
    """Anything else is refused, and told by the command."""
    with pytest.raises(ValueError, match=r"no|within|of|too large|takes"):
        read_value(text)


def test_a_job_of_hydra_is_an_index(tmp_path: Path) -> None:
    """Job number i of a multirun is the setting of index i: the last key changes fastest."""
    lists = {"a": [1, 2, 3], "b.c": ["x", "y"], "d": [0.5, 0.25]}
    params = {name: ",".join(map(str, values)) for name, values in lists.items()}
    content = {"hydra": {"mode": "MULTIRUN", "sweeper": {"params": params}}}
    spec = spec_of(converted(tmp_path, content, "--program", "app.py"))
    jobs = [dict(zip(lists, job, strict=True)) for job in itertools.product(*lists.values())]
    assert [spec.sweep.setting(index) for index in range(len(jobs))] == jobs
    assert spec.agent.program is not None
    assert spec.agent.program.command == ("python", "app.py", "d={d}", "b.c={b.c}", "a={a}")


def test_optuna_of_hydra(tmp_path: Path) -> None:
    """Optuna's sweeper is a search that learns, whose metric is the one that the file names."""
    sweeper = {
        "n_trials": 7,
        "direction": "minimize",
        "sampler": {"_target_": "optuna.samplers.CmaEsSampler", "seed": 3},
        "search_space": {
            "lr": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
            "width": {"type": "int", "low": 8, "high": 64},
            "act": {"type": "categorical", "choices": ["relu", "tanh"]},
        },
    }
    content = {"optimized_metric": "val/loss", "hydra": {"sweeper": sweeper}}
    assert converted(tmp_path, content).code == 0
    assert agent_of(tmp_path) == {
        "parameters": {
            "lr": {"loguniform": [1e-4, 1e-1]},
            "width": {"int": [8, 64]},
            "act": ["relu", "tanh"],
        },
        "search": {
            **{"method": "bayes", "sampler": "cmaes", "capacity": 7, "seed": 3},
            **{"metric": "val/loss", "goal": "minimize"},
        },
    }


META = {"b": [1, 2], "a": {"z": [True, False], "y": [3, 4, 5]}, "c": 0.5}


def test_an_index_of_pyexputils(tmp_path: Path) -> None:
    """An index has the setting that it has there: keys sorted, the first changing fastest."""
    content = {"agent": "my:train", "problem": "Bandit", "metaParameters": META}
    done = converted(tmp_path, content, name="s.json")
    parameters = agent_of(tmp_path)["parameters"]
    assert list(parameters.items()) == [
        ("a.y", [3, 4, 5]),
        ("a.z", [True, False]),
        ("b", [1, 2]),
        ("c", [0.5]),
    ]
    assert "keys are sorted" in done.err
    assert json.loads((tmp_path / "s_environment.json").read_text()) == {"env_name": "Bandit"}


SEML: dict[str, Any] = {
    "seml": {"executable": "train.py"},
    "fixed": {"epochs": 20, "optimizer": {"type": "adam", "lr": "${x}"}},
    "grid": {
        "lr": {"type": "loguniform", "min": 1e-4, "max": 1e-1, "num": 4},
        "depth": {"type": "range", "min": 1, "max": 6, "step": 2},
        "drop": {"type": "uniform", "min": 0, "max": 0.5, "num": 3},
        "name": {"type": "choice", "options": ["a", "b"], "zip_id": "pair"},
        "size": {"type": "choice", "options": [1, 2], "zip_id": "pair"},
        "net": {
            "type": "parameter_collection",
            "params": {"w": {"type": "choice", "options": [8]}},
        },
        "+config": {"type": "choice", "options": ["x"]},
        "odd": {"type": "spiral"},
    },
}


def test_a_grid_of_seml(tmp_path: Path) -> None:
    """Values are those that NumPy gives, parameters zipped come together, and what refers to
    something else is told."""
    [found] = read_seml(SEML)
    expected = {"epochs": [20], "optimizer.type": ["adam"], "net.w": [8]}
    expected |= {"lr": np.logspace(-4, -1, 4).tolist(), "depth": np.arange(1, 6, 2).tolist()}
    expected |= {"drop": np.linspace(0, 0.5, 3).tolist()}
    pairs = found.values.pop("name/size")
    assert pairs == [["a", 1], ["b", 2]]
    assert found.values.keys() == expected.keys()
    for name, values in expected.items():
        assert found.values[name] == pytest.approx(values) if name != "optimizer.type" else True
    lost = [line.partition(":")[0] for line in found.told]
    assert lost == ["optimizer.lr", "+config", "odd"]
    assert found.command == ["python", "train.py", "with", "{args}", "seed={seed}"]


def test_parts_of_seml(tmp_path: Path) -> None:
    """Each innermost part is a spec, and overrides what is around it, in whatever block."""
    content = {
        "seml": {"executable": "train.py"},
        "fixed": {"epochs": 20, "lr": 0.1},
        "small": {"grid": {"lr": {"type": "choice", "options": [1, 2]}}},
        "large": {"fixed": {"epochs": 40}, "random": {"samples": 3, "seed": 5}},
    }
    content["large"]["random"]["lr"] = {"type": "uniform", "min": 0.0, "max": 1.0}
    done = converted(tmp_path, content)
    assert done.code == 0, done.err
    small, large = (agent_of(tmp_path, f"s_{part}_agent.json") for part in ("small", "large"))
    assert small["parameters"] == {"epochs": [20], "lr": [1, 2]}
    assert large["parameters"] == {"epochs": [40], "lr": {"uniform": [0.0, 1.0]}}
    assert large["search"] == {"method": "random", "capacity": 3, "seed": 5}


def test_a_command_of_wandb(tmp_path: Path) -> None:
    """The command is the one that the file has, its macros replaced; a seed follows by itself."""
    words = ["${env}", "${interpreter}", "-u", "${program}", "a{b}", "${args_no_hyphens}", "${x}"]
    content = {
        "method": "grid",
        "program": "train.py",
        "command": words,
        "parameters": {"lr": {"values": [0.1, 0.2]}, "seed": {"values": [1, 2, 3]}},
    }
    done = converted(tmp_path, content)
    agent = agent_of(tmp_path)
    assert agent["command"] == [
        *("python", "-u", "train.py", "a{{b}}"),
        *("lr={lr}", "seed={seed}"),
    ]
    assert "note: command: not carried over: ${x} has no counterpart" in done.err
    assert "note: seed: as {seed}, which follows by itself: --runs 3" in done.err
    assert spec_of(done).sweep.num_settings == 2


def test_an_algorithm_of_a_script(tmp_path: Path) -> None:
    """Where a script is started, an agent's name among its arguments is one of them; where the user
    says whose the file is, it is that agent's."""
    content = {
        "method": "grid",
        "program": "train.py",
        "parameters": {"algorithm": {"value": "SAC"}, "tau": {"values": [0.1, 0.2]}},
    }
    assert converted(tmp_path, content).code == 0
    assert agent_of(tmp_path)["command"] == [
        *("python", "train.py", "--algorithm={algorithm}", "--tau={tau}"),
    ]
    assert converted(tmp_path, content, "--agent-name", "SAC", "--overwrite").code == 0
    assert agent_of(tmp_path) == {"agent_name": "SAC", "parameters": {"tau": [0.1, 0.2]}}
    refused = converted(tmp_path, content, "--agent-name", "SAC", "--program", "a.py")
    assert refused.code == 2


def test_an_agent_of_ours(tmp_path: Path) -> None:
    """Where the file names an agent of nthrun's, hyperparameters and the environment's fields are
    sorted out, and the rest is told."""
    params = {"optim.critic_lr": "0.1,0.01", "gamma": "0.9", "env.continuous": "true"}
    params |= {"colour": "1,2", "seed": "range(4)"}
    content = {"agent": "sacdiscrete", "env_name": "Acrobot-v1", "timesteps": 60, "steps": "???"}
    content |= {"hydra": {"sweeper": {"params": params}}}
    done = converted(tmp_path, content)
    assert agent_of(tmp_path) == {
        "agent_name": "SAC",
        "parameters": {
            "critic_lr": [0.1, 0.01],
            "policy_type": ["Softmax"],
            "automatic_entropy_tuning": [False],
        },
    }
    world = json.loads((tmp_path / "s_environment.json").read_text())
    assert world == {
        "env_name": "Acrobot-v1",
        "continuous": True,
        "gamma": 0.9,
        "total_timesteps": 60,
    }
    told = {line.split(": ")[1] for line in done.errors}
    assert {"colour", "seed", "steps", "timesteps", "optim.critic_lr"} <= told


BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
    for old, new in itertools.pairwise(["a", "b", "c", "d", "e", "f", "g"])
)
HOSTILE = {
    "aliases": (BOMB, "holds more than 1,000,000 values"),
    "a tag": ("seml: !!python/object/apply:os.abort []\n", "not valid YAML"),
    "another file": ("lr: 0.1\n", "no sweep of a tool that is known; hint: there are: SEML (seml)"),
    "a W&B sweep": ("method: walk\nparameters: {}\n", "method: got"),
    "a part above": (
        '{"seml": {"executable": "x.py"}, "../../../evil": {"fixed": {"lr": 1}}}',
        'a part is called "../../../evil", allowed: up to 100 letters',
    ),
    "a long part": (f"seml: {{}}\n{'a' * 300}: {{fixed: {{lr: 1}}}}\n", "a part is called"),
    "NUL in a part": ('seml: {}\n"a\\0": {fixed: {lr: 1}}\n', "a part is called"),
    "parts of one name": (
        "seml: {}\na: {b: {fixed: {lr: 1}}}\na_b: {fixed: {lr: 2}}\n",
        "2 parts are called a_b with those around them; hint: rename all but one",
    ),
    "half a pair": ('metaParameters: {a: "\\ud800"}\n', "s_agent.json: parameters.a: got"),
    "no number": ("metaParameters: {a: .inf}\n", "parameters.a: got [Infinity], allowed"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_refused(tmp_path: Path, case: str) -> None:
    """A file that is none of these, or that would take the memory or run something, is refused in
    one line, and nothing is written."""
    text, reason = HOSTILE[case]
    path = tmp_path / "s.yaml"
    path.write_text(text)
    done = ended(convert, path, "--out", tmp_path / "out")
    assert done.code == 2
    assert len(done.errors) == 1
    assert reason in done.err
    assert not (tmp_path / "out").exists()


def test_nested_without_end(tmp_path: Path) -> None:
    """Values that are nested without end are told, and the others are read."""
    params = {
        "x": "[" * 3000 + "]" * 3000,
        "y": "sort(" * 3000 + ")" * 3000,
        "z": "range(1,1e99,1e-9)",
    }
    content = {"hydra": {"sweeper": {"params": {**params, "w": "1,2"}}}}
    done = converted(tmp_path, content)
    assert done.code == 0
    assert agent_of(tmp_path)["parameters"] == {"w": [1, 2]}
    assert done.err.count("not carried over") == 3


def test_files_that_are_there(tmp_path: Path) -> None:
    """A file that says otherwise is replaced on request alone."""
    content = {"metaParameters": {"a": [1, 2]}}
    assert converted(tmp_path, content).code == 0
    assert converted(tmp_path, content).code == 0
    content["metaParameters"]["a"] = [1, 2, 3]
    refused = converted(tmp_path, content)
    assert (refused.code, refused.out) == (2, "")
    assert "there already, and says otherwise" in refused.err
    assert converted(tmp_path, content, "--overwrite").code == 0
    assert agent_of(tmp_path)["parameters"] == {"a": [1, 2, 3]}


@pytest.mark.parametrize("kind", ["a pipe", "no text"])
def test_what_is_no_spec(tmp_path: Path, kind: str) -> None:
    """What lies under a name and is no text is told as other files are, at once, and is kept."""
    there = tmp_path / "s_agent.json"
    _ = os.mkfifo(there) if kind == "a pipe" else there.write_bytes(b"\xff")
    refused = converted(tmp_path, {"metaParameters": {"a": [1, 2]}})
    assert (refused.code, refused.out, len(refused.errors[-1:])) == (2, "", 1)
    expected = "a named pipe" if kind == "a pipe" else "there already, and says otherwise"
    assert expected in refused.errors[-1]
