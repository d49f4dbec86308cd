"""Laws of `--set`: fields given on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searches import NESTED

from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import ExperimentSpec, read_experiment_spec
from nthrun.specs.agent_spec import AgentSpec, read_agent_spec
from nthrun.specs.documents import AGENT, ENVIRONMENT, of_spec, parse_overrides, read_document
from nthrun.specs.fingerprint import fingerprint

CONFIG = Path(__file__).parents[2] / "config"
ENVIRONMENT_FILE = str(CONFIG / "environment/PendulumContinuous-v1.json")
AGENT_FILE = str(CONFIG / "agent/SAC_classic_sweep.json")
NESTED_FILES: tuple[dict[str, Any], ...] = (
    {"training": {"rate": [0.1], "epochs": [1, 2]}, "model.width": [4]},
    {"training.rate": [0.1], "training.epochs": [1, 2], "model": {"width": [4]}},
)


def experiment(*fields: str) -> ExperimentSpec:
    """A shipped experiment with fields set."""
    return read_experiment_spec([ENVIRONMENT_FILE], [AGENT_FILE], parse_overrides(fields))


def nested(folder: Path, parameters: dict[str, Any], *fields: str) -> AgentSpec:
    """A spec of dotted hyperparameters with fields set."""
    path = folder / "agent.json"
    path.write_text(json.dumps({"agent_name": "nested", "parameters": parameters}))
    overrides = of_spec(parse_overrides(fields), AGENT)
    return read_agent_spec(read_document([path], overrides), NESTED)


def refusal(*fields: str) -> list[str]:
    """The lines that refuse fields."""
    with pytest.raises(SpecError) as refused:
        experiment(*fields)
    return str(refused.value).splitlines()


def test_fields_of_each_spec() -> None:
    """A field of the environment, of the agent and of the search is what is set."""
    spec = experiment(
        "environment.gamma=0.95",
        "agent.alpha=[0.25, 0.5]",
        "agent.critic_lr=3e-4",
        'agent.batch_size={"int": [8, 64]}',
        "agent.activation=tanh",
        "search.method=random",
        "search.capacity=40",
    )
    assert spec.environment.values["gamma"] == 0.95
    document = spec.agent.as_document()
    assert document["parameters"]["alpha"] == [0.25, 0.5]
    assert document["parameters"]["critic_lr"] == [0.0003]
    assert document["parameters"]["batch_size"] == {"int": [8, 64]}
    assert document["parameters"]["activation"] == ["tanh"]
    assert document["search"]["method"] == "random"
    assert spec.sweep.num_settings == 40


def test_another_value_is_another_experiment() -> None:
    """What is set is part of the fingerprint, as if a file said so; setting what the file says is
    not."""

    def print_of(*fields: str) -> str:
        spec = experiment(*fields)
        return fingerprint(spec.agent.as_document(), spec.environment.as_document())

    gamma = experiment().environment.values["gamma"]
    prints = {print_of(), print_of("environment.gamma=0.123"), print_of("agent.alpha=0.5")}
    assert len(prints) == 3
    assert print_of(f"environment.gamma={gamma}") == print_of()


def test_a_swept_key_keeps_its_place() -> None:
    """Setting values keeps the order of the digits, and a new key comes last."""
    before = list(experiment().agent.parameters)
    assert before.index("alpha") < len(before) - 1
    assert "num_components" not in before
    after = list(experiment("agent.num_components=3", "agent.alpha=[0.3]").agent.parameters)
    assert after == [*before, "num_components"]


@pytest.mark.parametrize("parameters", NESTED_FILES)
def test_nested_names(tmp_path: Path, parameters: dict[str, Any]) -> None:
    """A dotted hyperparameter is set whether the file nests it or writes its dot, and others
    stay."""
    fields = ("agent.training.rate=[0.5,0.6]", "agent.model.width=9", "agent.model.depth=2")
    spec = nested(tmp_path, parameters, *fields)
    assert spec.parameters == {
        "training.rate": (0.5, 0.6),
        "training.epochs": (1, 2),
        "model.width": (9,),
        "model.depth": (2,),
    }


def test_conditions_of_dotted_names(tmp_path: Path) -> None:
    """A condition of a dotted hyperparameter replaces the file's."""
    path = tmp_path / "agent.json"
    search = {"conditions": {"training.rate": "model.width = 4"}}
    path.write_text(json.dumps({"parameters": {"training.rate": [0.1, 0.2]}, "search": search}))
    overrides = parse_overrides(["search.conditions.training.rate=model.width = 16"])
    spec = read_agent_spec(read_document([path], overrides), NESTED)
    assert spec.search.conditions["training.rate"].text == "model.width = 16"


def test_the_last_counts() -> None:
    """Of two of one field the later counts."""
    spec = experiment("environment.gamma=0.5", "environment.gamma=0.6")
    assert spec.environment.values["gamma"] == 0.6


def test_numbers() -> None:
    """Numbers may be written as JSON does not: `.5`, `5.`, `+1e-3`."""
    for text, value in ((".5", 0.5), ("5.", 5.0), ("+1e-3", 0.001), ("1e-3", 0.001)):
        assert experiment(f"agent.alpha={text}").agent.parameters["alpha"] == (value,)


REFUSED = {
    "gamma=0.9": "--set gamma=0.9: allowed: environment.FIELD=VALUE, agent.HYPERPARAMETER=VALUE",
    "environment.gamma": "--set environment.gamma: allowed: environment.FIELD=VALUE",
    "environment.=1": "--set environment.=1: allowed: environment.FIELD=VALUE",
    "agents.alpha=1": "--set agents.alpha=1: allowed: environment.FIELD=VALUE",
    "environment.gama=0.9": "--set environment.gama=0.9: gama: unknown key",
    "environment.gamma=2": "--set environment.gamma=2: gamma: got 2, allowed: a number",
    "environment.gamma=high": '--set environment.gamma=high: gamma: got "high", allowed: a number',
    "environment.gamma=": '--set environment.gamma=: gamma: got "", allowed: a number',
    "agent.alhpa=1": '--set agent.alhpa=1: parameters.alhpa: "alhpa": unknown key',
    "agent.alpha=[]": "--set agent.alpha=[]: parameters.alpha: got an empty list",
    "agent.alpha=NaN": "--set agent.alpha=NaN: parameters.alpha: got NaN, allowed: a number",
    "agent.alpha=null": "--set agent.alpha=null: parameters.alpha: got null, allowed: a number",
    "agent.batch_size=1.5": "--set agent.batch_size=1.5: parameters.batch_size: got 1.5, allowed",
    "agent.soft_q=True": '--set agent.soft_q=True: parameters.soft_q: got "True", allowed: true or',
    "agent..alpha=1": "--set agent..alpha=1: parameters: got a key that is empty",
    "search.method=radnom": '--set search.method=radnom: search.method: got "radnom", allowed',
    "search.sed=1": "--set search.sed=1: search.sed: unknown key",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    """What is unknown, unreadable or not allowed is refused with what was typed."""
    lines = refusal(text)
    assert lines[0].startswith(REFUSED[text])


def test_all_faults_at_once() -> None:
    """Every unreadable one is told."""
    assert len(refusal("gamma=0.9", "x", "agent.alpha")) == 3


def test_deep_values_are_refused() -> None:
    """A value nested without end is refused, not read."""
    for depth in (40, 100_000):
        (line, *_) = refusal(f"agent.alpha={'[' * depth}{']' * depth}")
        assert line.startswith("--set agent.alpha=[[[[")


@given(st.sampled_from(["environment.", "agent.", "search.", ""]), st.text(max_size=20))
@settings(max_examples=100, deadline=None)
def test_any_text(spec: str, text: str) -> None:
    """Whatever is typed is a spec, or refused."""
    try:
        assert experiment(spec + text).sweep.num_settings > 0
    except SpecError as refused:
        assert refused.faults


def test_of_which_spec() -> None:
    """Hyperparameters and the search are of the agent's spec."""
    overrides = parse_overrides(["environment.a=1", "agent.b=2", "search.c=3"])
    assert [one.path for one in of_spec(overrides, AGENT)] == [("parameters", "b"), ("search", "c")]
    assert [one.path for one in of_spec(overrides, ENVIRONMENT)] == [("a",)]
