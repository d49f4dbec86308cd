"""Spec files of the older tool as nthrun's own."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from in_process import ended
from legacy.older_specs import (
    CONTINUOUS,
    DISCRETE,
    ENVIRONMENTS,
    OF_DISCRETE_ACTIONS,
    PLAIN,
    SAC,
    read,
    write_agent,
    write_environment,
)

from nthrun.commands.run import run
from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import ExperimentSpec, read_experiment_spec
from nthrun.specs.documents import parse_overrides
from nthrun.specs.fingerprint import fingerprint

CONVENTIONS = parse_overrides(["environment.conventions=none"])
RECORDS = Path(__file__).parents[1] / "data/records_of_before"
CASES = [
    *((agent, environment, True) for agent, environment in product(CONTINUOUS, ENVIRONMENTS)),
    *((agent, environment, False) for agent, environment in product(DISCRETE, OF_DISCRETE_ACTIONS)),
]
UNBOUNDED = ("pendulum-swingup", "MinAtarBreakout", "MinAtarSpace_Invaders")
"""Environments whose observations cannot be tiled, or into too many tiles."""
CASES = [case for case in CASES if not (case[0].startswith("Linear") and case[1] in UNBOUNDED)]
CASES = [case for case in CASES if "CNN" not in case[0] or case[1].startswith("MinAtar")]


def refusals(folder: Path, *specs: Any, **named: Any) -> list[str]:
    """The lines that refuse a pair of files, without their names."""
    with pytest.raises(SpecError) as refused:
        read(folder, *specs, **named)
    return str(refused.value).replace(f"{folder}/", "").splitlines()


def hashed(spec: ExperimentSpec) -> str:
    """The fingerprint of an experiment."""
    return fingerprint(spec.agent.as_document(), spec.environment.as_document())


@pytest.mark.parametrize(("agent", "environment", "continuous"), CASES)
def test_every_pair_loads(tmp_path: Path, agent: str, environment: str, continuous: bool) -> None:
    """Every agent file loads with every environment of its actions, and has as many settings as
    its lists make."""
    name, parameters = (CONTINUOUS if continuous else DISCRETE)[agent]
    worlds = ENVIRONMENTS if continuous else OF_DISCRETE_ACTIONS
    spec = read(tmp_path, (name, parameters), (environment, worlds[environment]))
    expected = 1
    for values in parameters.values():
        expected *= len(values)
    assert spec.sweep.num_settings == expected
    assert any("passed over" in note or "read as" in note for note in spec.notes)


@pytest.mark.parametrize(
    ("agent", "environment"),
    [
        (CONTINUOUS["SAC of pairs"], ("pendulum-swingup", ENVIRONMENTS["pendulum-swingup"])),
        (CONTINUOUS["epsgreedy"], ("Acrobot-v1", ENVIRONMENTS["Acrobot-v1"])),
        (DISCRETE["SACDiscreteCNN"], ("MinAtarBreakout", OF_DISCRETE_ACTIONS["MinAtarBreakout"])),
        (CONTINUOUS["LinearGaussianAC"], ("Acrobot-v1", ENVIRONMENTS["Acrobot-v1"])),
    ],
)
def test_they_run(tmp_path: Path, agent: Any, environment: Any) -> None:
    """What loads trains, into a directory of our names, and says what was passed over."""
    environment_file = write_environment(tmp_path, *environment)
    files = ["--env-json", environment_file, "--agent-json", write_agent(tmp_path, *agent)]
    done = ended(run, *files, "--index", "1", "--save-dir", tmp_path / "save", "--backend", "eager")
    assert done.code == 0, done.err
    assert "passed over, as without effect here: " in done.err
    (directory,) = (tmp_path / "save").iterdir()
    manifest = json.loads((directory / "manifest.json").read_text())
    assert "cuda" not in json.dumps(manifest)
    assert directory.name == read(tmp_path, agent, environment).directory("x").name


def test_a_passed_over_key_is_in_no_fingerprint(tmp_path: Path) -> None:
    """A file of the older tool has the fingerprint of ours with the same values."""
    older = read(tmp_path)
    assert older.reading
    ours = {key: values for key, values in SAC.items() if key not in ("cuda", "clip_actions")}
    world = {key: value for key, value in PLAIN.items() if key != "rewards"}
    same = read(tmp_path, ("SAC", ours), ("Pendulum-v1", world))
    assert not same.reading
    assert hashed(older) == hashed(same)
    assert older.agent.as_document() == same.agent.as_document()


@pytest.mark.parametrize("case", sorted(path.name for path in RECORDS.iterdir()))
def test_fingerprints_are_what_they_were(case: str) -> None:
    """The files of earlier records have the fingerprints that their manifests have."""
    folder = RECORDS / case
    files = [str(folder / f"{kind}.json") for kind in ("environment", "agent")]
    spec = read_experiment_spec([files[0]], [files[1]])
    assert not spec.reading
    (manifest,) = folder.glob("save/*/manifest.json")
    assert hashed(spec) == json.loads(manifest.read_text())["fingerprint"]


NAMES = {
    "sac": ("SAC", {}),
    "SACDiscrete": ("SAC", {"policy_type": ["Softmax"], "automatic_entropy_tuning": [False]}),
    "VACDiscrete": ("VAC", {"policy_type": ["Softmax"]}),
    "greedyacdiscrete": ("GreedyAC", {"policy_type": ["Softmax"]}),
    "LinearGaussianAC": ("linearAC", {}),
    "linearAC_softmax": ("SoftmaxAC", {}),
    "esarsa": ("ExpectedSarsa", {}),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_agents(tmp_path: Path, name: str) -> None:
    """An agent's name of the older tool, in any case, is ours with what goes without saying."""
    discrete = NAMES[name][0] not in ("linearAC",) and name != "sac"
    world = ("Acrobot-v1", {**PLAIN, "continuous": not discrete})
    spec = read(tmp_path, (name, {}), world)
    assert (spec.agent.agent_name, spec.agent.as_document()["parameters"]) == NAMES[name]
    assert any(f"agent_name {name} as {NAMES[name][0]}" in note for note in spec.notes)


SETTINGS: dict[str, tuple[dict[str, Any], str, list[Any]]] = {
    "both swept, side by side": (
        {"reparameterized": [True, False], "tau": [0.1], "baseline_actions": [0, 4]},
        "reparam_baseline",
        [(True, 0), (False, 0), (True, 4), (False, 4)],
    ),
    "the other first": (
        {"baseline_actions": [0, 4], "reparameterized": [True, False]},
        "reparam_baseline",
        [(True, 0), (True, 4), (False, 0), (False, 4)],
    ),
    "the later swept": (
        {"reparameterized": [False], "alpha": [1, 2], "baseline_actions": [0, 4]},
        "reparam_baseline",
        [(False, 0), (False, 0), (False, 4), (False, 4)],
    ),
    "one alone": ({"reparameterized": [False, True]}, "reparam_baseline", [(False, 0), (True, 0)]),
    "no clipping": ({"clip_stddev": [0, -1.0, 10]}, "clip_stddev", [1e30, 1e30, 10.0]),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_values(tmp_path: Path, case: str) -> None:
    """What two hyperparameters were there is one here, with the settings in their order there;
    other values become what they mean."""
    parameters, name, values = SETTINGS[case]
    spec = read(tmp_path, ("SAC", {**parameters, "cuda": True}))
    settings = [spec.sweep.setting(number) for number in range(spec.sweep.num_settings)]
    assert [setting[name] for setting in settings] == values


def test_shares_of_actions(tmp_path: Path) -> None:
    """The number of actions and the actor's share of them are one hyperparameter here."""
    shares = {"n": [10, 20], "actor_rho": [0.1, 0.25], "proposal_rho_scale": [1.0], "tau": [0.1]}
    spec = read(tmp_path, ("GreedyACNoEntReg", shares))
    settings = [spec.sweep.setting(number)["n_rho"] for number in range(spec.sweep.num_settings)]
    assert settings == [(10, 0.1), (20, 0.1), (10, 0.25), (20, 0.25)]
    assert list(spec.agent.parameters) == ["n_rho", "tau"]


def test_what_is_drawn_is_left_alone(tmp_path: Path) -> None:
    """Values that say how they are drawn stand as they are."""
    drawn = {"policy_type": {"choice": ["Gaussian", "Beta"]}, "clip_stddev": {"uniform": [2, 9]}}
    agent = {"agent_name": "SAC", "parameters": {**drawn, "cuda": False}}
    agent |= {"search": {"method": "random", "capacity": 9}}
    path = tmp_path / "agent.json"
    path.write_text(json.dumps(agent))
    spec = read_experiment_spec([write_environment(tmp_path, "Pendulum-v1", PLAIN)], [str(path)])
    assert spec.agent.as_document()["parameters"] == {
        "policy_type": ["Gaussian", "Beta"],
        "clip_stddev": {"uniform": [2.0, 9.0]},
    }


def test_epsilon_below_its_minimum(tmp_path: Path) -> None:
    """An ε that begins below its minimum is constant, in its place of the order."""
    parameters = {"cuda": [True], "epsilon": [0.02, 0.2], "tau": [0.1, 0.2], "epsilon_min": [0.1]}
    spec = read(tmp_path, ("epsgreedy", parameters))
    assert list(spec.agent.parameters) == ["epsilon/epsilon_min", "tau"]
    assert spec.sweep.setting(2)["epsilon_min"] == spec.sweep.setting(2)["epsilon"] == 0.02
    assert spec.sweep.setting(3)["epsilon_min"] == 0.1
    with pytest.raises(SpecError, match="epsilon: got an empty list"):
        read(tmp_path, ("epsgreedy", {**parameters, "epsilon": []}))


ACROBOT: dict[str, Any] = {"env_name": "Acrobot-v1", "continuous": False}
REFUSED: dict[str, tuple[tuple[str, Any], dict[str, Any], str]] = {
    "several values": (
        ("SAC", {"cuda": [False, True]}),
        {},
        "agent.json: parameters.cuda: got 2 values of what has no effect here: the settings would "
        "be equal, allowed: one; hint: --device says where runs train",
    ),
    "a range": (
        ("SAC", {"num_hidden": {"int": [1, 3]}}),
        {},
        "agent.json: parameters.num_hidden: got a range of what has no effect here",
    ),
    "another value": (
        ("GreedyACNoEntReg", {"soft_q": [True]}),
        {},
        "agent.json: parameters.soft_q: got true, allowed: false; hint: its values have no entropy",
    ),
    "an effect there": (
        ("SAC", {"policy_type": ["SquashedGaussian", "Beta"], "clip_min": [0.1]}),
        {},
        "agent.json: parameters.clip_min: has an effect on Beta there, and none here; hint: leave",
    ),
    "of another agent": (
        ("VAC", {"use_critic_trace": [True]}),
        {},
        'agent.json: parameters.use_critic_trace: "use_critic_trace": unknown key; hint: agents ',
    ),
    "not in the table": (
        ("SAC", {"cudaa": [True]}),
        {},
        'agent.json: parameters.cudaa: "cudaa": unknown key',
    ),
    "no kernels": (
        ("SACDiscreteCNN", {"channels": [[16]]}),
        ACROBOT,
        "agent.json: parameters.kernel_sizes: missing, and SACDiscreteCNN has convolutions; hint: "
        'such as "channels": [[16, 32]], "kernel_sizes": [[3, 3]]',
    ),
    "no kernels of another name": (
        ("SAC", {"channels": [[16]], "policy_type": ["Softmax"]}),
        ACROBOT,
        "agent.json: parameters.kernel_sizes: missing beside channels; hint: such as",
    ),
    "no convolution": (
        ("SACDiscreteCNN", {"channels": [[]], "kernel_sizes": [[]]}),
        ACROBOT,
        "agent.json: parameters.convolutions: got [], and SACDiscreteCNN has convolutions; hint: ",
    ),
    "none of our own": (
        ("VACDiscreteCNN", {"convolutions": [[]]}),
        ACROBOT,
        "agent.json: parameters.convolutions: got [], and VACDiscreteCNN has convolutions; hint: ",
    ),
    "drawn channels": (
        ("VACDiscreteCNN", {"channels": {"choice": [[16]]}, "kernel_sizes": [[3]]}),
        ACROBOT,
        'agent.json: parameters.channels: got {"choice": [[16]]}, allowed: a list; hint: draw both '
        'in one: "convolutions"',
    ),
    "a listed width": (
        ("SAC", {"hidden_dim": [[64]]}),
        {},
        "agent.json: parameters.hidden_dim: got [64], allowed: ",
    ),
    "fewer kernels": (
        ("VACDiscreteCNN", {"channels": [[16, 8]], "kernel_sizes": [[3]]}),
        ACROBOT,
        "agent.json: parameters.channels: got [16, 8] beside kernel_sizes [3], allowed: lists of",
    ),
    "two hidden layers": (
        ("SACDiscreteCNN", {"channels": [[16]], "kernel_sizes": [[3]], "hidden_dim": [[128, 64]]}),
        ACROBOT | {"env_name": "IndexGridworld", "rows": 5, "cols": 5},
        "agent.json: parameters.hidden_dim: got [[128, 64]], allowed: lists of one number; hint: ",
    ),
    "vectors": (
        ("SACDiscreteCNN", {"channels": [[16]], "kernel_sizes": [[3]], "hidden_dim": [[128]]}),
        ACROBOT,
        "agent.json: parameters.convolutions: got [16, 3]: the environment's observations are vec",
    ),
    "pairs apart": (
        ("SAC", {"reparameterized": [True, False], "alpha": [1, 2], "baseline_actions": [0, 4]}),
        {},
        "agent.json: parameters.reparameterized: swept as baseline_actions is, and so is another",
    ),
    "tiled": (
        ("SAC", {}),
        {"use_tile_coding": True},
        "environment.json: use_tile_coding: got true, allowed: false; hint: linear agents tile",
    ),
    "so many episodes": (
        ("SAC", {}),
        {"max_episodes": 10, "env_name": "Acrobot-v1", "continuous": True},
        "environment.json: max_episodes: got 10, allowed: 0 or less, or total_timesteps or more, "
        "as all runs take that many steps, side by side; hint: if every episode has 30 steps, ",
    ),
    "several seeds": (
        ("SAC", {}),
        {"seed": [1, 2]},
        "environment.json: seed: got a list of what has no effect here, allowed: one value; hint: ",
    ),
    "a proposal": (
        ("GreedyACNoEntReg", {"proposal_rho_scale": [2.0]}),
        {},
        "agent.json: parameters.proposal_rho_scale: got 2.0, allowed: 1; hint: the actor itself",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    """What cannot be carried over is refused in one line, with the reason."""
    agent, fields, begins = REFUSED[case]
    (line,) = refusals(tmp_path, agent, ("Pendulum-v1", {**PLAIN, **fields}))
    assert line.startswith(begins)


def test_all_faults_at_once(tmp_path: Path) -> None:
    """Faults of the older tool's keys and of our own stand beside each other."""
    agent = ("SAC", {"cuda": [True, False], "tau": [2.0]})
    lines = refusals(tmp_path, agent, ("Pendulum-v1", {**PLAIN, "max_episodes": 1.5, "gamma": 2}))
    keys = {line.split(": ")[1] for line in lines}
    assert keys == {"parameters.cuda", "parameters.tau", "max_episodes", "gamma"}


@pytest.mark.parametrize("name", ["SACC", "SACDiscreteGNN", None])
def test_all_faults_beside_a_name(tmp_path: Path, name: str | None) -> None:
    """Where a name is none, or of nothing here, faults that no name could mend are told."""
    agent = {"agent_name": name, "kind": 1, "parameters": {"tau": [2], "cuda": [1], "taw": [0.1]}}
    world = {"env_name": "Pendel", "total_timesteps": 60, "gamma": 2, "colour": "red"}
    files = [tmp_path / "agent.json", tmp_path / "environment.json"]
    for path, content in zip(files, (agent, world), strict=True):
        path.write_text(json.dumps(content))
    with pytest.raises(SpecError) as refused:
        read_experiment_spec([str(files[1])], [str(files[0])], CONVENTIONS)
    keys = [fault.key for fault in refused.value.faults]
    of_agent = ["agent_name", "kind", "parameters.tau", "parameters.taw"]
    assert sorted(keys) == sorted([*of_agent, "conventions", "env_name", "gamma", "colour"])


def test_a_default_that_does_not_fit(tmp_path: Path) -> None:
    """An agent whose default is for other actions is refused by its name, not by what it says."""
    (line,) = refusals(tmp_path, ("epsgreedy", {}), ("Acrobot-v1", {**PLAIN, "continuous": False}))
    assert line.startswith(
        "agent.json: agent_name: policy_type, which the spec leaves at its default: got "
        "DeterministicAction, allowed with discrete actions: Argmax (in Acrobot-v1); hint: write"
    )


def test_episodes_of_one_length(tmp_path: Path) -> None:
    """Where only its length ends an episode, so many episodes are so many steps."""
    world = {**PLAIN, "total_timesteps": 300, "steps_per_episode": 30}
    for episodes, steps in ((4, 120), (10, 300), (400, 300)):
        spec = read(tmp_path, environment=("Pendulum-v0", {**world, "max_episodes": episodes}))
        assert spec.environment.total_timesteps == steps
        assert any("max_episodes" in note for note in spec.notes)


def test_episodes_without_effect(tmp_path: Path) -> None:
    """A number of episodes that no run reaches is passed over."""
    for episodes in (-1, 0, 60, 1000):
        spec = read(tmp_path, environment=("Pendulum-v1", {**PLAIN, "max_episodes": episodes}))
        assert "max_episodes" not in spec.environment.as_document()
        assert any("max_episodes (a run lasts total_timesteps" in note for note in spec.notes)


def test_rewards(tmp_path: Path) -> None:
    """A shift and its discount are fields here, and what is not read there is passed over."""
    written = {"shift": 0.5, "gamma": 0.9, "threshold": 0.2}
    spec = read(tmp_path, environment=("Pendulum-v1", {**PLAIN, "rewards": written}))
    assert spec.environment.as_document()["rewards"] == {
        "timestep": 0.0,
        "goal": 0.0,
        "shift": 0.5,
        "gamma": 0.9,
    }
    assert any("rewards.threshold (" in note for note in spec.notes)
    world = {**PLAIN, "platform": "dmcontrol", "rewards": written}
    spec = read(tmp_path, environment=("pendulum-swingup", world))
    rewards = spec.environment.as_document()["rewards"]
    assert rewards == {"timestep": 0.0, "goal": 0.0, "threshold": 0.2}
    assert any("rewards.shift (" in note and "rewards.gamma (" in note for note in spec.notes)


def test_names_of_environments(tmp_path: Path) -> None:
    """MinAtar's games have Gymnasium's names, and a domain with its task is both."""
    game = {**PLAIN, "continuous": False}
    softmax = ("SACDiscrete", {})
    names = {}
    for said, fields in (
        ("MinAtarBreakout", game),
        ("MinAtarSpace_Invaders", {**game, "use_minimal_action_set": False}),
    ):
        names[said] = read(tmp_path, softmax, (said, fields)).environment.env_name
    assert names == {
        "MinAtarBreakout": "MinAtar/Breakout-v1",
        "MinAtarSpace_Invaders": "MinAtar/SpaceInvaders-v0",
    }
    world = ("cartpole-balance_sparse", {**PLAIN, "platform": "dmcontrol"})
    spec = read(tmp_path, environment=world)
    assert spec.directory("save").name == "cartpole-balance_sparse_SAC_SquashedGaussian"


def test_control_cost(tmp_path: Path) -> None:
    """The weight of control costs is a keyword of the environment; null leaves it alone."""
    for weight, keywords in ((0.2, {"ctrl_cost_weight": 0.2}), (None, {})):
        fields = {**PLAIN, "ctrl_cost_weight": weight}
        spec = read(tmp_path, ("SAC", {}), ("Swimmer-v5", fields))
        assert spec.environment.mapping("kwargs") == keywords


def test_how_often_a_game_was_saved_there_is_how_often_it_is_here(tmp_path: Path) -> None:
    """`save_dense_every` of the game's spec is the interval of snapshots, alone or not at all."""
    game = {"env_name": "RBC", "total_timesteps": 5000, "save_dense_every": 2000}
    files = [tmp_path / "game.json", tmp_path / "agent.json"]
    files[0].write_text(json.dumps(game))
    files[1].write_text(json.dumps({"agent_name": "random", "parameters": {}}))
    spec = read_experiment_spec([files[0]], [files[1]])
    assert spec.environment.integer("snapshot_interval_timesteps") == 2000
    [note] = spec.notes
    assert note.endswith("save_dense_every as snapshot_interval_timesteps")
    files[0].write_text(json.dumps(game | {"snapshot_interval_timesteps": 10}))
    with pytest.raises(SpecError, match="save_dense_every: says what snapshot_interval_timesteps"):
        read_experiment_spec([files[0]], [files[1]])
