"""The record of a program's run: what it reported, in the form that every run's record has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nthrun.planning.packs import PlannedRun
from nthrun.programs.report_lines import (
    LEARNED,
    Evaluation,
    ReportError,
    Reports,
    required_mapping,
    required_name,
)
from nthrun.records.schema import Run
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.field import plain


def program_record(
    run: PlannedRun, spec: EnvironmentSpec, reports: Reports, extra: Mapping[str, Any]
) -> Run:
    """The record of a run.

    What a program does not know is left out: the steps of evaluation episodes, and the episode that
    the run's end cut off.

    Args:
        run: which.
        spec: of its environment.
        reports: all that it reported.
        extra: status, reason, learned_params, timing, provenance, output.
    """
    evaluations = reports.evaluations
    episodes = len(evaluations[0].returns) if evaluations else spec.eval_episodes
    shape = (len(evaluations), episodes)
    record = Run(
        index=run.index,
        setting_number=run.setting_number,
        run_number=run.run_number,
        random_seed=run.random_seed,
        stage=run.stage,
        total_timesteps=reports.last_step,
        eval_interval_timesteps=spec.integer("eval_interval_timesteps"),
        episodes_per_eval=episodes,
        total_train_episodes=len(reports.returns),
        agent_params={name: plain(value) for name, value in run.setting.items()},
        eval_episode_rewards=np.array([e.returns for e in evaluations], np.float64).reshape(shape),
        timesteps_at_eval=np.array([e.step for e in evaluations], np.int64),
        train_episode_rewards=np.array(reports.returns, np.float64),
        train_episode_steps=np.array(reports.lengths, np.int64),
    )
    if evaluations and evaluations[0].steps:
        lengths = np.array([e.steps for e in evaluations], np.int64)
        record["eval_episode_steps"] = lengths.reshape(shape)
    if measures := _measures(evaluations):
        record["eval_metrics"] = measures
    if reports.metrics:
        series = reports.metrics.items()
        record["metrics"] = {name: np.array(values, np.float64) for name, values in series}
    record.update(extra)
    return record


def _measures(evaluations: list[Evaluation]) -> dict[str, np.ndarray]:
    names = evaluations[0].measures if evaluations else {}
    return {name: np.array([e.measures[name] for e in evaluations], np.float64) for name in names}


def learned_arrays(state: object, prefix: str = "") -> dict[str, np.ndarray]:
    """Learned parameters as arrays that a record holds, nested names joined by slashes.

    Raises:
        ValueError: they are no mapping, or one is no array of numbers, or has no name of its own.
    """
    arrays: dict[str, np.ndarray] = {}
    for key, value in required_mapping(LEARNED, state).items():
        name = f"{prefix}{key}"
        found = learned_arrays(value, f"{name}/") if isinstance(value, Mapping) else {name: value}
        for each, given in found.items():
            array = np.asarray(given)
            if array.dtype.kind not in "biuf":
                raise ReportError(f"{LEARNED}: {each[:60]} is no array of numbers")
            if required_name(LEARNED, each) in arrays:
                raise ReportError(f"{LEARNED}: two arrays are named {each[:60]}")
            arrays[each] = np.ascontiguousarray(array).reshape(array.shape)
    return arrays
