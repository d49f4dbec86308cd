"""`python -m nthrun COMMAND`: every command under one name."""

from nthrun.commands.entry import execute
from nthrun.commands.lazy_group import LazyGroup

COMMANDS = {
    "best": ("nthrun.commands.best:best", "Choose the best setting, and write it as a spec."),
    "check": ("nthrun.commands.check:check", "Read all of an experiment; say what is sound."),
    "combine": ("nthrun.commands.combine:combine", "Merge the records of an experiment."),
    "export": ("nthrun.commands.export:export", "Write records as runs of another package."),
    "forget": ("nthrun.commands.forget:forget", "Remove the records of some indices."),
    "plot": ("nthrun.commands.plot:plot", "Draw a figure of experiments."),
    "report": ("nthrun.commands.report:report", "Write a page about experiments."),
    "run": ("nthrun.commands.run:run", "Train the agent on the environment for each index."),
    "schedule": ("nthrun.commands.schedule:schedule", "Submit the runs that are missing."),
}
commands = LazyGroup(
    "nthrun", COMMANDS, help="Research experiments by number: one integer, one run, one record."
)

if __name__ == "__main__":
    execute(commands)
