"""Laws of suggestions: what they are a function of, what they obey, and that they learn."""

from __future__ import annotations

import json
import math
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from searches import searched
from warm import ROOT

from nthrun.errors import IndexSpecError, MissingExtraError
from nthrun.specs.agent_spec import AgentSpec
from nthrun.specs.field import plain
from nthrun.studies import suggestions
from nthrun.studies.journal import Trial
from nthrun.studies.suggestions import data_as_attributes, require_sampler, suggest

SAMPLERS = ("tpe", "cmaes", "gp")
WITH_SLOW_GP = ("tpe", "cmaes", pytest.param("gp", marks=pytest.mark.slow))
NUMBERS = {
    "training.rate": {"loguniform": [1e-4, 1]},
    "training.epochs": {"int": [1, 100]},
    "model.width": {"int": [1, 100]},
    "model.depth": {"int": [1, 100]},
}
MIXED = {
    "model.kind": ["linear", "network"],
    "training.rate": {"uniform": [0.25, 0.75]},
    "training.epochs": {"int": [3, 7]},
    "model.width/model.depth": [[8, 1], [16, 2], [32, 3]],
    "layers": [[8], [16, 16], [32, 16, 8]],
    "seedless": [False, True],
}


def distance(setting: Mapping[str, Any]) -> float:
    """From the best setting of `NUMBERS`, at most about 1.6."""
    rate = (math.log10(setting["training.rate"]) + 1) / 4
    best = (("training.epochs", 80), ("model.width", 20), ("model.depth", 70))
    return rate**2 + sum(((setting[name] - value) / 100) ** 2 for name, value in best)


def trial(number: int, setting: Mapping[str, Any], attributes: Mapping[str, Any]) -> Trial:
    """A trial as a journal has it, without a result."""
    as_json = json.loads(json.dumps([{n: plain(v) for n, v in setting.items()}, attributes]))
    return Trial(number, *as_json)


def tell(known: Trial, status: str, value: float | None) -> None:
    """Give a trial the result of one run."""
    known.results[known.setting_number] = ("shard", status, value)


def history(
    spec: AgentSpec, num_trials: int, sign: float = 1.0, attributes: bool = True
) -> list[Trial]:
    """Trials suggested and told one after another, scored by `sign` times their distance.

    Args:
        attributes: whether the sampler gets back what it wants.
    """
    known: list[Trial] = []
    for number in range(num_trials):
        setting, wanted = suggest(spec.search, spec.space, known, number)
        known.append(trial(number, setting, wanted if attributes else {}))
        tell(known[-1], "completed", sign * distance(setting))
    return known


def bayes(parameters: Mapping[str, Any], **search: Any) -> AgentSpec:
    """A spec whose settings are suggested."""
    return searched(parameters, method="bayes", capacity=1000, **search)


ELSEWHERE = """
import json, sys
from searches import searched
from nthrun.studies.suggestions import suggest
from nthrun.studies.journal import Trial
parameters, search, told = json.load(sys.stdin)
trials = [Trial(n, setting, attributes) for n, setting, attributes, _ in told]
for trial, (n, _, _, value) in zip(trials, told):
    trial.results[n] = ("shard", "completed", value)
spec = searched(parameters, **search)
print(json.dumps(suggest(spec.search, spec.space, trials, len(trials))))
"""


@pytest.mark.parametrize("sampler", WITH_SLOW_GP)
def test_a_suggestion_is_a_function_of_the_history(sampler: str) -> None:
    """From one history every process suggests the same; another number or seed, where the sampler
    draws at all, something else."""
    search = {"method": "bayes", "capacity": 1000, "sampler": sampler, "goal": "minimize"}
    spec = searched(NUMBERS, **search)
    known = history(spec, 11)
    here = suggest(spec.search, spec.space, known, 11)
    told = [(t.setting_number, t.setting, t.attributes, t.value) for t in known]
    path = f"{ROOT}:{ROOT / 'tests'}"
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        input=json.dumps([NUMBERS, search, told]),
        env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == json.loads(json.dumps(here))
    if sampler != "gp":
        other = searched(NUMBERS, **search, seed=1)
        assert suggest(other.search, other.space, known, 11)[0] != here[0]
        assert suggest(spec.search, spec.space, known, 12)[0] != here[0]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_settings_are_of_the_space(sampler: str) -> None:
    """Numbers are of their range and type, choices of their list, coupled ones come together."""
    spec = bayes(MIXED, sampler=sampler)
    known: list[Trial] = []
    seen = set()
    for number in range(14):
        setting, attributes = suggest(spec.search, spec.space, known, number)
        known.append(trial(number, setting, attributes))
        tell(known[-1], "completed", random.Random(number).random())
        assert list(spec.sweep.planned(0)) == list(setting)
        assert isinstance(setting["training.rate"], float)
        assert 0.25 <= setting["training.rate"] <= 0.75
        assert isinstance(setting["training.epochs"], int)
        assert 3 <= setting["training.epochs"] <= 7
        assert (setting["model.width"], setting["model.depth"]) in {(8, 1), (16, 2), (32, 3)}
        assert setting["layers"] in ((8,), (16, 16), (32, 16, 8))
        assert setting["model.kind"] in ("linear", "network")
        assert isinstance(setting["seedless"], bool)
        assert spec.as_setting(known[-1].setting) == setting
        seen.add((setting["model.kind"], setting["layers"], setting["model.width"]))
    assert len(seen) > 3


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("num_keys", [0, 1])
def test_spaces_of_one_number_and_of_none(sampler: str, num_keys: int) -> None:
    """A single range, and a single value, are searched by every sampler."""
    parameters = [{"training.rate": 0.5}, {"training.rate": {"uniform": [0, 1]}}][num_keys]
    spec = bayes(parameters, sampler=sampler)
    known: list[Trial] = []
    for number in range(4):
        setting, attributes = suggest(spec.search, spec.space, known, number)
        known.append(trial(number, setting, attributes))
        tell(known[-1], "completed", -abs(setting["training.rate"] - 0.5))
    rates = {t.setting["training.rate"] for t in known}
    assert len(rates) == (4 if num_keys else 1)


@pytest.mark.parametrize("sampler", WITH_SLOW_GP)
def test_constraints_and_conditions_hold(sampler: str) -> None:
    """Every constraint holds; what does not count has its default, and is no parameter of the
    sampler's; conditions are asked after what they look at, wherever they are written."""
    parameters = {
        "model.width": {"int": [1, 64]},
        "model.depth": [1, 2, 3],
        "model.kind": ["linear", "network"],
        "training.epochs": {"int": [1, 9]},
    }
    conditions = {"model.width": "model.kind == 'network'", "model.depth": "model.width > 8"}
    spec = bayes(
        parameters,
        sampler=sampler,
        conditions=conditions,
        constraints=["training.epochs + model.depth <= 6"],
    )
    known: list[Trial] = []
    for number in range(12):
        setting, attributes = suggest(spec.search, spec.space, known, number)
        known.append(trial(number, setting, attributes))
        tell(known[-1], "completed", float(setting["training.epochs"]))  # the more, the better
        assert setting["training.epochs"] + setting["model.depth"] <= 6
        asked, kinds = suggestions._parameters(optuna, spec.space, known[-1].setting)
        assert asked.keys() == kinds.keys()
        assert ("model.width" in asked) == (setting["model.kind"] == "network")
        if setting["model.kind"] == "linear":
            assert setting["model.width"] == 16
        assert ("model.depth" in asked) == (setting["model.width"] > 8)
        if setting["model.width"] <= 8:
            assert setting["model.depth"] == 1
    kinds_seen = {t.setting["model.kind"] for t in known}
    assert kinds_seen == {"linear", "network"}


def test_what_the_sampler_hardly_finds_is_drawn() -> None:
    """Where none of many suggestions satisfies the constraints, a draw does; where none does, one
    line says so."""
    rare = bayes({"training.epochs": {"int": [1, 1000]}}, constraints=["training.epochs < 9"])
    setting, attributes = suggest(rare.search, rare.space, [], 3)
    assert setting["training.epochs"] < 9
    assert attributes == {}
    never = bayes({"training.epochs": {"int": [1, 9]}}, constraints=["training.epochs < 9"])
    impossible = bayes({"training.epochs": {"int": [10, 20]}})
    with pytest.raises(IndexSpecError, match=r"setting 3: none of \d+ draws satisfies"):
        suggest(never.search, _ruled(impossible, never), [], 3)


def _ruled(spec: AgentSpec, ruling: AgentSpec) -> Any:
    """A space with the constraints of another."""
    return type(spec.space)(
        spec.space.parameters, spec.space.defaults, constraints=ruling.space.constraints
    )


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
@pytest.mark.parametrize(("sampler", "num_trials"), [("tpe", 40), ("cmaes", 60)])
def test_samplers_learn(sampler: str, num_trials: int, goal: str) -> None:
    """With one budget, seed by seed, suggested settings come closer to the optimum than random
    ones, the best as the last, whichever way is better."""
    sign = 1.0 if goal == "minimize" else -1.0
    for seed in range(3):
        spec = bayes(NUMBERS, sampler=sampler, goal=goal, seed=seed)
        found = [distance(t.setting) for t in history(spec, num_trials, sign)]
        drawn = searched(NUMBERS, method="random", capacity=1000, seed=seed).sweep
        others = [distance(drawn.setting(number)) for number in range(num_trials)]
        assert min(found) < 0.7 * min(others)
        assert np.mean(found[-10:]) < 0.3 * np.mean(others[-10:])


def test_a_gaussian_process_learns() -> None:
    """With as few as 16 settings the last ones come closer to the optimum than random ones."""
    spec = bayes(NUMBERS, sampler="gp", goal="minimize")
    found = [distance(t.setting) for t in history(spec, 16)]
    drawn = searched(NUMBERS, method="random", capacity=1000).sweep
    assert np.mean(found[-4:]) < 0.5 * np.mean([distance(drawn.setting(n)) for n in range(60)])
    assert min(found) < min(distance(drawn.setting(n)) for n in range(16))


def test_cma_es_goes_on_from_its_state() -> None:
    """Without the attributes in the journal its generations are forgotten; with them they are
    not, and neither is code in the journal."""
    spec = bayes(NUMBERS, sampler="cmaes", goal="minimize")
    known, forgotten = history(spec, 50), history(spec, 50, attributes=False)
    generations = [t.attributes.get("cma:generation", 0) for t in known]
    assert generations[-1] >= 4
    assert generations == sorted(generations)
    late = [np.mean([distance(t.setting) for t in trials[-10:]]) for trials in (known, forgotten)]
    assert late[0] < 0.6 * late[1]
    again = suggest(spec.search, spec.space, known, 50)[0]
    bare = [Trial(t.setting_number, t.setting, {}, t.results) for t in known]
    assert suggest(spec.search, spec.space, bare, 50)[0] != again
    texts = [value for t in known for value in t.attributes.values() if isinstance(value, str)]
    assert not texts
    assert any("cma:optimizer" in t.attributes for t in known)


@pytest.mark.parametrize("sampler", WITH_SLOW_GP)
def test_running_trials_are_not_suggested_again(sampler: str) -> None:
    """Settings asked for at once, before any has a result, all differ, at first and later; but for
    CMA-ES, which only draws, samplers look at those that run."""
    spec = bayes(NUMBERS, sampler=sampler, goal="minimize")
    for known in ([], history(spec, 12)):
        running = list(known)
        for number in range(len(known), len(known) + 4):
            setting, attributes = suggest(spec.search, spec.space, running, number)
            running.append(trial(number, setting, attributes))
        settings = [json.dumps(t.setting) for t in running]
        assert len(set(settings)) == len(settings)
    alone, beside = (suggest(spec.search, spec.space, t, 99)[0] for t in (known, running))
    assert alone != beside


@pytest.mark.parametrize(("goal", "worst"), [("maximize", 1.0), ("minimize", 3.0)])
def test_how_runs_ended_is_told(goal: str, worst: float) -> None:
    """A setting that diverged counts as much as the worst of those that completed; one that
    failed is told as failed, a pruned one with its values on the way, one without a result as
    running."""
    spec = bayes(NUMBERS, goal=goal)
    settings = [spec.sweep.planned(0) | {"training.epochs": n + 1} for n in range(6)]
    known = [trial(number, setting, {}) for number, setting in enumerate(settings)]
    tell(known[0], "completed", 1.0)
    tell(known[1], "completed", 3.0)
    tell(known[2], "diverged", None)
    tell(known[3], "failed", None)
    tell(known[4], "pruned", 7.0)
    sign = 1.0 if goal == "maximize" else -1.0
    known[4].reports.update({100: sign * 0.5, 200: sign * 0.25})
    told = list(suggestions._optuna_trials(optuna, spec.space, known, goal))
    states = optuna.trial.TrialState
    assert [t.state for t in told] == [
        *(states.COMPLETE, states.COMPLETE, states.COMPLETE),
        *(states.FAIL, states.PRUNED, states.RUNNING),
    ]
    assert [t.value for t in told[:3]] == [1.0, 3.0, worst]
    assert told[4].intermediate_values == {100: 0.5, 200: 0.25}
    assert [t.params["training.epochs"] for t in told] == [1, 2, 3, 4, 5, 6]


def test_nothing_completed_yet() -> None:
    """Before any setting completed, one that diverged has nothing to be compared with, and the
    search goes on."""
    spec = bayes(NUMBERS)
    setting, attributes = suggest(spec.search, spec.space, [], 0)
    known = [trial(0, setting, attributes)]
    tell(known[0], "diverged", None)
    again, _ = suggest(spec.search, spec.space, known, 1)
    assert again != setting


def _results(*runs: tuple[str, float | None]) -> Trial:
    return Trial(0, {}, {}, {n: ("", *run) for n, run in enumerate(runs)})


@pytest.mark.parametrize(
    ("runs", "status", "value"),
    [
        ([], "", None),
        ([("completed", 1.0), ("completed", 3.0)], "completed", 2.0),
        ([("completed", 1.0), ("failed", None)], "completed", 1.0),
        ([("completed", 1.0), ("pruned", None)], "completed", 1.0),
        ([("completed", 1.0), ("diverged", None)], "diverged", 1.0),
        ([("completed", None)], "completed", None),
        ([("failed", None)], "failed", None),
        ([("pruned", 4.0)], "pruned", None),
    ],
)
def test_several_runs_of_a_setting(
    runs: Sequence[tuple[str, float | None]], status: str, value: float | None
) -> None:
    """The value of a setting is the mean of its completed runs; any that diverged tells of it."""
    known = _results(*runs)
    assert (known.status, known.value) == (status, value)


@pytest.mark.parametrize(("sampler", "package"), [("tpe", "optuna"), ("cmaes", "cmaes")])
def test_a_missing_package_is_told(
    monkeypatch: pytest.MonkeyPatch, sampler: str, package: str
) -> None:
    """One line names the sampler, the package and the extra that installs it."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError) as told:
        require_sampler(bayes(NUMBERS, sampler=sampler).search)
    [line] = told.value.lines()
    assert f"sampler {sampler} needs the package {package}" in line
    assert 'hint: pip install ".[bayes]"' in line


def test_a_pickle_in_a_journal_is_not_read(tmp_path: Path) -> None:
    """Attributes that a sampler would unpickle are left out, and run nothing."""
    target = tmp_path / "ran"

    class Harmful:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(target),)

    attributes = {"cma:optimizer:0": pickle.dumps(Harmful()).hex(), "cma:generation": 1}
    assert data_as_attributes(attributes) == {"cma:generation": 1}
    assert not target.exists()
