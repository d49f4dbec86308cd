"""The options that say which number stands for a run, as click takes them.

`best`, `report` and the figures have them; what they are given are arguments of `read_scores`.
"""

from __future__ import annotations

from typing import Any

import click

from nthrun.analysis.scores import DIRECTIONS, WHOLE_RUN

METRICS = (
    "What runs are compared by: return, episodes, evaluation, final_evaluation, train_time, "
    "peak_memory, or any metric that they recorded, such as oracle_gap."
)
METRIC: dict[str, Any] = {"help": f"{METRICS}  [default: the search's metric, else return]"}
LAST: dict[str, Any] = {
    "type": float,
    "default": WHOLE_RUN,
    "show_default": True,
    "metavar": "PERCENT",
    "help": "Only the last percent of each run's steps.",
}
DIRECTION: dict[str, Any] = {
    "type": click.Choice(DIRECTIONS),
    "help": "Which is better.  [default: what is known of the metric]",
}
SHORTEST: dict[str, Any] = {
    "is_flag": True,
    "help": "Count of runs only what they had up to the last evaluation that all reached.",
}
IMPORTANCES: dict[str, Any] = {
    "is_flag": True,
    "help": "Say how much of the scores' variance each hyperparameter explains (some seconds).",
}
