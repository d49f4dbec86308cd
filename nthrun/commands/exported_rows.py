"""What records say, as the trackers of runs that others use have it: names, steps and numbers."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np

from nthrun.agents.updates import updates_of
from nthrun.errors import NthrunError
from nthrun.planning.experiment_spec import ExperimentSpec, recorded_spec
from nthrun.records.experiment import Experiment
from nthrun.records.schema import EPISODE_ENDS, OMITTED_FROM_JSON, Run
from nthrun.specs.declaration import load_program
from nthrun.specs.trust import Trust
from nthrun.specs.user_class import failing_as
from nthrun.training.logged_points import MAX_EPISODES, MAX_UPDATES, Thinning

NOT_EXPORTED = tuple(name for name in OMITTED_FROM_JSON if name != "metrics")
"""Arrays of a record that are not read."""

Json = Mapping[str, Any]


def sqlite_address(path: Path) -> str:
    """The address of a database that is written with SQLAlchemy, whatever its path has in it."""
    address = importlib.import_module("sqlalchemy").URL.create("sqlite", database=str(path))
    return str(address.render_as_string())


class ExportedRows:
    """What the records of an experiment say, run by run.

    Args:
        experiment: whose.
        trust: whether the user has asked for the classes that its specs name to be imported.

    Attributes:
        left_out: why the metrics of updates are; "" where none are.
    """

    def __init__(self, experiment: Experiment, trust: Trust = Trust.READ) -> None:
        self.left_out = ""
        self._experiment, self._trust = experiment, trust

    def config(self, run: Run) -> Json:
        """The hyperparameters, and which run of which experiment it is."""
        manifest = self._experiment.manifest
        return {
            **run["agent_params"],
            "index": run["index"],
            "setting_number": run["setting_number"],
            "run_number": run["run_number"],
            "stage": run["stage"],
            "agent_name": manifest.agent["agent_name"],
            "environment": manifest.environment,
        }

    def rows(self, run: Run) -> dict[int, dict[str, float]]:
        """Training step -> what a record says of it, by the names that docs/logging.md lists."""
        rows: dict[int, dict[str, float]] = {}
        total = self._experiment.manifest.environment["total_timesteps"]
        episodes = {
            "train/return": run["train_episode_rewards"],
            "train/length": run["train_episode_steps"],
        }
        ends = run.get(EPISODE_ENDS, np.cumsum(run["train_episode_steps"]))
        _add(rows, ends, episodes, Thinning(total, MAX_EPISODES))
        if run["timesteps_at_eval"].size:
            evaluations = {"eval/return": run["eval_episode_rewards"].mean(1)}
            for name, values in run.get("eval_metrics", {}).items():
                evaluations[f"eval_metrics/{name}"] = values
            _add(rows, run["timesteps_at_eval"], evaluations, Thinning(total, total))
        updates = {f"metrics/{name}": values for name, values in run.get("metrics", {}).items()}
        steps = self._known_update_steps(run) if updates else None
        if steps is not None:
            _add(rows, steps, updates, Thinning(total, MAX_UPDATES))
        return rows

    def _known_update_steps(self, run: Run) -> np.ndarray | None:
        """The training steps that the agent updated after; None, and the reason in `left_out`,
        where that cannot be told."""
        if self._spec is None:
            return None
        problem = "the steps at which it learns cannot be told"
        try:
            with failing_as(NthrunError, problem, self._spec.programs()):
                return self._update_steps(run, self._spec)
        except NthrunError as error:
            self.left_out = error.lines()[0]
            return None

    def _update_steps(self, run: Run, experiment: ExperimentSpec) -> np.ndarray:
        """The same, as many as a record has metrics of."""
        spec = experiment.agent
        setting = spec.as_setting(run["agent_params"])
        num_worlds = spec.declaration.num_worlds(setting)
        steps: Iterable[int] = range(run["total_timesteps"] // num_worlds)
        if not spec.declaration.solves:
            statics = {name: setting[name] for name in spec.declaration.static_names()}
            interface = experiment.environment.interface
            updates = updates_of(load_program(spec.declaration.program)(statics, interface))
            steps = chain.from_iterable(repeat(step, updates.after(step)) for step in steps)
        count = max(map(len, run["metrics"].values()))
        return np.array([(step + 1) * num_worlds for step in islice(steps, count)])

    @cached_property
    def _spec(self) -> ExperimentSpec | None:
        """The specs; None where they cannot be read without running what they name."""
        manifest = self._experiment.manifest
        specs = {"environment": manifest.environment, "agent": manifest.agent}
        try:
            return recorded_spec(specs, str(self._experiment.root), self._trust)
        except NthrunError as error:
            self.left_out = error.lines()[0]
            return None


def run_name(run: Run) -> str:
    """What a run is called."""
    stage = f", stage {run['stage']}" if run["stage"] else ""
    return f"index {run['index']}{stage}"


def _add(
    rows: dict[int, dict[str, float]],
    steps: np.ndarray,
    series: Mapping[str, np.ndarray],
    thinning: Thinning,
) -> None:
    """Add series of numbers along some rising steps, thinned; of equal steps the last counts."""
    last = np.append(np.flatnonzero(np.diff(steps)), len(steps) - 1) if len(steps) else ()
    for place in last:
        if thinning.takes(step := int(steps[place])):
            row = rows.setdefault(step, {})
            row.update({name: float(values[place]) for name, values in series.items()})


def summary(run: Run) -> Json:
    """What a table of runs shows beside the last value of every series."""
    return {name: run[name] for name in ("status", "reason", "total_timesteps", "train_time")}
