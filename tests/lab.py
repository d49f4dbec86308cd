"""Functions that are programs, as somebody who does not know nthrun writes them, good and bad."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np

from nthrun import Field


def walk(run: Any) -> None:
    """A walk that goes on from where it stopped, and reports of every kind."""
    generator = np.random.default_rng(run.seed)
    place = 0.0
    if run.saved:
        generator.bit_generator.state = run.saved["generator"]
        place = run.saved["place"]
    pause, stride = run.environment.get("pause", 0.0), run.setting.get("stride", 1)
    for step in range(run.saved.step, run.total_timesteps, 10):
        time.sleep(pause)
        place += stride * generator.random()
        run.episode(place, 10)
        run.metric(step + 10, place=place)
        if (step + 10) % 50 == 0:
            run.evaluation(step + 10, [place, place + 1], steps=[3, 4], distance=abs(place))
        if run.time_to_save:
            run.save(step + 10, {"generator": generator.bit_generator.state, "place": place})
    run.learned_params = {"place": np.array([place], np.float32), "stride": stride}


def level(run: Any) -> None:
    """Evaluations that are as high as the setting says."""
    for step in range(0, 101, 20):
        run.evaluation(step, run.setting["level"])
        time.sleep(0.02)


def judged(run: Any) -> None:
    """Evaluations one upon the other, so that it mostly waits for what is said of them."""
    for step in range(run.saved.step, run.total_timesteps):
        run.evaluation(step, 1.0)
        if step % 50 == 49 and run.time_to_save:
            run.save(step + 1, {})


def asks_late(run: Any) -> None:
    """Tells of an evaluation some time before it asks what is said of it."""
    run._report({"step": 10, "evaluation": run.setting["level"]})
    run._flush()
    time.sleep(0.6)
    run.evaluation(20, run.setting["level"])


def echo(run: Any) -> None:
    """What it was given, as an artifact."""
    given = [run.setting, run.environment, run.seed, run.seeds(2), run.index, run.stage, run.device]
    (run.scratch / "given.txt").write_text(repr(given))
    run.artifact("given.txt")


def draws(run: Any) -> None:
    """Other numbers each time."""
    run.episode(float(np.random.default_rng().random()), 1)


def declared(run: Any) -> None:
    """A function that declares its hyperparameters."""
    run.episode(run.setting["rate"], 1)


declared.hyperparameters = (Field("rate", "float", 0.5, "how fast", minimum=0, maximum=1),)


def raises(run: Any) -> None:
    run.episode(1.0, 10)
    raise ValueError("the loss\nis odd")


def nothing(run: Any) -> None:
    """Reports nothing."""


def backwards(run: Any) -> None:
    run.metric(10, loss=1.0)
    run.metric(5, loss=1.0)


def not_finite(run: Any) -> None:
    run.metric(10, loss=float("nan"))


def exits(run: Any) -> None:
    run.episode(1.0, 10)
    sys.exit(0)


def leaves(run: Any) -> None:
    run.episode(1.0, 10)
    os._exit(0)


def crashes(run: Any) -> None:
    run.episode(1.0, 10)
    os.kill(os.getpid(), signal.SIGSEGV)


def starves(run: Any) -> None:
    """Is ended as the system ends what takes more memory than there is."""
    run.episode(1.0, 10)
    os.kill(os.getpid(), signal.SIGKILL)


def deletes(run: Any) -> None:
    """Deletes its scratch directory and goes on."""
    run.episode(1.0, 10)
    shutil.rmtree(run.scratch)


def lists(run: Any) -> None:
    run.learned_params = [1.0]


def misnames(run: Any) -> None:
    run.episode(1.0, 10)
    run.learned_params = {"weights\0": np.zeros(2)}


def hides(run: Any) -> None:
    """Leaves a process that has left its session and forgotten its variables."""
    words = ["sh", "-c", f"sleep {run.environment['seconds']} & echo left"]
    subprocess.run(words, env={"PATH": os.environ["PATH"]}, start_new_session=True, check=True)
    run.episode(1.0, 10)


def unsavable(run: Any) -> None:
    run.save(10, {"file": sys.stdout})


def prints(run: Any) -> None:
    """Far more than is kept."""
    for _ in range(2000):
        print("x" * 999)
    print("the end")
    run.episode(1.0, 10)


def says(run: Any) -> None:
    """A line, and another one later."""
    print("hello", flush=True)
    time.sleep(run.environment.get("pause", 0.0))
    print("again")
    run.episode(1.0, 10)


def forks(run: Any) -> None:
    """Copies of its process, one of which returns and one of which stays."""
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            time.sleep(100)
        return
    os.wait()
    run.episode(1.0, 10)


def deaf(run: Any) -> None:
    """Does not hear SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    run.episode(1.0, 10)
    time.sleep(100)
