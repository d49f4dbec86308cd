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


@pytest.mark.parametrize(
    "text",
    ['environment.rewards={"goal": 1, "goal": 2}', 'environment.kwargs.x=[{"a": 1, "a": 2}]'],
)
def test_a_key_twice_in_one_value(text: str) -> None:
    """A mapping on the command line with a key twice is refused, as one in a file is."""
    (line,) = refusal(text)
    assert text in line
    assert "written more than once" in line


@pytest.mark.parametrize("text", ["5", "+5", "+0", "-5"])
def test_a_sign_leaves_a_number_whole(text: str) -> None:
    """A whole number with a sign is an integer."""
    (override,) = parse_overrides([f"environment.kwargs.x={text}"])
    assert (override.value, type(override.value)) == (int(text), int)


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


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        (("environment.gamma=0.5", "environment.gamma=0.5"), "gamma"),
        (("agent.alpha=0.5", "agent.tau=0.1", "agent.alpha=0.6"), "parameters.alpha"),
        (('environment.rewards={"goal": 1}', "environment.rewards.goal=2"), "rewards.goal"),
        (("search.seed=1", "search.seed=2"), "search.seed"),
    ],
)
def test_a_field_is_given_once(fields: tuple[str, ...], key: str) -> None:
    """A field that is given twice, whole or in part, is refused with the later text."""
    assert refusal(*fields) == [f"--set {fields[-1]}: {key}: given twice; hint: keep one of them"]


FROZEN_LAKE = {"env_name": "FrozenLake-v1", "total_timesteps": 10, "steps_per_episode": 5}


def lake(folder: Path, keywords: dict[str, Any], *fields: str) -> dict[str, Any]:
    """The keywords that a Gymnasium environment is made with, some of them set."""
    files = folder / "environment.json", folder / "agent.json"
    files[0].write_text(json.dumps(FROZEN_LAKE | ({"kwargs": keywords} if keywords else {})))
    files[1].write_text(json.dumps({"agent_name": "random", "parameters": {}}))
    texts = [f"environment.kwargs.{field}" for field in fields]
    spec = read_experiment_spec([str(files[0])], [str(files[1])], parse_overrides(texts))
    return spec.environment.mapping("kwargs")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("is_slippery=false", False),
        ("is_slippery=0", 0),
        ("success_rate=.5", 0.5),
        ("success_rate=5e-1", 0.5),
        ("map_name=8x8", "8x8"),
        ('map_name="8x8"', "8x8"),
        ("desc=null", None),
        ('desc=["SF","HG"]', ["SF", "HG"]),
    ],
)
def test_keywords_are_json_or_plain_words(tmp_path: Path, text: str, value: object) -> None:
    """A keyword of the command line is JSON, a decimal number, or a text that is nothing else."""
    name, _, _ = text.partition("=")
    kept = lake(tmp_path, {}, text)
    assert repr(kept) == repr({name: value})


@pytest.mark.parametrize(
    "word",
    [
        *("False", "TRUE", "None", "~", "", "yes", "off", "0x10", "0b1", "0o17", "1_000", "0100"),
        *("inf", "-nan", "1:20", "2024-01-01", "٣", "[True,False]", "[1, 2"),
        *("{'a': 1}", "'text'", "1,2", "true,False"),
    ],
)
def test_a_word_that_is_no_text_to_all_is_refused(tmp_path: Path, word: str) -> None:
    """A keyword that Python or YAML would not take for a text never reaches an environment as
    one, whatever the file says: it is refused in a line with what to write."""
    for keywords in ({}, {"is_slippery": True}, {"is_slippery": "text"}):
        with pytest.raises(SpecError) as refused:
            lake(tmp_path, keywords, f"is_slippery={word}")
        [line] = refused.value.lines()
        assert line.startswith(f"--set environment.kwargs.is_slippery={word}: kwargs.is_slippery")
        assert "hint: write " in line


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999", '[{"deep": NaN}]'])
def test_numbers_that_json_lacks_are_refused(tmp_path: Path, word: str) -> None:
    """A number that no manifest can hold is no keyword."""
    with pytest.raises(
        SpecError, match=r"is_slippery.*: got .*allowed: numbers that JSON can hold"
    ):
        lake(tmp_path, {}, f"is_slippery={word}")


@pytest.mark.parametrize("value", [True, 1, 0.5, [1], {"a": 1}])
def test_a_word_does_not_take_the_place_of_another_type(tmp_path: Path, value: object) -> None:
    """Where the file has no text, a word is refused; in JSON's quotes it is a text on purpose."""
    with pytest.raises(SpecError, match="got flase, a text in place of"):
        lake(tmp_path, {"is_slippery": value}, "is_slippery=flase")
    assert lake(tmp_path, {"map_name": "4x4"}, "map_name=8x8") == {"map_name": "8x8"}
    assert lake(tmp_path, {"is_slippery": True}, 'is_slippery="flase"') == {"is_slippery": "flase"}


def test_numbers_of_the_command_line_are_decimal() -> None:
    """A number that notations read differently is no number of a typed field either."""
    for text in ("0100", "0x10", "1_000", "1:20"):
        assert (
            f'got "{text}", allowed: an integer'
            in refusal(f"environment.total_timesteps={text}")[0]
        )


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
