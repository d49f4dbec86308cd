"""Laws of the figures by the names that earlier plotting scripts had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_experiment
from plots import experiment, recorded, sweep
from processes import ROOT

from nthrun.analysis.figures import plot_utils
from nthrun.errors import NthrunError
from nthrun.records import Data, open_data
from nthrun.records.schema import Run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """A sweep with everything recorded."""
    return open_data(experiment(tmp_path_factory.mktemp("sweep"), **recorded(0)).root)


NAMES: dict[str, tuple[Any, ...]] = {
    "episode_steps": (),
    "hyper_sensitivity": ("critic_lr",),
    "multi_learning_curves": (("critic_lr", "activation"),),
    "multi_individual_runs": (),
    "multi_metric": (),
    "action_count": (),
    "mean_with_bootstrap_conf": (),
    "plot_mean_with_runs": (),
    "mean_with_stderr": (),
    "plot_mean_with_stderr_summary": (),
    "return_distribution": (),
}


@pytest.mark.parametrize("name", NAMES)
def test_names(data: Data, name: str) -> None:
    """Every figure that earlier scripts had is drawn by a function of its name."""
    figure = getattr(plot_utils, name)(data, *NAMES[name])
    assert figure.axes
    figure.draw_without_rendering()


OLDER: dict[str, tuple[Any, ...]] = {
    "episode_steps": ("train", [[0], [1, 2]], ["a", "b"]),
    "mean_with_bootstrap_conf": ("eval", [[0], [1, 2]], [0, 0], ["a", "b"]),
    "plot_mean_with_runs": ("train", [[0], [1, 2]], [0, 0], ["a", "b"]),
    "mean_with_stderr": ("train", [[np.int64(0)], np.array([1, 2])], [5, 0], ["a", "b"]),
}


@pytest.mark.parametrize("name", OLDER)
def test_arguments_of_earlier_scripts(
    data: Data, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Curves take a list of data, a type, lists of settings, what to smooth over and names, and
    give what a call with labels gives, beside its axes; what is passed over is told."""
    draw = getattr(plot_utils, name)
    figure, axes = draw([data, data], *OLDER[name], figsize=(12, 6))
    numbers = {"a": 0, "b, setting 1": 1, "b, setting 2": 2}
    metric = {"metric": "evaluation"} if "eval" in OLDER[name] else {}
    expected = draw(dict.fromkeys(numbers, data), numbers, **metric)
    assert axes is figure.axes[0]
    lines, others = (each.axes[0].get_lines() for each in (figure, expected))
    assert len(lines) == len(others) >= len(numbers)
    for line, other in zip(lines, others, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), other.get_xydata())
    told = capsys.readouterr().err
    assert "passed over: figsize" in told
    assert ("smooth_over" in told) == (name == "mean_with_stderr")


def test_sensitivity_of_earlier_scripts(data: Data) -> None:
    """Sensitivity takes a list of data and a type."""
    figure, axes = plot_utils.hyper_sensitivity([data], "critic_lr", "eval", labels=["a"])
    assert figure.axes[0] is axes


WRONG: dict[str, tuple[str, tuple[Any, ...], str]] = {
    "a dict": ("mean_with_stderr", ([{}], "train", [[0]], [0], ["a"]), "data\\[0\\]: got a dict"),
    "a type": ("mean_with_stderr", (None, "all", [[0]], [0], ["a"]), "type_: got 'all', allowed"),
    "settings": (
        "mean_with_stderr",
        (None, "train", 3, [0], ["a"]),
        "ind: got 3, allowed: 1 lists",
    ),
    "no settings": (
        "mean_with_stderr",
        (None, "train", [[]], [0], ["a"]),
        "ind: got \\[\\], allowed",
    ),
    "half a setting": ("mean_with_stderr", (None, "train", [[0.5]], [0], ["a"]), "ind: got"),
    "no hyperparameter": ("hyper_sensitivity", (None,), "hyper: missing, allowed: the name of"),
    "names": ("mean_with_stderr", (None, "train", [[0]], [0], "ab"), "names: got"),
    "another": ("action_count", (None, ("a", "b"), ["a"]), "call action_count\\(data, setting,"),
    "panels": ("multi_learning_curves", (None, ("a", "b")), "call multi_learning_curves\\(data,"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_earlier_scripts_cannot_have(data: Data, case: str) -> None:
    """What has no counterpart is refused in a line that says what to call instead."""
    name, arguments, reason = WRONG[case]
    arguments = ([data], *arguments[1:]) if arguments[0] is None else arguments
    with pytest.raises(NthrunError, match=reason):
        getattr(plot_utils, name)(*arguments)


def test_without_values(tmp_path: Path) -> None:
    """Runs and settings without a return are counted, and where none has one it is an error."""
    empty = {"train_episode_rewards": np.empty(0), "train_episode_steps": np.empty(0, np.int64)}
    runs = sweep()
    runs[0] = Run(runs[0] | empty)
    runs[2], runs[6] = (Run(runs[n] | empty | {"status": "diverged"}) for n in (2, 6))
    data = open_data(make_experiment(tmp_path / "some", 4, runs=runs).root)
    figure = plot_utils.multi_individual_runs(data)
    assert figure.get_suptitle() == "Pendulum-v1 (1 setting without a return left out)"
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "2 runs, 1 without a value" in texts
    figure = plot_utils.multi_learning_curves(data, ("critic_lr", "activation"))
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "2 without a value" in texts and "2 runs, 1 without a value" in texts
    none = open_data(
        experiment(
            tmp_path / "none",
            **empty,
            eval_episode_rewards=np.empty((0, 2)),
            timesteps_at_eval=np.empty(0, np.int64),
            eval_episode_steps=np.empty((0, 2), np.int64),
        ).root
    )
    with pytest.raises(NthrunError, match="no run of these settings has a finite return"):
        plot_utils.multi_individual_runs(none)
    with pytest.raises(NthrunError, match="no run of these settings has a finite return"):
        plot_utils.multi_learning_curves(none, ("critic_lr", "activation"))


def test_three() -> None:
    """Sensitivity to three hyperparameters has a panel for each value of the third."""
    demo = open_data(ROOT / "docs/demo/MountainCar-v0_SoftmaxAC.json")
    figure = plot_utils.multi_hyper_sensitivity(demo, ("critic_lr", "actor_lr", "decay"))
    assert [axes.get_title() for axes in figure.axes] == ["decay 0", "decay 0.8"]
    [legend] = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[:3] == ["actor_lr 0.01", "actor_lr 0.1", "actor_lr 1"]
