"""Small SAC-on-Pendulum experiments, and packs of them trained in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nthrun.agents.registry import AGENTS
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import Pack, packs_of_runs, plan_run
from nthrun.records.schema import Run, first_difference
from nthrun.specs.agent_spec import read_agent_spec
from nthrun.specs.documents import Document
from nthrun.specs.environment_spec import read_environment_spec
from nthrun.training.context import TrainingContext, make_context
from nthrun.training.loop import Training

BACKENDS = ("eager", "compile")
ENVIRONMENT = {
    "env_name": "Pendulum-v1",
    "total_timesteps": 300,
    "steps_per_episode": 50,
    "eval_interval_timesteps": 100,
    "eval_episodes": 2,
}
PARAMETERS = {
    "critic_lr": [0.001, 0.0003, 0.002],
    "alpha": [0.1, 0.5],
    "hidden_dim": [16],
    "batch_size": [8],
    "replay_capacity": [100],
}


def small_spec(
    environment: Mapping[str, Any] | None = None, parameters: Mapping[str, Any] | None = None
) -> ExperimentSpec:
    """The small experiment (6 settings) with some keys replaced."""
    agent = {"agent_name": "SAC", "parameters": PARAMETERS | dict(parameters or {})}
    return ExperimentSpec(
        read_agent_spec(Document(agent, {}, ("agent.json",)), AGENTS["SAC"]),
        read_environment_spec(
            Document(ENVIRONMENT | dict(environment or {}), {}, ("environment.json",)),
            ENVIRONMENTS["Pendulum-v1"],
        ),
    )


def pack_of(spec: ExperimentSpec, indices: Sequence[int], stage: int = 0) -> Pack:
    """One pack with these indices on its lanes, in this order."""
    runs = [plan_run(spec, index, stage) for index in indices]
    (pack,) = packs_of_runs(runs, spec.agent.declaration.static_names(), len(runs))
    return pack


def train(
    spec: ExperimentSpec,
    indices: Sequence[int],
    stage: int = 0,
    context: TrainingContext | None = None,
) -> dict[int, Run]:
    """Index -> record of one pack trained from step 0, by default operation by operation."""
    runs = Training(pack_of(spec, indices, stage), context or make_context(spec)).run()
    return {run["index"]: run for run in runs}


def beside_neighbours(index: int, widths: Iterable[int]) -> Iterator[list[int]]:
    """Packs of these widths with an index on the first lane, and on the last."""
    for width in widths:
        neighbours = [100 + 5 * lane for lane in range(width - 1)]
        yield [index, *neighbours]
        yield [*neighbours, index]


def run_of_same_bits(
    spec: ExperimentSpec,
    index: int,
    packs: Iterable[Sequence[int]],
    backend: str = "eager",
    device: str = "cpu",
) -> Run:
    """The record of an index trained alone, which equals its record in each of these packs."""
    context = make_context(spec, backend, device)
    alone = train(spec, [index], context=context)[index]
    for indices in packs:
        again = train(spec, indices, context=context)[index]
        assert first_difference(alone, again) is None, indices
    return alone
