"""Sweep files of Weights & Biases as agent specs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from searches import NESTED

from nthrun.errors import SpecError
from nthrun.specs.agent_spec import AgentSpec, read_agent_spec
from nthrun.specs.documents import read_document
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
    return read_agent_spec(read_document(paths, translate=read_wandb_sweep), NESTED)


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
    assert read_wandb_sweep("agent.json", content) == (content, [])


REFUSED = {
    "method: annealing\nparameters: {}": 'sweep: method: got "annealing", allowed: one of grid',
    "method: grid\nparameters: [1]": "sweep: parameters: got [1], allowed: a mapping",
    "method: grid\nparameters: {}\nearly_terminate: {}": "sweep: early_terminate: unknown key",
    "method: random\nrun_cap: 0\nparameters: {}": "sweep: run_cap: got 0, allowed: an integer from",
    "method: random\nmetric: loss\nparameters: {}": 'sweep: metric: got "loss", allowed: name and',
    "method: random\nparameters: {training.rate: {distribution: q_uniform, min: 0, max: 1}}": (
        'sweep: parameters.training.rate.distribution: got "q_uniform", allowed: one of uniform, '
    ),
    "method: random\nparameters: {training.rate: {distribution: normal, mu: 0, sigma: 1}}": (
        'sweep: parameters.training.rate.distribution: got "normal", allowed: one of uniform, '
    ),
    "method: random\nparameters: {training.rate: {distribution: uniform, values: [1, 2]}}": (
        "sweep: parameters.training.rate: got "
    ),
    "method: random\nparameters: {training.rate: {distribution: constant, min: 1, max: 2}}": (
        "sweep: parameters.training.rate: got "
    ),
    "method: random\nparameters: {training.rate: {values: [1, 2], probabilities: [0.5, 0.5]}}": (
        "sweep: parameters.training.rate: got "
    ),
    "method: random\nparameters: {training.rate: {min: 1}}": "sweep: parameters.training.rate: got",
    "method: random\nparameters: {training.rate: [1]}": (
        "sweep: parameters.training.rate: got [1], allowed: a mapping with value, values, or min"
    ),
    "method: random\nparameters: {training: {parameters: }}": (
        "sweep: parameters.training: got null, allowed: a mapping"
    ),
    "method: grid\nparameters: {training.rate: {min: 0.1, max: 1.0}}": (
        "sweep: parameters.training.rate: a range (uniform 0.1 to 1.0) cannot be enumerated"
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
