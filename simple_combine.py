"""Merge an experiment's records into one data file. `python simple_combine.py --help` tells how."""

from nthrun.commands.combine import combine
from nthrun.commands.entry import execute

if __name__ == "__main__":
    execute(combine)
