"""What a command line of `main.py` asks for: its options, checked."""

from __future__ import annotations

from dataclasses import dataclass

import click

from nthrun.errors import IndexSpecError
from nthrun.index import parse_indices
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.specs.selection import select

MAX_PACK = 65_536
MAX_WORKERS = 1024


@dataclass(frozen=True, slots=True)
class Options:
    """The options as click parses them."""

    env_json: tuple[str, ...]
    agent_json: tuple[str, ...]
    index: str | None
    runs: int | None
    settings: str | None
    where: tuple[str, ...]
    fields: tuple[str, ...]
    save_dir: str
    monitor: bool
    after: int
    rerun: bool
    stage: int
    device: str
    backend: str
    workers: int
    pack: str
    overwrite: bool
    retry_failed: bool
    only_describe: bool
    verify: bool
    debug: bool


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for.

    Attributes:
        indices: ascending.
        save_dir: see `experiment_directory`.
        stage: of all indices.
        device: "auto", "cpu" or "cuda".
        backend: "auto", "compile" or "eager".
        workers: processes that train, at most.
        pack: lanes of a pack at most; 0 leaves it to the planner.
        overwrite: whether recorded indices are run again and replaced.
        retry_failed: whether failed ones are run again.
        monitor_after: steps before rendering starts; None never renders.
    """

    indices: tuple[int, ...]
    save_dir: str
    stage: int
    device: str
    backend: str
    workers: int
    pack: int
    overwrite: bool
    retry_failed: bool
    monitor_after: int | None


def make_request(options: Options, spec: ExperimentSpec) -> Request:
    """What the options ask for.

    Raises:
        IndexSpecError: nothing says which runs, or what does is unreadable or out of range.
        UsageError: an option's value is not allowed, or takes back another option.
    """
    _refuse_contradictions(options)
    agent = spec.agent.declaration
    if options.monitor and agent.solves:
        message = f"--monitor shows training steps, and {agent.name} is a solver, which takes none"
        raise click.UsageError(message)
    indices = _indices(options, spec)
    for index in indices[:1] + indices[-1:]:
        spec.sweep.locate(index)
    return Request(
        indices,
        options.save_dir,
        1 if options.rerun else options.stage,
        options.device,
        options.backend,
        options.workers,
        pack_lanes(options.pack),
        options.overwrite,
        options.retry_failed,
        max(options.after, 0) if options.monitor else None,
    )


def _indices(options: Options, spec: ExperimentSpec) -> tuple[int, ...]:
    """The indices that are named, or that settings and runs select; none may only be described.

    Raises:
        IndexSpecError: nothing says which runs, or what does is unreadable or out of range.
    """
    if options.index is not None:
        return parse_indices(options.index)
    selected = options.settings is not None or options.where
    if options.runs is not None or selected:
        num_runs = options.runs or 1
        space = spec.agent.space
        selection = select(spec.sweep, space, num_runs, options.settings, options.where)
        return tuple(selection.indices(spec.sweep.num_settings))
    if options.only_describe:
        return ()
    num_settings = spec.sweep.num_settings
    raise IndexSpecError(
        f"--index is missing: which runs to train, counting from 0; this spec has "
        f"{num_settings} setting{'s' * (num_settings != 1)}, so 0-{num_settings - 1} is one "
        f"run of each and {num_settings}-{2 * num_settings - 1} the second",
        "add for example --index 0, or --settings 0-9 --runs 2 for two runs of each of ten, or "
        "--describe to see them",
    )


def _refuse_contradictions(options: Options) -> None:
    several = options.workers > 1
    selects = options.runs is not None or options.settings is not None or options.where
    contradictions = (
        (
            options.index is not None and selects,
            "--index names runs one by one: give it without --runs, --settings, --where",
        ),
        (
            options.rerun and options.stage > 1,
            f"--rerun is --stage 1, got --stage {options.stage}: give one of them",
        ),
        (
            options.verify and (options.overwrite or options.retry_failed),
            "--verify records nothing: give it without --overwrite, --retry-failed",
        ),
        (
            options.after >= 0 and not options.monitor,
            "--after says when --monitor begins: give --monitor too",
        ),
        (options.verify and several, "--verify takes one process: give it without --workers"),
        (options.monitor and several, "--monitor shows one process: give it without --workers"),
    )
    for found, message in contradictions:
        if found:
            raise click.UsageError(message)


def pack_lanes(text: str) -> int:
    """Lanes of a pack at most, as `--pack` says it; 0 leaves it to the planner.

    Raises:
        UsageError: neither auto nor a number in range.
    """
    if text == "auto":
        return 0
    if not (text.isascii() and text.isdecimal()) or len(text) > 5 or not 0 < int(text) <= MAX_PACK:
        raise click.UsageError(f"--pack {text[:40]}: allowed: auto, or 1 to {MAX_PACK}")
    return int(text)
