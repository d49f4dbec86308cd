"""`--describe`: the sweep and its packs in words, without torch."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nthrun.index import format_indices, program_seed, random_seed
from nthrun.planning.costs import (
    GroupCost,
    PackOptions,
    assumed_workers,
    disk_cost,
    free_disk_bytes,
    group_costs,
)
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.machine import readable, visible_gpu
from nthrun.planning.packs import plan_run
from nthrun.planning.width import Workers
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.field import plain, shown
from nthrun.specs.search.adaptive_sweep import AdaptiveSweep
from nthrun.specs.search.search_spec import BAYES, NO_PRUNER, SearchSpec
from nthrun.specs.search.space import Range, Space
from nthrun.specs.solver_limits import require_compilable
from nthrun.specs.sweep import GridSweep

if TYPE_CHECKING:
    from nthrun.commands.request import Request

SHOWN_INDICES = 20
SHOWN_GROUPS = 20
NO_OPTIONS = PackOptions()
COLUMNS = ("runs", "packs", "memory", "replay", "state", "series", "work", "records", "checkpoints")


def dry_run(spec: ExperimentSpec, request: Request) -> str:
    """What would be run: of a program the command line and the variables of each index."""
    options = PackOptions(request.device, request.backend, request.pack, request.workers)
    if spec.agent.program is None:
        return describe(spec, request.indices, request.stage, request.save_dir, options=options)
    lines: list[str] = []
    for index in request.indices[:SHOWN_INDICES]:
        lines += _program_lines(spec, request, index)
    if len(request.indices) > SHOWN_INDICES:
        lines.append(f"... and {len(request.indices) - SHOWN_INDICES} more indices")
    return "\n".join(lines)


def _program_lines(spec: ExperimentSpec, request: Request, index: int) -> Iterator[str]:
    """The command line of a run of a program, and the variables that it is given."""
    from nthrun.programs.command_line import Given, PlaceholderError  # noqa: PLC0415 - imports h5py
    from nthrun.programs.scratch import scratch_of  # noqa: PLC0415

    assert spec.agent.program is not None
    root = spec.directory(request.save_dir)
    scratch = scratch_of(root / "checkpoints", request.stage, index)
    device = "cuda" if request.device != "cpu" and visible_gpu() else "cpu"
    run = plan_run(spec, index, request.stage)
    given = Given(run, spec.environment, device, scratch.path, scratch.report(0))
    yield f"index {index}:"
    for name, value in given.variables().items():
        yield f"  {name}={shlex.quote(value)}"
    if command := spec.agent.program.command:
        try:
            yield f"  {shlex.join(given.filled(command))}"
        except PlaceholderError as error:
            yield f"  note: {error}"
    else:
        yield f"  calls {spec.agent.agent_name}(run) in a process of its own"


def describe(
    spec: ExperimentSpec,
    indices: Sequence[int],
    stage: int,
    save_dir: str,
    *,
    options: PackOptions = NO_OPTIONS,
) -> str:
    """Number of settings, digit order, what each index means, and the packs they would form."""
    lines = [*_sweep_lines(spec, save_dir), *(f"note: {line}" for line in spec.notes)]
    lines += _index_lines(spec, indices, stage)
    if indices and spec.agent.program is not None:
        lines += _needs_lines(spec, len(indices))
    elif indices:
        root = spec.directory(save_dir)
        options = replace(options, workers=min(options.workers, len(indices)))
        if spec.agent.declaration.solves and options.backend == "auto":
            options = replace(options, backend="eager")
        workers = assumed_workers(root, options)
        agent, environment = spec.agent.declaration, spec.environment
        require_compilable(agent, environment, workers.backend, workers.device)
        costs = group_costs(spec, indices, workers, options.width)
        lines += [*_pack_lines(spec, costs, workers), *_file_lines(costs, workers.num, root)]
    return "\n".join(lines)


def _needs_lines(spec: ExperimentSpec, num_runs: int) -> Iterator[str]:
    """What runs of a program take, as far as the spec says so, and the files they make."""
    assert spec.agent.program is not None
    program = spec.agent.program
    what = shlex.join(program.command) if program.command else f"{spec.agent.agent_name}(run)"
    yield f"each run is a process of its own: {what}"
    needs = [f"{name} {value:g}" for name, value in program.needs.items()]
    yield f"a run needs: {', '.join(needs) or 'not said; `needs` of the agent spec says it'}"
    files = f"files: one of records a run, {num_runs} in all, and what it keeps as artifacts"
    yield f"{files}; combining with --compact makes them few"


def _settings(number: int) -> str:
    return f"{number} setting{'s' * (number != 1)}"


def _sweep_lines(spec: ExperimentSpec, save_dir: str) -> Iterator[str]:
    sweep, space = spec.sweep, spec.agent.space
    yield f"{spec.agent.agent_name} on {spec.environment.env_name}: {_settings(sweep.num_settings)}"
    yield f"records go to {spec.directory(save_dir) / 'runs'}"
    yield from _preset_lines(spec.environment)
    width = max(map(len, space.parameters), default=0)
    if isinstance(sweep, GridSweep):
        yield "digits, fastest first (indices this far apart: values in order):"
        for key, values, stride in sweep.digits():
            yield f"  {key:<{width}}  every {stride}: {', '.join(map(shown, values))}"
    else:
        yield from _search_lines(spec.agent.search, space, width)
    for name, value in space.defaults.items():
        yield f"  {name:<{width}}  (default) {shown(value)}"
    search = spec.agent.search
    if search.values:
        pruned = search.text("pruner")
        ended = "" if pruned == NO_PRUNER else f"; runs unlikely to win are ended early: {pruned}"
        yield f"compared by {search.text('metric')}, {search.goal}{ended}"


def _preset_lines(environment: EnvironmentSpec) -> Iterator[str]:
    """What the preset of an environment decides, and what of it the spec changes."""
    decided = environment.declaration.decided_by_preset()
    given = {field.name: shown(plain(field.default)) for field in decided}
    found = {name: shown(plain(environment.values[name])) for name in given}
    preset = given.pop("preset", None)
    if preset:
        yield f"preset {preset} gives {', '.join(f'{name} {text}' for name, text in given.items())}"
    changed = [f"{name} to {found[name]}" for name, text in given.items() if found[name] != text]
    if changed:
        yield f"the spec changes {', '.join(changed)}"


def _search_lines(search: SearchSpec, space: Space, width: int) -> Iterator[str]:
    """What a search that is no plain grid finds its settings in."""
    seed = f", seed {search.integer('seed')}" if search.draws else ""
    yield f"search {search.method}{seed}, settings from:"
    for key, values in space.parameters.items():
        listed = str(values) if isinstance(values, Range) else ", ".join(map(shown, values))
        when = f", when {space.conditions[key].text}" if key in space.conditions else ""
        yield f"  {key:<{width}}  {listed}{when}"
    for constraint in space.constraints:
        yield f"  with {constraint.text}"
    if search.method == BAYES:
        yield f"suggested by {search.text('sampler')}"


def _index_lines(spec: ExperimentSpec, indices: Sequence[int], stage: int) -> Iterator[str]:
    for index in indices[:SHOWN_INDICES]:
        setting_number, run_number = spec.sweep.locate(index)
        seed = random_seed(stage, run_number)
        if spec.agent.program is not None:
            seed = program_seed(stage, run_number)
        chosen = _chosen(spec, setting_number)
        yield (
            f"index {index}: setting {setting_number}, run {run_number}, stage {stage}, "
            f"seed {seed}" + (f": {chosen}" if chosen else "")
        )
    if len(indices) > SHOWN_INDICES:
        yield f"... and {len(indices) - SHOWN_INDICES} more indices"
    if len(indices) > 1:
        yield f"indices: {format_indices(indices)}"


def _chosen(spec: ExperimentSpec, setting_number: int) -> str:
    """The values of a setting that others do not share."""
    sweep = spec.sweep
    if isinstance(sweep, AdaptiveSweep) and setting_number not in sweep.known:
        return "not suggested yet"
    setting = sweep.setting(setting_number)
    return ", ".join(f"{name} {shown(setting[name])}" for name in sweep.varying)


def _pack_lines(
    spec: ExperimentSpec, costs: Sequence[GroupCost], workers: Workers
) -> Iterator[str]:
    """A table of the groups: memory of one pack, files of all."""
    share, several = workers.host_share(), workers.num != 1
    free = "" if share is None else f" with {readable(share)} of memory{' each' * several}"
    yield (
        f"packs on {workers.device}, backend {workers.backend}, "
        f"{workers.num} worker{'s' * several}{free}:"
    )
    names = [
        name
        for name in spec.agent.declaration.static_names()
        if len({cost.setting[name] for cost in costs}) > 1
    ]
    rows = [COLUMNS, *(_cells(cost, workers.num) for cost in costs[:SHOWN_GROUPS])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    statics = ["", *(", ".join(f"{n} {shown(c.setting[n])}" for n in names) for c in costs)]
    for row, text in zip(rows, statics, strict=False):
        cells = (f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}  {text}".rstrip()
    if len(costs) > SHOWN_GROUPS:
        yield f"... and {len(costs) - SHOWN_GROUPS} more groups of static hyperparameters"
    for problem in dict.fromkeys(cost.problem for cost in costs if cost.problem):
        yield f"note: {problem}"


def _cells(cost: GroupCost, num_workers: int) -> tuple[str, ...]:
    """A row of the table; memory is that of one pack."""
    lane, lanes = cost.lane, max(cost.width, 1)
    packs = f"{cost.num_packs} of {cost.width}" if cost.width else "none fits"
    sizes = (lane.host, lane.replay, lane.state, lane.series, lane.steps + lane.saving)
    files = (cost.record_bytes, cost.checkpoint_bytes(num_workers))
    return (
        str(cost.num_runs),
        packs,
        *(readable(lanes * size) for size in sizes),
        *map(readable, files),
    )


def _file_lines(costs: Sequence[GroupCost], num_workers: int, root: Path) -> Iterator[str]:
    disk, free = disk_cost(costs, num_workers), free_disk_bytes(root)
    snapshots = f", snapshots {readable(disk.snapshots)}" if disk.snapshots else ""
    room = "" if free is None else f"; {readable(free)} are free there"
    yield (
        f"files: records {readable(disk.records)}{snapshots}, "
        f"checkpoints up to {readable(disk.checkpoints)}{room}"
    )
    if free is not None and disk.total > free:
        yield f"note: they may take {readable(disk.total)}, more than is free"
