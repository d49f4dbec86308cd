"""Laws of settings drawn by number, listed and coupled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searches import NESTED, document, searched

from nthrun.agents.sac.declaration import SAC
from nthrun.errors import IndexSpecError
from nthrun.specs.search.points import PointMethod
from nthrun.specs.search.sweeps import MAX_CAPACITY, DrawnSweep, ListedSweep

METHODS: tuple[PointMethod, ...] = ("random", "sobol", "halton")
SPACE: dict[str, Any] = {
    "training": {"rate": {"loguniform": [1e-5, 1e-1]}, "epochs": {"int": [1, 9]}},
    "model.kind": ["linear", "network"],
    "model.width/model.depth": [[8, 3], [16, 2], [32, 1]],
    "layers": {"choice": [[4], [4, 4]]},
}
GOLDEN: dict[PointMethod, list[list[Any]]] = {
    "random": [
        [0, 9.24900315e-05, 3, "linear", 8, 3, (4, 4)],
        [1, 0.0351773826, 8, "linear", 8, 3, (4,)],
        [2, 0.000950944777, 6, "linear", 16, 2, (4,)],
        [1000, 0.00246870053, 2, "network", 16, 2, (4,)],
        [999999999, 0.0435108585, 9, "network", 16, 2, (4,)],
    ],
    "sobol": [
        [0, 0.000223337646, 7, "linear", 32, 1, (4,)],
        [1, 0.0351991289, 4, "network", 16, 2, (4, 4)],
        [2, 0.0031600646, 8, "linear", 16, 2, (4, 4)],
        [1000, 0.000673902959, 6, "network", 16, 2, (4,)],
        [999999999, 0.000228614434, 4, "network", 8, 3, (4,)],
    ],
    "halton": [
        [0, 4.64068808e-05, 6, "network", 32, 1, (4, 4)],
        [1, 0.00464068808, 3, "linear", 8, 3, (4,)],
        [2, 0.000464068808, 9, "linear", 8, 3, (4, 4)],
        [1000, 9.11068705e-05, 3, "network", 32, 1, (4,)],
        [999999999, 0.0214619457, 6, "network", 8, 3, (4,)],
    ],
}
"""Number, rate, epochs, kind, width, depth, layers of seed 5: the settings that records of such
specs have the numbers of. No change of this package or of a library may move them; if one of these
fails, do not change the values but find what moved."""


def drawn_sweep(method: str, capacity: int = 1000, seed: int = 5, **search: Any) -> DrawnSweep:
    """The sweep of a drawn search of `SPACE`."""
    sweep = searched(SPACE, method=method, capacity=capacity, seed=seed, **search).sweep
    assert isinstance(sweep, DrawnSweep)
    return sweep


@pytest.mark.parametrize("method", METHODS)
def test_golden(method: PointMethod) -> None:
    """These numbers have these settings for good."""
    sweep = drawn_sweep(method, 10**9)
    for number, *values in GOLDEN[method]:
        setting = sweep.setting(number)
        assert [setting[name] for name in sweep.varying] == values


@given(
    st.sampled_from(METHODS),
    st.lists(st.integers(0, 9), min_size=1, max_size=6),
    st.integers(10, MAX_CAPACITY),
    st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_a_setting_is_its_number(
    method: str, numbers: list[int], capacity: int, constrained: bool
) -> None:
    """A setting does not depend on how many there may be, nor on which were asked for before."""
    search = {"constraints": ["training.epochs > 4"]} if constrained else {}
    small, large = (drawn_sweep(method, size, **search) for size in (10, capacity))
    expected = {number: small.setting(number) for number in range(10)}
    assert [large.setting(number) for number in numbers] == [expected[n] for n in numbers]
    assert large.num_settings == capacity


def test_another_process_draws_the_same() -> None:
    """A setting is the same in another process."""
    numbers = (999_999_999, 3)
    contents = [document(SPACE, method=one, capacity=10**9, seed=5) for one in METHODS]
    program = (
        "import json, sys; from searches import read; "
        "sweeps = [read(content).sweep for content in json.loads(sys.argv[1])]; "
        f"print(json.dumps([sweep.setting(n) for sweep in sweeps for n in {numbers}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(contents)],
        cwd=Path(__file__).parents[3],
        env={"PYTHONPATH": ".:tests", "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    )
    sweeps = [drawn_sweep(method, 10**9) for method in METHODS]
    ours = [sweep.setting(n) for sweep in sweeps for n in numbers]
    assert json.loads(done.stdout) == json.loads(json.dumps(ours))


@pytest.mark.parametrize("method", METHODS)
def test_values_are_of_the_space(method: str) -> None:
    """Every value is one that its key takes, of the declared type; coupled ones come together; what
    the spec leaves out is at its default; every listed value occurs."""
    sweep = drawn_sweep(method)
    seen = set()
    for number in range(300):
        setting = sweep.setting(number)
        assert setting.keys() == {field.name for field in NESTED.hyperparameters}
        assert 1e-5 <= setting["training.rate"] <= 1e-1
        assert isinstance(setting["training.rate"], float)
        assert type(setting["training.epochs"]) is int
        assert (setting["model.width"], setting["model.depth"]) in {(8, 3), (16, 2), (32, 1)}
        assert setting["layers"] in {(4,), (4, 4)}
        assert setting["seedless"] is False
        seen.add((setting["model.kind"], setting["model.width"], setting["layers"]))
    assert len(seen) == 12
    assert "seedless" not in sweep.varying
    assert set(sweep.varying) == setting.keys() - {"seedless"}


@pytest.mark.parametrize("method", METHODS)
def test_seeds_draw_others(method: str) -> None:
    """Another seed draws other settings."""
    first, second = (drawn_sweep(method, seed=seed) for seed in (5, 6))
    assert all(first.setting(number) != second.setting(number) for number in range(20))


@pytest.mark.parametrize("method", METHODS)
def test_constraints_hold(method: str) -> None:
    """Every setting keeps the constraints, and one that keeps them by itself is not drawn anew."""
    rule = "training.epochs <= model.depth or model.kind = 'linear'"
    free, bound = drawn_sweep(method), drawn_sweep(method, constraints=[rule])
    kept = 0
    for number in range(200):
        setting = bound.setting(number)
        allowed = setting["training.epochs"] <= setting["model.depth"]
        assert allowed or setting["model.kind"] == "linear"
        kept += setting == free.setting(number)
    assert 100 < kept < 200


def test_an_agents_rules_are_constraints() -> None:
    """What an agent demands of its hyperparameters holds of every setting drawn."""
    space = {"batch_size": {"int": [1, 100]}, "replay_capacity": {"int": [1, 100]}}
    sweep = searched(space, SAC, method="random", capacity=200).sweep
    for number in range(200):
        setting = sweep.setting(number)
        assert setting["batch_size"] <= setting["replay_capacity"]


def test_out_of_range() -> None:
    """Numbers from the capacity on are refused, and so are indices past the last run."""
    sweep = drawn_sweep("random", 10)
    for number in (-1, 10):
        with pytest.raises(IndexSpecError, match="allowed 0 to 9"):
            sweep.setting(number)
    assert sweep.locate(57) == (7, 5)


def test_a_rare_setting_is_refused_by_number() -> None:
    """A number of which no draw keeps the constraints is named, with them."""
    search = {"method": "random", "capacity": 10**6, "constraints": ["training.rate < 0.0015"]}
    sweep = searched({"training.rate": {"uniform": [0, 1]}}, **search, seed=1).sweep
    refused = 0
    for number in range(40):
        try:
            assert sweep.setting(number)["training.rate"] < 0.0015
        except IndexSpecError as error:
            assert f"setting {number}: none of 1000 draws satisfies" in str(error)
            refused += 1
    assert 0 < refused < 40


class TestListed:
    def test_settings_in_order(self) -> None:
        """Settings are those listed, with `parameters` and the defaults for the rest."""
        listed = [{"training.rate": 0.5}, {"training.rate": 1, "model.width": 4}]
        spec = searched({"training.epochs": [7]}, method="settings", settings=listed)
        sweep = spec.sweep
        assert isinstance(sweep, ListedSweep)
        shared = {"training.epochs": 7, "model.depth": 1, "layers": (8,), "seedless": False}
        shared |= {"model.kind": "linear"}
        assert [sweep.setting(number) for number in range(2)] == [
            shared | {"training.rate": 0.5, "model.width": 16},
            shared | {"training.rate": 1.0, "model.width": 4},
        ]
        assert set(sweep.varying) == {"training.rate", "model.width"}
        assert spec.values_of("model.width") == (4, 16)
        assert [one["model.width"] for one in sweep.examples(["model.width"])] == [16, 4]
        with pytest.raises(IndexSpecError):
            sweep.setting(2)

    def test_one_setting(self) -> None:
        """A list of one is an experiment of one setting, in which nothing varies."""
        sweep = searched({}, method="settings", settings=[{"training.rate": 0.5}]).sweep
        assert (sweep.num_settings, sweep.varying) == (1, ())
