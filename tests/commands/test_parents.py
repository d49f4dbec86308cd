"""Runs that start from recorded ones: trained, continued, verified, scheduled by the commands."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_experiment, make_run
from checkpoints import stopped_at
from heirs import specs
from in_process import Outcome, ended
from plans import only_commands
from schedule_commands import arguments, listing

from nthrun.commands.run import run
from nthrun.commands.schedule import schedule
from nthrun.errors import InterruptedRunError
from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.records.data import open_data
from nthrun.records.experiment import open_experiment
from nthrun.records.schema import Run, first_difference
from nthrun.training.context import make_context
from nthrun.training.pack_training import train_pack
from nthrun.training.progress import Noted, Recorded
from nthrun.training.requests import PackRequest
from nthrun.training.saved_policy import load_policy

FOREBEAR, HEIR = "Pendulum-v1_Forebear", "Pendulum-v1_Heir"


def trained(directory: Path, agent: str, indices: str = "0", **given: Any) -> Outcome:
    """Train some indices of an agent by the real command, eagerly."""
    words = specs(directory, agent, given.get("parameters"), given.get("environment"))
    return ended(run, *words, "--backend", given.get("backend", "eager"), "--index", indices)


def forebears(directory: Path, indices: str = "0", **parameters: Any) -> dict[int, Run]:
    """The records of forebears, trained anew."""
    shutil.rmtree(directory / "out" / FOREBEAR, ignore_errors=True)
    assert trained(directory, "Forebear", indices, parameters=parameters).code == 0
    return recorded(directory, FOREBEAR)


def recorded(directory: Path, name: str = HEIR) -> dict[int, Run]:
    """Index -> record."""
    runs = (entry.load(()) for entry in open_data(directory / "out" / name).entries)
    return {run["index"]: run for run in runs}


@pytest.fixture
def without_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Slurm on this process's PATH."""
    (only_commands(tmp_path, monkeypatch).folder / "git").symlink_to("/usr/bin/git")


@pytest.mark.parametrize("backend", ["eager", "compile"])
def test_a_run_starts_from_the_run_that_its_setting_names(tmp_path: Path, backend: str) -> None:
    """Each index starts from the parameters of the run, at the step, that its own setting names, in
    one pack; its provenance says from which, and by what hash."""
    parents = forebears(tmp_path, "0-1")
    chosen = {"parent_index": [0, 1], "parent_step": [-1, 20]}
    assert trained(tmp_path, "Heir", "0-3", parameters=chosen, backend=backend).code == 0
    heirs = recorded(tmp_path)
    for index, parent in ((0, 0), (1, 1)):
        start, weights = (
            heirs[index]["learned_params"]["start"],
            parents[parent]["learned_params"]["weights"],
        )
        assert start.tolist() == weights.tolist() != [0.0] * 3
        assert not np.array_equal(heirs[index]["learned_params"]["weights"], start)
        told = heirs[index]["provenance"]["parent"]
        assert (told["directory"], told["index"], told["step"]) == (FOREBEAR, parent, 40)
        manifest = open_experiment(tmp_path / "out" / FOREBEAR).manifest
        assert told["fingerprint"] == manifest.fingerprint
        assert len(told["parameters"]) == 64
    halfway = [heirs[index]["learned_params"]["start"] for index in (2, 3)]
    assert not np.array_equal(halfway[0], heirs[0]["learned_params"]["start"])
    assert halfway[0][0] > heirs[0]["learned_params"]["start"][0]  # rewards are below 0
    assert heirs[2]["provenance"]["parent"]["step"] == 20


def test_directories_of_parents_are_beside_the_own_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory is found by its place beside the experiment's own, wherever the command is called
    and where workers train; what it names absolutely is taken as it is."""
    forebears(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    absolute = {"pretrained": ["../out/Pendulum-v1_Forebear", str(tmp_path / "out" / FOREBEAR)]}
    words = [*specs(tmp_path, "Heir", absolute), "--backend", "eager"]
    assert ended(run, *words, "--index", "0-1", "--workers", "2").code == 0
    told = [made["provenance"]["parent"]["directory"] for made in recorded(tmp_path).values()]
    assert told == absolute["pretrained"]
    shutil.rmtree(tmp_path / "out" / FOREBEAR)
    policy = load_policy(tmp_path / "out" / HEIR, trust=True)
    assert policy.learned.params["start"].any()


def test_no_parent_is_named_by_nothing(tmp_path: Path) -> None:
    """A run whose setting names no directory starts from nothing, beside others that do."""
    forebears(tmp_path)
    assert trained(tmp_path, "Heir", "0-1", parameters={"pretrained": ["none", FOREBEAR]}).code == 0
    nothing, something = recorded(tmp_path).values()
    assert not nothing["learned_params"]["start"].any()
    assert something["learned_params"]["start"].any()
    assert "parent" not in nothing["provenance"]


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "directory": (
        {"pretrained": ["missing"]},
        {},
        "index 0-1: {out}/missing: not an experiment directory",
    ),
    "no path": (
        {"pretrained": ["a\0b"]},
        {},
        "index 0-1: 'a\\x00b' is no path, allowed: a directory beside the own one",
    ),
    "index": (
        {"parent_index": [0, 3]},
        {},
        "index 1: parent_index 3: not recorded in {out}/" + FOREBEAR + ", which has 0-1",
    ),
    "several": (
        {"parent_index": [2, 3]},
        {},
        "index 0-1: nothing to start from; index 0: parent_index 2: not recorded in {out}/",
    ),
    "stage": (
        {"parent_stage": [1]},
        {},
        "index 0-1: parent_stage 1: not recorded in {out}/" + FOREBEAR + ", which has 0",
    ),
    "step": (
        {"parent_step": [15]},
        {},
        "index 0-1: {out}/" + FOREBEAR + ": parent_step 15: nothing is kept of index 0 at that "
        "step, allowed: 0,10,20,30,40",
    ),
    "shape": (
        {"size": [4]},
        {},
        "index 0-1: " + FOREBEAR + ": index 0, of heirs:Forebear, has weights of shape (3,), "
        "allowed: (4,)",
    ),
    "environment": (
        {},
        {"gamma": 0.5},
        "index 0-1: {out}/" + FOREBEAR + ": gamma of its environment is 0.99, allowed: 0.5",
    ),
    "another environment": (
        {},
        {"env_name": "MountainCarContinuous-v0"},
        "index 0-1: {out}/" + FOREBEAR + ": env_name of its environment is 'Pendulum-v1', allowed",
    ),
}


def test_another_score_makes_no_other_game(tmp_path: Path) -> None:
    """What an evaluation of a game says is no hindrance, and what a game pays is."""
    game = {"env_name": "MatrixGame", "steps_per_episode": 20}
    assert trained(tmp_path, "Forebear", environment=game | {"score": "row"}).code == 0
    chosen = {"pretrained": ["MatrixGame_Forebear"], "parent_step": [0]}
    other = game | {"score": "column"}
    assert trained(tmp_path, "Heir", parameters=chosen, environment=other).code == 0
    start = recorded(tmp_path, "MatrixGame_Heir")[0]["learned_params"]["start"]
    assert start.tolist() == [0.0] * 3
    shutil.rmtree(tmp_path / "out/MatrixGame_Heir")
    other |= {"payoffs": {"row": [[1, 0], [0, 1]], "column": [[1, 0], [0, 1]]}}
    outcome = trained(tmp_path, "Heir", parameters=chosen, environment=other)
    assert outcome.code == 2
    assert "payoffs.row of its environment is" in outcome.errors[0]


@pytest.mark.usefixtures("without_slurm")
@pytest.mark.parametrize("what", REFUSED)
def test_a_parent_that_cannot_be_started_from_is_told(tmp_path: Path, what: str) -> None:
    """A parent that is not there, that had not learned at that step, or learned something else
    elsewhere is one line that names the indices, before anything is made; and so it is told by
    `schedule.py`."""
    forebears(tmp_path, "0-1")
    parameters, environment, line = REFUSED[what]
    expected = line.format(out=tmp_path / "out")
    words = specs(tmp_path, "Heir", parameters, environment)
    before = listing(tmp_path)
    outcome = ended(run, *words, "--backend", "eager", "--index", "0-1")
    assert (outcome.code, outcome.out, len(outcome.errors)) == (2, "", 1)
    assert outcome.errors[0].startswith(f"error: {expected}"), outcome.errors
    runs = 2 // len(parameters.get("parent_index", [0]))
    outcome = ended(schedule, *arguments(tmp_path, runs=runs), "--yes", "--cores", "1")
    assert (outcome.code, len(outcome.errors)) == (2, 1)
    assert outcome.errors[0].startswith(f"error: {expected}"), outcome.errors
    assert listing(tmp_path) == before


@pytest.mark.parametrize("status", ["failed", "diverged", "pruned"])
def test_a_parent_that_did_not_come_to_its_end_is_told(tmp_path: Path, status: str) -> None:
    """A run that failed, diverged or was pruned is nothing to start from."""
    made = make_run(0, 0, 0, status=status, reason="hopeless")
    make_experiment(tmp_path / "out" / FOREBEAR, runs=[made])
    environment = {"total_timesteps": 300, "steps_per_episode": 0, "eval_episodes": 0}
    words = specs(tmp_path, "Heir", environment=environment)
    outcome = ended(run, *words, "--backend", "eager", "--index", "0")
    said = {"failed": "it failed and has no parameters"}.get(status, f"{status}, and not completed")
    [line] = outcome.errors
    assert (outcome.code, "hopeless" in line) == (2, True)
    assert line.startswith(f"error: index 0: {tmp_path}/out/{FOREBEAR}: index 0: {said}")


def test_what_differs_in_how_much_is_trained_makes_no_other_environment(tmp_path: Path) -> None:
    """Other numbers of steps and evaluations, and other things that are kept, are no hindrance."""
    forebears(tmp_path)
    environment = {"total_timesteps": 30, "eval_interval_timesteps": 10, "eval_episodes": 2}
    kept = {"snapshot_interval_timesteps": 0, "record": ["train_rewards"], "snapshots": ["final"]}
    assert trained(tmp_path, "Heir", environment=environment | kept).code == 0


def test_a_class_that_measures_nothing_fails_where_shapes_differ(tmp_path: Path) -> None:
    """Where nobody says what shapes an own class has, its run fails, with the shapes in its
    reason."""
    forebears(tmp_path)
    outcome = trained(tmp_path, "Unmeasured", parameters={"size": [5]})
    assert outcome.code == 1
    reason = recorded(tmp_path, "Pendulum-v1_Unmeasured")[0]["reason"]
    assert "has weights of shape (3,), allowed: (5,)" in reason


def test_records_stand_without_their_parents(tmp_path: Path) -> None:
    """What is recorded needs its parent no more, but to be verified."""
    forebears(tmp_path)
    assert trained(tmp_path, "Heir").code == 0
    shutil.rmtree(tmp_path / "out" / FOREBEAR)
    outcome = trained(tmp_path, "Heir")
    assert outcome.code == 0
    assert "recorded as completed, skipped" in outcome.err
    assert trained(tmp_path, "Heir", "0-1").errors[-1].startswith("error: index 1: ")


def test_verifying_compares_what_was_started_from(tmp_path: Path) -> None:
    """A run is verified from the same parameters; others, and none, make it not comparable."""
    forebears(tmp_path, "0-1")
    assert trained(tmp_path, "Heir", "0-1").code == 0
    verify = [*specs(tmp_path, "Heir"), "--verify", "--index", "0-1"]
    equal = ended(run, *verify)
    assert (equal.code, equal.out.split("\n")[:2]) == (0, ["index 0: equal", "index 1: equal"])
    forebears(tmp_path, "0-1", rate=[0.5])
    specs(tmp_path, "Heir")
    other = ended(run, *verify)
    line = "index 0: not comparable, made with other parameters of its parent"
    assert (other.code, other.out.split("\n")[0]) == (3, line)
    shutil.rmtree(tmp_path / "out" / FOREBEAR)
    gone = ended(run, *verify)
    assert gone.code == 3
    assert gone.out.startswith("index 0: not comparable, its parent is not as it was (")


def test_an_interrupted_run_goes_on_from_the_same_parent_only(tmp_path: Path) -> None:
    """A checkpoint is continued while its parent has the parameters that it started from, with the
    bits of an undisturbed run; after that its run starts from step 0, which is said."""
    forebears(tmp_path)
    assert trained(tmp_path, "Heir").code == 0
    undisturbed = recorded(tmp_path)[0]
    shutil.rmtree(tmp_path / "out" / HEIR / "runs")
    lines = _continued(tmp_path)
    assert lines == []
    again = recorded(tmp_path)[0]
    assert [each["step"] for each in again["provenance"]["attempts"]] == [0, 20]
    assert first_difference(undisturbed, again) is None
    shutil.rmtree(tmp_path / "out" / HEIR / "runs")
    [line] = _continued(tmp_path, rate=[0.5])
    assert line.endswith(
        "index 0: made with other parameters of its parent; its run starts from step 0"
    )
    assert recorded(tmp_path)[0]["provenance"]["parent"] != again["provenance"]["parent"]


def _continued(directory: Path, **parameters: Any) -> list[str]:
    """Stop a run halfway, train other forebears if asked to, and go on; what was noted."""
    files = [[f"{directory}/environment.json"], [f"{directory}/agent.json"]]
    specs(directory, "Heir", environment={"checkpoint_interval_seconds": 1e-9})
    spec = read_experiment_spec(*files)
    lines: list[str] = []
    context = replace(
        make_context(spec),
        experiment=open_experiment(directory / "out" / HEIR),
        root=directory / "out",
        report=lambda news: lines.append(news.line) if isinstance(news, Noted) else None,
    )
    request = PackRequest(
        0,
        False,
        False,
        lambda _: spec,
        lambda made: Recorded(0, made["status"] == "failed", made["reason"]),
    )
    with pytest.raises(InterruptedRunError):
        train_pack([0], stopped_at(context, 20), request)
    if parameters:
        forebears(directory, **parameters)
    train_pack([0], context, request)
    return lines


@pytest.mark.usefixtures("without_slurm")
def test_a_sweep_is_scheduled_once_its_parents_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`schedule.py` names the indices whose parents are not recorded, and submits nothing; when
    they are, the same command trains all, wherever it is called."""
    monkeypatch.chdir(tmp_path)
    sweep = {"parent_index": [0, 1, 2]}
    forebears(tmp_path)
    specs(tmp_path, "Heir", sweep)
    words = [*arguments(tmp_path), "--yes", "--cores", "1"]
    outcome = ended(schedule, *words)
    assert outcome.code == 2
    assert outcome.errors[0].startswith("error: index 1-2: nothing to start from; index 1: ")
    assert not (tmp_path / "out" / HEIR).exists()
    forebears(tmp_path, "0-2")
    specs(tmp_path, "Heir", sweep)
    assert ended(schedule, *words).code == 0
    runs = recorded(tmp_path)
    assert sorted(runs) == [0, 1, 2]
    assert {made["provenance"]["parent"]["directory"] for made in runs.values()} == {FOREBEAR}


def test_an_own_class_has_to_have_the_fields_of_a_parent(tmp_path: Path) -> None:
    """A class that names a parent without the hyperparameters that go with it is told which."""
    words = specs(tmp_path, "Heir")
    document = json.loads((tmp_path / "agent.json").read_text())
    document["agent_name"] = "unfit_heirs:Unfit"
    (tmp_path / "agent.json").write_text(json.dumps(document))
    (tmp_path / "unfit_heirs.py").write_text(
        "from heirs import Forebear\n\n\nclass Unfit(Forebear):\n    parent = 'pretrained'\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        outcome = ended(run, *words, "--index", "0")
    assert outcome.code == 2
    missing = "pretrained, parent_stage, parent_index, parent_step are missing"
    assert missing in outcome.errors[0]
