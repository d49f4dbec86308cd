"""The record: what is known about one run, key by key."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from nthrun.errors import DataFileError
from nthrun.files.forms import Fields, Items, Number, Plain, Table, Text, Whole
from nthrun.specs.declaration import MOST_WORLDS, NUM_WORLDS

SCHEMA_VERSION = 1

Status = Literal["completed", "diverged", "pruned", "failed"]
STATUSES: tuple[Status, ...] = ("completed", "diverged", "pruned", "failed")

INTEGERS = (
    "index",
    "setting_number",
    "run_number",
    "stage",
    "random_seed",
    "total_timesteps",
    "eval_interval_timesteps",
    "episodes_per_eval",
    "total_train_episodes",
    "unfinished_episode_steps",
)
FLOATS = ("train_time", "eval_time", "unfinished_episode_reward")
NOT_RECORDED: Mapping[str, float] = {
    "unfinished_episode_steps": -1,
    "unfinished_episode_reward": math.nan,
}
"""Numbers that records made before them lack -> what stands in a table for a record without."""
TEXTS = ("status", "reason")
JSON_TEXTS = ("agent_params", "provenance")

OUTPUT = "output"
"""The end of what a program printed, bytes as numbers; no result, so that runs do not differ by
it."""
OMITTED_FROM_JSON = (
    OUTPUT,
    "learned_params",
    "train_states",
    "train_actions",
    "train_rewards",
    "train_next_states",
    "eval_states",
    "update_indices",
    "metrics",
)
"""What data.json leaves out unless asked for everything."""

EPISODES = ("train_episode_rewards", "train_episode_steps")
EPISODE_ENDS = "train_episode_ends"
"""Of runs of several worlds; in one world the sums of `train_episode_steps` are the same."""
EVALUATIONS = ("eval_episode_rewards", "eval_episode_steps")

NAME = Text(pattern=r"[^\x00]{1,1000}", words="a name")
SPECS = Fields(
    {
        "environment": Fields({"env_name": NAME}, others=Plain()),
        "agent": Fields(
            {"agent_name": NAME, "parameters": Table(Plain())},
            {"search": Table(Plain())},
            others=Plain(),
        ),
    }
)
"""The two specs as every file keeps them. What else they may say is not looked at here, but where a
spec is read."""
PARAMETERS = Table(Plain())
PROVENANCE = Fields(
    {},
    {
        "shard": Text(),
        "attempts": Items(Fields({}, {"step": Whole()}, others=Plain())),
        "versions": Table(Plain()),
        "command_line": Items(Text()),
        "peak_memory_mb": Number(0),
    },
    others=Plain(),
)
"""Of the texts of a record that are JSON: `agent_params`, and `provenance` without `git_diff`."""

NON_FINITE = Text(("NaN", "Infinity", "-Infinity"))
COUNTS = tuple(name for name in INTEGERS if name != "random_seed")
"""Those of `INTEGERS` that are not negative."""

UPDATE_VIEWS = ("update_states", "update_actions", "update_rewards", "update_next_states")


def require_schema(path: Path, found: object) -> None:
    """Check the schema that a file says it has.

    Raises:
        DataFileError: this version does not read it.
    """
    if found != SCHEMA_VERSION:
        text = str(found)[:20]
        raise DataFileError(
            f"{path}: schema {text}, this nthrun reads {SCHEMA_VERSION}",
            "use the nthrun version that wrote it, or a newer one",
        )


class Identity(NamedTuple):
    """What makes a record the record of one run; sorts as records are listed."""

    setting_number: int
    stage: int
    run_number: int


class Run(dict[str, Any]):
    """One run as a dict; `update_*` are computed from `update_indices` when asked for.

    The keys are those of `INTEGERS`, `FLOATS`, `TEXTS`, `agent_params`, `provenance`, and arrays.
    `unfinished_episode_reward` and `unfinished_episode_steps` are of the training episode that the
    run's end cut off, up to there; of several worlds they are the mean of such returns, in which
    each counts for its steps, and all of these steps. A record made before them has neither.

    Environment steps of a run of several worlds are numbered by step of all worlds, then world.

        eval_episode_rewards, eval_episode_steps    (num_evals, eval_episodes)
        timesteps_at_eval                           (num_evals,) training steps
        train_episode_rewards, train_episode_steps  (total_train_episodes,) in the order in which
                                                    they ended; a solver has none
        train_episode_ends                          (total_train_episodes,) number of the last
                                                    environment step of each, from 1; recorded
                                                    where there are several worlds
        learned_params                              dict of arrays
        train_states, train_actions                 (total_timesteps, dim), on request
        train_rewards                               (total_timesteps,), on request
        train_next_states                           (total_timesteps, dim), with update_next_states
        eval_states                                 (all evaluation steps, dim), on request, by
                                                    evaluation, then episode, then step
        update_indices                              (num_updates, batch) of train_*, on request
        metrics                                     dict of (num_updates,), on request
        eval_metrics                                dict of (num_evals,): `oracle_gap`, what the
                                                    mean return falls short of the best, where
                                                    the environment has an oracle; what a solver
                                                    measures of its solution, of which an
                                                    `oracle_gap` is the distance of its r from
                                                    the exact one
        output                                      (at most 65536,), of a program alone
    """

    def __missing__(self, key: str) -> np.ndarray:
        if key not in UPDATE_VIEWS or "update_indices" not in self:
            raise KeyError(key)
        series: np.ndarray = self["train" + key.removeprefix("update")]
        return np.asarray(series[self["update_indices"]])

    @property
    def identity(self) -> Identity:
        """What tells this run from every other of its experiment."""
        return Identity(self["setting_number"], self["stage"], self["run_number"])


def flat_arrays(run: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """(name, array) of every array of a run, nested names joined by `/`."""
    for key, value in run.items():
        if isinstance(value, np.ndarray):
            yield prefix + key, value
        elif isinstance(value, Mapping) and key not in JSON_TEXTS:
            yield from flat_arrays(value, f"{prefix}{key}/")


Shape = tuple[int, ...]


def shapes_of(run: Mapping[str, Any]) -> dict[str, Shape]:
    """Name -> shape of every array of a run."""
    return {name: array.shape for name, array in flat_arrays(run)}


def is_measured(name: str) -> bool:
    """Whether the shape of an array has to fit those of others."""
    key = name.partition("/")[0]
    measured = ("timesteps_at_eval", "eval_metrics", "metrics")
    return key in (*EPISODES, EPISODE_ENDS, *EVALUATIONS, *measured)


def measures(names: Collection[str] | None) -> dict[str, Shape]:
    """Name -> the shape that counts where a record has no such array, of some names or of all; by
    these the others are read."""
    known = (*EPISODES, "timesteps_at_eval")
    return {name: (0,) for name in known if names is None or name in names}


def arrays_problem(shapes: Mapping[str, Shape]) -> str:
    """What is wrong with the shapes of a record's arrays beside each other; "" where nothing is.

    Args:
        shapes: name -> shape, of all of them or of some.
    """
    for names, dimensions in (((*EPISODES, EPISODE_ENDS), 1), (EVALUATIONS, 2)):
        filled = shapes if dimensions == 1 else {n: s for n, s in shapes.items() if 0 not in s}
        known = {name: filled[name] for name in names if name in filled}
        if len({shape[:1] for shape in known.values()}) > 1:
            return f"{' and '.join(known)} differ in length"
        if any(len(shape) != dimensions for shape in known.values()):
            return f"{min(known)}: dimensions, allowed: {dimensions}"
    times = shapes.get("timesteps_at_eval")
    for name, shape in shapes.items():
        key = name.partition("/")[0]
        if key in ("timesteps_at_eval", "metrics", "eval_metrics") and len(shape) != 1:
            return f"{name}: dimensions, allowed: 1"
        counted = times and 0 not in shape and (key == "eval_metrics" or name in EVALUATIONS)
        if times and counted and shape[0] != times[0]:
            return f"{name}: of {shape[0]} evaluations, not {times[0]}"
    return ""


def worlds_problem(setting: Mapping[str, Any], total_timesteps: int) -> str:
    """What keeps a record that has `EPISODE_ENDS` from being one of several worlds; "" if nothing.

    Args:
        setting: its hyperparameters, of which `num_worlds` may be anything.
        total_timesteps: of it.
    """
    worlds = Whole(1, MOST_WORLDS)
    if misfit := worlds.misfit(setting.get(NUM_WORLDS), f"agent_params.{NUM_WORLDS}"):
        return f"{misfit[0]}: {misfit[1]}"
    if total_timesteps % setting[NUM_WORLDS]:
        return f"{NUM_WORLDS} {setting[NUM_WORLDS]} does not divide {total_timesteps} steps"
    return ""


def ends_problem(last_steps: np.ndarray, total_timesteps: int | np.ndarray) -> str:
    """What is wrong with some `EPISODE_ENDS`; "" if nothing.

    Args:
        last_steps: of episodes.
        total_timesteps: of the run of each of them, or of all.
    """
    inside = (last_steps >= 1) & (last_steps <= total_timesteps)
    return "" if inside.all() else f"{EPISODE_ENDS}: allowed: 1 to total_timesteps"


def values_problem(run: Mapping[str, Any]) -> str:
    """What is wrong with values of a record by which others of it are read; "" if nothing."""
    if EPISODE_ENDS not in run:
        return ""
    total = run["total_timesteps"]
    return worlds_problem(run["agent_params"], total) or ends_problem(run[EPISODE_ENDS], total)


def first_difference(first: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """The first key, outside timing and provenance, in which two runs differ; None if equal.

    Arrays are equal when shape, dtype and every bit are, any NaN being equal to any other. What
    only one of them has is not compared: a series was asked for by only one of them, and a number
    of `NOT_RECORDED` was not recorded yet, or an agent had no such hyperparameter.
    """
    numbers = (*INTEGERS, "unfinished_episode_reward")
    for key in (*numbers, *TEXTS):
        if key in NOT_RECORDED:
            held = [np.asarray(run[key]) for run in (first, other) if key in run]
            if len(held) == 2 and not same_bits(*held):
                return key
        elif first[key] != other[key]:
            return key
    one, two = first["agent_params"], other["agent_params"]
    if any(one[name] != two[name] for name in one.keys() & two.keys()):
        return "agent_params"
    arrays = dict(flat_arrays(other))
    for name, array in flat_arrays(first):
        if name != OUTPUT and name in arrays and not same_bits(array, arrays[name]):
            return name
    return None


def differing_key(first: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The first key of all in which two copies of one record differ; "" if none does."""
    if key := first_difference(first, other):
        return key
    if first["agent_params"] != other["agent_params"]:
        return "agent_params"
    named, others = dict(flat_arrays(first)), dict(flat_arrays(other))
    if named.keys() != others.keys():
        return min(named.keys() ^ others.keys())
    numbers = {name: np.array([run.get(name) for run in (first, other)], float) for name in FLOATS}
    differing = [name for name, (one, two) in numbers.items() if not same_bits(one, two)]
    differing += ["provenance"] if first["provenance"] != other["provenance"] else []
    return next(iter(differing), "")


def same_bits(first: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays agree in shape, dtype and every bit but those that tell NaNs apart."""
    if first.shape != other.shape or first.dtype != other.dtype:
        return False
    if first.tobytes() == other.tobytes():
        return True
    if first.dtype.kind != "f":
        return False
    numbers = ~np.isnan(first)
    if not np.array_equal(numbers, ~np.isnan(other)):
        return False
    return bool(first[numbers].tobytes() == other[numbers].tobytes())
