"""`python -m nthrun COMMAND`: every command under one name."""

import click

from nthrun.commands.best import best
from nthrun.commands.combine import combine
from nthrun.commands.entry import execute
from nthrun.commands.forget import forget
from nthrun.commands.report import report
from nthrun.commands.run import run
from nthrun.commands.schedule import schedule

commands = click.Group(
    "nthrun",
    commands={
        "run": run,
        "schedule": schedule,
        "combine": combine,
        "best": best,
        "report": report,
        "forget": forget,
    },
    help="Research experiments by number: one integer, one run, one record.",
)

if __name__ == "__main__":
    execute(commands)
