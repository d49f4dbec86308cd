"""Laws of exporting records to W&B, by the files that its client writes."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import attempt, experiment_in
from click.testing import CliRunner
from disks import small_disk
from documents import resealed
from logged_points import Points, expected
from packs import small_spec
from processes import EXPERIMENT, ROOT, call, write_specs
from several import several_spec
from wandb_files import config, exit_code, history, summary, wandb_file

from nthrun.agents.sac.program import SoftActorCritic
from nthrun.commands import export, exported_rows
from nthrun.errors import MissingExtraError
from nthrun.records.experiment import Experiment
from nthrun.records.schema import Run
from nthrun.specs.trust import Trust

SHORT = {"total_timesteps": 120, "steps_per_episode": 20, "eval_interval_timesteps": 40}


def record(
    root: Path,
    environment: dict[str, Any] | None = None,
    parameters: dict[str, Any] | None = None,
    indices: Sequence[int] = (0,),
) -> tuple[Experiment, list[Run]]:
    """An experiment with the records of some short runs."""
    spec = small_spec(SHORT | (environment or {}), parameters)
    experiment = experiment_in(root, spec)
    runs = attempt(spec, experiment, list(indices), None)
    experiment.write(0, runs)
    return experiment, runs


def exported(experiment: Experiment, runs: Sequence[Run]) -> list[bool]:
    """Which of some runs are written by an export."""
    with export.client() as package:
        written = export.WandbRuns(experiment, package)
        return [written.write(run) for run in runs]


def file_of(root: Path, index: int) -> Path:
    """The only exported file of a run."""
    return wandb_file(root / "logs" / "wandb", f"-0-{index}")


def points(path: Path) -> Points:
    """Name -> (step, value) of each point of a file."""
    found: Points = {}
    for row in history(path):
        assert row.pop("step") == row["_step"]
        step = row.pop("_step")
        for name, value in row.items():
            found.setdefault(name, []).append((step, value))
    return found


def require_points(path: Path, run: Run) -> None:
    """Check that a file has the episodes and evaluations of a record at their steps, each once."""
    found, wanted = points(path), expected(run)
    assert {name for name in found if not name.startswith("metrics/")} == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6)


def test_files_are_the_records(tmp_path: Path) -> None:
    """Every run has a file with its hyperparameters, its specs, how it ended, and its episodes and
    evaluations; a run that diverged has them up to there."""
    experiment, runs = record(tmp_path, None, {"critic_lr": [0.001, 1e38], "alpha": [0.1]}, (0, 1))
    assert exported(experiment, runs) == [True, True]
    for run, status in zip(runs, ("completed", "diverged"), strict=True):
        path = file_of(tmp_path, run["index"])
        require_points(path, run)
        assert config(path).items() >= run["agent_params"].items()
        assert config(path)["environment"]["env_name"] == "Pendulum-v1"
        assert config(path)["index"] == run["index"]
        assert summary(path)["status"] == status
        assert summary(path)["eval/return"] == points(path)["eval/return"][-1][1]
        assert exit_code(path) == 0


def test_metrics_are_at_their_updates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded metrics are at the steps that the agent updated after, whichever those are, and as
    many as are shown at most."""
    monkeypatch.setattr(SoftActorCritic, "num_updates_after", lambda agent, step: step % 4 == 2)
    experiment, (run,) = record(tmp_path, {"record": ["metrics"]})
    exported(experiment, [run])
    for name, values in run["metrics"].items():
        found = points(file_of(tmp_path, 0))[f"metrics/{name}"]
        assert [step for step, _ in found] == list(range(3, 121, 4))
        np.testing.assert_allclose([value for _, value in found], values, rtol=1e-6)
    monkeypatch.setattr(exported_rows, "MAX_UPDATES", 10)
    exported(experiment, [run])
    (name, *_) = run["metrics"]
    assert len(points(file_of(tmp_path, 0))[f"metrics/{name}"]) == 10


def test_several_worlds_are_exported_at_environment_steps(tmp_path: Path) -> None:
    """What a run of several worlds recorded is at steps of its worlds together."""
    spec = several_spec([8], {"total_timesteps": 640})
    experiment = experiment_in(tmp_path, spec)
    (run,) = attempt(spec, experiment, [1], None)
    experiment.write(0, [run])
    with export.client() as package:
        assert export.WandbRuns(experiment, package, Trust.USER).write(run)
    require_points(file_of(tmp_path, 1), run)
    shown = [step for step, _ in points(file_of(tmp_path, 1))["metrics/error"]]
    assert shown == list(range(24, 641, 24))


def test_only_what_changed_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is there is left alone; one whose record is another, or whose export was ended
    half-way, is written in place of the old file, which stays where it is if a link led to it."""
    experiment, runs = record(tmp_path, indices=(0, 1))
    assert exported(experiment, runs) == [True, True]
    before = file_of(tmp_path, 1).stat()
    changed = Run(runs[0] | {"reason": "another"})
    assert exported(experiment, [changed, runs[1]]) == [True, False]
    assert summary(file_of(tmp_path, 0))["reason"] == "another"
    assert file_of(tmp_path, 1).stat() == before
    folder, outside = file_of(tmp_path, 1).parent, tmp_path / "outside"
    (folder / export.CONTENT_FILE).unlink()
    folder.rename(outside)
    folder.symlink_to(outside)
    kept = sorted(outside.iterdir())
    assert exported(experiment, [changed, runs[1]]) == [False, True]
    assert sorted(outside.iterdir()) == kept
    monkeypatch.setattr(exported_rows, "MAX_EPISODES", 3)
    assert exported(experiment, [changed]) == [True]
    assert [step for step, _ in points(file_of(tmp_path, 0))["train/return"]] == [20, 60, 100]


def test_nothing_is_written_elsewhere(tmp_path: Path) -> None:
    """The command needs no login and no network, says what it wrote, and leaves files in the
    experiment only, whatever W&B is set to on the machine."""
    specs = write_specs(tmp_path, SHORT | {"log": ["wandb"]})
    save = ("--save-dir", str(tmp_path), "--backend", "eager", "--device", "cpu")
    trained = call("main.py", *specs, *save, "--index", "0")
    assert trained.returncode == 0, trained.stderr
    root = tmp_path / EXPERIMENT
    assert trained.stderr.count(f"python -m nthrun export wandb {root}") == 1
    assert not (root / "logs").exists()
    elsewhere = [tmp_path / name for name in ("home", "cwd", "wandb")]
    for folder in elsewhere:
        folder.mkdir()
    settings = {"HOME": str(elsewhere[0]), "WANDB_DIR": str(elsewhere[2]), "WANDB_MODE": "online"}
    variables = settings | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(elsewhere[0])}
    command = ("export", "wandb", str(root))
    for words in ("1 run written", "0 runs written, 1 there already"):
        done = call("nthrun/__main__.py", *command, cwd=elsewhere[1], **variables)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"{root / 'logs' / 'wandb'}: {words}\n"
    assert not [path for folder in elsewhere for path in folder.iterdir()]
    assert (root / "logs" / "wandb").is_dir()
    assert "WANDB_CACHE_DIR" not in os.environ


@pytest.mark.parametrize("how", ["cut short", "behind its checksum"])
def test_the_rest_is_exported_where_a_file_is_damaged(tmp_path: Path, how: str) -> None:
    """A file of records that is damaged, or proves so while its records are read, is named and
    left out; the runs of the others are exported, and the command ends with 1."""
    experiment, runs = record(tmp_path, indices=(0,))
    more = attempt(small_spec(SHORT), experiment, [1], None)
    path = experiment.write(0, more)
    if how == "cut short":
        path.write_bytes(path.read_bytes()[:-9])
    else:
        resealed(path, lambda file: file.move("arrays/train_episode_steps", "arrays/other"))
    for words in ("1 run written", "0 runs written, 1 there already"):
        result = CliRunner().invoke(export.wandb, [str(tmp_path)], standalone_mode=False)
        assert result.return_value == 1, result.exception
        assert result.stdout.endswith(f"{tmp_path / 'logs' / 'wandb'}: {words}\n")
        [said] = result.stderr.splitlines()
        assert said.startswith(f"warning: {path}: ")
        assert said.endswith("; left out")
    require_points(file_of(tmp_path, 0), runs[0])


@pytest.mark.parametrize("room", [0, 4096])
def test_a_full_disk_is_told_in_a_line(room: int) -> None:
    """Where the disk is full, one line names the folder, and what the client left is no export:
    with room again the run is written."""
    with small_disk("1m") as disk:
        experiment, runs = record(disk / "e")
        content = bytes(2**20)
        with open(disk / "filling", "wb", buffering=0) as file:
            while file.write(content):
                content = content[: max(4096, len(content) // 2)]
                if os.statvfs(disk).f_bavail == 0:
                    break
            file.truncate(os.fstat(file.fileno()).st_size - room)
        done = call("nthrun/__main__.py", "export", "wandb", str(experiment.root))
        assert (done.returncode, done.stdout) == (1, "")
        [said] = done.stderr.splitlines()
        folder = experiment.root / "logs" / "wandb"
        assert said.startswith(f"error: cannot write {folder}")
        assert "No space left on device; hint: " in said
        (disk / "filling").unlink()
        done = call("nthrun/__main__.py", "export", "wandb", str(experiment.root))
        assert (done.returncode, done.stdout) == (0, f"{folder}: 1 run written\n")
        require_points(file_of(experiment.root, 0), runs[0])


def test_a_missing_client_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without W&B's package the command says how to install it, and writes nothing."""
    experiment, _ = record(tmp_path)
    find = importlib.util.find_spec
    monkeypatch.setattr("nthrun.errors.find_spec", lambda name: find("not_" + name))
    with pytest.raises(MissingExtraError, match=r'pip install "\.\[wandb\]"'):
        CliRunner().invoke(export.wandb, [str(tmp_path)], catch_exceptions=False)
    assert not (experiment.root / "logs").exists()
