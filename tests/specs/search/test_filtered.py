"""Laws of grids with constraints and conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searches import NESTED, searched

from nthrun.errors import IndexSpecError
from nthrun.specs.search.sweeps import MAX_ENUMERATED, FilteredSweep
from nthrun.specs.sweep import GridSweep, Sweep

LISTS: dict[str, Any] = {
    "model.kind": ["linear", "network"],
    "training.epochs": [1, 2, 3],
    "model.width": [4, 16, 8],
    "model.depth": [5, 1],
}
RULES = (
    "training.epochs < model.depth",
    "model.width * training.epochs <= 16",
    "model.kind = 'network' or model.depth = 1",
    "not (model.width = 8 and model.kind = 'linear')",
    "training.epochs in [1, 3]",
)
CONDITIONS = {
    "model.width": "model.kind = 'network'",
    "model.depth": "model.width > 4",
}
DEFAULTS = {field.name: field.default for field in NESTED.hyperparameters}


def all_of(sweep: Sweep) -> list[dict[str, Any]]:
    """Every setting, in order."""
    return [sweep.setting(number) for number in range(sweep.num_settings)]


def holds(rule: str, setting: Mapping[str, Any]) -> bool:
    """Whether a rule holds, by Python's own reading of it."""
    text = rule.replace("model.", "").replace("training.", "").replace(" = ", " == ")
    names = {name.rpartition(".")[2]: value for name, value in setting.items()}
    return bool(eval(text, {}, names))


@given(
    st.permutations(list(LISTS)),
    st.lists(st.sampled_from(RULES), min_size=1, max_size=3, unique=True),
)
@settings(max_examples=40, deadline=None)
def test_constraints_filter_the_product(keys: list[str], rules: list[str]) -> None:
    """Settings are those of the product that keep every constraint, in the product's order."""
    lists = {key: LISTS[key] for key in keys}
    sweep = searched(lists, constraints=rules).sweep
    plain = searched(lists).sweep
    assert isinstance(plain, GridSweep)
    expected = [one for one in all_of(plain) if all(holds(rule, one) for rule in rules)]
    assert all_of(sweep) == expected
    assert sweep.num_settings == len(expected)


@given(
    st.permutations(list(LISTS)),
    st.sets(st.sampled_from(list(CONDITIONS))),
    st.lists(st.sampled_from(RULES), max_size=1),
)
@settings(max_examples=40, deadline=None)
def test_conditions(keys: list[str], conditioned: set[str], rules: list[str]) -> None:
    """Where a condition does not hold its hyperparameter is at its default, and nested conditions
    see that; every setting of the product is there, so resolved, and each is there once."""
    lists = {key: LISTS[key] for key in keys}
    conditions = {name: text for name, text in CONDITIONS.items() if name in conditioned}
    sweep = searched(lists, constraints=rules, conditions=conditions).sweep
    expected = []
    for setting in all_of(searched(lists).sweep):
        for name, condition in conditions.items():
            if not holds(condition, setting):
                setting[name] = DEFAULTS[name]
        if all(holds(rule, setting) for rule in rules):
            expected.append(setting)
    found = all_of(sweep)
    labels = [tuple(sorted(setting.items())) for setting in found]
    assert len(set(labels)) == len(labels)
    assert set(labels) == {tuple(sorted(setting.items())) for setting in expected}
    for name in (n for n in DEFAULTS if len({setting[n] for setting in found}) > 1):
        assert name in sweep.varying


def test_by_hand() -> None:
    """The order is that of the product, of which the first of equal settings is kept."""
    lists = {"model.kind": ["linear", "network"], "model.width": [4, 8], "model.depth": [2, 3]}
    sweep = searched(lists, conditions=CONDITIONS).sweep
    shown = [[one[name] for name in lists] for one in all_of(sweep)]
    assert shown == [
        ["linear", 16, 2],
        ["network", 4, 1],
        ["network", 8, 2],
        ["linear", 16, 3],
        ["network", 8, 3],
    ]


def test_a_single_value_with_a_condition_varies() -> None:
    """A hyperparameter of one value differs from its default where it counts, so that runs are
    told apart, and not packed together, by it."""
    lists = {"model.kind": ["linear", "network"], "model.width": [4]}
    for search in ({}, {"method": "random", "capacity": 50}):
        sweep = searched(lists, **search, conditions={"model.width": CONDITIONS["model.width"]})
        assert sweep.sweep.varying == ("model.kind", "model.width")
        label = sweep.sweep.class_of(["model.width"])
        widths = {label(number): sweep.sweep.setting(number)["model.width"] for number in range(2)}
        assert sorted(widths.values()) in ([4, 16], [4], [16])
        assert set(sweep.values_of("model.width")) == {4, 16}


def test_coupled_keys() -> None:
    """A constraint may look at one name of a coupled key."""
    lists = {"model.width/model.depth": [[1, 9], [2, 8], [3, 7]], "training.epochs": [1, 2]}
    sweep = searched(lists, constraints=["model.depth < 9", "model.width != 3"]).sweep
    assert [(one["model.width"], one["training.epochs"]) for one in all_of(sweep)] == [
        (2, 1),
        (2, 2),
    ]


def test_drawn_settings_have_conditions_too() -> None:
    """Of every method: what does not count is at its default, and constraints see that."""
    lists = {**LISTS, "training.rate": {"uniform": [0.5, 1]}}
    conditions = {**CONDITIONS, "training.rate": "model.depth = 5"}
    for method in ("random", "sobol", "halton"):
        search = {"capacity": 100, "conditions": conditions, "constraints": ["model.width != 8"]}
        found = all_of(searched(lists, method=method, **search).sweep)
        for setting in found:
            for name, condition in CONDITIONS.items():
                assert holds(condition, setting) or setting[name] == DEFAULTS[name]
            assert (setting["training.rate"] >= 0.5) == (setting["model.depth"] == 5)
            assert setting["model.width"] != 8
        assert len({setting["model.width"] for setting in found}) == 2


@given(st.sampled_from(RULES), st.lists(st.sampled_from(list(LISTS)), max_size=3, unique=True))
@settings(max_examples=40, deadline=None)
def test_examples_show_every_way(rule: str, names: list[str]) -> None:
    """Examples are settings that show each combination of the values of some hyperparameters once,
    and indices of one label agree in them."""
    sweep = searched(LISTS, constraints=[rule], conditions=CONDITIONS).sweep
    assert isinstance(sweep, FilteredSweep)
    every = [tuple(setting[name] for name in names) for setting in all_of(sweep)]
    shown = [tuple(one[name] for name in names) for one in sweep.examples(names)]
    assert sorted(shown) == sorted(set(every))
    label = sweep.class_of(names)
    labels: dict[Any, Any] = {}
    for index in range(2 * sweep.num_settings):
        assert (
            labels.setdefault(label(index), every[index % len(every)]) == every[index % len(every)]
        )


def test_out_of_range() -> None:
    """Numbers past the last are refused."""
    sweep = searched({"training.epochs": [1, 2, 3]}, constraints=["training.epochs > 1"]).sweep
    with pytest.raises(IndexSpecError, match="setting 2: allowed 0 to 1"):
        sweep.setting(2)


@pytest.mark.slow
def test_as_many_as_may_be() -> None:
    """A product of a million combinations is filtered."""
    lists = {
        "training.epochs": list(range(1, 1001)),
        "model.width": list(range(1, MAX_ENUMERATED // 1000 + 1)),
    }
    sweep = searched(lists, constraints=["training.epochs <= model.width"]).sweep
    assert sweep.num_settings == 1000 * 1001 // 2
    assert sweep.setting(0)["model.width"] == 1
