"""Laws of what is logged for viewers of other packages."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import attempt, experiment_in
from logged_points import Points, expected
from packs import pack_of, small_spec, train
from processes import EXPERIMENT, call, recorded, write_specs
from several import several_spec
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nthrun.errors import InterruptedRunError, MissingExtraError, require_extra
from nthrun.records.schema import Run, first_difference
from nthrun.training import logs
from nthrun.training.context import make_context
from nthrun.training.loop import Training
from nthrun.training.progress import News, Noted

SHORT = {"total_timesteps": 120, "steps_per_episode": 20, "eval_interval_timesteps": 40}
LOGGED = SHORT | {"log": ["tensorboard"]}


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are written after every block, not only as often as is cheap."""
    monkeypatch.setattr(logs, "WRITE_SECONDS", 0.0)
    monkeypatch.setattr(logs, "MAX_SHARE", 1e9)


def accumulator(root: Path, index: int) -> EventAccumulator:
    """TensorBoard's own reader of a run's directory, whole."""
    directory = root / "logs" / "tensorboard" / "stage0" / str(index)
    found = EventAccumulator(str(directory), size_guidance={"scalars": 0, "tensors": 0})
    found.Reload()
    return found


def in_tensorboard(root: Path, index: int) -> Points:
    """Name -> (step, value) of each point, float32."""
    found = accumulator(root, index)
    return {
        tag: [(point.step, point.value) for point in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


def require_logged(root: Path, runs: Sequence[Run]) -> None:
    """Check that the log of each run has the points of its record, each once."""
    for run in runs:
        wanted, found = expected(run), in_tensorboard(root, run["index"])
        assert {name for name in found if not name.startswith("metrics/")} == wanted.keys()
        for name, points in wanted.items():
            np.testing.assert_allclose(found[name], points, rtol=1e-6)


def test_logs_are_the_records(tmp_path: Path) -> None:
    """A log has every episode and evaluation of the record at its step, once, with the
    hyperparameters and the status, and the record has the bits it has without logs."""
    spec = small_spec(LOGGED)
    runs = attempt(spec, experiment_in(tmp_path, spec), [0, 4], None)
    require_logged(tmp_path, runs)
    plainly = train(small_spec(SHORT), [0, 4])
    assert all(first_difference(run, plainly[run["index"]]) is None for run in runs)
    found = accumulator(tmp_path, 4)
    assert found.Tensors("status")[0].tensor_proto.string_val == [b"completed"]
    start = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"critic_lr" in start
    assert b"SquashedGaussian" in start


def test_several_worlds_are_logged_at_environment_steps(tmp_path: Path) -> None:
    """What a run of several worlds shows is at steps of its worlds together, as its record is."""
    spec = several_spec([8], {"total_timesteps": 640, "log": ["tensorboard"]})
    runs = attempt(spec, experiment_in(tmp_path, spec), [0, 1], None)
    require_logged(tmp_path, runs)
    shown = [step for step, _ in in_tensorboard(tmp_path, 1)["metrics/error"]]
    assert shown == list(range(24, 641, 24))


def test_continued_runs_are_logged_once(tmp_path: Path) -> None:
    """However often a run is interrupted, its logs have the points of an undisturbed one."""
    spec = small_spec(LOGGED)
    experiment = experiment_in(tmp_path, spec)
    for stop in (40, 40):
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, [0, 1], stop)
        assert in_tensorboard(tmp_path, 1)["train/return"]
    runs = attempt(spec, experiment, [0, 1], None)
    require_logged(tmp_path, runs)


def test_rows_are_there_while_it_trains(tmp_path: Path) -> None:
    """What a block showed can be read before the next one ends."""
    spec = small_spec(LOGGED)
    with pytest.raises(InterruptedRunError):
        attempt(spec, experiment_in(tmp_path, spec), [0], 80)
    found = in_tensorboard(tmp_path, 0)
    assert [step for step, _ in found["train/return"]] == [20, 40, 60]
    assert [step for step, _ in found["eval/return"]] == [0, 40]


def test_metrics_are_thinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded metrics are logged at the steps of their updates, and so many at most."""
    spec = small_spec({**LOGGED, "record": ["metrics"]})
    for most in (1000, 20):
        monkeypatch.setattr(logs, "MAX_UPDATES", most)
        root = tmp_path / str(most)
        (run,) = attempt(spec, experiment_in(root, spec), [0], None)
        for name, values in run["metrics"].items():
            points = in_tensorboard(root, 0)[f"metrics/{name}"]
            first = 120 - len(values)
            kept = [values[step - first - 1] for step, _ in points]
            np.testing.assert_allclose([value for _, value in points], kept, rtol=1e-6)
            assert len(points) == len(values) if most > 120 else 10 < len(points) <= most


def test_episodes_are_thinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more episodes than are logged, those logged are spread over the whole run."""
    monkeypatch.setattr(logs, "MAX_EPISODES", 3)
    spec = small_spec({**LOGGED, "steps_per_episode": 10})
    attempt(spec, experiment_in(tmp_path, spec), [0], None)
    assert [step for step, _ in in_tensorboard(tmp_path, 0)["train/return"]] == [10, 50, 90]


def test_a_diverged_run(tmp_path: Path) -> None:
    """A run that diverges is logged up to there, with its status; its neighbour to the end."""
    spec = small_spec(
        {**LOGGED, "record": ["metrics"]}, {"critic_lr": [0.001, 1e38], "alpha": [0.1]}
    )
    runs = attempt(spec, experiment_in(tmp_path, spec), [0, 1], None)
    assert [run["status"] for run in runs] == ["completed", "diverged"]
    require_logged(tmp_path, runs)
    status = accumulator(tmp_path, 1).Tensors("status")[0].tensor_proto.string_val[0]
    assert status.startswith(b"diverged, non-finite numbers at step")


def test_a_failing_log_ends_no_run(tmp_path: Path) -> None:
    """A log that cannot be written is noted once a run, and the runs complete."""
    spec = small_spec(LOGGED)
    experiment = experiment_in(tmp_path, spec)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "tensorboard").write_text("in the way")
    news: list[News] = []
    context = replace(make_context(spec), experiment=experiment, report=news.append)
    runs = Training(pack_of(spec, [0, 1]), context).run()
    assert [run["status"] for run in runs] == ["completed", "completed"]
    notes = [told.line.split(": ")[:2] for told in news if isinstance(told, Noted)]
    assert notes == [[f"index {index}", "logged no further for tensorboard"] for index in (0, 1)]


@pytest.mark.parametrize("name", ["stage0", "stage0/0"])
def test_a_log_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    """Through a link in the place of a log's folder nothing is written, and nothing deleted."""
    spec = small_spec(LOGGED)
    root, outside = tmp_path / "e", tmp_path / "outside"
    other = outside / "0" if name == "stage0" else outside
    other.mkdir(parents=True)
    (other / "events.out.tfevents.1.other").write_text("kept")
    folder = root / "logs" / "tensorboard" / name
    folder.parent.mkdir(parents=True)
    folder.symlink_to(outside)
    news: list[News] = []
    context = make_context(spec)
    context = replace(context, experiment=experiment_in(root, spec), report=news.append)
    (run,) = Training(pack_of(spec, [0]), context).run()
    assert run["status"] == "completed"
    assert [path.name for path in other.iterdir()] == ["events.out.tfevents.1.other"]
    (told,) = [told.line for told in news if isinstance(told, Noted)]
    assert f"{folder}: a link, through which nothing is logged" in told


def test_a_missing_package_is_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A logger whose package is not installed is one line with the extra, and nothing is made; a
    folder of its name is no package."""
    find = importlib.util.find_spec
    monkeypatch.setattr("nthrun.errors.find_spec", lambda name: find("not_" + name))
    with pytest.raises(
        MissingExtraError, match=r'log: tensorboard: .*pip install "\.\[tensorboard\]"'
    ):
        require_extra("tensorboard", "log: tensorboard")
    (tmp_path / "not_tensorboard").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError):
        require_extra("tensorboard", "log: tensorboard")


def test_nothing_is_logged_unasked(tmp_path: Path) -> None:
    """Without `log` there is no log, and where no files are left (verifying) there is none."""
    spec = small_spec(SHORT)
    attempt(spec, experiment_in(tmp_path, spec), [0], None)
    train(small_spec(LOGGED), [0])
    assert not (tmp_path / "logs").exists()


@pytest.mark.slow
def test_nothing_is_imported_unasked() -> None:
    """What trains imports no logger by itself."""
    code = (
        "import sys, nthrun.training.loop, nthrun.commands.train as train\n"
        "assert not {'tensorboard', 'wandb'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50)


@pytest.mark.slow
def test_workers_log_too(tmp_path: Path) -> None:
    """Runs of several workers are logged as those of one, and nothing is printed for it."""
    options = write_specs(tmp_path, LOGGED)
    arguments = ("--index", "0-2", "--save-dir", str(tmp_path), "--backend", "eager")
    done = call("main.py", *options, *arguments, "--workers", "2", "--pack", "2", "--device", "cpu")
    assert done.returncode == 0
    ended = [line[:18] for line in done.stdout.splitlines() if line.startswith("index ")]
    assert sorted(ended) == [f"index {index}: completed" for index in range(3)]
    printed = (done.stdout + done.stderr).lower()
    assert "tensorboard" not in printed
    assert "wandb" not in printed
    require_logged(tmp_path / EXPERIMENT, list(recorded(tmp_path).values()))
