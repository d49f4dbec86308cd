"""What an agent or an environment raises fails its own run, whatever it is, and no other."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkpoints import experiment_in
from failing import LATE, PLACES, WORLD_PLACES, FailingAgent, failing_layout

from nthrun.agents.registry import agent_footprint
from nthrun.commands.run import run as main
from nthrun.commands.scoreboard import recorded_news
from nthrun.environments.from_gymnasium import declaration
from nthrun.errors import (
    NthrunError,
    RunFailedError,
    SpecError,
    StorageError,
    UnsupportedOperationError,
)
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.data import open_data, open_directory
from nthrun.records.experiment import open_experiment
from nthrun.records.schema import Run
from nthrun.specs.footprint import AgentFootprint
from nthrun.training.backends import try_compiled
from nthrun.training.checkpoints import CheckpointWriter
from nthrun.training.context import make_context
from nthrun.training.pack_training import train_pack
from nthrun.training.requests import PackRequest
from nthrun.training.saved_policy import Learned, restored

PENDULUM = {"env_name": "Pendulum-v1"}
PROTOCOL = {
    "total_timesteps": 40,
    "steps_per_episode": 5,
    "eval_interval_timesteps": 5,
    "eval_episodes": 1,
    "checkpoint_interval_seconds": 1e-6,
}
RAISED = {
    "exit": "SystemExit (",
    "file": "FileNotFoundError: [Errno 2] No such file or directory: '/no/such/table.csv' (",
    "ConnectionRefusedError": "ConnectionRefusedError: told to (",
    "TimeoutError": "TimeoutError: told to (",
    "GeneratorExit": "GeneratorExit: told to (",
    "StopIteration": "StopIteration: told to (",
    "CancelledError": "CancelledError: told to (",
    "OwnError": "OwnError: told to (",
    "SpeechlessError": "SpeechlessError: it cannot say what it is of (",
    "NthrunError": "NthrunError: told to (",
    "SpecLikeError": "SpecLikeError: nowhere: told to (",
}


def spec_of(parameters: dict[str, Any], environment: dict[str, Any]) -> ExperimentSpec:
    """An agent that fails as told, in an environment that does."""
    agent = {"agent_name": "failing:FailingAgent", "parameters": parameters}
    return experiment_spec_of(PROTOCOL | environment, agent, "e")


def recorded(spec: ExperimentSpec, root: Path, indices: list[int]) -> dict[int, Run]:
    """The records that training a pack leaves."""
    experiment = experiment_in(root, spec)
    request = PackRequest(0, False, False, lambda _: spec, lambda run: recorded_news(spec, run))
    train_pack(indices, replace(make_context(spec), experiment=experiment), request)
    runs = [entry.load(()) for entry in open_directory(experiment).entries]
    return {run["index"]: run for run in runs}


@pytest.mark.parametrize("how", RAISED)
def test_whatever_an_agent_raises_fails_its_run(how: str, tmp_path: Path) -> None:
    """Any exception of an agent, one that ends processes or speaks of files too, is the reason that
    its run failed; the run beside it completes."""
    spec = spec_of({"where": ["act"], "how": [how], "troubled": [1.0, 0.0]}, PENDULUM)
    runs = recorded(spec, tmp_path, [0, 1])
    assert runs[0]["status"] == "failed"
    assert runs[0]["reason"].startswith(RAISED[how])
    assert runs[1]["status"] == "completed"


@pytest.mark.parametrize("where", PLACES[1:])
def test_an_agent_may_raise_it_anywhere(where: str, tmp_path: Path) -> None:
    """In whichever of its methods an agent asks Python to end, its run has failed."""
    run = recorded(spec_of({"where": [where]}, PENDULUM), tmp_path, [0])[0]
    assert (run["status"], run["reason"][:12]) == ("failed", "SystemExit (")


@pytest.mark.parametrize("name", ["failing:FailingWorld", "failing:FailingTensors"])
@pytest.mark.parametrize("where", WORLD_PLACES[1:])
def test_an_environment_may_raise_it_anywhere(name: str, where: str, tmp_path: Path) -> None:
    """In whichever of its methods an environment raises something, the run has failed."""
    for how in ("exit", "TimeoutError", "OwnError"):
        environment = {"env_name": name, "where": where, "how": how}
        run = recorded(spec_of({}, environment), tmp_path / how, [0])[0]
        assert run["status"] == "failed"
        assert run["reason"].startswith({"exit": "SystemExit"}.get(how, f"{how}: told to"))


def test_a_world_that_raised_is_not_played_again(tmp_path: Path) -> None:
    """The runs after one whose world raised something have new worlds, and complete."""
    environment = {"env_name": "failing:FailingWorld", "where": "step", "how": "TimeoutError"}
    spec = spec_of({}, environment | {"total_timesteps": LATE, "eval_episodes": 0})
    longer = spec_of({}, environment)
    steppers = make_context(spec).steppers
    request = PackRequest(0, False, False, lambda _: spec, lambda run: recorded_news(spec, run))
    for place, (tried, status) in enumerate([(longer, "failed"), (spec, "completed")]):
        experiment = experiment_in(tmp_path / str(place), tried)
        context = replace(make_context(tried), experiment=experiment, steppers=steppers)
        train_pack([0], context, replace(request, know=lambda _, spec=tried: spec))
        [entry] = open_directory(experiment).entries
        assert entry.load(())["status"] == status


def test_our_own_disk_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written here is no run's fault: the command ends and records nothing."""

    def refused(*arguments: Any) -> None:
        raise StorageError("cannot write")

    monkeypatch.setattr(CheckpointWriter, "write", refused)
    spec = spec_of({}, PENDULUM)
    with pytest.raises(StorageError, match="cannot write"):
        recorded(spec, tmp_path, [0])
    assert not open_directory(open_experiment(tmp_path)).entries


def command(tmp_path: Path, environment: dict[str, Any], agent: dict[str, Any]) -> list[str]:
    """The options of `main.py` for two specs."""
    for name, document in (("environment", PROTOCOL | environment), ("agent", agent)):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    specs = ["--env-json", f"{tmp_path}/environment.json", "--agent-json", f"{tmp_path}/agent.json"]
    return [*specs, "--save-dir", f"{tmp_path}/out"]


def test_the_sweep_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sweep of which one setting asks Python to end trains the others, says which failed, and
    ends with an error."""
    agent = {"agent_name": "failing:FailingAgent", "parameters": {"where": ["update", "nowhere"]}}
    options = command(tmp_path, PENDULUM, agent)
    with pytest.raises(RunFailedError) as failed:
        main.main([*options, "--index", "0-3", "--workers", "1"], standalone_mode=False)
    assert failed.value.message == "failed: index 0,2"
    [root] = (tmp_path / "out").iterdir()
    statuses = {e.load(())["index"]: e.load(())["status"] for e in open_data(root).entries}
    assert statuses == {0: "failed", 1: "completed", 2: "failed", 3: "completed"}
    assert re.search(r"index 0: failed, \d steps, SystemExit \(", capsys.readouterr().out)


def test_a_record_that_fails_now_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verifying a record whose agent now asks Python to end says so."""
    agent = {"agent_name": "failing:FailingAgent", "parameters": {}}
    options = [*command(tmp_path, PENDULUM, agent), "--index", "0", "--backend", "eager"]
    assert main.main(options, standalone_mode=False) in (None, 0)

    def ends(*arguments: Any) -> None:
        sys.exit(0)

    monkeypatch.setattr("failing.FailingAgent.observe", ends)
    assert main.main([*options, "--verify"], standalone_mode=False) == 1
    assert "index 0: differs, now it fails: SystemExit: 0 (" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["raise SystemExit", "import sys; sys.exit(0)", "raise Own"])
def test_a_module_may_ask_python_to_end(line: str, tmp_path: Path) -> None:
    """A module of a user's that ends Python when it is imported is refused in one line."""
    (tmp_path / "ends.py").write_text(f"class Own(BaseException): ...\n{line}\n")
    agent = {"agent_name": "ends:Agent", "parameters": {}}
    with contextlib.ExitStack() as stack:
        stack.callback(sys.path.remove, str(tmp_path))
        sys.path.insert(0, str(tmp_path))
        with pytest.raises(SpecError) as refused:
            main.main([*command(tmp_path, PENDULUM, agent), "--index", "0"], standalone_mode=False)
    [said] = refused.value.lines()
    assert "its module cannot be imported (" in said


@pytest.mark.parametrize(
    "how", ["NthrunError", "StorageError", "SpecLikeError", "ValueError", "exit"]
)
@pytest.mark.parametrize(
    ("name", "agent", "environment"),
    [
        ("failing:FailingAgent", {"where": ["__init__"]}, PENDULUM),
        ("failing:FailingAgent", {"where": ["initial_state"]}, PENDULUM),
        ("failing:FailingTensors", {}, {"env_name": "failing:FailingTensors"}),
    ],
)
def test_whose_first_step_failed_is_told(
    name: str, agent: dict[str, Any], environment: dict[str, Any], how: str
) -> None:
    """Where a step is to be compiled, whatever a user's class raises when it is made, an error of
    nthrun's too, is told as that class's, and is none of the whole command's."""
    told = {"how": how, "where": "__init__"} if len(environment) == 1 and not agent else {}
    spec = spec_of(agent | ({"how": [how]} if agent else {}), environment | told)
    with pytest.raises(UnsupportedOperationError) as refused:
        try_compiled(spec, "cpu")
    [said] = refused.value.lines()
    raised = RAISED.get(how, f"{how}: told to (").removesuffix(" (")
    assert said.startswith(f"the first step failed ({raised}")
    assert f", raised by {name})" in said


def test_whose_policy_cannot_be_restored_is_told() -> None:
    """So it is where a policy is restored: its class raises what it likes, and one error of ours
    says whose it is."""
    for how in ("NthrunError", "ValueError", "exit", "OwnError"):
        spec = spec_of({"where": ["__init__"], "how": [how]}, PENDULUM)
        with pytest.raises(NthrunError) as refused:
            restored(Learned(spec, Path(), 0, 0, 40, {}))
        [said] = refused.value.lines()
        assert said.startswith("failing:FailingAgent: its policy cannot be restored (")
        assert said.endswith(", raised by failing:FailingAgent)")


def test_an_error_of_ours_from_a_layout_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent whose layout raises an error of nthrun's costs nothing, as one whose layout raises
    any other; a layout that gives something else is still refused."""
    agent = {"agent_name": "failing:FailingAgent", "parameters": {}}

    monkeypatch.setattr(FailingAgent, "layout", failing_layout, raising=False)
    spec = experiment_spec_of(PROTOCOL | PENDULUM, agent, "e")
    setting = spec.sweep.setting(0)
    assert agent_footprint(spec.agent.declaration, setting, spec.environment) == AgentFootprint()
    monkeypatch.setattr(FailingAgent, "layout", lambda *_: 3)
    with pytest.raises(SpecError, match="its layout gives 3"):
        spec = experiment_spec_of(PROTOCOL | PENDULUM, agent, "e")
        agent_footprint(spec.agent.declaration, setting, spec.environment)


def test_a_registered_environment_may_ask_python_to_end() -> None:
    """One that does so when it is made is refused in one line; what closing it raises is told, and
    keeps nobody from playing."""
    from environments.registered import Echo  # noqa: PLC0415 - it registers an environment

    document = {"env_name": "environments.registered:maze/Echo-v0", "platform": "gymnasium"}

    def ends(*arguments: Any, **keywords: Any) -> None:
        sys.exit(3)

    agent = {"agent_name": "random", "parameters": {}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Echo, "close", ends)
        with pytest.warns(UserWarning, match="closing it failed: SystemExit: 3"):
            experiment_spec_of(PROTOCOL | document, agent, "e")
        patch.setattr(Echo, "__init__", ends)
        with pytest.raises(SpecError, match=r"refused by .*: SystemExit: 3"):
            experiment_spec_of(PROTOCOL | document, agent, "e")

        def refuses(*arguments: Any, **keywords: Any) -> None:
            raise NthrunError("mine")

        patch.setattr(Echo, "__init__", refuses)
        with pytest.raises(SpecError, match=r"env_name: refused by .*: NthrunError: mine"):
            experiment_spec_of(PROTOCOL | document, agent, "e")
    assert declaration.make(document["env_name"], {}) is not None


def test_ending_elsewhere_is_told(tmp_path: Path) -> None:
    """Where a user's code is called outside of a run, its wish to end is an error, not success."""
    (tmp_path / "picky.py").write_text(
        "import sys\n"
        "from nthrun.agents.random_agent.program import RandomAgent\n"
        "class Picky(RandomAgent):\n"
        "    hyperparameters = ()\n"
        "    @staticmethod\n"
        "    def fits(interface, values_of):\n"
        "        sys.exit(0)\n"
    )
    options = command(tmp_path, PENDULUM, {"agent_name": "picky:Picky", "parameters": {}})
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, str(root / "main.py"), *options, "--index", "0"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert len(done.stderr.splitlines()) == 1
    assert "SystemExit" in done.stderr
