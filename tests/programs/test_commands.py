"""Commands as programs: any executable, what it is given, and how it says what came out."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from in_process import ended
from processes import ROOT, command
from program_experiments import ProgramExperiment

from nthrun.commands.best import best
from nthrun.commands.run import run as run_command
from nthrun.programs.command_line import command_hash
from nthrun.programs.process import Output, Process
from nthrun.programs.scratch import scratch_of

REPORTS = """
import json, os, sys
lr, seed = float(sys.argv[1]), int(sys.argv[2])
with open(os.environ["NTHRUN_REPORT"], "a") as file:
    for step in (100, 200):
        line = {"step": step, "episode_return": lr * step + seed, "metrics": {"losses/pi": lr}}
        file.write(json.dumps(line) + "\\n")
    file.write('{"step": 200, "evaluation": [1, 2], "measures": {"success": 0.5}}')
with open(os.path.join(os.environ["NTHRUN_SCRATCH"], "policy.txt"), "w") as file:
    file.write(os.environ["NTHRUN_SETTING"] + os.environ["NTHRUN_ENVIRONMENT"])
with open(os.environ["NTHRUN_REPORT"], "a") as file:
    file.write('\\n{"artifact": "policy.txt"}\\n')
print("done,", os.environ["NTHRUN_INDEX"])
"""
ANEW = """
import os, sys, time
for step in (1, 2, 3):
    with open(os.environ["NTHRUN_REPORT"], "w") as file:
        file.write('{"step": %d, "episode_return": %d}\\n' % (step, step))
    time.sleep(float(sys.argv[1]))
"""
ENDLESS = """
import os, time
with open(os.environ["NTHRUN_REPORT"], "a") as file:
    while True:
        file.write('{"step": 1, "metrics": {"loss": 0.5}}\\n' * 4000)
        file.flush()
        time.sleep(0.002)
"""
KEEPS = """
import os
scratch, report = os.environ["NTHRUN_SCRATCH"], os.environ["NTHRUN_REPORT"]
os.symlink("/etc/hostname", os.path.join(scratch, "link"))
with open(report, "a") as file:
    file.write('{"step": 1, "artifact": "%s"}\\n' % NAME)
"""
CONTINUES = """
import json, os, sys, time
place = os.path.join(os.environ["NTHRUN_SCRATCH"], "step")
start = int(open(place).read()) if os.path.exists(place) else 0
with open(os.environ["NTHRUN_REPORT"], "a", buffering=1) as file:
    if start:
        file.write(json.dumps({"continue": start}) + "\\n")
    for step in range(start + 10, 301, 10):
        file.write(json.dumps({"step": step, "episode_return": step}) + "\\n")
        time.sleep(0.02)
        if step % 20 == 0:
            open(place, "w").write(str(step))
"""


def spec(script: str, *arguments: str, **more: Any) -> dict[str, Any]:
    """The spec of a command that runs a script of Python's."""
    words = [sys.executable, "-c", script.replace("{", "{{").replace("}", "}}"), *arguments]
    return {"agent_name": "command", "name": "script", "command": words, **more}


def test_a_command_is_recorded_as_any_run_is(tmp_path: Path) -> None:
    """Placeholders and variables say which run it is, and report lines make its record."""
    parameters = {"lr": [0.001, 2]}
    experiment = ProgramExperiment(
        tmp_path, spec(REPORTS, "{lr}", "{seed}", parameters=parameters), {"env_name": "Maze"}
    )
    done = experiment.run("--index", "0-3")
    assert done.code == 0, done.err
    assert experiment.root.name == "Maze_script"
    runs = experiment.records()
    run = runs[3]
    assert run["train_episode_rewards"].tolist() == [201.0, 401.0]
    assert run["train_episode_steps"].tolist() == [100, 100]
    assert run["metrics"]["losses/pi"].tolist() == [2.0, 2.0]
    assert run["eval_metrics"]["success"].tolist() == [0.5]
    assert run["provenance"]["command"][-2:] == ["2", "1"]
    assert run["provenance"]["last_line"] == "done, 3"
    assert run["output"].tobytes() == b"done, 3\n"
    kept = (experiment.root / "artifacts" / "0-0" / "policy.txt").read_text()
    environment = json.loads((tmp_path / "environment.json").read_text())
    setting, _, world = kept.partition("}")
    assert (setting, json.loads(world)) == ('{"lr": 0.001', environment)
    assert ended(best, experiment.root, "--out", tmp_path).code == 0
    chosen = ["--agent-json", str(tmp_path / "script_best_Maze.json"), *experiment.specs[2:4]]
    shown = ended(run_command, *chosen, "--index", "0", "--dry-run").out
    assert shown.rstrip().endswith("2 0")
    shown = experiment.run("--index", "1", "--dry-run").out
    assert "  NTHRUN_SEED=0\n" in shown
    assert shown.rstrip().endswith("2 0")


@pytest.mark.parametrize(
    ("results", "content"),
    [
        ({"file": "out.csv"}, "t,ret,loss\n10,1.5,0.25\n30,2.5,\n"),
        ({"file": "out.json"}, '{"t": [10, 30], "ret": [1.5, 2.5], "loss": [0.25, null]}'),
        ({"file": "out.json"}, '[{"t": 10, "ret": 1.5, "loss": 0.25}, {"t": 30, "ret": 2.5, '
         '"loss": null}]'),
    ],
)  # fmt: skip
def test_a_table_of_results_is_read_at_the_end(
    tmp_path: Path, results: dict[str, Any], content: str
) -> None:
    """Columns of a CSV or JSON file are steps, returns and metrics by the names of the spec."""
    columns = {**results, "step": "t", "episode_return": "ret", "metrics": {"loss": "loss"}}
    place = str(Path("{scratch}") / results["file"])
    script = f"import sys; open(sys.argv[1], 'w').write({content!r})"
    experiment = ProgramExperiment(tmp_path, spec(script, place, results=columns))
    assert experiment.run("--index", "0").code == 0
    run = experiment.records()[0]
    assert run["train_episode_rewards"].tolist() == [1.5, 2.5]
    assert run["train_episode_steps"].tolist() == [10, 20]
    assert run["metrics"]["loss"].tolist() == [0.25]


def test_a_command_may_say_nothing(tmp_path: Path) -> None:
    """One that only ends has a record without episodes, with the last line that it printed."""
    experiment = ProgramExperiment(tmp_path, spec("print('score 0.93')"))
    assert experiment.run("--index", "0").code == 0
    run = experiment.records()[0]
    assert (run["status"], run["total_timesteps"]) == ("completed", 0)
    assert run["provenance"]["last_line"] == "score 0.93"


@pytest.mark.parametrize(
    ("agent", "reason"),
    [
        (
            {"agent_name": "command", "name": "a", "command": ["no-such-program"]},
            "no-such-program: No such file or directory",
        ),
        (spec("import sys; print('no data'); sys.exit(4)"), "exit code 4: no data"),
        (
            spec("import os; open(os.environ['NTHRUN_REPORT'], 'w').write('{\"step\": 1}\\nstep')"),
            "report line 2: no JSON: step",
        ),
        (
            spec("open({}['x'])", results={"file": "out.csv", "episode_return": "r"}),
            "KeyError: 'x'",
        ),
        (
            spec("pass", results={"file": "out.csv", "episode_return": "r"}),
            "results: out.csv cannot be read from the scratch: No such file or directory",
        ),
        (spec("pass", "{environment.size}"), "{environment.size}: the environment's spec has no"),
        (spec(ANEW, "0.5"), "the report file was written anew, so that lines are lost: open it to"),
        (spec("NAME = 'link'" + KEEPS), "artifact: link lies elsewhere, allowed: a file in the"),
        (spec("NAME = '.nthrun/lock'" + KEEPS), "artifact: .nthrun/lock lies elsewhere"),
    ],
)
def test_a_command_that_goes_wrong_fails(
    tmp_path: Path, agent: dict[str, Any], reason: str
) -> None:
    """Its record is a failed one that says in a line what was wrong."""
    experiment = ProgramExperiment(tmp_path, agent)
    assert experiment.run("--index", "0").code == 1
    run = experiment.records()[0]
    assert run["status"] == "failed"
    assert reason in run["reason"]


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ({"command": ["a", "{sed}"]}, "unknown placeholder {sed}, allowed: lr, seed, index"),
        ({"command": ["a", "{"]}, "a lone brace"),
        ({"command": "python train.py"}, "allowed: a list of texts, one an argument"),
        ({}, "command: missing, allowed: a list of texts"),
        ({"command": ["a"], "name": "a/b"}, 'name: got "a/b", allowed: letters'),
        ({"command": ["a"], "needs": {"memory": 1}}, "needs.memory: unknown key"),
        ({"command": ["a"], "results": {"file": "a.txt"}}, "results.file: got"),
        ({"command": ["a"], "parameters": {"seed": [1]}}, "a command is given this name anyway"),
        (
            {"command": ["a", "{lr}"], "parameters": {"lr": ["b", "c\0d"]}},
            r"parameters.lr: got 'c\x00d', allowed: texts that a command can be given",
        ),
        (
            {
                "command": ["a", "{lr}"],
                "search": {"method": "settings", "settings": [{"lr": "\ud800"}]},
            },
            r"search.settings.lr: got '\ud800', allowed: texts that a command can be given",
        ),
        ({"command": ["a", "\ud800"]}, "allowed: a list of texts, one an argument"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(tmp_path: Path, agent: dict[str, Any], told: str) -> None:
    """Every fault of a command's spec is told in a line, before anything runs."""
    whole = {"agent_name": "command", "name": "a", "parameters": {"lr": [1]}, **agent}
    done = ProgramExperiment(tmp_path, whole).run("--index", "0")
    assert done.code == 2
    assert told in done.err
    assert not (tmp_path / "out").exists()


def test_an_environment_that_no_command_can_be_given_is_refused(tmp_path: Path) -> None:
    """A text with a NUL in the environment's spec is told before anything runs."""
    experiment = ProgramExperiment(
        tmp_path, spec("pass", "{environment.map}"), {"map": "a\0b", "env_name": "\ud800"}
    )
    done = experiment.run("--index", "0")
    assert done.code == 2
    assert r"map: got 'a\x00b', allowed: texts that a command can be given" in done.err
    assert r"env_name: got '\ud800', allowed: texts that" in done.err


def test_a_report_that_is_opened_anew_is_told(tmp_path: Path) -> None:
    """Lines that were lost are told of: where one of them was read, by a failed record."""
    done = ProgramExperiment(tmp_path, spec(ANEW, "0")).run("--index", "0")
    opened = "index 0: its report file was opened to be written anew"
    assert (opened if done.code == 0 else "the report file was written anew") in done.err + done.out


def test_lines_that_come_faster_than_they_are_read_hold_nothing_up(tmp_path: Path) -> None:
    """A command that never stops reporting ends when it is told to."""
    experiment = ProgramExperiment(tmp_path, spec(ENDLESS))
    process = subprocess.Popen(
        command("main.py", *experiment.specs, "--index", "0"), cwd=ROOT, stderr=subprocess.DEVNULL
    )
    report = tmp_path / "out/none_script/checkpoints/programs/0-0/.nthrun/report-0.jsonl"
    while not (report.exists() and report.stat().st_size > 10**6):
        time.sleep(0.05)
    process.terminate()
    try:
        assert process.wait(10) == 143
    finally:
        process.kill()


def test_python_is_this_one_where_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command line that begins with `python` runs in an environment without that name, too."""
    agent = {"agent_name": "command", "name": "a", "command": ["python", "-c", "print('here')"]}
    monkeypatch.setenv("PATH", str(tmp_path))
    experiment = ProgramExperiment(tmp_path, agent)
    assert experiment.run("--index", "0").code == 0
    made = experiment.records()[0]["provenance"]
    assert made["command"][0] == sys.executable
    assert made["last_line"] == "here"


def test_a_command_continues_by_itself(tmp_path: Path) -> None:
    """Its scratch directory is there after kill -9, and what it says to continue counts on."""
    experiment = ProgramExperiment(tmp_path, spec(CONTINUES))
    words = command("main.py", *experiment.specs, "--index", "0")
    process = subprocess.Popen(words, cwd=ROOT)
    place = tmp_path / "out/none_script/checkpoints/programs/0-0/step"
    while not place.exists():
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert experiment.run("--index", "0").code == 0
    run = experiment.records()[0]
    assert run["train_episode_rewards"].tolist() == list(range(10, 301, 10))
    assert run["train_episode_steps"].tolist() == [10] * 30
    assert run["provenance"]["interruption"] == "continued"


def test_code_within_a_command_is_no_file(tmp_path: Path) -> None:
    """A word too long for the name of a file, or one in a folder that nobody may enter, is none."""
    assert command_hash(["python", "-c", "x" * 5000]) == ""
    assert command_hash(["python", f"{tmp_path}/no/script.py", "\0"]) == ""
    script = tmp_path / "script.py"
    script.write_text("pass")
    assert len(command_hash(["python", "x" * 5000, str(script)])) == 64


def test_an_edited_script_begins_anew(tmp_path: Path) -> None:
    """What another version of a script left in its scratch is deleted, which is told; and what
    differs from a record of that is not comparable."""
    script = tmp_path / "train.py"
    script.write_text(CONTINUES)
    agent = {"agent_name": "command", "name": "script", "command": [sys.executable, str(script)]}
    experiment = ProgramExperiment(tmp_path, agent)
    words = command("main.py", *experiment.specs, "--index", "0")
    process = subprocess.Popen(words, cwd=ROOT)
    place = tmp_path / "out/none_script/checkpoints/programs/0-0/step"
    while not place.exists():
        time.sleep(0.05)
    process.kill()
    process.wait()
    script.write_text(CONTINUES.replace("0.02", "0.0").replace("301", "31"))
    done = experiment.run("--index", "0")
    assert "index 0: its code has changed; its run starts from step 0" in done.err
    run = experiment.records()[0]
    assert run["train_episode_rewards"].tolist() == [10, 20, 30]
    assert "interruption" not in run["provenance"]
    assert experiment.run("--index", "0", "--verify").out == "index 0: equal\n"
    script.write_text(CONTINUES.replace("301", "21"))
    again = experiment.run("--index", "0", "--verify")
    said = "its code has changed: differs, first in total_timesteps"
    assert (again.code, again.out) == (3, f"index 0: not comparable, {said}\n")


def test_a_process_that_ignores_the_end_is_ended(tmp_path: Path) -> None:
    """What does not end by SIGTERM in the grace that it has is killed, with all it started."""
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)"
    words = [sys.executable, "-c", f"{script}; time.sleep(60)"]
    process = Process(words, os.environ, tmp_path, Output(tmp_path / "output"))
    begun = time.monotonic()
    ending = process.watch(lambda: 0.3 if time.monotonic() > begun + 0.5 else None)
    process.close()
    assert (ending.code, ending.was_killed) == (-signal.SIGKILL, True)
    assert time.monotonic() - begun < 30


def test_two_processes_do_not_share_a_run(tmp_path: Path) -> None:
    """An index that another process runs is left to that."""
    place = "{scratch}/began"
    script = "import sys, time; open(sys.argv[1], 'x'); time.sleep(2)"
    experiment = ProgramExperiment(tmp_path, spec(script, place))
    process = subprocess.Popen(
        command("main.py", *experiment.specs, "--index", "0"), cwd=ROOT, stdout=subprocess.DEVNULL
    )
    while not (tmp_path / "out/none_script/checkpoints/programs/0-0/began").exists():
        time.sleep(0.05)
    other = experiment.run("--index", "0")
    assert "index 0: another process runs it" in other.err
    assert process.wait() == 0
    assert [run["status"] for run in experiment.records().values()] == ["completed"]


def test_directories_may_be_removed_while_others_are_made(tmp_path: Path) -> None:
    """Where runs end in one process, another one can begin: the folder of all is made again."""
    folder = tmp_path / "programs"
    is_over = threading.Event()

    def remove() -> None:
        while not is_over.is_set():
            with contextlib.suppress(OSError):
                folder.rmdir()
            time.sleep(0.02)  # each folder takes some milliseconds to be made durably

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        for index in range(40):
            scratch = scratch_of(tmp_path, 0, index)
            with scratch.held() as is_ours:
                assert is_ours
            scratch.remove()
    finally:
        is_over.set()
        remover.join()
