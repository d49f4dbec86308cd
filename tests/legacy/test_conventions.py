"""The older tool's meaning of its files, where it is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import ended
from legacy.older_specs import ENVIRONMENTS, PLAIN, write_agent, write_environment
from plans import own_experiment

from nthrun.commands.run import run
from nthrun.errors import FingerprintError, SpecError
from nthrun.legacy.conventions import ENVIRONMENTS as ENVIRONMENTS_THERE
from nthrun.planning.experiment_spec import (
    ExperimentSpec,
    experiment_spec_of,
    read_experiment_spec,
)
from nthrun.records.experiment import continue_experiment
from nthrun.specs.documents import parse_overrides
from nthrun.specs.fingerprint import fingerprint

ASKED = parse_overrides(["environment.conventions=policy-parameterization"])
FIXED = {"automatic_entropy_tuning": [False]}


def read(
    folder: Path,
    agent: str,
    parameters: Mapping[str, Any],
    name: str = "Pendulum-v1",
    **fields: Any,
) -> ExperimentSpec:
    """An experiment with the older tool's meaning."""
    world = write_environment(folder, name, {**PLAIN, **fields})
    return read_experiment_spec([world], [write_agent(folder, agent, parameters)], ASKED)


def setting_there(parameters: Mapping[str, Sequence[Any]], index: int) -> dict[str, Any]:
    """The setting of an index by the rule of the older tool: keys in their order, the first as the
    last digit but one that changes least; the pairs of a batch and a replay that holds it, in the
    order of batches and then of replays, are one key, behind all others."""
    digits: list[tuple[tuple[str, ...], list[tuple[Any, ...]]]] = []
    for key, values in parameters.items():
        if key not in ("batch_size", "replay_capacity"):
            digits.append(((key,), [(value,) for value in values]))
    pairs = []
    for batch in parameters["batch_size"]:
        pairs += [(batch, replay) for replay in parameters["replay_capacity"] if batch <= replay]
    digits.append((("batch_size", "replay_capacity"), pairs))
    setting: dict[str, Any] = {}
    for names, values in digits:
        setting |= dict(zip(names, values[index % len(values)], strict=True))
        index //= len(values)
    return setting


SMALL = st.lists(st.integers(2, 9), min_size=1, max_size=3, unique=True)
LARGE = st.lists(st.integers(6, 20), min_size=1, max_size=3, unique=True)
SWEEPS = st.fixed_dictionaries(
    {
        "batch_size": SMALL,
        "replay_capacity": LARGE.map(lambda sizes: [*sizes, 20 + len(sizes)]),
        "critic_lr": st.just([0.1, 0.01]),
        "tau": st.sampled_from([[0.5], [0.5, 0.25, 0.125]]),
        "cuda": st.just([False]),
    }
)


@given(
    sweep=SWEEPS,
    order=st.permutations(["batch_size", "replay_capacity", "critic_lr", "tau", "cuda"]),
)
def test_an_index_means_what_it_does_there(
    tmp_path_factory: pytest.TempPathFactory, sweep: dict[str, list[Any]], order: list[str]
) -> None:
    """Every index has the setting of the older tool, and there are as many."""
    parameters = {key: sweep[key] for key in order}
    spec = read(tmp_path_factory.mktemp("conventions"), "SAC", {**parameters, **FIXED})
    for index in range(spec.sweep.num_settings):
        ours, theirs = spec.sweep.setting(index), setting_there(parameters, index)
        assert {key: ours[key] for key in theirs if key != "cuda"} == {
            key: value for key, value in theirs.items() if key != "cuda"
        }
    pairs = [b <= r for b in parameters["batch_size"] for r in parameters["replay_capacity"]]
    others = [len(parameters[key]) for key in ("critic_lr", "tau")]
    assert spec.sweep.num_settings == sum(pairs) * others[0] * others[1]


def test_the_example(tmp_path: Path) -> None:
    """Index 1 is the second step size, and without conventions the second batch comes first."""
    parameters = {
        "critic_lr": [0.1, 0.01],
        "batch_size": [32, 64],
        "replay_capacity": [1000, 100000],
    }
    spec = read(tmp_path, "SAC", {**parameters, **FIXED})
    found = spec.sweep.setting(1)
    values = [found[key] for key in ("batch_size", "replay_capacity", "critic_lr")]
    assert values == [32, 1000, 0.01]


@pytest.mark.parametrize(
    ("parameters", "delays"),
    [
        ({"batch_size": [8]}, {7}),
        ({"batch_size": [8], "steps_before_learning": [3, 20]}, {7, 19}),
        ({"batch_size": [8, 16]}, {7, 15}),
        ({"batch_size": [8, 16], "steps_before_learning": [100, 50]}, {99, 49}),
        ({"batch_size": [8, 16], "replay_capacity": [10, 100]}, {7, 15}),
    ],
)
def test_the_first_update_has_a_whole_batch(
    tmp_path: Path, parameters: dict[str, Any], delays: set[int]
) -> None:
    """The first update comes once both a batch and the delay are over, for each batch size."""
    spec = read(tmp_path, "SAC", {**parameters, **FIXED})
    settings = [spec.sweep.setting(number) for number in range(spec.sweep.num_settings)]
    assert {setting["steps_before_learning"] for setting in settings} == delays
    assert all(s["steps_before_learning"] >= s["batch_size"] - 1 for s in settings)
    assert not any("first update" in note for note in spec.notes)


WRITTEN_OUT: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a tuned alpha": (
        "SAC",
        {"automatic_entropy_tuning": [True], "alpha": [0.1, 0.2]},
        {"alpha": [1.0, 1.0]},
    ),
    "a mixture": (
        "SAC",
        {"policy_type": ["SquashedGaussianMixture"], **FIXED},
        {"num_components": [1]},
    ),
    "a constant epsilon": (
        "epsgreedy",
        {"epsilon": [0.05, 0.2], "epsilon_decay": [0.9], "epsilon_min": [0.1]},
        {"epsilon": [0.05, 0.2], "epsilon_decay": None, "epsilon_min": None},
    ),
    "a delay that is not read": (
        "epsgreedy",
        {"steps_before_learning": [1000], "batch_size": [32]},
        {"steps_before_learning": [31]},
    ),
    "coupled first weights": (
        "GreedyAC",
        {"weight_init/tau": [["xavier_uniform", 0.1], ["kaiming_uniform", 0.2]]},
        {"weight_init/tau": [["xavier_uniform_gain", 0.1], ["kaiming_uniform", 0.2]]},
    ),
    "a coupled, tuned alpha": (
        "SAC",
        {"tau/alpha": [[0.1, 0.1], [0.2, 0.2]]},
        {"tau/alpha": [[0.1, 1.0], [0.2, 1.0]]},
    ),
    "a search": ("epsgreedy_SGD", {}, {"num_starts": [30], "num_search_steps": [100]}),
}


@pytest.mark.parametrize("case", WRITTEN_OUT)
def test_meanings_are_written_out(tmp_path: Path, case: str) -> None:
    """What the older tool means stands in the spec, in our words."""
    agent, parameters, expected = WRITTEN_OUT[case]
    document = read(tmp_path, agent, parameters).agent.as_document()
    assert {key: document["parameters"].get(key) for key in expected} == expected
    assert "conventions" not in json.dumps(document)


CARRIED = ("observation", "the reward", "tolerance", "angle", "force", "first weights")
"""Words of what differed of these environments, and of first weights."""


@pytest.mark.parametrize("name", ENVIRONMENTS_THERE)
def test_environments(tmp_path: Path, name: str) -> None:
    """Environments that differ are those of the older tool, and directories have their names."""
    numbered = "Gridworld" in name
    agent, parameters = ("SACDiscrete", {}) if numbered else ("SAC", FIXED)
    fields = {} if numbered else {"continuous": True}
    spec = read(tmp_path, agent, {**parameters, "batch_size": [8]}, name, **fields)
    assert spec.environment.env_name == ENVIRONMENTS_THERE[name]
    assert spec.directory("save").name.startswith(f"{ENVIRONMENTS_THERE[name]}_SAC")
    told = "; ".join(note for note in spec.notes if "in the older tool" in note)
    assert not [word for word in CARRIED if word in told]
    told = read_experiment_spec(
        [write_environment(tmp_path, name, {**PLAIN, **fields})], [str(tmp_path / "agent.json")]
    )
    assert any("in the older tool" in note for note in told.notes)


def test_fields_of_environments(tmp_path: Path) -> None:
    """A sparsity factor is its inverse, and a grid's goal is worth 0."""
    sparse = read(tmp_path, "SAC", FIXED, "SparsePendulum-v1", sparsity_factor=2.0)
    assert sparse.environment.values["sparsity_factor"] == 0.5
    grid = read(tmp_path, "SACDiscrete", {}, "Gridworld")
    assert grid.environment.as_document()["rewards"] == {"timestep": -1.0, "goal": 0.0}


def test_what_cannot_be_kept_is_told(tmp_path: Path) -> None:
    """The note names what differs all the same, and nothing else."""
    spec = read(tmp_path, "epsgreedy", {}, eval_episodes=1)
    (note,) = (note for note in spec.notes if "in the older tool" in note)
    told = [
        "two critics and no target of the actor",
        "greedy actions stayed",
        "one more evaluation",
    ]
    assert [part for part in told if part in note] == told
    assert note.count("; ") == len(told) - 1


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "both ways": ({"automatic_entropy_tuning": [True, False]}, "tuned and fixed in one file"),
    "one first weights": (
        {"weight_init": ["xavier_uniform", "xavier_uniform_gain"], **FIXED},
        "xavier_uniform is xavier_uniform_gain there: the settings would be equal",
    ),
    "two delays": (
        {"batch_size": [8, 16], "steps_before_learning": [0, 9], **FIXED},
        "swept with batch_size: the first update waits for a whole batch there",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    """What has no spec of ours is refused with the reason."""
    parameters, reason = REFUSED[case]
    with pytest.raises(SpecError, match=reason):
        read(tmp_path, "SAC", parameters)


def test_the_key_and_the_option(tmp_path: Path) -> None:
    """Conventions may stand in either file or on the command line; others are refused."""
    specs = {}
    for where in ("agent", "environment", "option"):
        agent = {"agent_name": "SAC", "parameters": {"batch_size": [4, 8], "tau": [0.1, 0.2]}}
        world: dict[str, Any] = {"env_name": "Acrobot-v1", **ENVIRONMENTS["Acrobot-v1"]}
        asked = {"conventions": "greedyac"}
        agent |= asked if where == "agent" else {}
        world |= asked if where == "environment" else {}
        (tmp_path / "agent.json").write_text(json.dumps(agent))
        (tmp_path / "environment.json").write_text(json.dumps(world))
        files = [f"--{option}-json={tmp_path / name}.json" for option, name in FILES]
        given = ["--conventions", "greedyac"] if where == "option" else []
        specs[where] = ended(run, *files, "--describe", *given)
        assert specs[where].code == 0, specs[where].err
    assert len({outcome.out for outcome in specs.values()}) == 1
    assert "AngleAcrobot-v1" in specs["agent"].out
    (tmp_path / "agent.json").write_text(json.dumps(agent | {"conventions": "theirs"}))
    refused = ended(run, *files, "--describe")
    assert refused.code == 2
    assert (
        'conventions: got "theirs", allowed: one of policy-parameterization, greedyac'
        in refused.err
    )


FILES = (("agent", "agent"), ("env", "environment"))


def test_first_weights(tmp_path: Path) -> None:
    """First weights have the older tool's gain where the file names those of it, or none."""
    for values in ({}, {"weight_init": ["xavier_uniform"]}):
        assert (
            read(tmp_path, "SAC", values).sweep.setting(0)["weight_init"] == "xavier_uniform_gain"
        )
    plain = {"weight_init": ["kaiming_uniform"]}
    assert read(tmp_path, "SAC", plain).sweep.setting(0)["weight_init"] == "kaiming_uniform"


def test_an_experiment_goes_on_with_the_meaning_it_was_begun_with(tmp_path: Path) -> None:
    """Files that mean more since are refused by the names of the keys; the specs in the manifest of
    what was begun are those of its runs."""
    spec = read(tmp_path, "SAC", FIXED)
    agent = spec.agent.as_document()
    del agent["parameters"]["weight_init"]
    older = experiment_spec_of(spec.environment.as_document(), agent, "test")
    begun = own_experiment(tmp_path / "begun", older)
    now = (spec.agent.as_document(), spec.environment.as_document(), spec.agent.defaults)
    with pytest.raises(FingerprintError, match=r"parameters\.weight_init"):
        continue_experiment(begun.root, *now)
    held = json.loads((begun.root / "manifest.json").read_text())
    for name in ("agent", "environment"):
        (tmp_path / f"{name}.json").write_text(json.dumps(held[name]))
    again = read_experiment_spec(
        [str(tmp_path / "environment.json")], [str(tmp_path / "agent.json")]
    )
    document = again.agent.as_document(), again.environment.as_document()
    assert fingerprint(*document) == begun.manifest.fingerprint
    assert not again.notes


@pytest.mark.parametrize(
    ("agent", "taken"),
    [("epsgreedy", 1000), ("epsgreedy_SGD", 0), ("epsgreedy_optimizer", 0)],
)
def test_what_greedy_agents_do_not_read(tmp_path: Path, agent: str, taken: int) -> None:
    """What an ε-greedy agent took there and did not read is passed over."""
    values = {"betas": [[0.5, 0.5]], "target_update_interval": [7]}
    setting = read(tmp_path, agent, {**values, "uniform_exploration_steps": [1000]}).sweep.setting(
        0
    )
    assert setting["betas"] == (0.9, 0.999)
    assert setting["target_update_interval"] == 1
    assert setting["uniform_exploration_steps"] == taken
