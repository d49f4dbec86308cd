"""`--describe`: the sweep in words, without torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import plan_run
from nthrun.specs.declaration import shown
from nthrun.specs.sweep import COUPLER

SHOWN_INDICES = 20


def describe(spec: ExperimentSpec, indices: Sequence[int], stage: int, save_dir: str) -> str:
    """Number of settings, digit order, and what each index means."""
    return "\n".join(_lines(spec, indices, stage, save_dir))


def _settings(number: int) -> str:
    return f"{number} setting{'s' * (number != 1)}"


def _lines(
    spec: ExperimentSpec, indices: Sequence[int], stage: int, save_dir: str
) -> Iterator[str]:
    sweep = spec.sweep
    yield f"{spec.agent.agent_name} on {spec.environment.env_name}: {_settings(sweep.num_settings)}"
    yield f"records go to {spec.directory(save_dir) / 'runs'}"
    yield "digits, fastest first (indices this far apart: values in order):"
    width = max(len(key) for key in sweep.parameters) if sweep.parameters else 0
    for key, values, stride in sweep.digits():
        yield f"  {key:<{width}}  every {stride}: {', '.join(map(shown, values))}"
    for name, value in sweep.defaults.items():
        yield f"  {name:<{width}}  (default) {shown(value)}"
    swept = [key for key, values, _ in sweep.digits() if len(values) > 1]
    varying = [name for key in swept for name in key.split(COUPLER)]
    for index in indices[:SHOWN_INDICES]:
        run = plan_run(spec, index, stage)
        chosen = ", ".join(f"{name} {shown(run.setting[name])}" for name in varying)
        yield (
            f"index {index}: setting {run.setting_number}, run {run.run_number}, stage {stage}, "
            f"seed {run.random_seed}" + (f": {chosen}" if chosen else "")
        )
    if len(indices) > SHOWN_INDICES:
        yield f"... and {len(indices) - SHOWN_INDICES} more indices"
