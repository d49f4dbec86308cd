"""What is said of specs before their first run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import (
    ExperimentSpec,
    experiment_spec_of,
    read_experiment_spec,
)

PENDULUM = {"env_name": "Pendulum-v1", "total_timesteps": 100, "steps_per_episode": 10}
BAYES = {"method": "bayes", "capacity": 5, "goal": "maximize"}


def read(folder: Path, agent: dict[str, Any], **environment: Any) -> ExperimentSpec:
    """The experiment of an agent's and an environment's file."""
    files = folder / "environment.json", folder / "agent.json"
    for path, content in zip(files, (PENDULUM | environment, agent), strict=True):
        path.write_text(json.dumps(content))
    return read_experiment_spec([str(files[0])], [str(files[1])])


def sac(parameters: dict[str, Any], **search: Any) -> dict[str, Any]:
    """A spec of SAC."""
    spec = {"agent_name": "SAC", "parameters": parameters}
    return spec | ({"search": search} if search else {})


REPEATED: dict[str, tuple[dict[str, Any], str]] = {
    "numbers": (sac({"alpha": [0.1, 0.1, 1e-1]}), "parameters.alpha: 0.1 is listed 3 times"),
    "integers": (sac({"batch_size": [8, 16, 8.0]}), "parameters.batch_size: 8 is listed 2 times"),
    "words": (sac({"activation": ["relu"] * 2}), 'parameters.activation: "relu" is listed 2'),
    "lists": (sac({"betas": [[0.9, 0.9]] * 2}), "parameters.betas: [0.9, 0.9] is listed 2"),
    "rows": (
        sac({"batch_size/replay_capacity": [[8, 99], [8, 98], [8, 99.0]]}),
        "parameters.batch_size/replay_capacity: [8, 99] is listed 2 times",
    ),
    "choices": (
        sac({"alpha": {"choice": [0.1, 0.2, 0.1]}}, method="random", capacity=9),
        "parameters.alpha: 0.1 is listed 2 times",
    ),
    "settings": (
        sac({}, method="settings", settings=[{"alpha": 0.1}, {"alpha": 0.2}, {"alpha": 1e-1}]),
        "search.settings: one setting is listed 2 times: ",
    ),
    "settings, one by its default": (
        sac({}, method="settings", settings=[{"alpha": 0.2, "tau": 0.005}, {"alpha": 0.2}]),
        "search.settings: one setting is listed 2 times: ",
    ),
}


@pytest.mark.parametrize("name", REPEATED)
def test_a_value_listed_twice_is_told(tmp_path: Path, name: str) -> None:
    """Values, coupled rows and settings of equal bits are named once; a spec that lists them is
    still read, from a file and from a manifest."""
    agent, line = REPEATED[name]
    spec = read(tmp_path, agent)
    [note] = spec.notes
    assert note.startswith(line)
    documents = spec.environment.as_document(), spec.agent.as_document()
    assert experiment_spec_of(*documents, "manifest.json").notes == [note]


def test_what_differs_is_not_told(tmp_path: Path) -> None:
    """Rows that share a value, and settings that differ, bring no note."""
    parameters = {"batch_size/replay_capacity": [[8, 99], [8, 98]], "alpha": [0.1, 0.2]}
    assert read(tmp_path, sac(parameters)).notes == []
    settings = [{"alpha": 0.1}, {"alpha": 0.2}]
    assert read(tmp_path, sac({}, method="settings", settings=settings)).notes == []


@pytest.mark.parametrize(
    ("metric", "environment", "said"),
    [
        ("eval/mean_reward", {"eval_episodes": 1}, "which no run of SAC has, allowed: return"),
        ("critic_lss", {"record": ["metrics"]}, "critic_loss"),
        ("critic_loss", {}, 'hint: write "record": ["metrics"] in the environment spec'),
        ("evaluation", {}, "and eval_episodes is 0"),
        ("final_evaluation", {}, "and eval_episodes is 0"),
        ("oracle_gap", {"eval_episodes": 1}, "of Pendulum-v1 no best return is known"),
    ],
)
def test_a_search_by_a_metric_that_no_run_has_is_refused(
    tmp_path: Path, metric: str, environment: dict[str, Any], said: str
) -> None:
    """Before its first run, a search that suggests settings is refused where its metric cannot be
    recorded; one that does not go by it is told."""
    agent = sac({"alpha": {"uniform": [0.1, 1]}}, **BAYES, metric=metric)
    with pytest.raises(SpecError) as refused:
        read(tmp_path, agent, **environment)
    [line] = refused.value.lines()
    assert "search.metric: got " in line
    assert said in line
    drawn = agent | {"search": {**agent["search"], "method": "random"}}
    told = read(tmp_path, drawn, **environment).notes
    assert len(told) == (metric not in ("evaluation", "final_evaluation", "oracle_gap"))


@pytest.mark.parametrize(
    ("metric", "environment"),
    [
        ("return", {}),
        ("train_time", {}),
        ("evaluation", {"eval_episodes": 1}),
        ("critic_loss", {"record": ["metrics"]}),
    ],
)
def test_a_metric_that_runs_have_is_searched_by(
    tmp_path: Path, metric: str, environment: dict[str, Any]
) -> None:
    """Every metric that runs record may be searched by."""
    agent = sac({"alpha": {"uniform": [0.1, 1]}}, **BAYES, metric=metric)
    assert read(tmp_path, agent, **environment).agent.search.text("metric") == metric


def test_a_sweep_of_weights_and_biases_is_refused_by_its_metric(tmp_path: Path) -> None:
    """The metric of a sweep file is checked as that of a search, and the file is named."""
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(
        "agent_name: SAC\nmethod: bayes\nmetric: {name: eval/mean_reward, goal: maximize}\n"
        "parameters: {alpha: {min: 0.1, max: 1.0}}\n"
    )
    (tmp_path / "environment.json").write_text(json.dumps(PENDULUM))
    with pytest.raises(
        SpecError, match=r"sweep\.yaml: search\.metric: got .eval/mean_reward., which"
    ):
        read_experiment_spec([str(tmp_path / "environment.json")], [str(sweep)])
