"""Laws of environment specs: fields, defaults, and how a faulty spec is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nthrun.environments.pendulum.declaration import PENDULUM
from nthrun.errors import Fault, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.documents import flatten, read_document
from nthrun.specs.environment_spec import (
    FIELDS,
    SERIES,
    UNSAID,
    EnvironmentSpec,
    read_environment_spec,
)
from nthrun.specs.field import Field, plain
from nthrun.specs.interface import Interface

REQUIRED = {"env_name": "Pendulum-v1", "total_timesteps": 100}
DISCRETE = EnvironmentDeclaration(
    name="Discrete",
    interface=Interface((0.0,) * 3, (1.0,) * 3, num_actions=2, state_dim=3, num_reset_draws=3),
    program="discrete:Discrete",
    viewer="discrete:Viewer",
    fields=(Field("shock_stddev", "float", None, "", minimum=0),),
    continuous=(False,),
)
FAULTY: dict[str, Any] = {
    "platform": "gymm",
    "total_timesteps": 0,
    "steps_per_episode": -1,
    "eval_interval_timesteps": 1.5,
    "eval_episodes": True,
    "gamma": float("inf"),
    "overwrite_rewards": 1,
    "rewards.timestep": "1",
    "rewards.goal": None,
    "rewards.shift": [1],
    "rewards.gamma": 1.5,
    "start_state": [0.1, 0.2, 0.3],
    "continuous": False,
    "record": "metrics",
    "snapshots": ["last"],
    "snapshot_interval_timesteps": 10**30,
    "checkpoint_interval_seconds": 0,
    "log": ["mlflow"],
    "gama": 0.9,
    "rewards.gaol": 1,
}
"""A faulty value for every field, and two unknown keys."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the files of one test at a time."""
    return tmp_path_factory.mktemp("environments")


def nested(leaves: dict[str, Any]) -> dict[str, Any]:
    """A nested mapping of dotted leaves."""
    mapping: dict[str, Any] = {}
    for dotted, value in leaves.items():
        *parents, leaf = dotted.split(".")
        target = mapping
        for parent in parents:
            target = target.setdefault(parent, {})
        target[leaf] = value
    return mapping


def read(
    folder: Path,
    text: str,
    environment: EnvironmentDeclaration = PENDULUM,
    name: str = "e.json",
) -> EnvironmentSpec:
    """The spec that a text is."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_environment_spec(read_document([path]), environment)


def spec(folder: Path, **fields: Any) -> EnvironmentSpec:
    """The spec of some fields."""
    return read(folder, json.dumps(REQUIRED | fields))


def faults(folder: Path, **fields: Any) -> list[Fault]:
    """The faults of some fields."""
    with pytest.raises(SpecError) as caught:
        spec(folder, **fields)
    return list(caught.value.faults)


class TestFields:
    def test_defaults(self, folder: Path) -> None:
        """A field left out has its default, and the document of a spec writes out every field but
        those that earlier documents had not."""
        read_spec = spec(folder)
        defaults = {field.name: field.default for field in FIELDS} | {"total_timesteps": 100}
        assert read_spec.values == defaults
        document = read_spec.as_document()
        assert document["env_name"] == "Pendulum-v1"
        assert dict(flatten(document)) == {
            "env_name": "Pendulum-v1",
            **{name: plain(value) for name, value in defaults.items() if name not in UNSAID},
        }

    @given(
        fields=st.fixed_dictionaries(
            {},
            optional={
                "steps_per_episode": st.integers(1, 10**12),
                "eval_interval_timesteps": st.integers(1, 10**12),
                "gamma": st.floats(0, 1),
                "rewards": st.fixed_dictionaries(
                    {"timestep": st.floats(-1e300, 1e300)}, optional={"goal": st.integers(-5, 5)}
                ),
                "overwrite_rewards": st.just(False),
                "start_state": st.lists(st.floats(-3, 3), min_size=2, max_size=2) | st.just([]),
                "record": st.lists(st.sampled_from(SERIES)),
                "snapshots": st.lists(st.sampled_from(["best", "final"])),
                "checkpoint_interval_seconds": st.integers(1, 1000),
            },
        )
    )
    def test_written_values_are_kept(self, folder: Path, fields: dict[str, Any]) -> None:
        """Legal values are kept, from JSON and from the same text called YAML; reading the
        document of a spec gives the same spec."""
        text = json.dumps(REQUIRED | fields)
        read_spec = read(folder, text)
        assert read(folder, text, name="e.yaml") == read_spec
        assert read(folder, json.dumps(read_spec.as_document())) == read_spec
        for key, value in flatten(fields):
            assert plain(read_spec.values[key]) == value

    def test_types(self, folder: Path) -> None:
        """Numbers have their declared type however they are written, and minus zero is zero."""
        read_spec = spec(folder, total_timesteps=1e3, gamma=1, rewards={"goal": -0.0})
        assert read_spec.total_timesteps == 1000
        assert repr(read_spec.integer("total_timesteps")) == "1000"
        assert repr(read_spec.number("gamma")) == "1.0"
        assert repr(read_spec.number("rewards.goal")) == "0.0"
        assert read_spec.items("record") == ()

    def test_yaml_numbers(self, folder: Path) -> None:
        """`1e-1` and `5e4` are numbers in YAML and strings with a hint in JSON."""
        text = "env_name: Pendulum-v1\ntotal_timesteps: 5e4\ngamma: 9e-1\n"
        read_spec = read(folder, text, name="e.yaml")
        assert (read_spec.total_timesteps, read_spec.number("gamma")) == (50_000, 0.9)
        [fault] = faults(folder, gamma="9e-1")
        assert (fault.key, fault.hint) == ("gamma", "write 9e-1 without quotes")

    def test_own_fields(self, folder: Path) -> None:
        """An environment's own fields are read like the common ones, and belong to it alone."""
        text = json.dumps(REQUIRED | {"continuous": False, "shock_stddev": 1})
        assert read(folder, text, DISCRETE).number("shock_stddev") == 1.0
        with pytest.raises(SpecError, match="shock_stddev: missing, allowed: a number >= 0"):
            read(folder, json.dumps(REQUIRED | {"continuous": False}), DISCRETE)
        assert [fault.key for fault in faults(folder, shock_stddev=1)] == ["shock_stddev"]


class TestFaults:
    @given(keys=st.sets(st.sampled_from(sorted(FAULTY)), min_size=1))
    def test_all_at_once(self, folder: Path, keys: set[str]) -> None:
        """Every fault of a file is told at once, with the file and its key, and no other."""
        content = nested({**REQUIRED, **{key: FAULTY[key] for key in sorted(keys)}})
        with pytest.raises(SpecError) as caught:
            read(folder, json.dumps(content))
        assert sorted(fault.key for fault in caught.value.faults) == sorted(keys)
        assert {fault.file for fault in caught.value.faults} == {str(folder / "e.json")}

    def test_every_field_has_a_faulty_value(self) -> None:
        """The law above covers every field."""
        assert {field.name for field in FIELDS} <= FAULTY.keys()

    @pytest.mark.parametrize(
        ("key", "hint"),
        [("gama", "did you mean gamma?"), ("Record", "did you mean record?"), ("qqqq", "")],
    )
    def test_unknown_keys(self, folder: Path, key: str, hint: str) -> None:
        """An unknown key is refused, with the one it may be meant to be."""
        [fault] = faults(folder, **{key: 1})
        assert (fault.key, fault.hint) == (key, hint)
        assert fault.problem.startswith("unknown key, allowed: ")

    def test_a_misspelt_nested_key(self, folder: Path) -> None:
        """A nested key is named with its dots."""
        [fault] = faults(folder, rewards={"gaol": 1})
        assert (fault.key, fault.hint) == ("rewards.gaol", "did you mean rewards.goal?")

    def test_missing_fields(self, folder: Path) -> None:
        """A required field that is absent is a fault that says what it may be."""
        with pytest.raises(SpecError) as caught:
            read(folder, '{"env_name": "Pendulum-v1"}')
        [fault] = caught.value.faults
        assert fault.key == "total_timesteps"
        assert fault.problem == "missing, allowed: an integer from 1 to 1e+12"

    def test_a_list_where_one_value_belongs(self, folder: Path) -> None:
        """Environment fields are not swept: a list is refused where one value belongs."""
        [fault] = faults(folder, gamma=[0.9, 0.99])
        assert fault.problem == "got [0.9, 0.99], allowed: a number from 0 to 1"

    @pytest.mark.parametrize(
        ("fields", "key"),
        [
            ({"eval_episodes": 1}, "steps_per_episode"),
            ({"overwrite_rewards": True}, "rewards"),
            ({"overwrite_rewards": True, "rewards": {"goal": 1}}, "rewards"),
            ({"rewards": {"shift": 1}}, "steps_per_episode"),
            ({"start_state": [0.5]}, "start_state"),
            ({"continuous": False}, "continuous"),
        ],
    )
    def test_fields_read_together(self, folder: Path, fields: dict[str, Any], key: str) -> None:
        """Combinations that cannot work are refused, beside the faults of other fields."""
        assert [fault.key for fault in faults(folder, **fields)] == [key]
        assert [fault.key for fault in faults(folder, **fields, gamma=2)] == ["gamma", key]

    def test_combinations_that_work(self, folder: Path) -> None:
        """Their neighbours are accepted."""
        combinations: list[dict[str, Any]] = [
            {"eval_episodes": 1, "steps_per_episode": 1},
            {"overwrite_rewards": True, "rewards": {"timestep": -1}},
            {"start_state": [0.5, 1]},
            {"start_state": []},
        ]
        for fields in combinations:
            assert spec(folder, **fields)

    def test_the_file_of_a_fault(self, folder: Path) -> None:
        """Of merged files, a fault names the one that its value is from."""
        (folder / "one.json").write_text(json.dumps(REQUIRED | {"gamma": 2, "eval_episodes": -1}))
        (folder / "two.yaml").write_text("{gamma: 3, rewards: {goal: x}}")
        paths = [folder / "one.json", folder / "two.yaml"]
        with pytest.raises(SpecError) as caught:
            read_environment_spec(read_document(paths), PENDULUM)
        assert [(fault.file, fault.key) for fault in caught.value.faults] == [
            (str(paths[0]), "eval_episodes"),
            (str(paths[1]), "gamma"),
            (str(paths[1]), "rewards.goal"),
        ]
