"""The fields of a `search`, and which of them each method takes."""

from __future__ import annotations

from nthrun.specs.field import Field
from nthrun.specs.search.sweeps import MAX_CAPACITY

GRID, SETTINGS, BAYES = "grid", "settings", "bayes"
DRAWN = ("random", "sobol", "halton")
METHODS = (GRID, *DRAWN, SETTINGS, BAYES)
GOALS = ("maximize", "minimize")
RETURNS = ("return", "evaluation", "final_evaluation")
KNOWN_GOALS = {
    **dict.fromkeys(RETURNS, GOALS[0]),
    **dict.fromkeys(("oracle_gap", "train_time", "eval_time", "peak_memory"), GOALS[1]),
}
"""Metrics of which it is known which way they are better."""
NO_PRUNER = "none"
PRUNERS = (NO_PRUNER, "median", "successive_halving")

FIELDS = (
    Field("method", "str", GRID, "how settings are found", choices=METHODS),
    Field(
        "capacity",
        "int",
        None,
        "settings there may ever be; how many are run is said on the command line",
        minimum=1,
        maximum=MAX_CAPACITY,
    ),
    Field("seed", "int", 0, "of the draws", minimum=0, maximum=2**63 - 1),
    Field("metric", "str", "return", "what settings are compared by"),
    Field("goal", "str", None, "which way the metric is better", choices=GOALS),
    Field("sampler", "str", "tpe", "what suggests settings", choices=("tpe", "cmaes", "gp")),
    Field("pruner", "str", NO_PRUNER, "what ends hopeless runs early", choices=PRUNERS),
    Field(
        "pruner_startup_runs",
        "int",
        5,
        "other runs that must have come as far before one is ended",
        minimum=0,
        maximum=10**6,
    ),
    Field(
        "pruner_warmup_timesteps",
        "int",
        0,
        "training steps before which no run is ended; steps of the first rung",
        minimum=0,
        maximum=10**12,
    ),
    Field(
        "pruner_reduction",
        "int",
        3,
        "of successive halving: the factor between rungs, one in so many goes on",
        minimum=2,
        maximum=1000,
    ),
)
PRUNING = ("pruner", "pruner_startup_runs", "pruner_warmup_timesteps", "pruner_reduction")
SCORING = ("metric", "goal", *PRUNING)
CONSTRAINTS, CONDITIONS, LISTED = "constraints", "conditions", "settings"
KEYS_OF = {
    GRID: (*SCORING, CONSTRAINTS, CONDITIONS),
    **dict.fromkeys(DRAWN, ("capacity", "seed", *SCORING, CONSTRAINTS, CONDITIONS)),
    SETTINGS: (*SCORING, LISTED),
    BAYES: ("capacity", "seed", *SCORING, "sampler", CONSTRAINTS, CONDITIONS),
}
"""Which keys each method takes beside its own name."""
