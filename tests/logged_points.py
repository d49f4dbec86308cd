"""What a log of a run has to show, by its record."""

from __future__ import annotations

from itertools import accumulate

from nthrun.records.schema import Run

Points = dict[str, list[tuple[int, float]]]
"""Name -> (step, value) of each point."""


def expected(run: Run) -> Points:
    """Every episode and evaluation of a record, at its environment step."""
    ends = run.get("train_episode_ends", list(accumulate(run["train_episode_steps"].tolist())))
    evaluations = run["timesteps_at_eval"].tolist()
    points = {
        "train/return": list(zip(ends, run["train_episode_rewards"], strict=True)),
        "train/length": list(zip(ends, run["train_episode_steps"], strict=True)),
        "eval/return": list(zip(evaluations, run["eval_episode_rewards"].mean(1), strict=True)),
    }
    for name, values in run.get("eval_metrics", {}).items():
        points[f"eval_metrics/{name}"] = list(zip(evaluations, values, strict=True))
    return {name: found for name, found in points.items() if found}
