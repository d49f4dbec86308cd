#!/usr/bin/env python3
"""Plot what the roles of a game earn, and what it shows of itself, while they learn."""

import sys
from pathlib import Path

# A script sees its own folder only; nthrun lies beside it, wherever it is called from.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nthrun.commands.entry import execute
from nthrun.commands.plot import figure_command

if __name__ == "__main__":
    execute(figure_command("game"))
