"""Submit what is missing of a sweep, and tell how it stands. `python schedule.py --help`."""

from nthrun.commands.entry import execute
from nthrun.commands.schedule import schedule

if __name__ == "__main__":
    execute(schedule)
