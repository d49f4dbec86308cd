"""kill -9 of every command that writes, at random moments: nothing is lost and nothing changed."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from processes import EXPERIMENT, ROOT, command, write_specs

from nthrun.records.combine import DATA_H5, DATA_JSON
from nthrun.records.data import open_combined, open_data
from nthrun.records.experiment import open_experiment
from nthrun.records.manifest import MANIFEST
from nthrun.records.schema import Run, first_difference
from nthrun.studies.journal import ASK, Journal

LONG = {
    "total_timesteps": 6000,
    "eval_interval_timesteps": 1000,
    "checkpoint_interval_seconds": 0.05,
    "record": ["train_rewards", "metrics"],
}
NETWORK = {"critic_lr": [0.001, 0.002], "alpha": [0.1]}
INDICES = range(6)
NUM_KILLS = 40


def module(*words: str) -> list[str]:
    """The command line of `python -m nthrun`."""
    return [sys.executable, "-m", "nthrun", *words]


class Sweep:
    """A sweep in a directory of its own, and every command that writes to it or about it.

    Args:
        directory: of its specs and results; it is created.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory, self.root = directory, directory / "out" / EXPERIMENT
        specs = write_specs(directory, LONG, NETWORK)
        searched, search = _search(directory / "search")
        self.searched = searched
        root, name = str(self.root), str(INDICES.stop - 1)
        self.commands: Mapping[str, list[str]] = {
            "train": command(
                "main.py", *specs, "--save-dir", str(directory / "out"), "--index", f"0-{name}"
            ),
            "combine": command("simple_combine.py", root),
            "combine h5": module("combine", root, str(self.root / DATA_H5)),
            "best": module("best", root, "--out", str(directory / "best"), "--overwrite"),
            "report": module("report", root, "--out", str(directory / "report.html")),
            "forget": module("forget", root, "--index", "1,4"),
            "mend": module("check", root, "--mend"),
            "search": command("main.py", *search, "--index", f"0-{name}"),
            "mend search": module("check", str(searched), "--mend"),
        }

    def start(self, name: str) -> subprocess.Popen[str]:
        """Give a command and do not wait."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self.commands[name], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=pipe, text=True
        )

    def finish(self, name: str) -> float:
        """Give a command, which must succeed; the seconds it took."""
        began = time.monotonic()
        process = self.start(name)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, (name, errors)
        return time.monotonic() - began

    def kill(self, name: str, seconds: float) -> bool:
        """Give a command and kill it after a while; whether it was still there."""
        process = self.start(name)
        time.sleep(seconds)
        process.kill()
        process.communicate()
        return process.returncode < 0

    def records(self) -> dict[int, Run]:
        """Index -> record, of which there is one each, and no file is damaged."""
        if not (self.root / MANIFEST).exists():
            return {}
        inventory = open_experiment(self.root).inventory()
        assert not inventory.unreadable
        runs = [entry.load(()) for entry in open_data(self.root).entries]
        assert Counter(run["index"] for run in runs) == dict.fromkeys(
            (index for _, index in inventory.entries), 1
        )
        return {run["index"]: run for run in runs}

    def require_whole_files(self, calm: Mapping[int, Run]) -> None:
        """Check that what commands wrote beside the records is whole, and says the same."""
        for path in (self.root / DATA_JSON, self.root / DATA_H5):
            for entry in open_combined(path).entries if path.exists() else ():
                run = entry.load(())
                assert first_difference(run, calm[run["index"]]) is None
        for path in (self.directory / "best").glob("*.json"):
            assert json.loads(path.read_text())["agent_name"] == "SAC"
        page = self.directory / "report.html"
        assert not page.exists() or page.read_text().rstrip().endswith("</html>")


def _search(directory: Path) -> tuple[Path, list[str]]:
    """A search that learns from scores: its experiment, and the options that name it."""
    directory.mkdir()
    span = {"loguniform": [0.001, 1]}
    agent = {
        "agent_name": "linearAC",
        "parameters": {"critic_lr": span, "actor_lr": span},
        "search": {"method": "bayes", "capacity": 100},
    }
    specs = write_specs(directory, {"total_timesteps": 1500, "eval_interval_timesteps": 500})
    (directory / "agent.json").write_text(json.dumps(agent))
    out = directory / "out"
    return out / "Pendulum-v1_linearAC", [*specs, "--save-dir", str(out), "--backend", "eager"]


@pytest.mark.slow
def test_kills_of_all_commands(tmp_path: Path) -> None:
    """Training, combining, choosing, reporting, forgetting, mending and a search, each killed at
    random moments and given again: at no moment is a record lost or changed, or a file cut short;
    in the end all is there, equal to the bit to what was never disturbed, and nothing is left
    behind."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"moments drawn from seed {seed}")
    moments = random.Random(seed)
    undisturbed = Sweep(tmp_path / "undisturbed")
    order = [name for name in undisturbed.commands if name != "forget"]
    seconds = {name: undisturbed.finish(name) for name in order}
    seconds["forget"] = seconds["mend"]
    calm = undisturbed.records()
    assert sorted(calm) == list(INDICES)
    sweep, killed = Sweep(tmp_path / "killed"), Counter[str]()
    while (number := killed.total()) < NUM_KILLS:
        name = moments.choice(["train", "train", "search", *sweep.commands])
        if number == NUM_KILLS // 4:  # so that there is something to be lost
            sweep.finish("train")
        before = sweep.records()
        in_time = sweep.kill(name, seconds[name] * moments.uniform(0.2, 1.0))
        killed[name] += in_time
        seconds[name] *= 1.1 if in_time else 0.7  # what is done or compiled takes less
        after = sweep.records()
        gone = before.keys() - after.keys()
        assert not gone or (name == "forget" and gone <= {1, 4}), (seed, number, name)
        for index, run in after.items():
            assert first_difference(run, calm[index]) is None, (seed, number, name)
        sweep.require_whole_files(calm)
    print(f"killed: {dict(killed)}")
    for name in ("train", "search", *order):
        sweep.finish(name)
    runs = sweep.records()
    assert [first_difference(runs[index], calm[index]) for index in INDICES] == [None] * len(calm)
    sweep.require_whole_files(calm)
    assert not [path for root in (sweep.root, sweep.searched) for path in _left_behind(root)]
    asked = Counter(event[ASK] for event in Journal(sweep.searched).events() if ASK in event)
    assert asked == dict.fromkeys(INDICES, 1)
    verified = subprocess.run(
        [*sweep.commands["search"], "--verify"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.stdout.splitlines() == [f"index {index}: equal" for index in INDICES]


def _left_behind(root: Path) -> list[Path]:
    """What only an unfinished command needs."""
    return [*root.rglob(".writing-*"), *root.glob("checkpoints/*")]
