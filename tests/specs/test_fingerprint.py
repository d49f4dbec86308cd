"""Laws of the fingerprint: it changes exactly with what gives an index its meaning."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nthrun.agents.sac.declaration import SAC
from nthrun.environments.pendulum.declaration import PENDULUM
from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.specs.agent_spec import read_agent_spec
from nthrun.specs.documents import read_document
from nthrun.specs.environment_spec import FIELDS, PROTOCOL_KEYS, read_environment_spec
from nthrun.specs.field import plain
from nthrun.specs.fingerprint import differing_keys, fingerprint, same_runs

PARAMETERS: dict[str, Any] = {
    "critic_lr": [0.001, 0.01, 1.0],
    "alpha": [0.1, 0.2],
    "batch_size/replay_capacity": [[32, 1000], [64, 10000]],
    "tau": [0.01],
    "activation": ["relu", "tanh"],
}
ENVIRONMENT: dict[str, Any] = {
    "env_name": "Pendulum-v1",
    "platform": "gym",
    "total_timesteps": 1000,
    "steps_per_episode": 200,
    "eval_interval_timesteps": 100,
    "eval_episodes": 2,
    "gamma": 0.9,
    "overwrite_rewards": False,
    "rewards": {"timestep": -1.0, "goal": 0.0},
    "start_state": [],
    "continuous": True,
    "record": [],
    "snapshots": [],
    "snapshot_interval_timesteps": 0,
    "checkpoint_interval_seconds": 30.0,
    "log": [],
}
CHANGES: dict[str, Any] = {
    "total_timesteps": 1001,
    "steps_per_episode": 201,
    "eval_interval_timesteps": 101,
    "eval_episodes": 3,
    "gamma": 0.91,
    "overwrite_rewards": True,
    "rewards.timestep": -2.0,
    "rewards.goal": 1.0,
    "rewards.shift": 1.0,
    "rewards.gamma": 0.5,
    "start_state": [0.0, 0.0],
    "record": ["metrics"],
    "snapshots": ["best"],
    "snapshot_interval_timesteps": 10,
    "checkpoint_interval_seconds": 31.0,
    "log": ["wandb"],
}
"""Another legal value of every field that has one."""
SWEEPS = st.dictionaries(
    st.sampled_from(["critic_lr", "alpha", "tau", "alpha_lr"]),
    st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=1, max_size=3),
    max_size=3,
)
Documents = tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the files of one test at a time."""
    return tmp_path_factory.mktemp("fingerprints")


def documents(folder: Path, agent: str, environment: str, suffix: str = ".json") -> Documents:
    """The validated specs of two texts."""
    agent_file, environment_file = folder / f"agent{suffix}", folder / f"environment{suffix}"
    agent_file.write_text(agent)
    environment_file.write_text(environment)
    return (
        read_agent_spec(read_document([agent_file]), SAC).as_document(),
        read_environment_spec(read_document([environment_file]), PENDULUM).as_document(),
    )


def agent_text(parameters: dict[str, Any], **style: Any) -> str:
    """An agent file."""
    return json.dumps({"agent_name": "SAC", "parameters": parameters}, **style)


def changed(key: str) -> dict[str, Any]:
    """The environment with another value at a dotted key."""
    first, _, second = key.partition(".")
    if second:
        return ENVIRONMENT | {first: ENVIRONMENT[first] | {second: CHANGES[key]}}
    return ENVIRONMENT | {key: CHANGES[key]}


@pytest.fixture
def base(folder: Path) -> Documents:
    """The specs that the tests change."""
    return documents(folder, agent_text(PARAMETERS), json.dumps(ENVIRONMENT))


def with_parameters(folder: Path, parameters: dict[str, Any]) -> Documents:
    """The same environment with other parameters."""
    return documents(folder, agent_text(parameters), json.dumps(ENVIRONMENT))


class TestUnchanged:
    @pytest.mark.parametrize(
        ("agent", "environment", "suffix"),
        [
            (agent_text(PARAMETERS, indent=7), json.dumps(ENVIRONMENT, indent=1), ".json"),
            (agent_text(PARAMETERS), json.dumps(ENVIRONMENT), ".yaml"),
            (agent_text(PARAMETERS).replace("0.001", "1e-3"), json.dumps(ENVIRONMENT), ".json"),
            (agent_text(PARAMETERS).replace("0.001", "1e-3"), json.dumps(ENVIRONMENT), ".yaml"),
            (agent_text(PARAMETERS).replace("[0.01]", "0.01"), json.dumps(ENVIRONMENT), ".json"),
            (agent_text(PARAMETERS).replace("1.0]", "1]"), json.dumps(ENVIRONMENT), ".json"),
            (agent_text(PARAMETERS).replace("[32,", "[32.0,"), json.dumps(ENVIRONMENT), ".json"),
            (agent_text(PARAMETERS), json.dumps(ENVIRONMENT).replace("1000", "1e3"), ".json"),
            (agent_text(PARAMETERS), json.dumps(ENVIRONMENT).replace("-1.0", "-1"), ".json"),
            (agent_text(PARAMETERS), json.dumps(ENVIRONMENT).replace(": 0.0", ": -0.0"), ".json"),
            (agent_text(PARAMETERS), json.dumps(ENVIRONMENT, sort_keys=True), ".json"),
            (agent_text(PARAMETERS), json.dumps(dict(reversed(ENVIRONMENT.items()))), ".json"),
        ],
        ids=[
            *("whitespace", "YAML", "1e-3 for 0.001", "1e-3 in YAML", "a scalar for a list of one"),
            *("1 for 1.0", "32.0 for 32", "1e3 for 1000", "-1 for -1.0", "-0.0 for 0.0"),
            *("sorted environment", "reversed environment"),
        ],
    )
    def test_spelling(
        self, folder: Path, base: Documents, agent: str, environment: str, suffix: str
    ) -> None:
        """Another spelling of the same specs has the same fingerprint."""
        assert (agent, environment, suffix) != (
            agent_text(PARAMETERS),
            json.dumps(ENVIRONMENT),
            ".json",
        )
        same = documents(folder, agent, environment, suffix)
        assert fingerprint(*same) == fingerprint(*base)
        assert differing_keys(base, same) == []

    @pytest.mark.parametrize("key", PROTOCOL_KEYS)
    def test_what_is_kept(self, folder: Path, base: Documents, key: str) -> None:
        """Keys that say what to keep leave the fingerprint alone."""
        same = documents(folder, agent_text(PARAMETERS), json.dumps(changed(key)))
        assert same[1] != base[1]
        assert fingerprint(*same) == fingerprint(*base)
        assert differing_keys(base, same) == []

    def test_defaults_written_out(self, folder: Path, base: Documents) -> None:
        """An environment field at its default may be written or left out."""
        defaults = ("platform", "start_state", "continuous", "overwrite_rewards", "record")
        shorter = {key: value for key, value in ENVIRONMENT.items() if key not in defaults}
        same = documents(folder, agent_text(PARAMETERS), json.dumps(shorter))
        assert fingerprint(*same) == fingerprint(*base)

    def test_through_json(self, base: Documents) -> None:
        """Specs that went through a manifest keep their fingerprint."""
        assert fingerprint(*json.loads(json.dumps(base))) == fingerprint(*base)


class TestChanged:
    @pytest.mark.parametrize("key", sorted(CHANGES.keys() - set(PROTOCOL_KEYS)))
    def test_environment_keys(self, folder: Path, base: Documents, key: str) -> None:
        """Every other environment key changes it, and is the one that is named."""
        other = documents(folder, agent_text(PARAMETERS), json.dumps(changed(key)))
        assert fingerprint(*other) != fingerprint(*base)
        assert differing_keys(base, other) == [key]

    def test_every_field_is_tried(self) -> None:
        """The laws here cover every field that has more than one legal value on Pendulum-v1."""
        single = {"platform", "continuous"}
        assert {field.name for field in FIELDS} - single == CHANGES.keys()
        assert set(PROTOCOL_KEYS) <= CHANGES.keys()

    def test_names(self, base: Documents) -> None:
        """Agent and environment names count."""
        agent, environment = base
        for other, key in (
            ((agent | {"agent_name": "VAC"}, environment), "agent_name"),
            ((agent, environment | {"env_name": "Pendulum-v2"}), "env_name"),
        ):
            assert fingerprint(*other) != fingerprint(*base)
            assert differing_keys(base, other) == [key]

    @pytest.mark.parametrize(
        ("parameters", "keys"),
        [
            (PARAMETERS | {"alpha": [0.2, 0.1]}, ["alpha"]),
            (PARAMETERS | {"alpha": [0.1, 0.2, 0.3]}, ["alpha"]),
            (PARAMETERS | {"alpha": [0.1]}, ["alpha"]),
            (PARAMETERS | {"alpha": [0.1, 0.1]}, ["alpha"]),
            (PARAMETERS | {"alpha": [0.1, 0.25], "tau": 0.02}, ["alpha", "tau"]),
            (PARAMETERS | {"alpha_lr": [0.1]}, ["alpha_lr"]),
            ({key: PARAMETERS[key] for key in ("critic_lr", "tau")}, None),
        ],
    )
    def test_values_and_keys(
        self, folder: Path, base: Documents, parameters: dict[str, Any], keys: list[str] | None
    ) -> None:
        """Reordered, changed, added and dropped values and keys change it, and are named."""
        other = with_parameters(folder, parameters)
        keys = keys or ["alpha", "batch_size/replay_capacity", "activation"]
        assert fingerprint(*other) != fingerprint(*base)
        assert differing_keys(base, other) == [f"parameters.{key}" for key in keys]

    def test_coupling(self, folder: Path, base: Documents) -> None:
        """The same values, crossed instead of coupled, are another sweep."""
        crossed = {"batch_size": [32, 64], "replay_capacity": [1000, 10000]}
        kept = {key: value for key, value in PARAMETERS.items() if "/" not in key}
        keys = differing_keys(base, with_parameters(folder, kept | crossed))
        assert sorted(keys) == [
            "parameters.batch_size",
            "parameters.batch_size/replay_capacity",
            "parameters.replay_capacity",
        ]

    @given(order=st.permutations(sorted(PARAMETERS)))
    def test_order_of_keys(self, folder: Path, order: list[str]) -> None:
        """Any other order of the keys changes it, and the keys in other places are named."""
        assume(order != sorted(PARAMETERS))
        one = with_parameters(folder, {key: PARAMETERS[key] for key in sorted(PARAMETERS)})
        other = with_parameters(folder, {key: PARAMETERS[key] for key in order})
        assert fingerprint(*one) != fingerprint(*other)
        moved = [now for then, now in zip(sorted(PARAMETERS), order, strict=True) if then != now]
        assert differing_keys(one, other) == [f"parameters.{key} (its place)" for key in moved]

    @given(first=SWEEPS, second=SWEEPS)
    def test_equal_exactly_if_the_sweeps_are(
        self, folder: Path, first: dict[str, Any], second: dict[str, Any]
    ) -> None:
        """Two sweeps share a fingerprint exactly if keys, values and both orders agree; else at
        least one key is named."""
        one, other = (with_parameters(folder, parameters) for parameters in (first, second))
        same = list(first.items()) == list(second.items())
        assert (fingerprint(*one) == fingerprint(*other)) == same
        assert (not differing_keys(one, other)) == same


DEFAULTS = {field.name: field.default for field in SAC.hyperparameters if field.default is not None}
CONSTANTS = sorted(DEFAULTS.keys() - {"policy_type", *"/".join(PARAMETERS).split("/")})


class TestSameRuns:
    @given(st.data())
    def test_constants_may_be_written_anywhere(self, folder: Path, data: st.DataObject) -> None:
        """Hyperparameters of one value may be written out or left to their defaults, coupled, and
        in any place: every index keeps its setting, and no key is named."""
        written = data.draw(st.lists(st.sampled_from(CONSTANTS), unique=True, max_size=4))
        constants = {name: [plain(DEFAULTS[name])] for name in written} | {"tau": [0.01]}
        varying = {key: values for key, values in PARAMETERS.items() if len(values) > 1}
        keys = list(varying)
        for name in constants:
            keys.insert(data.draw(st.integers(0, len(keys))), name)
        base = with_parameters(folder, PARAMETERS)
        other = with_parameters(folder, {key: {**varying, **constants}[key] for key in keys})
        assert same_runs(base, other, DEFAULTS)
        assert same_runs(other, base, DEFAULTS)
        assert all("place" in key for key in differing_keys(base, other, DEFAULTS))

    @pytest.mark.parametrize(
        ("parameters", "keys"),
        [
            (PARAMETERS | {"tau": [0.02]}, ["tau"]),
            (PARAMETERS | {"alpha": [0.2, 0.1]}, ["alpha"]),
            (PARAMETERS | {"alpha": [0.1]}, ["alpha"]),
            (PARAMETERS | {"betas": [[0.5, 0.9]]}, ["betas"]),
            (dict(reversed(PARAMETERS.items())), None),
        ],
    )
    def test_what_changes_a_setting_is_no_other_writing(
        self, folder: Path, base: Documents, parameters: dict[str, Any], keys: list[str] | None
    ) -> None:
        """Another value, another order of values or of keys with several is another experiment."""
        other = with_parameters(folder, parameters)
        assert not same_runs(base, other, DEFAULTS)
        named = differing_keys(base, other, DEFAULTS)
        assert named == [f"parameters.{key}" for key in keys] if keys else named

    def test_defaults_of_a_search_may_be_written_out(self, base: Documents) -> None:
        """A goal that is known of the metric, and defaults in settings listed one by one, may be
        written out; another goal, and another value, may not."""
        (_, environment), tau = base, plain(DEFAULTS["tau"])
        bayes: dict[str, Any] = {
            "method": "bayes",
            "capacity": 9,
            "metric": "return",
            "seed": 0,
            "sampler": "tpe",
        }
        listed: dict[str, Any] = {
            "method": "settings",
            "settings": [{"alpha": 0.1}, {"alpha": 0.2, "tau": 0.5}],
        }
        written = {
            "method": "settings",
            "settings": [{"alpha": 0.1, "tau": tau}, listed["settings"][1]],
        }
        for one, other, same in (
            (bayes, bayes | {"goal": "maximize"}, True),
            (bayes, bayes | {"goal": "minimize"}, False),
            (listed, written, True),
            (listed, {**written, "settings": written["settings"][::-1]}, False),
            (listed, {**listed, "settings": [{"alpha": 0.1, "tau": 0.5}] * 2}, False),
        ):
            pair = [
                ({"agent_name": "SAC", "parameters": {}, "search": search}, environment)
                for search in (one, other)
            ]
            assert same_runs(pair[0], pair[1], DEFAULTS) == same, other

    def test_a_default_is_no_difference_beside_others(self, folder: Path, base: Documents) -> None:
        """Where specs differ, a default written out is not named."""
        name = CONSTANTS[0]
        parameters = {name: [plain(DEFAULTS[name])], **PARAMETERS, "alpha": [0.3]}
        other = with_parameters(folder, parameters)
        assert differing_keys(base, other, DEFAULTS) == ["parameters.alpha"]


KEYWORDS: tuple[dict[str, Any], ...] = (
    {"config": {"physics.dt": 0.1}},
    {"config": {"physics": {"dt": 0.1}}},
    {"config.physics": {"dt": 0.1}},
    {"config": {"physics": {"dt": {}}}},
    {"config": None},
    {"config": ""},
    {"config": False},
    {"config": 0},
    {"config": 0.0},
    {"config": -0.0},
    {"config": [{"a": 1}]},
    {"config": [{"a": 1.0}]},
)


def test_keywords_of_other_values_are_other_experiments(base: Documents) -> None:
    """Keywords that an environment could tell apart have fingerprints of their own, and the key
    that differs is named; the order of keys in mappings makes no difference."""
    agent, environment = base
    worlds = [environment | {"kwargs": keywords} for keywords in KEYWORDS]
    assert len({fingerprint(agent, world) for world in worlds}) == len(KEYWORDS)
    for one in worlds:
        for other in worlds:
            assert bool(differing_keys((agent, one), (agent, other))) == (one is not other)
    one, other = ({"kwargs": {"a": [dict.fromkeys(keys, 1)], "b": 2}} for keys in ("xy", "yx"))
    assert fingerprint(agent, environment | one) == fingerprint(agent, environment | other)


GRIDS = {
    ("GHM", "mc_pg_search"): (
        "e37462da757f9f455e9fde76ee593b434c1c9b4ef462cde6e8540fcdfaf3f2b1",
        "ab883100eaac4679158a1e26bce10a3f99f61c84a60cd48d3450e6b260c6f349",
    ),
    ("PendulumContinuous-v1", "SAC_classic_sweep"): (
        "df6b0969bd43249f68b60803135f787f0059e9872d51fc58c3969bb566b4dc69",
        "24b75843c567b70648ab6e7ee7fb7c2295823c6afcadd678ad48673968279cce",
    ),
    ("PendulumContinuous-v1", "linearAC_example"): (
        "89f357547d7b27d18b9d0da1a82da640e838b3d640c253ffb8596e1ab952da23",
        "7a07cf78a92a7cac0e4442b838a0645cbebf7a39a66f924bd2811eeee9a83076",
    ),
}
"""Fingerprint and hash of all settings of shipped grids before there were searches. Records carry
these fingerprints: they change only with the files."""


LATER = {
    "updates_per_step": 1,
    "num_worlds": 1,
    "actor_lr_scale": 0.0,
    "trace": "accumulating",
    "use_critic_trace": True,
    "use_actor_trace": True,
    "convolutions": (),
    "log_std_init": 0.0,
    "episodes_per_shock": 1,
    "start_power": 1.0,
}
"""Hyperparameters that came later, and their defaults."""


@pytest.mark.parametrize("names", GRIDS)
def test_grids_are_what_they_were_before_searches(names: tuple[str, str]) -> None:
    """A grid without a search keeps the fingerprint and the settings that its records have, but for
    hyperparameters that came later, which have their defaults."""
    config = Path(__file__).parents[2] / "config"
    environment, agent = names
    spec = read_experiment_spec(
        [str(config / f"environment/{environment}.json")], [str(config / f"agent/{agent}.json")]
    )
    settings = [dict(spec.sweep.setting(number)) for number in range(spec.sweep.num_settings)]
    for name, default in LATER.items():
        if name in spec.agent.named:
            continue
        assert {setting.pop(name, default) for setting in settings} == {default}
    assert (
        fingerprint(spec.agent.as_document(), spec.environment.as_document()),
        hashlib.sha256(json.dumps(settings).encode()).hexdigest(),
    ) == GRIDS[names]
