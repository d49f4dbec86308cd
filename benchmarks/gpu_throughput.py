"""Training speed of packs on a GPU: run-steps per second by the number of lanes.

SAC on Pendulum, batch 32, one update after every environment step, 64x64 and 256x256, with a replay
of 10,000 steps so that wide packs fit. A run-step is an environment step and an update of one run.
Wall time between two synchronisations, drawing of random numbers and recording included; compiling
and capturing are done before. Prints a table and draws benchmarks/gpu_throughput.png. Without a
CUDA GPU it says so and does nothing.

    python benchmarks/gpu_throughput.py
"""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path

import click
import matplotlib as mpl
import torch
from matplotlib import pyplot as plt
from training_speed import pack_in_training

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.errors import CompileError
from nthrun.planning.memory_estimate import BLOCK_STEPS
from nthrun.training.backends import prepare_torch
from nthrun.training.provenance import versions

PICTURE = Path(__file__).with_name("gpu_throughput.png")
WARM_UP_BLOCKS = 2


def run_steps_per_second(hidden_dim: int, lanes: int, replay: int, seconds: float) -> float:
    """Run-steps per wall second of one pack, measured for about so many seconds.

    Raises:
        torch.OutOfMemoryError: the pack does not fit on the GPU.
        CompileError: its step could not be captured, perhaps for that reason.
    """
    training = pack_in_training(hidden_dim, lanes, "cuda", "compile", replay)
    for _ in range(WARM_UP_BLOCKS):
        training.train_block(training.step + BLOCK_STEPS)
    torch.cuda.synchronize()
    started, first = time.perf_counter(), training.step
    while time.perf_counter() - started < seconds:
        training.train_block(training.step + BLOCK_STEPS)
        torch.cuda.synchronize()
    return (training.step - first) * lanes / (time.perf_counter() - started)


def measure(hidden_dim: int, max_lanes: int, replay: int, seconds: float) -> dict[int, float]:
    """Lanes -> run-steps per second, for 1, 2, 4, ... lanes as long as they fit."""
    speeds: dict[int, float] = {}
    lanes = 1
    while lanes <= max_lanes:
        try:
            speeds[lanes] = run_steps_per_second(hidden_dim, lanes, replay, seconds)
        except (torch.OutOfMemoryError, CompileError) as error:
            if not isinstance(error.__cause__ or error, torch.OutOfMemoryError):
                raise
            click.echo(f"  {lanes:>6} lanes do not fit in the GPU's memory")
            break
        finally:  # the next pack finds the memory of this one free
            gc.collect()
            torch.compiler.reset()
            torch.cuda.empty_cache()
        ratio = speeds[lanes] / speeds[1]
        click.echo(f"  {lanes:>6} {speeds[lanes]:14,.0f} {ratio:12,.1f}x")
        lanes *= 2
    return speeds


def draw(curves: dict[int, dict[int, float]], title: str) -> None:
    """Draw run-steps per second over lanes, a curve a network width."""
    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for width, speeds in curves.items():
        axes.plot(list(speeds), list(speeds.values()), marker="o", label=f"{width}×{width}")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("runs in the pack")
    axes.set_ylabel("run-steps per second")
    axes.set_title(title, fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(title="hidden layers")
    figure.savefig(PICTURE, dpi=150)
    plt.close(figure)


@click.command()
@click.option("--hidden", multiple=True, type=int, default=(64, 256), show_default=True)
@click.option("--max-lanes", default=8192, show_default=True)
@click.option("--replay", default=10_000, show_default=True, help="Steps the replay holds.")
@click.option("--seconds", default=3.0, show_default=True, help="Of measuring each pack.")
def main(hidden: tuple[int, ...], max_lanes: int, replay: int, seconds: float) -> None:
    """Print one table a network width and draw them."""
    if not torch.cuda.is_available():
        click.echo("no CUDA GPU was found: nothing is measured")
        return
    prepare_torch(1)
    name = torch.cuda.get_device_name()
    click.echo(f"{name}, CUDA {torch.version.cuda}")
    click.echo(", ".join(f"{package} {version}" for package, version in versions().items()))
    curves = {}
    for width in hidden:
        click.echo(f"\nhidden layers {width}x{width}\n   lanes    run-steps/s   to one lane")
        curves[width] = measure(width, max_lanes, replay, seconds)
    draw(curves, f"SAC on Pendulum, {name}")
    click.echo(f"\n{PICTURE}")


if __name__ == "__main__":
    main()
