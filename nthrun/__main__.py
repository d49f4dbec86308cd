"""`nthrun COMMAND`, and `python -m nthrun COMMAND`: every command under one name."""

from __future__ import annotations

import os
from typing import NoReturn

import click

from nthrun import __version__
from nthrun.commands.entry import execute
from nthrun.commands.lazy_group import LazyGroup

COMMANDS = {
    "act": ("nthrun.commands.act:act", "Play episodes by the policy of a recorded run."),
    "best": ("nthrun.commands.best:best", "Choose the best setting, and write it as a spec."),
    "best-responses": (
        "nthrun.commands.best_responses:best_responses",
        "Print what best responses in a game gained.",
    ),
    "cancel": ("nthrun.commands.schedule:cancel", "End what is queued or running."),
    "check": ("nthrun.commands.check:check", "Read all of an experiment; say what is sound."),
    "combine": ("nthrun.commands.combine:combine", "Merge the records of an experiment."),
    "convert": ("nthrun.commands.convert:convert", "Make specs of another tool's sweep file."),
    "describe": ("nthrun.commands.run:describe", "Print what the indices mean; train nothing."),
    "export": ("nthrun.commands.export:export", "Write records as another package has them."),
    "forget": ("nthrun.commands.forget:forget", "Remove the records of some indices."),
    "logs": ("nthrun.commands.logs:logs", "Print what the task of an index has printed."),
    "new": ("nthrun.commands.new:new", "Write a small project of your own."),
    "plot": ("nthrun.commands.plot:plot", "Draw a figure of experiments."),
    "report": ("nthrun.commands.report:report", "Write a page about experiments."),
    "rollout": ("nthrun.commands.rollout:rollout", "Play a recorded game; write what all did."),
    "run": ("nthrun.commands.run:run", "Train the agent on the environment for each index."),
    "schedule": ("nthrun.commands.schedule:schedule", "Submit the runs that are missing."),
    "specs": ("nthrun.commands.specs:specs", "List or copy the specs that are shipped."),
    "status": ("nthrun.commands.schedule:status", "Show how experiments stand."),
}
COMPLETION = "_NTHRUN_COMPLETE"
"""A variable by which click hears from a shell what to complete, or for which to write the lines
that have it ask: `eval "$(_NTHRUN_COMPLETE=bash_source nthrun)"`, zsh_source or fish_source."""
commands = LazyGroup(
    "nthrun", COMMANDS, help="Research experiments by number: one integer, one run, one record."
)
click.version_option(__version__, prog_name="nthrun", message="%(prog)s %(version)s")(commands)


def main() -> NoReturn:
    """The console command."""
    if os.environ.get(COMPLETION):
        commands.main(prog_name="nthrun", complete_var=COMPLETION)  # answers, and ends the process
    execute(commands)


if __name__ == "__main__":
    main()
