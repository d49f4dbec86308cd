"""A small sweep, its summary, and pages of it, for tests of reports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builders import make_experiment, make_run

from nthrun.analysis.report.experiment_summary import ExperimentSummary, Question, summarise
from nthrun.analysis.report.page import report_page
from nthrun.records import open_data

NUM_SETTINGS, NUM_RUNS = 6, 3


def sweep(root: Path, env_name: str = "Pendulum-v1", confirmed: bool = True) -> Path:
    """An experiment of six settings, `critic_lr` by `decay`, of which number 4 is the best.

    A run of setting 5 diverged, and setting 3 misses one. In stage 1 there is setting 4 only, two
    below what it had in stage 0.
    """
    runs = []
    for stage in (0, 1) if confirmed else (0,):
        for number in range(NUM_SETTINGS):
            for run in range(NUM_RUNS):
                if (number, run) == (3, 2) or (stage == 1 and number != 4):
                    continue
                value = -10.0 * abs(number - 4) - run - 2.0 * stage
                lost = {"status": "diverged", "reason": "non-finite numbers at step 150"}
                changes = lost if (number, run) == (5, 1) else {}
                runs.append(
                    make_run(
                        run * NUM_SETTINGS + number,
                        number,
                        run,
                        [value - 1, value, value + 1],
                        stage=stage,
                        agent_params=parameters(number),
                        **changes,
                    )
                )
    return make_experiment(root, NUM_SETTINGS, env_name, runs).root


def parameters(number: int) -> dict[str, Any]:
    """The hyperparameters of a setting of `sweep`."""
    return {"critic_lr": [0.01, 0.1, 1.0][number % 3], "decay": [0.5, 0.9][number // 3]}


def summary_of(path: Path, label: str = "made", **question: Any) -> ExperimentSummary:
    """The summary of an experiment."""
    return summarise(label, open_data(path), Question(**question))


def page_of(
    experiments: Mapping[str, Path], file: Path, title: str = "Report", **question: Any
) -> Path:
    """Write the report of experiments, label -> path, to a file; gives it."""
    summaries = [summary_of(path, label, **question) for label, path in experiments.items()]
    file.write_text(report_page(summaries, title), encoding="utf-8")
    return file
