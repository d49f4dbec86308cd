"""Train the runs at the given indices. `python main.py --help` tells how."""

from nthrun.commands.entry import execute
from nthrun.commands.run import run

if __name__ == "__main__":
    execute(run)
