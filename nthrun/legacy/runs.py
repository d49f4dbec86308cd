"""What the field's earlier tool kept of its runs, as records.

A result pickle is a dict

    ["experiment"]["environment" | "agent"]                        the two specs
    ["experiment_data"][setting]["agent_hyperparams" | "agent_params"]
    ["experiment_data"][setting]["runs"]                           a list of dicts

with settings numbered as here. A run of it has seed 32767 - run number, or 16384 - run number where
it was run again for the best settings, which is stage 1 here. An episode that the last step of a
run cut off stands among the others there, and apart from them here. What its agents and
environments added to a run becomes names of datasets and keys of JSON, so a name that could not be
read back is left out and listed, never changed.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nthrun.errors import DataFileError
from nthrun.index import join_index
from nthrun.legacy.values import (
    WrongError,
    count,
    evaluation,
    is_integer,
    mapping,
    need,
    numbers,
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
MAX_NAME = 1000
MAX_INDEX = 2**63
"""Beyond it a record has no room for an index."""
PAIRED = "batch/replay"
"""The key that stood for `batch_size` and `replay_capacity` where a sweep had both."""
# a part of a path; beside the arrays of a name lie its dtypes, which begin with <, >, | or =
_PART = re.compile(r"(?!\.{1,2}\Z)[^/<>|=\0\ud800-\udfff][^/\0\ud800-\udfff]*")


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
        file = OldFile(path, digest, agent, environment)
        settings = mapping(need(content, "experiment_data"), "experiment_data")
        num_settings = count_settings(agent)
        for number, setting in settings.items():
            where = f"experiment_data[{str(number)[:40]}]"
            if not is_integer(number) or not 0 <= number < num_settings:
                raise WrongError(where, f"no setting of a sweep of {num_settings}")
            for run in _runs(file, mapping(setting, where), where):
                run["setting_number"] = number
                run["index"] = join_index(number, run["run_number"], num_settings)
                if run["index"] >= MAX_INDEX:
                    raise WrongError(where, f"run number {run['run_number']} is out of range")
                file.runs.append(run)
    except WrongError as wrong:
        raise DataFileError(f"{path}: {wrong}") from wrong
    return file


def _runs(file: OldFile, setting: Mapping[str, Any], where: str) -> Iterator[Run]:
    name = next((name for name in PARAMETERS if name in setting), PARAMETERS[0])
    params = plain_value(mapping(need(setting, name, where), f"{where}.{name}"), f"{where}.{name}")
    runs = need(setting, "runs", where)
    if not isinstance(runs, (list, tuple)):
        raise WrongError(f"{where}.runs", "no list")
    for position, old in enumerate(runs):
        there = f"{where}.runs[{position}]"
        run = _record(mapping(old, there), there, file)
        run["agent_params"] = params
        yield run


def _record(old: Mapping[str, Any], where: str, file: OldFile) -> Run:
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
        provenance={"imported_from": file.path.name, "shard": file.digest, "git_diff": ""},
    )
    keep_apart(run, file.environment.get("steps_per_episode"))
    add_learned(run, old.get("learned_params"), file.left_out)
    others = {key: value for key, value in old.items() if key not in KNOWN}
    add_others(run, others, file.left_out)
    return run


def keep_apart(run: Run, limit: object) -> None:
    """Take the episode that the run's last step cut off from the others of a record.

    Nothing says whether an episode ended there by itself. It did if it is as long as episodes may
    be, or as all before it are; else its end is taken for the run's, as it nearly always is.

    Args:
        run: the record; none of its episodes is kept apart yet.
        limit: steps of the longest episode, as the environment's spec has it.
    """
    rewards, steps = run["train_episode_rewards"], run["train_episode_steps"]
    run.update(unfinished_episode_reward=0.0, unfinished_episode_steps=0)
    if not len(steps) or steps.sum() < run["total_timesteps"]:
        return
    as_all_before = len(steps) > 1 and bool((steps == steps[-1]).all())
    at_limit = isinstance(limit, (int, float)) and 0 < limit <= steps[-1]
    if as_all_before or at_limit:
        return
    run.update(
        train_episode_rewards=rewards[:-1],
        train_episode_steps=steps[:-1],
        total_train_episodes=len(steps) - 1,
        unfinished_episode_reward=float(rewards[-1]),
        unfinished_episode_steps=int(steps[-1]),
    )


def _spec(experiment: Mapping[str, Any], key: str, name: str) -> dict[str, Any]:
    where = f"experiment.{key}"
    spec = plain_value(mapping(need(experiment, key, "experiment"), where), where)
    if not isinstance(spec.get(name), str):
        raise WrongError(f"{where}.{name}", "missing, or no text")
    return dict(spec)


def add_learned(run: Run, learned: Any, left_out: set[str]) -> None:
    """Add learned parameters to a record, nested names joined by `/`.

    Args:
        run: whose `learned_params` they become.
        learned: a dict, or None.
        left_out: what no record can hold is added here.
    """
    if learned is not None and not isinstance(learned, dict):
        left_out.add("learned_params")
        return
    params = run["learned_params"]
    for keys, value in _leaves(learned or {}, ()):
        array, name = numbers(value), _name(keys)
        if array is None or not is_name(keys) or name in params:
            left_out.add(f"learned_params/{_printable(name, name in params)}")
        else:
            params[name] = array


def add_others(run: Run, values: Mapping[Any, Any], left_out: set[str]) -> None:
    """Add other values to a record: a series becomes one of the metrics, the rest provenance.

    Args:
        run: the record.
        values: key -> value.
        left_out: what no record can hold is added here.
    """
    taken: set[str] = set()
    for key in sorted(values, key=str):
        name = str(key)
        if not is_name((key,)) or name in taken or not _add_other(run, name, values[key]):
            left_out.add(_printable(name, name in taken))
        taken.add(name)


def is_name(keys: tuple[Any, ...]) -> bool:
    """Whether keys, one in the other, make a name that is read back from any file.

    They are texts or integers. No part between slashes is empty, `.` or `..`, begins as the name of
    a dtype does, or holds NUL or half a surrogate pair; a name has at most 1000 letters.
    """
    if not all(isinstance(key, str) or is_integer(key) for key in keys):
        return False
    name = _name(keys)
    return len(name) <= MAX_NAME and all(map(_PART.fullmatch, name.split("/")))


def _add_other(run: Run, name: str, value: Any) -> bool:
    """Whether the value could be added."""
    array = numbers(value) if isinstance(value, (list, tuple, np.ndarray)) else None
    if array is not None and array.ndim == 1 and "/" not in name:
        run.setdefault("metrics", {})[name] = array
        return True
    try:
        listed = value.tolist() if isinstance(value, np.ndarray) else value
        plain = plain_value(listed, name)
    except WrongError:
        return False
    run["provenance"].setdefault("imported", {})[name] = plain
    return True


def _leaves(
    value: Mapping[Any, Any], above: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for key, item in value.items():
        if isinstance(item, dict) and item:
            yield from _leaves(item, (*above, key))
        else:
            yield (*above, key), item


def _name(keys: tuple[Any, ...]) -> str:
    # a key may be long, and the same one above many others
    return "/".join(str(key)[: MAX_NAME + 1] for key in keys)


def _printable(name: str, again: bool) -> str:
    """A name as an error shows it, whatever it holds."""
    text = name if name and name.isprintable() else ascii(name)
    return text[:80] + (" (a second one)" if again else "")


def count_settings(agent: Mapping[str, Any]) -> int:
    """Settings of an old sweep, in which `batch/replay` replaces the two keys it pairs.

    Raises:
        WrongError: a parameter has no values, or there are 2**63 settings or more.
    """
    where = "experiment.agent"
    parameters = mapping(need(agent, "parameters", where), f"{where}.parameters")
    num_pairs = count_legal_pairs(parameters)
    left = {key: values for key, values in parameters.items() if key != PAIRED}
    if num_pairs:
        left = {k: v for k, v in left.items() if k not in ("batch_size", "replay_capacity")}
    num_settings = num_pairs or 1
    for key, values in left.items():
        if not isinstance(values, list) or not values:
            raise WrongError(f"{where}.parameters.{key[:40]}", "no list of values")
        num_settings *= len(values)
        if num_settings >= MAX_INDEX:
            raise WrongError(f"{where}.parameters", "2**63 settings or more")
    return num_settings


def count_legal_pairs(parameters: Mapping[str, Any]) -> int:
    """How many pairs of batch size and replay capacity the old tool swept; 0 without both.

    A pair is legal whose capacity is at least its batch size.
    """
    if isinstance(parameters.get(PAIRED), list):
        return len(parameters[PAIRED])
    batches, capacities = parameters.get("batch_size"), parameters.get("replay_capacity")
    if not (isinstance(batches, list) and isinstance(capacities, list)):
        return 0
    if not all(is_integer(size) for size in (*batches, *capacities)):
        return 0
    rising = sorted(capacities)
    return sum(len(rising) - bisect_left(rising, batch) for batch in batches)
