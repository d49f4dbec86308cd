"""Laws of agent specs: what a hyperparameter may be, and how a faulty spec is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nthrun.agents.sac.declaration import SAC
from nthrun.errors import Fault, SpecError
from nthrun.specs.agent_spec import (
    AgentSpec,
    read_agent_spec,
)
from nthrun.specs.declaration import AgentDeclaration, AtMost, Divides
from nthrun.specs.documents import name_of, read_document
from nthrun.specs.field import Field

TOY = AgentDeclaration(
    name="Toy",
    program="toy:Toy",
    layout=SAC.layout,
    rules=(AtMost("small", "large"),),
    hyperparameters=(
        Field("small", "int", 5, "", minimum=1, maximum=1000),
        Field("large", "int", 100, "", minimum=1, maximum=1000),
        Field("rate", "float", None, "", above=0),
        Field("kind", "str", "plain", "", choices=("plain", "fancy")),
        Field("flag", "bool", False, ""),
        Field("pair", "floats", (0.5, 0.5), "", length=2),
        Field("names", "strs", (), ""),
        Field("deep.one", "float", 0.0, ""),
        Field("deep.two", "float", 0.0, ""),
    ),
)
FAULTY: dict[str, Any] = {
    "small": True,
    "large": [1, 1001],
    "rate": [0.1, float("nan")],
    "kind": ["plain", "fency"],
    "flag": [1],
    "pair": [[0.1, 0.2, 0.3]],
    "names": "name",
    "deep": {"one": [], "two": ["0.1"]},
    "lrage": [1],
    "small/undeclared": [[1, 2]],
}
"""Faulty values of a key each; see `keys_of` for the keys at fault."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the files of one test at a time."""
    return tmp_path_factory.mktemp("agents")


def read(folder: Path, text: str, agent: AgentDeclaration, name: str = "a.json") -> AgentSpec:
    """The spec that a text is."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_agent_spec(read_document([path]), agent)


def spec(folder: Path, agent: AgentDeclaration = SAC, /, **parameters: Any) -> AgentSpec:
    """The spec of some parameters."""
    text = json.dumps({"agent_name": agent.name, "parameters": parameters})
    return read(folder, text, agent)


def faults(folder: Path, agent: AgentDeclaration = SAC, /, **parameters: Any) -> list[Fault]:
    """The faults of some parameters."""
    with pytest.raises(SpecError) as caught:
        spec(folder, agent, **parameters)
    return list(caught.value.faults)


def keys_of(key: str) -> set[str]:
    """The keys that the faults of `FAULTY[key]` are about."""
    return {f"parameters.{k}" for k in (("deep.one", "deep.two") if key == "deep" else (key,))}


class TestValues:
    @given(
        lists=st.fixed_dictionaries(
            {},
            optional={
                "critic_lr": st.lists(st.floats(0, 1e300), min_size=1, max_size=3),
                "batch_size": st.lists(st.integers(1, 32), min_size=1, max_size=3),
                "activation": st.lists(st.sampled_from(["relu", "tanh"]), min_size=1, max_size=3),
                "automatic_entropy_tuning": st.lists(st.booleans(), min_size=1, max_size=3),
                "betas": st.lists(
                    st.lists(st.floats(0, 0.9), min_size=2, max_size=2), min_size=1, max_size=3
                ),
            },
        )
    )
    def test_values_are_kept(self, folder: Path, lists: dict[str, list[Any]]) -> None:
        """Legal lists are kept value by value, in order and with their declared types, from
        JSON and from the same text called YAML; the rest are the declared defaults."""
        text = json.dumps({"agent_name": "SAC", "parameters": lists})
        for name in ("a.json", "a.yaml"):
            read_spec = read(folder, text, SAC, name)
            assert read_spec.as_document() == json.loads(text)
            assert list(read_spec.parameters) == list(lists)
            for field in SAC.hyperparameters:
                kinds: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}
                values = read_spec.values_of(field.name)
                assert {type(value) for value in values} == {kinds.get(field.kind, tuple)}
                if field.name not in lists:
                    assert values == (field.default,)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("critic_lr", 0.1),
            ("batch_size", 8),
            ("automatic_entropy_tuning", False),
            ("policy_type", "SquashedGaussian"),
            ("activation", "tanh"),
        ],
    )
    def test_a_scalar_is_a_list_of_one(self, folder: Path, name: str, value: object) -> None:
        """A value outside a list counts as a list of one; a string is one value, not a sequence
        of characters."""
        assert spec(folder, **{name: value}).parameters == {name: (value,)}
        assert spec(folder, **{name: value}) == spec(folder, **{name: [value]})

    @given(text=st.text(st.characters(codec="utf-8"), min_size=1))
    def test_a_string_is_never_swept_by_character(self, folder: Path, text: str) -> None:
        """Whatever the string, it is one value, refused as a whole where it is not allowed."""
        fields = (Field("word", "str", "x", ""),)
        free = AgentDeclaration("Free", fields, "free:Free", SAC.layout)
        assert spec(folder, free, word=text).parameters == {"word": (text,)}
        [fault] = faults(folder, SAC, batch_size=text)
        assert fault.key == "parameters.batch_size"
        [fault] = faults(folder, SAC, betas=text)
        assert fault.key == "parameters.betas"

    def test_integers_and_floats(self, folder: Path) -> None:
        """1.0 is an integer and 1 a number; 1.5 is no integer, and true is neither."""
        parameters = spec(folder, batch_size=[8.0, 1e1], critic_lr=[1, 0]).parameters
        assert parameters == {"batch_size": (8, 10), "critic_lr": (1.0, 0.0)}
        assert {type(value) for value in parameters["batch_size"]} == {int}
        assert {type(value) for value in parameters["critic_lr"]} == {float}
        for wrong in (1.5, True, False, None, "8", [8], {"a": 8}):
            assert faults(folder, SAC, batch_size=[wrong])

    @pytest.mark.parametrize(
        ("name", "literal"),
        [
            ("critic_lr", "NaN"),
            ("critic_lr", "Infinity"),
            ("critic_lr", "-Infinity"),
            ("critic_lr", "1e999"),
            ("critic_lr", "-0.1"),
            ("critic_lr", "true"),
            ("critic_lr", "null"),
            ("critic_lr", "1" + "0" * 400),
            ("batch_size", "1" + "0" * 400),
            ("batch_size", "1000001"),
            ("batch_size", "1e300"),
            ("batch_size", "0"),
            ("batch_size", "-32"),
            ("batch_size", "false"),
            ("automatic_entropy_tuning", "1"),
            ("automatic_entropy_tuning", '"true"'),
            ("activation", '""'),
            ("activation", "3"),
            ("activation", '"Relu"'),
            ("betas", "[0.9]"),
            ("betas", "[0.9, 1.0]"),
            ("betas", "[0.9, NaN]"),
            ("betas", "[0.9, true]"),
            ("betas", "[[0.9], 0.9]"),
        ],
    )
    def test_refused_values(self, folder: Path, name: str, literal: str) -> None:
        """Non-finite, negative, huge and mistyped values are refused with file, key, the value
        got and what is allowed."""
        text = f'{{"agent_name": "SAC", "parameters": {{"{name}": [{literal}]}}}}'
        with pytest.raises(SpecError) as caught:
            read(folder, text, SAC)
        [fault] = caught.value.faults
        assert (fault.file, fault.key) == (str(folder / "a.json"), f"parameters.{name}")
        assert fault.problem.startswith("got ")
        assert ", allowed: " in fault.problem

    @pytest.mark.parametrize("literal", [".nan", ".inf", "-.inf", "1e999", "0x" + "f" * 5000])
    @pytest.mark.parametrize("name", ["critic_lr", "batch_size", "activation", "betas"])
    def test_refused_values_of_yaml(self, folder: Path, name: str, literal: str) -> None:
        """YAML's own spellings of non-finite and huge numbers are refused as well."""
        text = f"agent_name: SAC\nparameters:\n  {name}: [{literal}]\n"
        with pytest.raises(SpecError) as caught:
            read(folder, text, SAC, "a.yaml")
        assert {fault.key for fault in caught.value.faults} == {f"parameters.{name}"}

    @pytest.mark.parametrize(
        "literal", ["1e-3", "1E-3", "+1e-3", "0.001", ".001", "1.0e-3", "'1e-3'"]
    )
    def test_yaml_numbers(self, folder: Path, literal: str) -> None:
        """What YAML reads as a string is a number where the type is a number."""
        for value in (literal, f"[{literal}]"):
            text = f"agent_name: SAC\nparameters:\n  critic_lr: {value}\n"
            assert read(folder, text, SAC, "a.yaml").parameters == {"critic_lr": (0.001,)}
        text = f"agent_name: SAC\nparameters:\n  betas: [[{literal}, 0.5]]\n"
        assert read(folder, text, SAC, "a.yaml").parameters == {"betas": ((0.001, 0.5),)}

    def test_numbers_in_quotes(self, folder: Path) -> None:
        """In JSON a number in quotes is a fault that says how to write it."""
        [fault] = faults(folder, critic_lr=["1e-3"])
        assert fault.problem == 'got "1e-3", allowed: a number >= 0'
        assert fault.hint == "write 1e-3 without quotes"

    def test_empty_lists(self, folder: Path) -> None:
        """A hyperparameter of no values is refused: the sweep would be empty."""
        [fault] = faults(folder, critic_lr=[], alpha=[0.1])
        assert fault.key == "parameters.critic_lr"
        assert fault.problem == "got an empty list, allowed: at least one value"

    def test_lists_of_lists(self, folder: Path) -> None:
        """A list-valued hyperparameter is swept as a list of lists, and a bare list is told so."""
        assert spec(folder, betas=[[0.9, 0.999], [0, 0.5]]).parameters == {
            "betas": ((0.9, 0.999), (0.0, 0.5))
        }
        for fault in faults(folder, betas=[0.9, 0.999]):
            assert fault.key == "parameters.betas"
            assert "swept as a list of lists" in fault.problem
            assert fault.hint == 'write "betas": [[0.9, 0.999]]'


class TestCoupledKeys:
    PAIRS = ([32, 1000], [64, 10000])

    def test_coupled_keys(self, folder: Path) -> None:
        """Keys joined by / are swept together and give each hyperparameter its own value."""
        read_spec = spec(
            folder, **{"batch_size/replay_capacity": list(self.PAIRS), "alpha": [0.1, 0.2]}
        )
        sweep = read_spec.sweep
        assert sweep.num_settings == 4
        chosen = [
            tuple(
                sweep.setting(number)[name] for name in ("batch_size", "replay_capacity", "alpha")
            )
            for number in range(4)
        ]
        assert chosen == [(32, 1000, 0.1), (64, 10000, 0.1), (32, 1000, 0.2), (64, 10000, 0.2)]
        assert read_spec.values_of("batch_size") == (32, 64)
        assert read_spec.values_of("replay_capacity") == (1000, 10000)
        assert "batch_size/replay_capacity" not in sweep.setting(0)

    def test_three_keys_one_of_them_a_list(self, folder: Path) -> None:
        """Any number of hyperparameters can be coupled, lists among them, in any order."""
        read_spec = spec(
            folder,
            **{"tau/betas/activation": [[0.1, [0.9, 0.99], "relu"], [1, [0.5, 0.5], "tanh"]]},
        )
        setting = read_spec.sweep.setting(1)
        assert setting["tau"] == 1.0
        assert setting["betas"] == (0.5, 0.5)
        assert setting["activation"] == "tanh"

    @pytest.mark.parametrize("value", [32, [32, 1000], [[32]], [[32, 1000, 1]], ["ab"], [{"a": 1}]])
    def test_entries_of_a_coupled_key(self, folder: Path, value: object) -> None:
        """Each value of a coupled key is a list of one entry a name; anything else says how."""
        for fault in faults(folder, **{"batch_size/replay_capacity": value}):
            assert fault.key == "parameters.batch_size/replay_capacity"
            assert "allowed: lists of 2 values" in fault.problem
            assert fault.hint == 'write "batch_size/replay_capacity": [[…, …], …]'

    def test_entries_are_checked(self, folder: Path) -> None:
        """An entry obeys its hyperparameter's own type and range."""
        found = faults(folder, **{"batch_size/replay_capacity": [[True, 1000], [64, 1.5]]})
        assert [fault.problem.partition(",")[0] for fault in found] == ["got true", "got 1.5"]

    @pytest.mark.parametrize(
        ("parameters", "name"),
        [
            ({"tau": [0.1], "alpha/tau": [[1, 0.1]]}, "tau"),
            ({"critic_lr/tau": [[1, 0.1]], "alpha/tau": [[1, 0.1]]}, "tau"),
            ({"tau/tau": [[0.1, 0.1]]}, "tau"),
        ],
    )
    def test_a_name_in_two_keys(self, folder: Path, parameters: dict[str, Any], name: str) -> None:
        """A hyperparameter that is given twice, coupled or not, is refused."""
        [fault] = faults(folder, **parameters)
        assert (fault.file, fault.key) == (str(folder / "a.json"), f"parameters.{name}")

    def test_a_name_in_two_files(self, folder: Path) -> None:
        """A hyperparameter given twice in different files is told of the file that repeats it."""
        contents = ({"tau": [0.1]}, {"tau/alpha": [[0.1, 1]]}, {"critic_lr": [0.1]})
        paths = [folder / f"{number}.json" for number in range(3)]
        for path, parameters in zip(paths, contents, strict=True):
            path.write_text(json.dumps({"agent_name": "SAC", "parameters": parameters}))
        with pytest.raises(SpecError) as caught:
            read_agent_spec(read_document(paths), SAC)
        [fault] = caught.value.faults
        assert (fault.file, fault.key) == (str(paths[1]), "parameters.tau")


class TestRules:
    def test_illegal_pairs_are_faults(self, folder: Path) -> None:
        """A pair of the product that breaks a rule is a fault whose hint is the coupled key that
        works; nothing is dropped silently."""
        parameters = {"batch_size": [32, 64, 2000], "replay_capacity": [1000, 50]}
        [fault] = faults(folder, **parameters)
        assert fault.key == "parameters.batch_size"
        assert fault.problem.startswith("batch_size 64 with replay_capacity 50, allowed: ")
        words, _, written = fault.hint.partition(", ")
        assert words == "list the legal pairs under one key"
        [(key, pairs)] = json.loads(f"{{{written}}}").items()
        assert key == "batch_size/replay_capacity"
        assert pairs == [[32, 50], [32, 1000], [64, 1000]]
        assert spec(folder, **{key: pairs}).sweep.num_settings == 3

    def test_defaults_take_part(self, folder: Path) -> None:
        """A rule binds the defaults too."""
        [fault] = faults(folder, replay_capacity=[31])
        assert fault.problem.startswith("batch_size 32 with replay_capacity 31")
        assert spec(folder, replay_capacity=[32]).sweep.num_settings == 1

    def test_coupled_pairs(self, folder: Path) -> None:
        """Only pairs that occur count: coupled values need not obey the rule crosswise."""
        assert spec(folder, **{"replay_capacity/batch_size": [[10, 10], [20, 20]]})
        [fault] = faults(folder, **{"replay_capacity/batch_size": [[10, 10], [20, 21]]})
        assert fault.key == "parameters.replay_capacity/batch_size"
        assert fault.hint.endswith('"batch_size/replay_capacity": [[10, 10]]')

    def test_no_legal_pair(self, folder: Path) -> None:
        """Without any legal pair the hint still names the coupled key."""
        [fault] = faults(folder, batch_size=[100], replay_capacity=[10])
        assert '"batch_size/replay_capacity": [["…", "…"]]' in fault.hint

    @given(
        small=st.lists(st.integers(1, 9), min_size=1, max_size=4),
        large=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    )
    def test_accepted_exactly_if_all_pairs_are_legal(
        self, folder: Path, small: list[int], large: list[int]
    ) -> None:
        """A spec is accepted exactly if every setting obeys the rule, and then sweeps them all."""
        if max(small) <= min(large):
            read_spec = spec(folder, batch_size=small, replay_capacity=large)
            assert read_spec.sweep.num_settings == len(small) * len(large)
        else:
            [fault] = faults(folder, batch_size=small, replay_capacity=large)
            assert '"batch_size/replay_capacity"' in fault.hint

    def test_a_divisor_divides_a_product(self, folder: Path) -> None:
        """A rule between three hyperparameters is kept by every setting, however two of them are
        coupled."""
        wide = Field("wide", "int", 1, "", minimum=1)
        toy = replace(
            TOY,
            rules=(Divides("small", ("large", "wide")),),
            hyperparameters=(*TOY.hyperparameters, wide),
        )
        legal = {"rate": 1, "small": [4, 6], "large": 12, "wide": [1, 2]}
        assert read(folder, json.dumps({"agent_name": "Toy", "parameters": legal}), toy)
        [fault] = faults(folder, toy, **{"rate": 1, "wide/small": [[2, 8], [3, 16]], "large": 12})
        assert fault.key == "parameters.wide/small"
        assert (
            fault.problem == "small 16 with large 12 and wide 3, allowed: large * wide % small == 0"
        )
        assert fault.hint.endswith('"small/large/wide": [[8, 12, 2]]')

    def test_large_products(self, folder: Path) -> None:
        """A product of a million pairs is judged in seconds."""
        numbers = list(range(1, 1001))
        [fault] = faults(folder, batch_size=numbers, replay_capacity=numbers)
        assert fault.problem.startswith("batch_size 2 with replay_capacity 1,")


class TestFaults:
    @given(
        keys=st.sets(st.sampled_from(sorted(FAULTY)), min_size=1),
        top=st.sets(st.sampled_from(["agent", "paramaters"])),
    )
    def test_all_at_once(self, folder: Path, keys: set[str], top: set[str]) -> None:
        """Every fault of a file is told at once, each with the file and its key, and no other."""
        content = {"agent_name": "Toy", **dict.fromkeys(top, 1)}
        legal = {"rate": 0.1} if "rate" not in keys else {}
        content["parameters"] = legal | {key: FAULTY[key] for key in sorted(keys)}
        with pytest.raises(SpecError) as caught:
            read(folder, json.dumps(content), TOY)
        expected = {fault_key for key in keys for fault_key in keys_of(key)} | top
        if {"small", "small/undeclared"} <= keys:
            expected.add("parameters.small")
        assert {fault.key for fault in caught.value.faults} == expected
        assert {fault.file for fault in caught.value.faults} == {str(folder / "a.json")}
        assert len(caught.value.lines()) == len(caught.value.faults)

    def test_rules_beside_other_faults(self, folder: Path) -> None:
        """A broken rule is told together with faults of other keys."""
        found = faults(folder, TOY, small=[101], kind=["x"])
        assert [fault.key for fault in found] == [
            "parameters.kind",
            "parameters.rate",
            "parameters.small",
        ]

    def test_missing_hyperparameters(self, folder: Path) -> None:
        """A required hyperparameter that is absent is a fault that says what it may be."""
        [fault] = faults(folder, TOY)
        assert (fault.key, fault.problem) == ("parameters.rate", "missing, allowed: a number > 0")

    @pytest.mark.parametrize(
        ("parameters", "key", "hint"),
        [
            ({"critic_Ir": [1]}, "critic_Ir", "did you mean critic_lr?"),
            ({"Critic_LR": [1]}, "Critic_LR", "did you mean critic_lr?"),
            ({"hiddendim": [1]}, "hiddendim", "did you mean hidden_dim?"),
            ({"tau/alhpa": [[1, 1]]}, "tau/alhpa", "did you mean alpha?"),
            ({"zzzz": [1]}, "zzzz", ""),
            ({"critic": {"lr": 1}}, "critic.lr", "did you mean critic_lr?"),
        ],
    )
    def test_unknown_keys(
        self, folder: Path, parameters: dict[str, Any], key: str, hint: str
    ) -> None:
        """An unknown hyperparameter is refused, with the one it may be meant to be."""
        [fault] = faults(folder, **parameters)
        assert (fault.key, fault.hint) == (f"parameters.{key}", hint)
        assert "unknown key" in fault.problem

    def test_unknown_choices(self, folder: Path) -> None:
        """A misspelt choice is refused with all choices and the nearest."""
        [fault] = faults(folder, activation=["tahn"])
        assert fault.problem == 'got "tahn", allowed: one of relu, tanh'
        assert fault.hint == "did you mean tanh?"

    @pytest.mark.parametrize("parameters", [None, [], "x", 3, True])
    def test_parameters_that_are_no_mapping(self, folder: Path, parameters: object) -> None:
        """`parameters` is a mapping; other keys' faults come with its own."""
        text = json.dumps({"agent_name": "SAC", "parametres": {}, "parameters": parameters})
        with pytest.raises(SpecError) as caught:
            read(folder, text, SAC)
        assert [fault.key for fault in caught.value.faults] == ["parametres", "parameters"]
        assert caught.value.faults[0].hint == "did you mean parameters?"

    def test_no_hyperparameters(self, folder: Path) -> None:
        """A spec of no hyperparameters is one setting, the defaults."""
        sweep = spec(folder).sweep
        assert sweep.num_settings == 1
        assert sweep.setting(0) == {field.name: field.default for field in SAC.hyperparameters}

    @pytest.mark.parametrize("name", [None, "", 3, ["SAC"], {"a": 1}])
    def test_names(self, folder: Path, name: object) -> None:
        """A name is a non-empty string; without one the file may be the wrong one."""
        path = folder / "named.json"
        path.write_text(json.dumps({"agent_name": name, "env_name": name}))
        document = read_document([path])
        for key in ("agent_name", "env_name"):
            with pytest.raises(SpecError) as caught:
                name_of(document, key)
            [fault] = caught.value.faults
            assert (fault.file, fault.key) == (str(path), key)
        path.write_text("{}")
        with pytest.raises(SpecError, match="hint: is this the agent file"):
            name_of(read_document([path]), "agent_name")


def test_merged_files(folder: Path) -> None:
    """A second file overrides the first key by key: the digits keep their order, and a fault is of
    the file that its value is from."""
    (folder / "one.json").write_text(
        json.dumps({"agent_name": "SAC", "parameters": {"tau": [0.1, 0.2], "alpha": 1}})
    )
    (folder / "two.yaml").write_text("parameters: {critic_lr: 1e-3, tau: 0.5}\n")
    paths = [folder / "one.json", folder / "two.yaml"]
    read_spec = read_agent_spec(read_document(paths), SAC)
    assert list(read_spec.parameters.items()) == [
        ("tau", (0.5,)),
        ("alpha", (1.0,)),
        ("critic_lr", (0.001,)),
    ]
    (folder / "two.yaml").write_text("parameters: {critic_lr: -1, tau: [0.5]}\n")
    (folder / "one.json").write_text(
        json.dumps({"agent_name": "SAC", "parameters": {"alpha": "1"}})
    )
    with pytest.raises(SpecError) as caught:
        read_agent_spec(read_document(paths), SAC)
    assert [(fault.file, fault.key) for fault in caught.value.faults] == [
        (str(paths[0]), "parameters.alpha"),
        (str(paths[1]), "parameters.critic_lr"),
    ]
