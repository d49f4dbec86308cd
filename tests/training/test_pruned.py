"""Runs that are ended as hopeless: up to there they are as any other, and nobody else notices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agents.solver_runs import SMALL as SOLVER_PARAMETERS
from agents.solver_runs import WORLDS
from checkpoints import experiment_in, stopped_at
from packs import ENVIRONMENT, PARAMETERS, pack_of

from nthrun.errors import InterruptedRunError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.planning.packs import packs_of_runs, plan_run
from nthrun.records.experiment import Experiment
from nthrun.records.schema import Run, first_difference, flat_arrays
from nthrun.records.snapshots import read_snapshot
from nthrun.specs.environment_spec import SERIES
from nthrun.specs.search.search_spec import SearchSpec
from nthrun.training.checkpoint_index import find_checkpoints
from nthrun.training.context import make_context
from nthrun.training.loop import Training
from nthrun.training.recording import judged_by

Ends = Mapping[int, int]
"""Index -> step at which its run is ended."""
LONG = {"total_timesteps": 500, "record": list(SERIES), "checkpoint_interval_seconds": 1e-9}
MEDIAN = {"search": {"pruner": "median"}}


def sac(**environment: Any) -> ExperimentSpec:
    """SAC on Pendulum, pruned."""
    agent = {"agent_name": "SAC", "parameters": PARAMETERS, **MEDIAN}
    return experiment_spec_of(ENVIRONMENT | LONG | environment, agent, "test")


def hosted(**environment: Any) -> ExperimentSpec:
    """SAC in an environment of Gymnasium, pruned."""
    parameters = {"hidden_dim": [16], "batch_size": [8], "replay_capacity": [200]}
    agent = {"agent_name": "SAC", "parameters": parameters | {"critic_lr": [1e-3, 3e-4]}, **MEDIAN}
    world = {"env_name": "MountainCarContinuous-v0", "platform": "gymnasium"}
    protocol = {"steps_per_episode": 60, "eval_interval_timesteps": 100, "eval_episodes": 2}
    return experiment_spec_of(world | protocol | LONG | environment, agent, "test")


def linear(**environment: Any) -> ExperimentSpec:
    """A linear actor-critic on Pendulum, pruned."""
    agent = {"agent_name": "linearAC", "parameters": {"critic_lr": [0.1, 0.2, 0.4]}, **MEDIAN}
    return experiment_spec_of(ENVIRONMENT | LONG | environment, agent, "test")


def solver(**environment: Any) -> ExperimentSpec:
    """A policy gradient in the economy of a firm, pruned."""
    agent = {"agent_name": "mc_pg", "parameters": SOLVER_PARAMETERS["mc_pg"], **MEDIAN}
    protocol = {"total_timesteps": 10, "eval_interval_timesteps": 2}
    interval = {"checkpoint_interval_seconds": 1e-9}
    return experiment_spec_of(WORLDS["mc_pg"] | protocol | interval | environment, agent, "test")


KINDS = [
    pytest.param(sac, 100, id="SAC"),
    pytest.param(linear, 100, id="linearAC"),
    pytest.param(hosted, 100, id="hosted", marks=pytest.mark.slow),
    pytest.param(solver, 2, id="solver"),
]


def ending(ends: Ends) -> Callable[..., list[bool]]:
    """A judge with a fixed mind."""

    def should_prune(indices: Sequence[int], step: int, values: Sequence[float]) -> list[bool]:
        return [ends.get(index) == step for index in indices]

    return should_prune


def backend_of(spec: ExperimentSpec) -> str:
    """The quicker one: native code, but for a solver, which takes long to be made into it."""
    return "eager" if spec.agent.declaration.solves else "compile"


def trained(
    spec: ExperimentSpec,
    indices: Sequence[int],
    ends: Ends,
    backend: str = "",
    experiment: Experiment | None = None,
) -> dict[int, Run]:
    """Index -> record of one undisturbed pack."""
    context = make_context(spec, backend or backend_of(spec))
    context = replace(context, experiment=experiment, should_prune=ending(ends))
    return by_index(Training(pack_of(spec, indices), context).run())


def by_index(runs: Iterable[Run]) -> dict[int, Run]:
    """Records by index."""
    return {run["index"]: run for run in runs}


def attempt(
    spec: ExperimentSpec,
    experiment: Experiment,
    indices: Sequence[int],
    ends: Ends,
    stop_after: int | None = None,
) -> dict[int, Run]:
    """One process's attempt, packed anew from the checkpoints there are."""
    context = make_context(spec, backend_of(spec))
    context = replace(context, experiment=experiment, should_prune=ending(ends))
    found, refused = find_checkpoints(experiment.checkpoints, 0, indices, context.facts())
    assert not refused
    runs = [plan_run(spec, i, 0, found[i].step if i in found else 0) for i in indices]
    records: dict[int, Run] = {}
    for pack in packs_of_runs(runs, spec.agent.declaration.static_names(), 8):
        here = context
        if stop_after is not None:
            here = stopped_at(context, stop_after * len(pack.runs))
        records |= by_index(Training(pack, here, found).run())
    return records


def without_end(run: Run) -> Run:
    """A record that does not say how it ended."""
    return Run(run | {"status": "", "reason": ""})


def require_first_part(run: Run, whole: Run) -> None:
    """Every series of a run is how that of another begins, and most are shorter."""
    others = dict(flat_arrays(whole))
    shorter = 0
    for name, array in flat_arrays(run):
        if not name.startswith("learned_params"):
            np.testing.assert_array_equal(array, others[name][: len(array)], err_msg=name)
            shorter += len(array) < len(others[name])
    assert shorter >= 3


@pytest.mark.parametrize(("kind", "interval"), KINDS)
def test_a_pruned_run_is_the_first_part_of_the_whole(
    kind: Callable[..., ExperimentSpec], interval: int
) -> None:
    """Ended at an evaluation, a run has all the whole one has up to there, and where an agent does
    not look at how far it is to go, what one learns that is asked to go no further; its
    neighbours, before it and behind it in the pack, have every bit they have without it."""
    spec = kind()
    indices = [0, 1, 2, 3]
    ends = {1: 3 * interval, 3: interval}
    pruned, whole = trained(spec, indices, ends), trained(spec, indices, {})
    for index in (0, 2):
        assert first_difference(pruned[index], whole[index]) is None
        assert pruned[index]["status"] == "completed"
    for index, end in ends.items():
        run = pruned[index]
        assert run["status"] == "pruned"
        assert run["reason"] == f"ended at step {end}, hopeless beside other runs"
        assert run["total_timesteps"] == run["timesteps_at_eval"][-1] == end
        require_first_part(run, whole[index])
        if kind is not solver:
            [short] = trained(kind(total_timesteps=end), [index], {}).values()
            assert first_difference(without_end(run), without_end(short)) is None


@pytest.mark.parametrize("backend", ["compile", pytest.param("eager", marks=pytest.mark.slow)])
def test_it_is_the_same_alone_and_in_packs(backend: str) -> None:
    """A pruned run has the same bits alone, and in packs whose other lanes go on or end before."""
    spec = sac()
    alone = trained(spec, [2], {2: 200}, backend)[2]
    assert alone["status"] == "pruned"
    for indices, others in (([2, 0, 5], {}), ([0, 2], {0: 100}), ([5, 2, 1], {5: 200, 1: 200})):
        again = trained(spec, indices, {2: 200, **others}, backend)[2]
        assert first_difference(again, alone) is None


@pytest.mark.parametrize(("kind", "interval"), KINDS)
def test_interruptions_and_other_packs_change_nothing(
    kind: Callable[..., ExperimentSpec], interval: int, tmp_path: Path
) -> None:
    """Interrupted before a run is ended, and after, and packed otherwise each time, every run has
    the status and the bits of an undisturbed one."""
    spec = kind()
    experiment = experiment_in(tmp_path, spec)
    ends = {1: 2 * interval, 2: 3 * interval}
    for indices, steps in (([0, 1, 2], interval), ([2, 1], interval), ([0, 3], interval)):
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, indices, ends, steps)
    # Nobody asks again whether runs are hopeless that were ended before.
    runs = attempt(spec, experiment, [0, 1, 2, 3], {2: ends[2]})
    undisturbed = trained(spec, [0, 1, 2, 3], ends)
    assert [run["status"] for run in undisturbed.values()].count("pruned") == 2
    for index, run in undisturbed.items():
        assert runs[index]["status"] == run["status"]
        assert first_difference(runs[index], run) is None, index


def test_a_pruned_run_keeps_no_snapshots_of_later_steps(tmp_path: Path) -> None:
    """Snapshots at steps end with the run; its best one is of the step it was best at, and its
    final one of its end."""
    keep = {"snapshots": ["best", "final"], "snapshot_interval_timesteps": 50}
    spec = sac(**keep, record=[])
    whole = trained(spec, range(6), {})
    best = {n: 100 * int(run["eval_episode_rewards"].mean(1).argmax()) for n, run in whole.items()}
    ended = next(index for index, step in best.items() if 0 < step < 500)
    other = (ended + 1) % 6
    experiment = experiment_in(tmp_path, spec)
    trained(spec, [other, ended], {ended: best[ended]}, experiment=experiment)

    def kept(index: int) -> dict[str, int]:
        """Moment -> step of a run's snapshots."""
        paths = experiment.snapshots.glob(f"*index{index}-*")
        return {path.stem.split("-", 2)[2]: read_snapshot(path)[0]["step"] for path in paths}

    for index, end in ((ended, best[ended]), (other, 500)):
        steps = {f"step{step}": step for step in range(0, end + 1, 50)}
        assert kept(index) == steps | {"best": best[index], "final": end}


def test_judges_hear_of_running_runs_only() -> None:
    """At each evaluation but the first and the last, a judge is told the mean return of each run
    that neither diverged nor was ended, in lane order."""
    spec = sac(record=[])
    heard: list[tuple[int, list[int], list[float]]] = []

    def should_prune(indices: Sequence[int], step: int, values: Sequence[float]) -> list[bool]:
        heard.append((step, list(indices), list(values)))
        return [index == 0 and step == 200 for index in indices]

    context = replace(make_context(spec, "compile"), should_prune=should_prune)
    runs = by_index(Training(pack_of(spec, [1, 0, 2]), context).run())
    assert [(step, indices) for step, indices, _ in heard] == [
        *((100, [1, 0, 2]), (200, [1, 0, 2])),
        *((300, [1, 2]), (400, [1, 2])),
    ]
    for step, indices, values in heard:
        for index, value in zip(indices, values, strict=True):
            assert value == runs[index]["eval_episode_rewards"][step // 100].mean()


def test_the_metric_of_the_search_judges_where_evaluations_have_it() -> None:
    """Where evaluations measure the search's metric runs are judged by it, less being better where
    it is to be small; else by their return."""
    heard: list[tuple[list[float], int]] = []
    for search in ({"metric": "oracle_gap"}, {"metric": "return"}):
        document = {"agent_name": "mc_pg", "parameters": SOLVER_PARAMETERS["mc_pg"]}
        searched = document | {"search": {"pruner": "median", **search}}
        spec = experiment_spec_of(WORLDS["mc_pg"] | {"total_timesteps": 8}, searched, "test")
        told: list[float] = []

        def should_prune(
            indices: Sequence[int], step: int, values: Sequence[float], told: list[float] = told
        ) -> list[bool]:
            told += values
            return [False] * len(indices)

        context = replace(make_context(spec), should_prune=should_prune)
        [run] = Training(pack_of(spec, [0]), context).run()
        if search["metric"] == "oracle_gap":
            assert told == [-run["eval_metrics"]["oracle_gap"][1]]
        else:
            assert told == [run["eval_episode_rewards"][1].mean()]
        heard.append((told, run["total_timesteps"]))
    assert heard[0] != heard[1]


@pytest.mark.parametrize(
    ("search", "sign"),
    [
        ({}, 1),
        ({"goal": "minimize"}, -1),
        ({"metric": "evaluation", "goal": "minimize"}, -1),
        ({"metric": "oracle_gap"}, 1),
        ({"metric": "train_time"}, 1),
    ],
)
def test_runs_are_judged_the_way_they_are_compared(search: dict[str, str], sign: int) -> None:
    """A return that a search minimises is better low; where evaluations do not measure the metric,
    returns stand for it, and are better high."""
    spec = SearchSpec(search)
    event = {"eval_returns": np.array([[1.0, 3.0]])}
    assert judged_by(event, spec).tolist() == [2.0 * sign]
    measured = event | {"measures/oracle_gap": np.array([5.0])}
    if search.get("metric") == "oracle_gap":
        assert judged_by(measured, spec).tolist() == [-5.0]
