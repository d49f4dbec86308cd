"""What the field's earlier tool kept of its runs, as records.

A result pickle is a dict

    ["experiment"]["environment" | "agent"]                        the two specs
    ["experiment_data"][setting]["agent_hyperparams" | "agent_params"]
    ["experiment_data"][setting]["runs"]                           a list of dicts

with settings numbered as here. A run of it has seed 32767 - run number, or 16384 - run number where
it was run again for the best settings, which is stage 1 here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nthrun.errors import DataFileError
from nthrun.records.old_added import add_learned, add_others
from nthrun.records.old_sweep import MAX_INDEX, count_settings
from nthrun.records.old_values import (
    WrongError,
    count,
    evaluation,
    is_integer,
    mapping,
    need,
    plain_value,
    seconds,
    series_of,
)
from nthrun.records.schema import Run
from nthrun.specs.fingerprint import differing_keys

RERUN_SEED = 16384
PARAMETERS = ("agent_hyperparams", "agent_params")
COUNTS = ("run_number", "random_seed", "total_timesteps")
OPTIONAL_COUNTS = ("eval_interval_timesteps", "episodes_per_eval")
TIMES = ("train_time", "eval_time")
SERIES = {
    "train_episode_rewards": np.float64,
    "train_episode_steps": np.int64,
    "timesteps_at_eval": np.int64,
}
EVALUATIONS = {"eval_episode_rewards": np.float64, "eval_episode_steps": np.int64}
KNOWN = {
    *COUNTS,
    *OPTIONAL_COUNTS,
    *TIMES,
    *SERIES,
    *EVALUATIONS,
    "total_train_episodes",
    "learned_params",
}


@dataclass(frozen=True, slots=True)
class OldFile:
    """A result pickle.

    Attributes:
        path: its.
        digest: of its bytes.
        agent, environment: its specs, the environment's without the seed of a single run.
        runs: its runs.
        left_out: keys of runs that no record can hold.
    """

    path: Path
    digest: str
    agent: dict[str, Any]
    environment: dict[str, Any]
    runs: list[Run] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)

    def differing_keys(self, other: OldFile) -> list[str]:
        """Keys in which the specs of two files differ."""
        return differing_keys((self.agent, self.environment), (other.agent, other.environment))


def old_file(path: Path, digest: str, content: Any) -> OldFile:
    """The records of a result pickle.

    Args:
        path: its.
        digest: of its bytes.
        content: what it holds.

    Raises:
        DataFileError: it is not a result of that tool; the key is named.
    """
    try:
        experiment = mapping(need(mapping(content, "it"), "experiment"), "experiment")
        agent = _spec(experiment, "agent", "agent_name")
        environment = _spec(experiment, "environment", "env_name")
        environment.pop("seed", None)
        found = OldFile(path, digest, agent, environment)
        settings = mapping(need(content, "experiment_data"), "experiment_data")
        num_settings = count_settings(agent)
        for number, setting in settings.items():
            where = f"experiment_data[{str(number)[:40]}]"
            if not is_integer(number) or not 0 <= number < num_settings:
                raise WrongError(where, f"no setting of a sweep of {num_settings}")
            for run in _runs(found, mapping(setting, where), where):
                run["setting_number"] = number
                run["index"] = run["run_number"] * num_settings + number
                if run["index"] >= MAX_INDEX:
                    raise WrongError(where, f"run number {run['run_number']} is out of range")
                found.runs.append(run)
    except WrongError as wrong:
        raise DataFileError(f"{path}: {wrong}") from wrong
    return found


def _runs(found: OldFile, setting: Mapping[str, Any], where: str) -> Iterator[Run]:
    name = next((name for name in PARAMETERS if name in setting), PARAMETERS[0])
    params = plain_value(mapping(need(setting, name, where), f"{where}.{name}"), f"{where}.{name}")
    runs = need(setting, "runs", where)
    if not isinstance(runs, (list, tuple)):
        raise WrongError(f"{where}.runs", "no list")
    for place, old in enumerate(runs):
        there = f"{where}.runs[{place}]"
        run = _record(mapping(old, there), there, found)
        run["agent_params"] = params
        yield run


def _record(old: Mapping[str, Any], where: str, found: OldFile) -> Run:
    """A run of the old tool with every key of a record; what it does not know is empty or 0."""
    counts = {name: count(need(old, name, where), f"{where}.{name}") for name in COUNTS}
    counts |= {n: count(old.get(n, 0), f"{where}.{n}") for n in OPTIONAL_COUNTS}
    series = {n: series_of(old.get(n, ()), t, f"{where}.{n}") for n, t in SERIES.items()}
    rewards, steps = series["train_episode_rewards"], series["train_episode_steps"]
    if rewards.shape != steps.shape:
        raise WrongError(f"{where}.train_episode_steps", f"{steps.size}, not {rewards.size}")
    shape = (series["timesteps_at_eval"].size, counts["episodes_per_eval"])
    evaluations = {
        n: evaluation(old.get(n, ()), t, shape, f"{where}.{n}") for n, t in EVALUATIONS.items()
    }
    run = Run(counts | series | evaluations)
    run.update({name: seconds(old.get(name, 0.0), f"{where}.{name}") for name in TIMES})
    run.update(
        stage=int(counts["random_seed"] == RERUN_SEED - counts["run_number"]),
        status="completed",
        reason="",
        total_train_episodes=rewards.size,
        learned_params={},
        provenance={"imported_from": found.path.name, "shard": found.digest, "git_diff": ""},
    )
    add_learned(run, old.get("learned_params"), found.left_out)
    others = {key: value for key, value in old.items() if key not in KNOWN}
    add_others(run, others, found.left_out)
    return run


def _spec(experiment: Mapping[str, Any], key: str, name: str) -> dict[str, Any]:
    where = f"experiment.{key}"
    spec = plain_value(mapping(need(experiment, key, "experiment"), where), where)
    if not isinstance(spec.get(name), str):
        raise WrongError(f"{where}.{name}", "missing, or no text")
    return dict(spec)
