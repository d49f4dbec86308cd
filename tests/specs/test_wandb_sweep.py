"""Sweep files of Weights & Biases as agent specs."""

from __future__ import annotations

import json
from math import exp
from pathlib import Path
from typing import Any

import pytest
import yaml
from scipy import stats
from searches import NESTED

from nthrun.errors import SpecError
from nthrun.specs.agent_spec import AgentSpec, read_agent_spec
from nthrun.specs.documents import Document, read_document
from nthrun.specs.search.space import Range
from nthrun.specs.wandb_sweep import DEFAULT_CAPACITY, read_wandb_sweep

EXAMPLE = """
program: main.py
method: grid  # Options: grid, random, bayes
metric:
  name: oracle_gap
  goal: minimize

parameters:
  training:
    parameters:
      rate:
        values: [1e-3, 5e-4, 1e-4]
      epochs:
        values: [128, 256]
  model:
    parameters:
      width:
        values: [97, 98, 99]
"""
RANDOM = """
method: random
run_cap: 20
parameters:
  training.rate: {distribution: log_uniform_values, min: 1e-5, max: 1e-1}
  training:
    parameters:
      epochs: {min: 1, max: 9}
  model.kind: {values: [linear, network]}
  model.depth: {value: 3}
  model.width: {distribution: int_uniform, min: 2, max: 4}
  layers: {distribution: constant, value: [4, 4]}
"""


def read(folder: Path, *texts: str, suffix: str = "yaml") -> AgentSpec:
    """The spec that files stand for, of which one names the agent."""
    paths = [folder / f"{number}.{suffix}" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    document = read_document(paths, translate=read_wandb_sweep)
    if document.faults:
        raise SpecError(document.faults)
    return read_agent_spec(document, NESTED)


def refusal(folder: Path, text: str) -> list[str]:
    """The lines that refuse a file."""
    with pytest.raises(SpecError) as refused:
        read(folder, text, "agent_name: nested\n")
    return str(refused.value).replace(str(folder / "0.yaml"), "sweep").splitlines()


@pytest.mark.parametrize("agent_first", [True, False])
def test_a_grid(tmp_path: Path, agent_first: bool) -> None:
    """A grid is the product of its lists, nested keys joined by dots and `1e-3` a number, beside a
    file that names the agent, before it or after."""
    texts = ["agent_name: nested\n", EXAMPLE]
    spec = read(tmp_path, *(texts if agent_first else reversed(texts)))
    assert spec.parameters == {
        "training.rate": (0.001, 0.0005, 0.0001),
        "training.epochs": (128, 256),
        "model.width": (97, 98, 99),
    }
    assert spec.sweep.num_settings == 18
    assert (spec.search.method, spec.search.text("metric"), spec.search.goal) == (
        *("grid", "oracle_gap", "minimize"),
    )


def test_random(tmp_path: Path) -> None:
    """Bounds are ranges: of integers where both are, of real numbers else, or as `distribution`
    says; `run_cap` is the capacity."""
    spec = read(tmp_path, f"agent_name: nested{RANDOM}")
    assert spec.parameters == {
        "training.rate": Range("loguniform", 1e-5, 1e-1),
        "training.epochs": Range("int", 1, 9),
        "model.kind": ("linear", "network"),
        "model.depth": (3,),
        "model.width": Range("int", 2, 4),
        "layers": ((4, 4),),
    }
    assert (spec.search.method, spec.sweep.num_settings) == ("random", 20)
    assert 2 <= spec.sweep.setting(7)["model.width"] <= 4


def test_bayes(tmp_path: Path) -> None:
    """A Bayesian search keeps its metric, which is to be minimised if it says nothing; without
    `run_cap` there may be a million settings."""
    text = (
        "method: bayes\nmetric: {name: oracle_gap}\nparameters: {training.rate: {min: 0, max: 1.}}"
    )
    spec = read(tmp_path, text, "agent_name: nested\n")
    assert spec.search.method == "bayes"
    assert (spec.search.text("metric"), spec.search.goal) == ("oracle_gap", "minimize")
    assert spec.search.integer("capacity") == DEFAULT_CAPACITY
    assert spec.parameters["training.rate"] == Range("uniform", 0.0, 1.0)


def test_json(tmp_path: Path) -> None:
    """The same in JSON is the same."""
    content = yaml.safe_load(f"agent_name: nested{RANDOM}")
    content["parameters"]["training.rate"] |= {"min": 1e-5, "max": 1e-1}
    spec = read(tmp_path, json.dumps(content), suffix="json")
    assert spec.as_document() == read(tmp_path, f"agent_name: nested{RANDOM}").as_document()


def test_a_later_file_overrides(tmp_path: Path) -> None:
    """A file of this project beside it replaces values and ranges, and the search's fields."""
    other = "parameters: {training.rate: [0.5]}\nsearch: {capacity: 7, seed: 3}\n"
    spec = read(tmp_path, f"agent_name: nested{RANDOM}", other)
    assert spec.parameters["training.rate"] == (0.5,)
    assert spec.search.as_document() == {"method": "random", "capacity": 7, "seed": 3}


@pytest.mark.parametrize(
    "content", [{"agent_name": "nested", "parameters": {}}, {"method": "grid"}, {}]
)
def test_other_files_stand_for_themselves(content: dict[str, Any]) -> None:
    """A file without `method` and `parameters` is left alone."""
    assert read_wandb_sweep("agent.json", content) == (content, [], [])


REFUSED = {
    "method: annealing\nparameters: {}": 'sweep: method: got "annealing", allowed: one of grid',
    "method: grid\nparameters: [1]": "sweep: parameters: got [1], allowed: a mapping",
    "method: grid\nparameters: {}\nearly_terminates: {}": "sweep: early_terminates: unknown key",
    "method: grid\nparameters: {}\nearly_terminate: {type: envelope}": (
        'sweep: early_terminate.type: got "envelope", allowed: hyperband'
    ),
    "method: grid\nparameters: {}\nearly_terminate: {type: hyperband, eta: 1}": (
        "sweep: early_terminate.eta: got 1, allowed: a number >= 2"
    ),
    "method: random\nrun_cap: 0\nparameters: {}": "sweep: run_cap: got 0, allowed: an integer from",
    "method: random\nmetric: loss\nparameters: {}": 'sweep: metric: got "loss", allowed: name and',
    "method: random\nparameters: {training.rate: {distribution: cauchy, mu: 0}}": (
        'sweep: parameters.training.rate.distribution: got "cauchy", allowed: one of uniform, '
    ),
    "method: random\nparameters: {training.rate: {distribution: normal, mu: 0, sd: 1}}": (
        "sweep: parameters.training.rate: got "
    ),
    "method: random\nparameters: {training.rate: {distribution: normal, mu: -9, sigma: 1}}": (
        "sweep: parameters.training.rate: got "
    ),
    "method: random\nparameters: {layers: {distribution: q_uniform, min: 1, max: 9, q: .5}}": (
        "sweep: parameters.layers: got "
    ),
    "method: random\nparameters: {training.rate: {distribution: uniform, values: [1, 2]}}": (
        "sweep: parameters.training.rate: got "
    ),
    "method: random\nparameters: {training.rate: {distribution: constant, min: 1, max: 2}}": (
        "sweep: parameters.training.rate: got "
    ),
    "method: random\nparameters: {training.rate: {values: [1, 2], probabilities: [0.5, 0.6]}}": (
        "sweep: parameters.training.rate.probabilities: got [0.5, 0.6], allowed: a probability of "
    ),
    "method: random\nparameters: {training.rate: {min: 1}}": "sweep: parameters.training.rate: got",
    "method: random\nparameters: {training.rate: [1]}": (
        "sweep: parameters.training.rate: got [1], allowed: a mapping with value, values, or min"
    ),
    "method: random\nparameters: {training: {parameters: }}": (
        "sweep: parameters.training: got null, allowed: a mapping"
    ),
    "method: grid\nparameters: {training.rate: {min: 0.1, max: 1.0}}": (
        "sweep: parameters.training.rate: a range (uniform 0.1 to 1.0) cannot be enumerated by "
        "method grid; hint: list values, or write method: random and a run_cap"
    ),
    "method: grid\nparameters: {nothing: {value: 1}}": (
        'sweep: parameters.nothing: "nothing": unknown key'
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(tmp_path: Path, text: str) -> None:
    """What cannot be read is refused by its name in one line."""
    (line,) = refusal(tmp_path, text)
    assert line.startswith(REFUSED[text])


def test_without_an_agent(tmp_path: Path) -> None:
    """A sweep alone does not say which agent; the experiment that needs it says so."""
    spec = read(tmp_path, EXAMPLE)
    assert (
        "agent_name" not in read_document([tmp_path / "0.yaml"], translate=read_wandb_sweep).values
    )
    assert spec.sweep.num_settings == 18


DISTRIBUTIONS: dict[str, tuple[Any, float]] = {
    "uniform, min: 1, max: 3": (stats.uniform(1, 2), 0),
    "q_uniform, min: 1, max: 3, q: 0.25": (stats.uniform(1, 2), 0.25),
    "log_uniform, min: -3, max: 1": (stats.loguniform(exp(-3), exp(1)), 0),
    "q_log_uniform, min: 0, max: 3, q: 0.5": (stats.loguniform(1, exp(3)), 0.5),
    "log_uniform_values, min: 1e-3, max: 2": (stats.loguniform(1e-3, 2), 0),
    "q_log_uniform_values, min: 1, max: 64, q: 2": (stats.loguniform(1, 64), 2),
    "inv_log_uniform, min: -1, max: 2": (stats.loguniform(exp(-2), exp(1)), 0),
    "inv_log_uniform_values, min: 1, max: 4": (stats.loguniform(1, 4), 0),
    "normal, mu: 5, sigma: 0.5": (stats.norm(5, 0.5), 0),
    "q_normal, mu: 5, sigma: 2, q: 1": (stats.norm(5, 2), 1),
    "log_normal, mu: 1, sigma: 0.5": (stats.lognorm(0.5, scale=exp(1)), 0),
    "q_log_normal, mu: 2, sigma: 0.5, q: 1": (stats.lognorm(0.5, scale=exp(2)), 1),
    "beta, a: 2, b: 3": (stats.beta(2, 3), 0),
    "q_beta, a: 2, b: 3, q: 0.1": (stats.beta(2, 3), 0.1),
}
SHARES = (0.001, 0.03, 0.2, 0.5, 0.62, 0.9, 0.999)


@pytest.mark.parametrize("text", DISTRIBUTIONS)
def test_distributions(tmp_path: Path, text: str) -> None:
    """Every distribution has its quantiles, rounded to multiples of `q` within its ends, and says
    which share lies below a value."""
    distribution, step = DISTRIBUTIONS[text]
    sweep = f"method: random\nparameters: {{training.rate: {{distribution: {text}}}}}"
    spec = read(tmp_path, sweep, "agent_name: nested\n")
    drawn = spec.parameters["training.rate"]
    assert isinstance(drawn, Range)
    for share in SHARES:
        value, quantile = drawn.at(share), float(distribution.ppf(share))
        if step:
            assert value == pytest.approx(max(round(quantile / step) * step, 0))
        else:
            assert value == pytest.approx(max(quantile, 0), rel=1e-8)
            assert drawn.share_of(value) == pytest.approx(share, abs=1e-7) or quantile < 0
        assert drawn.low <= value <= drawn.high
    assert read_again(spec).parameters == spec.parameters


def read_again(spec: AgentSpec) -> AgentSpec:
    """The spec as records keep it, read."""
    return read_agent_spec(Document(spec.as_document(), {}, ("agent.json",)), NESTED)


def test_what_a_field_forbids_is_cut_off(tmp_path: Path) -> None:
    """A normal distribution keeps to what the hyperparameter allows, and one of whole steps is for
    integers too."""
    text = (
        "method: random\nparameters:\n"
        "  training.rate: {distribution: normal, sigma: 0.1}\n"
        "  training.epochs: {distribution: q_uniform, min: 1, max: 70, q: 20}\n"
    )
    spec = read(tmp_path, text, "agent_name: nested\n")
    settings = [spec.sweep.setting(number) for number in range(60)]
    assert {setting["training.epochs"] for setting in settings} == {20, 40, 60}
    assert min(setting["training.rate"] for setting in settings) == 0.0
    assert max(setting["training.rate"] for setting in settings) > 0.1


def test_exponents_are_told(tmp_path: Path) -> None:
    """Ends that are exponents are told as what they stand for."""
    path = tmp_path / "sweep.yaml"
    path.write_text("method: random\nparameters: {a: {distribution: log_uniform, min: -3, max: 0}}")
    document = read_document([path], translate=read_wandb_sweep)
    told = "parameters.a of log_uniform, whose ends are exponents of e, is from 0.0497870684 to 1.0"
    assert document.notes == (told,)


@pytest.mark.parametrize("name", ["", ", distribution: categorical_w_probabilities"])
def test_probabilities(tmp_path: Path, name: str) -> None:
    """Values with probabilities are drawn so often."""
    chances = f"{{values: [linear, network], probabilities: [0.2, 0.8]{name}}}"
    text = f"method: random\nparameters: {{model.kind: {chances}}}"
    spec = read(tmp_path, text, "agent_name: nested\n")
    assert spec.parameters["model.kind"] == ("linear", *("network",) * 4)


def test_a_grid_of_what_can_be_listed(tmp_path: Path) -> None:
    """In a grid, integers between bounds and multiples of a step are listed."""
    text = (
        "method: grid\nparameters:\n  training.epochs: {min: 2, max: 4}\n"
        "  training.rate: {distribution: q_uniform, min: 0.1, max: 0.35, q: 0.1}\n"
    )
    spec = read(tmp_path, text, "agent_name: nested\n")
    assert spec.parameters == {"training.epochs": (2, 3, 4), "training.rate": (0.1, 0.2, 0.3)}


HYPERBANDS = {
    "{type: hyperband, min_iter: 4}": (3, 4),
    "{type: hyperband, min_iter: 2, eta: 2}": (2, 2),
    "{type: hyperband, max_iter: 27, s: 2}": (3, 3),
    "{type: hyperband, max_iter: 27}": (3, 9),
}


@pytest.mark.parametrize("text", HYPERBANDS)
def test_hyperband(tmp_path: Path, text: str) -> None:
    """Hyperband is successive halving whose first rung is so many evaluations."""
    sweep = f"method: random\nmetric: {{name: return, goal: maximize}}\nearly_terminate: {text}\n"
    spec = read(
        tmp_path, sweep + "parameters: {training.epochs: {min: 1, max: 9}}", "agent_name: nested"
    )
    search = spec.search
    assert search.text("pruner") == "successive_halving"
    assert (
        *(search.integer("pruner_reduction"), search.integer("pruner_warmup_evaluations")),
    ) == HYPERBANDS[text]


def test_notes(tmp_path: Path) -> None:
    """What is passed over is told, a line each; null is as good as not said."""
    text = (
        "method: bayes\nmetric: {name: return, goal: maximize, target: 5}\nrun_cap: null\n"
        "early_terminate: null\ncontroller: {type: local}\nparameters:\n"
        "  training.epochs: {min: 1, max: 9, distribution: null}\n  model.width: {value: null}\n"
    )
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    document = read_document([path], translate=read_wandb_sweep)
    assert [note.split(" passed over")[0] for note in document.notes] == [
        "of the sweep",
        "parameters.model.width left at its default: its value is null",
        "metric.target",
    ]
    assert document.values["parameters"] == {"training.epochs": {"int": [1, 9]}}
    assert document.values["search"]["capacity"] == DEFAULT_CAPACITY
