"""A PPO written against nothing of nthrun's, from a git repository of its own, by the wheel."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from installed import Installation, installation
from processes import ROOT

from nthrun.records.data import open_data

PARAMETERS = {"learning_rate": [0.001, 0.01], "clip": [0.1, 0.2]}
WORDS = "python plain_ppo.py --learning_rate {learning_rate} --clip {clip} --seed {seed}"
SPECS: dict[str, dict[str, Any]] = {
    "world": {"env_name": "CartPole-v1", "total_timesteps": 300},
    "function": {"agent_name": "plain_ppo:train", "parameters": PARAMETERS},
    "command": {
        **{"agent_name": "command", "name": "ppo", "parameters": PARAMETERS},
        "command": [*WORDS.split(), "--steps", "300", "--out", "{scratch}/out.csv"],
        "results": {"file": "out.csv", "step": "step", "episode_return": "return"},
    },
    "search": {
        "agent_name": "plain_ppo:train",
        "parameters": {"learning_rate": {"loguniform": [0.0001, 0.1]}, "clip": [0.2]},
        "search": {"method": "bayes", "metric": "return", "capacity": 10},
    },
}


def called(installed: Installation, folder: Path, *words: str) -> str:
    """What a command of the console prints, which ends well."""
    done = installed.call("nthrun", *words, cwd=folder)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


@pytest.mark.slow
def test_a_plain_ppo_goes_the_whole_way(tmp_path: Path) -> None:
    """As a function and, unchanged, as a command 4 settings of 3 seeds give the same returns; after
    kill -9 the same command makes what is missing; Bayes searches over it; best and the report
    read it."""
    installed = installation()
    shutil.copy(ROOT / "tests/plain_ppo.py", tmp_path)
    for name, spec in SPECS.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(spec))
    for words in ("init -q", "add .", "-c user.name=a -c user.email=a@b commit -q -m First"):
        subprocess.run(["git", *words.split()], cwd=tmp_path, check=True)

    def run(agent: str) -> list[str]:
        return ["run", "--env-json", "world.json", "--agent-json", f"{agent}.json", "--runs", "3"]

    command = ["nthrun", *run("function")]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=installed.variables, stderr=subprocess.DEVNULL
    )
    root = tmp_path / "results/CartPole-v1_plain_ppo-train"
    while len(list(root.glob("runs/*.h5"))) < 3:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    called(installed, tmp_path, *run("function"))
    called(installed, tmp_path, *run("command"))
    functions, commands = (
        {run["index"]: run for run in (entry.load(()) for entry in open_data(path).entries)}
        for path in (root, tmp_path / "results/CartPole-v1_ppo")
    )
    assert functions.keys() == commands.keys() == set(range(12))
    for index, record in functions.items():
        assert record["status"] == commands[index]["status"] == "completed"
        returns = [each["train_episode_rewards"].tolist() for each in (record, commands[index])]
        assert returns[0] == returns[1]
    searched = ["run", "--env-json", "world.json", "--agent-json", "search.json"]
    called(installed, tmp_path, *searched, "--settings", "0-2", "--save-dir", "bayes")
    assert "is the best of 4" in called(installed, tmp_path, "best", str(root), "--no-write")
    called(installed, tmp_path, "report", str(root))
    assert (tmp_path / "report.html").stat().st_size > 0
