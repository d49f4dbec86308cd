"""`main.py`: train, describe or verify the runs at some indices."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from nthrun.commands.describe import describe
from nthrun.errors import FingerprintError, IndexSpecError
from nthrun.planning.experiment_spec import ExperimentSpec, read_experiment_spec
from nthrun.specs.indices import parse_indices
from nthrun.specs.seeds import MAX_STAGE

MAX_PACK = 65_536


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for.

    Attributes:
        indices: ascending.
        save_dir: see `experiment_directory`.
        stage: of all indices.
        device: "auto", "cpu" or "cuda".
        pack: lanes of a pack at most; 0 leaves it to the planner.
        overwrite: whether recorded indices are run again and replaced.
        retry_failed: whether failed ones are run again.
        monitor_after: steps before rendering starts; None never renders.
    """

    indices: tuple[int, ...]
    save_dir: str
    stage: int
    device: str
    pack: int
    overwrite: bool
    retry_failed: bool
    monitor_after: int | None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--env-json",
    multiple=True,
    required=True,
    metavar="FILE",
    help="Environment spec, JSON or YAML; given again, later files override earlier ones.",
)
@click.option(
    "--agent-json",
    multiple=True,
    required=True,
    metavar="FILE",
    help="Agent spec, JSON or YAML; given again, later files override earlier ones.",
)
@click.option(
    "--index", metavar="INDICES", help="Which runs: 5, 0-255 or 3,7,10-12, counting from 0."
)
@click.option(
    "--save-dir",
    default="results",
    show_default=True,
    metavar="DIR",
    help="Where experiments go; a relative one lies under results/.",
)
@click.option("-m", "--monitor", is_flag=True, help="Render as the agent trains (needs pygame).")
@click.option(
    "-a",
    "--after",
    type=click.IntRange(min=-1),
    default=-1,
    metavar="N",
    help="Training steps to pass before rendering starts.",
)
@click.option("--rerun", is_flag=True, help="Fresh seeds for confirmation: --stage 1.")
@click.option(
    "--stage",
    type=click.IntRange(0, MAX_STAGE),
    default=0,
    metavar="S",
    help="Seed range: 0 for the sweep, 1, 2, ... for confirmations.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to train.",
)
@click.option(
    "--pack",
    default="auto",
    show_default=True,
    metavar="auto|N",
    help="Runs trained together at most; the bits do not depend on it.",
)
@click.option(
    "--overwrite", is_flag=True, help="Run every index named again and replace its record."
)
@click.option("--retry-failed", is_flag=True, help="Run failed indices again.")
@click.option(
    "--describe",
    "only_describe",
    is_flag=True,
    help="Print the sweep and what the indices mean, and train nothing.",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Run recorded indices again and compare every bit; record nothing.",
)
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def run(**options: object) -> int:
    """Train the agent on the environment for each index.

    An index names a hyperparameter setting and a seed: index mod S is the setting and
    index div S the run number, S being the number of settings the agent spec spans. Indices
    from S on wrap around to further runs of the same settings with other seeds.
    A recorded index is skipped; an interrupted one continues where it stopped.
    """
    return _run(Options(**options))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Options:
    """The options as click parses them."""

    env_json: tuple[str, ...]
    agent_json: tuple[str, ...]
    index: str | None
    save_dir: str
    monitor: bool
    after: int
    rerun: bool
    stage: int
    device: str
    pack: str
    overwrite: bool
    retry_failed: bool
    only_describe: bool
    verify: bool
    debug: bool


def _run(options: Options) -> int:
    spec = read_experiment_spec(options.env_json, options.agent_json)
    request = _request(options, spec)
    if options.only_describe:
        click.echo(describe(spec, request.indices, request.stage, request.save_dir))
        return 0
    # Training imports torch, which takes seconds that --help and --describe do not owe.
    from nthrun.commands import train, verify  # noqa: PLC0415

    try:
        if options.verify:
            return verify.verify(spec, request)
        return train.train(spec, request)
    except FingerprintError as error:
        raise FingerprintError(error.message, error.hint or _other_directory(request)) from error


def _request(options: Options, spec: ExperimentSpec) -> Request:
    if options.index is None and not options.only_describe:
        num_settings = spec.sweep.num_settings
        raise IndexSpecError(
            f"--index is missing: which runs to train, counting from 0; this spec has "
            f"{num_settings} setting{'s' * (num_settings != 1)}, so 0-{num_settings - 1} is one "
            f"run of each and {num_settings}-{2 * num_settings - 1} the second",
            "add for example --index 0, or --describe to see the sweep",
        )
    if options.rerun and options.stage > 1:
        raise click.UsageError(
            f"--rerun is --stage 1, got --stage {options.stage}: give one of them"
        )
    if options.verify and (options.overwrite or options.retry_failed):
        raise click.UsageError(
            "--verify records nothing: give it without --overwrite, --retry-failed"
        )
    if options.after >= 0 and not options.monitor:
        raise click.UsageError("--after says when --monitor begins: give --monitor too")
    indices = parse_indices(options.index) if options.index is not None else ()
    for index in indices[:1] + indices[-1:]:
        spec.sweep.locate(index)
    return Request(
        indices,
        options.save_dir,
        1 if options.rerun else options.stage,
        options.device,
        _pack_width(options.pack),
        options.overwrite,
        options.retry_failed,
        max(options.after, 0) if options.monitor else None,
    )


def _pack_width(text: str) -> int:
    if text == "auto":
        return 0
    if not (text.isascii() and text.isdecimal()) or len(text) > 5 or not 0 < int(text) <= MAX_PACK:
        raise click.UsageError(f"--pack {text[:40]}: allowed: auto, or 1 to {MAX_PACK}")
    return int(text)


def _other_directory(request: Request) -> str:
    """The command that works: the same one with another save dir."""
    arguments = list(sys.argv[1:])
    other = f"{request.save_dir.rstrip('/')}_new"
    for place, argument in enumerate(arguments):
        if argument == "--save-dir":
            arguments[place + 1] = other
            break
        if argument.startswith("--save-dir="):
            arguments[place] = f"--save-dir={other}"
            break
    else:
        arguments += ["--save-dir", "new"]
    entry = Path(sys.argv[0])
    program = "-m nthrun" if entry.name == "__main__.py" else entry.name
    return f"python {program} {shlex.join(arguments)}"
