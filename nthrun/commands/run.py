"""`main.py`, `nthrun run`: train, describe or verify the runs at some indices."""

from __future__ import annotations

import shlex
import sys
from typing import Any

import click

from nthrun.commands.describe import describe as described
from nthrun.commands.describe import dry_run
from nthrun.commands.entry import called_as
from nthrun.commands.options import Command, takes_options
from nthrun.commands.request import Request, RunOptions, make_request
from nthrun.errors import FingerprintError
from nthrun.planning.costs import PackOptions
from nthrun.planning.experiment_spec import ExperimentSpec, read_experiment_spec
from nthrun.specs.documents import ENVIRONMENT, of_spec
from nthrun.specs.project import find_project, use_project
from nthrun.specs.search.adaptive_sweep import require_tried
from nthrun.specs.search.search_spec import BAYES
from nthrun.specs.solver_limits import require_solvable
from nthrun.terminal import note, show_text


@click.command(cls=Command)
@takes_options(RunOptions)
def run(**values: Any) -> int:
    """Train the agent on the environment for each index.

    An index names a hyperparameter setting and a seed: index mod S is the setting and
    index div S the run number, S being the number of settings the agent spec spans. Indices
    from S on wrap around to further runs of the same settings with other seeds.
    A recorded index is skipped; an interrupted one continues where it stopped.
    """
    return _run(RunOptions(**values))


@click.command(cls=Command)
@takes_options(RunOptions)
def describe(**values: Any) -> int:
    """Print the sweep, what the indices mean and the packs they form, and train nothing.

    Takes the options of `nthrun run`, and is the same as that with --describe.
    """
    return _run(RunOptions(**{**values, "describe": True}))


def _run(options: RunOptions) -> int:
    use_project(find_project((*options.env_json, *options.agent_json), options.project))
    overrides = options.overrides()
    spec = read_experiment_spec(options.env_json, options.agent_json, overrides)
    agent, environment = spec.agent.declaration, spec.environment
    of_environment = of_spec(overrides, ENVIRONMENT)
    require_solvable(agent, environment, options.env_json, of_environment)
    try:
        return _carried_out(spec, options)
    except FingerprintError as error:
        hint = error.hint or _other_directory(options.save_dir)
        raise FingerprintError(error.message, hint) from error


def _carried_out(spec: ExperimentSpec, options: RunOptions) -> int:
    """Describe, verify or train.

    Raises:
        FingerprintError: the experiment directory belongs to other specs.
    """
    if spec.agent.search.method == BAYES:
        from nthrun.commands.experiment_opening import with_suggestions  # noqa: PLC0415 - imports h5py

        spec = with_suggestions(spec, options.save_dir)
    request = make_request(options, spec)
    require_tried(spec.sweep, request.indices, request.stage)
    if options.describe:
        pack_options = PackOptions(request.device, request.backend, request.pack, request.workers)
        show_text(
            described(spec, request.indices, request.stage, request.save_dir, options=pack_options)
        )
        return 0
    if options.dry_run:
        show_text(dry_run(spec, request))
        return 0
    for line in spec.notes:
        note(line)
    if options.verify:
        return _verified(spec, request)
    # Training imports what --help and --describe do not owe; of agents torch, which takes seconds.
    from nthrun.commands.train import train  # noqa: PLC0415

    return train(spec, request)


def _verified(spec: ExperimentSpec, request: Request) -> int:
    """Run recorded indices again and compare them."""
    if spec.agent.program is not None:
        from nthrun.commands.verify_programs import verify_programs  # noqa: PLC0415

        return verify_programs(spec, request)
    from nthrun.commands.verify import verify  # noqa: PLC0415 - imports torch

    return verify(spec, request)


def _other_directory(save_dir: str) -> str:
    """The command that works: the same one with another save dir."""
    arguments = list(sys.argv[1:])
    other = f"{save_dir.rstrip('/')}_new"
    for position, argument in enumerate(arguments):
        if argument == "--save-dir":
            arguments[position + 1] = other
            break
        if argument.startswith("--save-dir="):
            arguments[position] = f"--save-dir={other}"
            break
    else:
        arguments += ["--save-dir", "new"]
    return f"{called_as(sys.argv[0])} {shlex.join(arguments)}"
