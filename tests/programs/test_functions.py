"""Functions as programs, from a spec to a record, and what goes wrong with them."""

from __future__ import annotations

import ast
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from in_process import ended
from processes import ROOT, command
from program_experiments import ProgramExperiment

from nthrun.commands.best import best
from nthrun.commands.check import check
from nthrun.commands.combine import combine
from nthrun.commands.forget import forget
from nthrun.commands.logs import logs
from nthrun.records.data import open_data
from nthrun.records.distributions import installed_distributions
from nthrun.records.schema import first_difference

TESTS = ROOT / "tests"
PENDULUM = {"env_name": "Pendulum-v1", "steps_per_episode": 50}


def test_a_function_is_recorded_as_any_run_is(tmp_path: Path) -> None:
    """Episodes, evaluations, measures, metrics and parameters are the record's own."""
    experiment = ProgramExperiment(
        tmp_path, {"agent_name": "lab:walk", "parameters": {"stride": [1, 2.0]}}
    )
    done = experiment.run("--index", "0-3")
    assert done.code == 0, done.err
    assert "lab:walk: declares no hyperparameters: ranges are not checked" in done.err
    assert experiment.root.name == "none_lab-walk"
    runs = experiment.records()
    assert [runs[n]["agent_params"]["stride"] for n in range(4)] == [1, 2.0, 1, 2.0]
    assert isinstance(runs[0]["agent_params"]["stride"], int)
    run = runs[3]
    places = np.cumsum(2 * np.random.default_rng(1).random(10))
    assert (run["status"], run["total_timesteps"], run["provenance"]["seed"]) == (
        *("completed", 100),
        1,
    )
    np.testing.assert_allclose(run["train_episode_rewards"], places)
    assert run["train_episode_steps"].tolist() == [10] * 10
    assert run["timesteps_at_eval"].tolist() == [50, 100]
    np.testing.assert_allclose(run["eval_episode_rewards"][1], [places[-1], places[-1] + 1])
    assert run["eval_episode_steps"].tolist() == [[3, 4], [3, 4]]
    np.testing.assert_allclose(run["eval_metrics"]["distance"], places[[4, 9]])
    np.testing.assert_allclose(run["metrics"]["place"], places)
    np.testing.assert_allclose(run["learned_params"]["place"], places[-1:], rtol=1e-6)
    assert "interruption" not in run["provenance"]
    assert ended(combine, experiment.root).code == 0
    assert ended(best, experiment.root, "--out", tmp_path).code == 0
    assert ended(check, experiment.root).code == 0
    assert experiment.run("--index", "1", "--verify").out == "index 1: equal\n"


def test_a_function_is_given_what_the_specs_say(tmp_path: Path) -> None:
    """Values keep their types, unknown fields of the environment arrive, and seeds fit 31 bits."""
    setting = {"rate": 0.001, "units": [64, 64], "name": "adam", "on": True}
    parameters = {"rate": [0.001], "units": [[64, 64]], "name": ["adam"], "on": [True]}
    environment = {"env_name": "Maze-v3", "size": {"x": 3, "y": [None, 1.0]}}
    experiment = ProgramExperiment(
        tmp_path,
        {"agent_name": "lab:echo", "name": "mine", "parameters": parameters},
        environment,
    )
    assert experiment.run("--index", "5", "--stage", "1").code == 0
    assert experiment.root.name == "Maze-v3_mine"
    text = (experiment.root / "artifacts" / "1-5" / "given.txt").read_text()
    given = ast.literal_eval(text)
    world = {**environment, "total_timesteps": 100, "checkpoint_interval_seconds": 0.05}
    assert given[:3] == [setting, world, 2**24 + 5]
    assert len(set(given[3])) == 2
    assert max(given[3]) < 2**31
    assert given[4:6] == [5, 1]
    assert experiment.records()[5]["random_seed"] == 2**32 + 5
    too_far = experiment.run("--index", "0", "--stage", "128")
    assert too_far.code == 2
    assert "allowed: stages to 127" in too_far.err


def test_records_of_one_are_made_few_files(tmp_path: Path) -> None:
    """Compacting keeps every record, failed ones too, and what was combined before."""
    agent = {"agent_name": "lab:walk", "parameters": {"stride": [1, 2, "x"]}}
    experiment = ProgramExperiment(tmp_path, agent)
    assert experiment.run("--index", "0-2").code == 1
    assert ended(combine, experiment.root).code == 0
    before = experiment.records()
    done = ended(combine, experiment.root, "--compact")
    assert "3 records, one a file, are 1 file now" in done.out
    assert len(list((experiment.root / "runs").glob("*.h5"))) == 1
    after = experiment.records()
    assert after.keys() == before.keys()
    for index, run in after.items():
        assert first_difference(run, before[index]) is None
        assert (run["status"] == "failed") == (index == 2)
    assert len(open_data(experiment.root / "data.json").entries) == 3
    assert experiment.run("--index", "0", "--verify").out == "index 0: equal\n"
    assert ended(check, experiment.root).code == 0


def test_artifacts_are_checked_and_forgotten(tmp_path: Path) -> None:
    """A changed artifact is found by its hash, and forgetting a run deletes what it kept."""
    experiment = ProgramExperiment(tmp_path, "echo")
    experiment.run("--index", "0-1")
    file = experiment.root / "artifacts" / "0-0" / "given.txt"
    assert ended(check, experiment.root).code == 0
    file.write_text("something else")
    found = ended(check, experiment.root)
    assert found.code == 1
    assert "given.txt: not what the run kept, by its hash" in found.out
    assert experiment.run("--index", "0", "--overwrite").code == 0
    assert ended(check, experiment.root).code == 0
    ended(forget, experiment.root, "--index", "0")
    assert not file.exists()
    assert sorted(path.name for path in (experiment.root / "artifacts").iterdir()) == ["0-1"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("raises", "ValueError: the loss is odd (raises, line"),
        ("nothing", "the function returned and has reported nothing"),
        ("backwards", "step 5 comes after step 10: steps never fall"),
        ("not_finite", "metrics.loss: got nan, allowed: finite numbers"),
        ("exits", "called sys.exit(0) instead of returning"),
        ("leaves", "its process ended before the function did: exit code 0"),
        ("crashes", "killed by signal 11"),
        ("unsavable", "file: got _io."),
        ("deletes", "its scratch directory was deleted: leave that"),
        ("lists", "learned_params: got [1.0], allowed: a mapping of names to numbers (lists, line"),
        ("misnames", "learned_params: got the name 'weights\\x00', allowed: a short text"),
    ],
)
def test_a_function_that_goes_wrong_fails_alone(tmp_path: Path, name: str, reason: str) -> None:
    """Whatever it does, its record says why and has what was printed, and the command goes on."""
    experiment = ProgramExperiment(tmp_path, name)
    done = experiment.run("--index", "0-1")
    assert done.code == 1
    assert done.errors[-1].startswith("error: failed: index 0-1")
    runs = experiment.records()
    for run in runs.values():
        assert run["status"] == "failed"
        assert reason in run["reason"]
    if name == "raises":
        assert b"Traceback" in runs[0]["output"].tobytes()
        assert runs[0]["train_episode_rewards"].tolist() == [1.0]
    assert not (experiment.root / "checkpoints" / "programs").exists()


@pytest.mark.parametrize("name", ["prints", "forks"])
def test_what_a_function_leaves_behind_does_no_harm(tmp_path: Path, name: str) -> None:
    """Of what it prints the end is kept, and processes that it leaves are ended."""
    experiment = ProgramExperiment(tmp_path, name)
    begun = time.monotonic()
    assert experiment.run("--index", "0").code == 0
    assert time.monotonic() - begun < 60
    run = experiment.records()[0]
    assert run["train_episode_rewards"].tolist() == [1.0]
    if name == "prints":
        assert run["output"].size == 65_536
        assert run["provenance"]["last_line"] == "the end"
    wanted = f"NTHRUN_SCRATCH={experiment.root}/checkpoints/programs/0-0".encode()
    assert not [pid for pid in os.listdir("/proc") if pid.isdecimal() and wanted in _variables(pid)]


def test_no_process_of_a_function_gets_away(tmp_path: Path) -> None:
    """One that left its session, its parent and its variables is ended as well."""
    seconds = f"{90_000 + os.getpid()}.5"
    experiment = ProgramExperiment(tmp_path, "hides", {"seconds": seconds})
    assert experiment.run("--index", "0").code == 0
    assert experiment.records()[0]["provenance"]["last_line"] == "left"
    there = [pid for pid in os.listdir("/proc") if pid.isdecimal()]
    assert not [pid for pid in there if seconds.encode() in _words(pid)]


def _words(pid: str) -> bytes:
    try:
        return Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return b""


def _variables(pid: str) -> list[bytes]:
    try:
        return Path("/proc", pid, "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def test_what_a_function_printed_is_shown(tmp_path: Path) -> None:
    """`logs` prints the end of what a run has printed, of a recorded one and of one that runs."""
    experiment = ProgramExperiment(tmp_path, "says", {"pause": 0.5})
    words = command("main.py", *experiment.specs, "--index", "0")
    process = subprocess.Popen(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(TESTS)})
    output = tmp_path / "out/none_lab-says/checkpoints/programs/0-0/.nthrun/output"
    while not output.exists():
        time.sleep(0.05)
    followed = ended(logs, experiment.root, "--index", "0", "--follow")
    assert followed.out == "hello\nagain\n"
    assert process.wait() == 0
    assert ended(logs, experiment.root, "--index", "0").out == "hello\nagain\n"
    assert ended(logs, experiment.root, "--index", "1").code == 2


def test_declared_hyperparameters_are_checked(tmp_path: Path) -> None:
    """A function that declares them has defaults, and values out of range are refused."""
    experiment = ProgramExperiment(tmp_path, "declared")
    done = experiment.run("--index", "0")
    assert "ranges are not checked" not in done.err
    assert experiment.records()[0]["train_episode_rewards"].tolist() == [0.5]
    bad = {"agent_name": "lab:declared", "parameters": {"rate": 2, "rat": 1}, "command": ["x"]}
    other = ProgramExperiment(tmp_path, bad).run("--index", "0")
    assert other.code == 2
    assert "parameters.rate: got 2, allowed: a number from 0 to 1" in other.err
    assert "did you mean rate?" in other.err
    assert "command: unknown key" in other.err


def test_other_numbers_are_told_by_verify(tmp_path: Path) -> None:
    """--verify says how a program that draws other numbers differs, and ends with 1."""
    experiment = ProgramExperiment(tmp_path, "draws")
    experiment.run("--index", "0")
    again = experiment.run("--index", "0", "--verify")
    assert (again.code, again.out) == (1, "index 0: differs, first in train_episode_rewards\n")


def test_other_versions_are_not_comparable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--verify says of what differs under another version of a package that it may, by its name."""
    about = tmp_path / "site" / "maze-1.dist-info" / "METADATA"
    about.parent.mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path / "site")
    experiment = ProgramExperiment(tmp_path, "draws")
    for version, words in (("1.0", ()), ("2.0", ("--verify",))):
        about.write_text(f"Metadata-Version: 2.1\nName: maze\nVersion: {version}\n")
        installed_distributions.cache_clear()
        done = experiment.run("--index", "0", *words)
    installed_distributions.cache_clear()
    said = "made with other maze (1.0, here 2.0): differs, first in train_episode_rewards"
    assert (done.code, done.out) == (3, f"index 0: not comparable, {said}\n")


def test_types_of_undeclared_values_count(tmp_path: Path) -> None:
    """1 and 1.0 are other settings of other experiments, whose directory is refused."""
    for value in (1, 1.0):
        spec = {"agent_name": "lab:walk", "parameters": {"stride": [value]}}
        done = ProgramExperiment(tmp_path, spec).run("--index", "0")
        assert done.code == (0 if isinstance(value, int) else 2)
    assert "holds runs of another spec, which differs in: parameters.stride" in done.err


@pytest.mark.parametrize("kill", [False, True])
def test_an_interrupted_function_goes_on(tmp_path: Path, kill: bool) -> None:
    """After SIGTERM and after kill -9 its record is that of a run that nothing interrupted."""
    environment = {"pause": 0.02, "total_timesteps": 600}
    experiment = ProgramExperiment(tmp_path, "walk", environment)
    words = command("main.py", *experiment.specs, "--index", "0")
    paths = {**os.environ, "PYTHONPATH": str(TESTS)}
    process = subprocess.Popen(words, cwd=ROOT, env=paths, stderr=subprocess.PIPE, text=True)
    saved = tmp_path / "out/none_lab-walk/checkpoints/programs/0-0/.nthrun/saved"
    while not saved.exists():
        assert process.poll() is None
        time.sleep(0.05)
    (process.kill if kill else process.terminate)()
    _, told = process.communicate()
    assert process.returncode == (-9 if kill else 143)
    assert kill or "the same command continues" in told
    assert experiment.run("--index", "0").code == 0
    run = experiment.records()[0]
    assert run["provenance"]["interruption"] == "continued"
    assert [each["step"] > 0 for each in run["provenance"]["attempts"]] == [False, True]
    (tmp_path / "whole").mkdir()
    whole = ProgramExperiment(tmp_path / "whole", "walk", {**environment, "pause": 0.0})
    whole.run("--index", "0")
    assert first_difference(run, whole.records()[0]) is None


def test_a_function_that_is_judged_saves_at_its_end(tmp_path: Path) -> None:
    """One whose evaluations are waited for is answered while it ends, so that nothing is lost."""
    agent = {"agent_name": "lab:judged", "search": {"pruner": "median", "metric": "evaluation"}}
    experiment = ProgramExperiment(
        tmp_path, agent, {"total_timesteps": 10**6, "checkpoint_interval_seconds": 1000}
    )
    words = command("main.py", *experiment.specs, "--index", "0")
    paths = {**os.environ, "PYTHONPATH": str(TESTS)}
    process = subprocess.Popen(words, cwd=ROOT, env=paths, stderr=subprocess.PIPE, text=True)
    report = tmp_path / "out/none_lab-judged/checkpoints/programs/0-0/.nthrun/report-0.jsonl"
    while not (report.exists() and report.stat().st_size > 100):
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    begun = time.monotonic()
    _, told = process.communicate()
    assert process.returncode == 143
    assert time.monotonic() - begun < 10
    assert "killed" not in told
    assert (report.parent / "saved").exists()


def test_no_torch_is_needed(tmp_path: Path) -> None:
    """Where torch cannot be imported, programs run, by workers too."""
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(name='torch')\n")
    paths = f"{tmp_path}{os.pathsep}{TESTS}"
    experiment = ProgramExperiment(tmp_path, "walk")
    words = [*command("main.py", *experiment.specs), "--index", "0-1", "--workers", "2"]
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(experiment.records()) == 2
