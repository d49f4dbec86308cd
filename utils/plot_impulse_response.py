#!/usr/bin/env python3
"""Plot how the economy of a KrusellSmith run responds to a change of productivity."""

import sys
from pathlib import Path

# A script sees its own folder only; nthrun lies beside it, wherever it is called from.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nthrun.commands.entry import execute
from nthrun.commands.plot import figure_command

if __name__ == "__main__":
    execute(figure_command("impulse_response"))
