"""What logs cost: a pack of SAC on Pendulum with and without TensorBoard's, and W&B's export.

8 runs, 64x64, batch 32, compiled, in one process. Two packs train at the same time, one a process
and a core each, one with `log` and one without, so that whatever else slows the machine slows
both; they change sides each round. Timed is the pack from its first step to its records, the
import of the logger included, which later packs of a process do not pay again; a short pack before
it has loaded the compiled step. CPU seconds are those of the process, whatever else ran. Then the
runs of one such pack, metrics recorded, are exported to W&B, and exported again.

    python benchmarks/logging_speed.py
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.planning.machine import cpu_model

ENVIRONMENT = {"steps_per_episode": 200, "eval_interval_timesteps": 5000, "eval_episodes": 5}
PARAMETERS = {
    "hidden_dim": [64],
    "batch_size": [32],
    "replay_capacity": [100_000],
    "critic_lr": [0.001],
    "alpha": [0.1],
}
LOG = ("tensorboard",)


class Seconds(NamedTuple):
    """What a pack took."""

    wall: float
    cpu: float


def train_pack(core: int, log: tuple[str, ...], steps: int, barrier: Barrier) -> Seconds:
    """What a pack takes on a core once the other process is ready too."""
    from checkpoints import experiment_in  # noqa: PLC0415 - each process imports torch for itself
    from packs import pack_of, small_spec  # noqa: PLC0415

    from nthrun.training.context import make_context  # noqa: PLC0415
    from nthrun.training.loop import Training  # noqa: PLC0415

    os.sched_setaffinity(0, {core})
    found = Seconds(0.0, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        for part, (num_steps, names) in enumerate(((2000, ()), (steps, log))):
            spec = small_spec(
                ENVIRONMENT | {"total_timesteps": num_steps, "log": list(names)}, PARAMETERS
            )
            context = replace(
                make_context(spec, "compile"),
                experiment=experiment_in(Path(folder, str(part)), spec),
            )
            pack = pack_of(spec, range(8))
            barrier.wait()
            began, cpu_began = time.perf_counter(), time.process_time()
            Training(pack, context).run()
            found = Seconds(time.perf_counter() - began, time.process_time() - cpu_began)
    return found


def _serve(case: tuple[int, tuple[str, ...], int], barrier: Barrier, results: Any) -> None:
    results.put((bool(case[1]), train_pack(*case, barrier)))


def one_round(log: tuple[str, ...], steps: int, swapped: bool) -> tuple[Seconds, Seconds]:
    """What a pack takes without and with logs, at the same time."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    cores = sorted(os.sched_getaffinity(0))[:2]
    cases = [(cores[int(swapped)], (), steps), (cores[1 - int(swapped)], log, steps)]
    started = [context.Process(target=_serve, args=(case, barrier, results)) for case in cases]
    for process in started:
        process.start()
    found = dict(results.get() for _ in started)
    for process in started:
        process.join()
    return found[False], found[True]


def export_seconds(steps: int) -> tuple[float, float]:
    """Seconds that exporting a hundred runs takes, the first time and when nothing has changed."""
    from checkpoints import experiment_in  # noqa: PLC0415
    from packs import pack_of, small_spec  # noqa: PLC0415

    from nthrun.commands.export import WandbRuns, client  # noqa: PLC0415
    from nthrun.training.context import make_context  # noqa: PLC0415
    from nthrun.training.loop import Training  # noqa: PLC0415

    spec = small_spec(ENVIRONMENT | {"total_timesteps": steps, "record": ["metrics"]}, PARAMETERS)
    runs = Training(pack_of(spec, range(8)), make_context(spec, "compile")).run()
    seconds = []
    with tempfile.TemporaryDirectory() as folder, client() as package:
        exported = WandbRuns(experiment_in(Path(folder), spec), package)
        for _ in range(2):
            began = time.perf_counter()
            for run in runs:
                exported.write(run)
            seconds.append((time.perf_counter() - began) * 100 / len(runs))
    first, again = seconds
    return first, again


@click.command()
@click.option("--rounds", default=6, show_default=True, help="Even, to change sides.")
@click.option("--steps", default=50_000, show_default=True, help="Of each run.")
def main(rounds: int, steps: int) -> None:
    """Print the seconds of a pack without and with a log, their ratio, and those of an export."""
    click.echo(f"{cpu_model()}, {os.cpu_count()} cores, {rounds} rounds, 8 runs of {steps} steps\n")
    click.echo("TensorBoard   without     with   ratio (median, least, most)")
    pairs = [one_round(LOG, steps, bool(turn % 2)) for turn in range(rounds)]
    for kind in Seconds._fields if rounds else ():
        sides = [(getattr(plain, kind), getattr(logged, kind)) for plain, logged in pairs]
        ratios = [logged / plain for plain, logged in sides]
        plain, logged = (statistics.median(side) for side in zip(*sides, strict=True))
        spread = f"{statistics.median(ratios):.3f}   {min(ratios):.3f}   {max(ratios):.3f}"
        click.echo(f"{kind:<11} {plain:>9.2f} {logged:>8.2f}   {spread}")
    first, again = export_seconds(steps)
    click.echo(f"\nW&B, seconds for 100 runs: {first:.1f} the first time, {again:.2f} unchanged")


if __name__ == "__main__":
    main()
