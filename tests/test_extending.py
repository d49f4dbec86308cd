"""docs/extending.md: its classes, specs and commands work as they stand, compiled and in packs."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from packs import train
from processes import ROOT, TIMEOUT
from warm import warm_process

from nthrun.agents.registry import agent_footprint
from nthrun.errors import ContractError, SpecError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.schema import first_difference
from nthrun.training.context import make_context

TEXT = (ROOT / "docs/extending.md").read_text()
OF_BEFORE = ROOT / "tests/data/own_classes_of_before"
CLASSES = (
    "linear_q.py",
    "rollout_ac.py",
    "constant_search.py",
    "linear_q_heir.py",
    "corridor.py",
    "coin.py",
    "inspection.py",
)
SPECS = (
    "LinearQ.json",
    "RolloutAC.json",
    "ConstantSearch.json",
    "Firm.json",
    "LinearQHeir.json",
    "Corridor.json",
    "Coin.json",
    "Inspection.json",
)
SHORT = {"total_timesteps": 400, "eval_interval_timesteps": 200, "eval_episodes": 1}


def blocks(language: str) -> list[str]:
    """The code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the files of the page beside main.py, whose CartPole trains for 400 steps."""
    shutil.copy(ROOT / "main.py", tmp_path)
    (tmp_path / "nthrun").symlink_to(ROOT / "nthrun")
    shutil.copytree(ROOT / "config", tmp_path / "config")
    cart = tmp_path / "config/environment/CartPole-v1.json"
    cart.write_text(json.dumps(json.loads(cart.read_text()) | SHORT))
    written = (
        *zip(CLASSES, blocks("python"), strict=True),
        *zip(SPECS, blocks("json"), strict=True),
    )
    for name, text in written:
        assert f"`{name}`" in TEXT
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_commands_run(checkout: Path) -> None:
    """Every `bash` line runs, in order, and every index is completed."""
    for command in "".join(blocks("bash")).splitlines():
        _, script, *arguments = command.split()
        words = [str(checkout / script), *arguments]
        done = warm_process().call(words, checkout, os.environ, TIMEOUT)
        assert done.returncode == 0, done.stderr
        assert (done.stdout + done.stderr).count(": completed, ") == 4, done.stderr
        assert "eager" not in done.stderr
    assert {path.name for path in (checkout / "results").iterdir()} == {
        "CartPole-v1_LinearQ",
        "CartPole-v1_LinearQHeir",
        "CartPole-v1_RolloutAC",
        "GHM_ConstantSearch",
        "Corridor_LinearQ",
        "Coin_LinearQ",
        "Inspection_random_Uniform",
    }


@pytest.mark.parametrize("backend", ["eager", "compile"])
def test_a_users_classes_are_packed_bit_for_bit(checkout: Path, backend: str) -> None:
    """A user's agent in a user's environment has the same bits alone and in a pack, and learns the
    way: the last episodes are as short as steps astray allow."""
    spec = written_spec(checkout, "Corridor.json", "LinearQ.json")
    context = make_context(spec, backend)
    alone = train(spec, [1], context=context)[1]
    packed = train(spec, [0, 1, 2, 3], context=context)
    assert first_difference(alone, packed[1]) is None
    assert alone["train_episode_steps"][-20:].mean() < 12


@pytest.mark.parametrize("backend", ["eager", "compile"])
def test_a_users_rollouts_are_packed_bit_for_bit(checkout: Path, backend: str) -> None:
    """A user's agent that learns from rollouts has the same bits alone and in a pack, and learns
    the way."""
    spec = written_spec(checkout, "Corridor.json", "RolloutAC.json")
    context = make_context(spec, backend)
    alone = train(spec, [1], context=context)[1]
    packed = train(spec, [0, 1, 2, 3], context=context)
    assert first_difference(alone, packed[1]) is None
    assert alone["train_episode_steps"][-20:].mean() < 12
    assert len((checkout / "rollout_ac.py").read_text().splitlines()) < 80


def test_a_users_world_on_the_host_is_packed_bit_for_bit(checkout: Path) -> None:
    """A user's agent in a user's world on the host has the same bits alone and in a pack, and
    learns to bet on the side it has seen."""
    spec = written_spec(checkout, "Coin.json", "LinearQ.json")
    alone = train(spec, [1])[1]
    packed = train(spec, [0, 1, 2, 3])
    assert first_difference(alone, packed[1]) is None
    assert alone["train_episode_rewards"][-20:].mean() > 27


def test_a_users_solver_is_packed_bit_for_bit(checkout: Path) -> None:
    """A user's solver has the same bits alone and in a pack, and finds an action that earns more
    than the one it starts with."""
    spec = written_spec(checkout, "Firm.json", "ConstantSearch.json")
    alone = train(spec, [1])[1]
    packed = train(spec, [0, 1, 2, 3])
    assert first_difference(alone, packed[1]) is None
    for run in packed.values():
        before, *_, now = run["eval_episode_rewards"].mean(1)
        assert now > before


@pytest.mark.parametrize("backend", ["eager", "compile"])
def test_a_users_game_is_packed_bit_for_bit(checkout: Path, backend: str) -> None:
    """A user's game has the same bits alone and in a pack, and uniform play earns what it must:
    half of the workers are paid for, and half of the inspections."""
    document = json.loads((checkout / "Inspection.json").read_text())
    spec = experiment_spec_of(document, {"agent_name": "random", "parameters": {}}, "test")
    context = make_context(spec, backend)
    alone = train(spec, [1], context=context)[1]
    packed = train(spec, [0, 1, 2, 3], context=context)
    assert first_difference(alone, packed[1]) is None
    assert alone["eval_episode_rewards"].mean() == pytest.approx(10 * (1.0 - 0.25), abs=0.25)


def test_who_acts_for_one_does_not_play_a_users_game(checkout: Path) -> None:
    """An own agent of one action is told which roles the game has."""
    with pytest.raises(SpecError) as refused:
        written_spec(checkout, "Inspection.json", "LinearQ.json")
    [line] = refused.value.lines()
    assert "acts for one, and the environment is a game of worker, inspector" in line


GAME_SLIPS = {
    "score = 'boss'": "its score is 'boss', allowed: worker, inspector",
    "observe_role = lambda self, state, role: state": (
        "observe_role of worker is float32 (1, 1, 1), allowed: float32 (1, 1, 3, 1)"
    ),
    "choice_table = lambda self, role: ()": "choice_table of worker has sizes (), allowed: (2,)",
    "step_roles = None": "has roles and no step_roles, allowed: a class of RolesEnvironment",
    "step_roles = lambda self, state, *_: RolesTransition(state, {}, state)": (
        "the rewards of worker of step_roles is None, allowed: a tensor of shape (1, 1, 3)"
    ),
}


@pytest.mark.parametrize("slip", GAME_SLIPS)
def test_a_slip_of_a_game_is_told(checkout: Path, slip: str) -> None:
    """What a user's game lacks or gives in another shape is told by name, before it trains."""
    text = (checkout / "inspection.py").read_text()
    name = f"slipping_{zlib.crc32(slip.encode())}"
    body = f"\n\nclass Slipping(Inspection):\n    {slip}\n"
    if slip.startswith("score"):
        text = text.replace(', spec.values["score"]', ", self.score")
    (checkout / f"{name}.py").write_text(text + body)
    importlib.invalidate_caches()
    document = json.loads((checkout / "Inspection.json").read_text())
    named = document | {"env_name": f"{name}:Slipping"}
    spec = experiment_spec_of(named, {"agent_name": "random", "parameters": {}}, "test")
    with pytest.raises(ContractError) as broken:
        train(spec, [0])
    [line] = broken.value.lines()
    assert line.startswith(f"{name}:Slipping: {GAME_SLIPS[slip]}")


def test_a_solver_need_not_say_what_it_costs(checkout: Path) -> None:
    """A user's solver is measured: its tensors and draws are counted as a class that gives a
    footprint counts them, and both have the same bits."""
    text = (OF_BEFORE / "constant_search.py").read_text()
    assert "def footprint" in text
    moved = "from nthrun.agents.mc_pg.declaration import fits_episodes"
    (checkout / "costly.py").write_text(re.sub("^from .* import fits_.*$", moved, text, flags=re.M))
    importlib.invalidate_caches()
    environment, agent = (
        json.loads((checkout / name).read_text()) for name in ("Firm.json", "ConstantSearch.json")
    )
    costly = experiment_spec_of(environment, agent | {"agent_name": "costly:ConstantSearch"}, "t")
    measured = written_spec(checkout, "Firm.json", "ConstantSearch.json")
    footprints = [
        agent_footprint(spec.agent.declaration, spec.sweep.setting(0), spec.environment)
        for spec in (measured, costly)
    ]
    guessed = {"update_bytes": 0, "acting_bytes": 0, "num_metrics": 0}
    assert replace(footprints[0], **guessed) == replace(footprints[1], **guessed)
    assert first_difference(train(measured, [1])[1], train(costly, [1])[1]) is None


def written_spec(checkout: Path, environment: str, agent: str) -> ExperimentSpec:
    """The spec of two files of the page."""
    world, learner = (json.loads((checkout / name).read_text()) for name in (environment, agent))
    return experiment_spec_of(world, learner, "test")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nowhere_at_all:Agent", "there is no module nowhere_at_all"),
        ("linear_q:Missing", "has no attribute 'Missing'"),
        ("linear_q:Field", "this is no agent, it has no `hyperparameters`"),
        ("faulty:Agent", "its module cannot be imported (ZeroDivisionError"),
    ],
)
def test_a_class_that_cannot_be_used_is_told(checkout: Path, name: str, problem: str) -> None:
    """What is wrong with a user's class is one line that names it."""
    (checkout / "faulty.py").write_text("1 / 0")
    environment = json.loads((checkout / "Corridor.json").read_text())
    with pytest.raises(SpecError) as refused:
        experiment_spec_of(environment, {"agent_name": name, "parameters": {}}, "agent.json")
    [line] = refused.value.lines()
    assert line.startswith(f"agent.json: agent_name: got '{name}'")
    assert problem in line


UNSOUND = {
    "interface = 5": "its `interface` is 5, allowed: an Interface",
    "interface = lambda values: 5": "its `interface` gives 5, not an Interface",
    "interface = lambda values: 1 / 0": "its `interface` fails (ZeroDivisionError",
    "interface = lambda values: values['nothing']": "its `interface` fails (KeyError: 'nothing')",
    "interface = SMALL; continuous = True": "its `continuous` is True, allowed: a tuple",
    "interface = SMALL; continuous = ('no',)": "its `continuous` is ('no',), allowed: a tuple",
    "interface = SMALL; continuous = ()": "its `continuous` is (), allowed: a tuple",
    "interface = SMALL; fields = 3": "its `fields` is 3, allowed: a tuple of Fields",
    "interface = SMALL; on_host = 'yes'": "its `on_host` is 'yes', allowed: True or False",
}


@pytest.mark.parametrize("body", UNSOUND)
def test_an_attribute_that_is_not_what_it_has_to_be_is_told(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong with an attribute of a user's environment is one line that names it."""
    with pytest.raises(SpecError) as refused:
        read_own(body, tmp_path, monkeypatch)
    [line] = refused.value.lines()
    assert line.startswith("e.json: env_name: got 'unsound_")
    assert UNSOUND[body] in line


def test_an_interface_is_asked_for_only_of_a_sound_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that reads a field is not called where that field is at fault."""
    body = "interface = lambda values: values['total_timesteps']"
    with pytest.raises(SpecError) as refused:
        read_own(body, tmp_path, monkeypatch, total_timesteps="many")
    [line] = refused.value.lines()
    assert line.startswith('e.json: total_timesteps: got "many"')


@pytest.mark.parametrize(("bounds", "continuous"), [("(0.0,), (1.0,)", True), ("(), (), 2", False)])
def test_the_kind_of_actions_of_a_users_class_follows_from_its_interface(
    bounds: str, continuous: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class that does not say which actions it allows has those of its interface, as the default
    and as the only ones."""
    body = f"interface = Interface((0.0,), (1.0,), {bounds})"
    spec = read_own(body, tmp_path, monkeypatch)
    assert spec.environment.values["continuous"] is continuous
    with pytest.raises(SpecError, match="allows: "):
        read_own(body, tmp_path, monkeypatch, continuous=not continuous)


def read_own(
    body: str, directory: Path, monkeypatch: pytest.MonkeyPatch, **values: object
) -> ExperimentSpec:
    """A spec of a user's environment whose class has this body."""
    monkeypatch.syspath_prepend(directory)
    name = f"unsound_{zlib.crc32(body.encode())}"
    head = "from nthrun.specs.interface import Interface\n\nSMALL = Interface((0.0,), (1.0,))\n\n\n"
    (directory / f"{name}.py").write_text(f"{head}class Own:\n    {body}\n")
    importlib.invalidate_caches()
    environment = {"env_name": f"{name}:Own", "total_timesteps": 10} | values
    agent = {"agent_name": "random", "parameters": {}}
    return experiment_spec_of(environment, agent, "e.json")
