"""`main.py` from the outside."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from processes import EXPERIMENT, ROOT, call, recorded, write_specs

from nthrun.records.schema import first_difference
from nthrun.records.snapshots import read_snapshot


@pytest.fixture
def specs(tmp_path: Path) -> list[str]:
    """Options of the small experiment with a save dir of the test's own."""
    return [*write_specs(tmp_path), "--backend", "compile", "--save-dir", str(tmp_path / "out")]


def test_an_index_is_recorded_once(tmp_path: Path, specs: list[str]) -> None:
    """A recorded index is skipped with a message; --overwrite runs it again; bits are the same."""
    first = call("main.py", *specs, "--index", "0,2")
    assert first.returncode == 0, first.stderr
    assert "index 0: completed, 300 steps" in first.stdout
    before = recorded(tmp_path / "out")
    again = call("main.py", *specs, "--index", "0-2")
    assert "index 0,2: recorded as completed, skipped" in again.stderr
    assert "index 1: completed" in again.stdout
    assert "index 0:" not in again.stdout
    replaced = call("main.py", *specs, "--index", "2", "--overwrite")
    assert "index 2: completed" in replaced.stdout
    after = recorded(tmp_path / "out")
    assert after.keys() == {(0, 0), (0, 1), (0, 2)}
    assert first_difference(before[0, 2], after[0, 2]) is None
    started = [run[0, 2]["provenance"]["shard"] for run in (before, after)]
    assert started[0] != started[1]
    assert not list((tmp_path / "out" / EXPERIMENT).glob("checkpoints/*"))


def imported(arguments: list[str]) -> set[str]:
    """What a cold start of `main.py` imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(ROOT / "main.py"), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_nothing_waits_for_what_it_does_not_need(tmp_path: Path, backend: str) -> None:
    """An eager run and one whose program has been prepared wait for no compiler of torch's; what is
    recorded already needs no torch. Each takes a second and more to import."""
    options = [*write_specs(tmp_path), "--backend", backend, "--save-dir", str(tmp_path / "out")]
    assert call("main.py", *options, "--index", "0").returncode == 0
    training = imported([*options, "--index", "1"])
    assert "torch" in training
    assert training.isdisjoint({"torch._inductor", "torch._dynamo", "sympy"})
    assert "torch" not in imported([*options, "--index", "0,1"])


def test_pack_widths_do_not_change_bits(tmp_path: Path, specs: list[str]) -> None:
    """--pack N decides how runs share a process step, not what they compute."""
    packed = call("main.py", *specs, "--index", "0-4", "--pack", "5")
    assert packed.returncode == 0, packed.stderr
    single = [*specs[:-1], str(tmp_path / "single")]
    call("main.py", *single, "--index", "0-4", "--pack", "1")
    one, other = recorded(tmp_path / "out"), recorded(tmp_path / "single")
    assert one.keys() == other.keys()
    assert len({run["provenance"]["shard"] for run in one.values()}) == 1
    assert len({run["provenance"]["shard"] for run in other.values()}) == 5
    for identity, run in one.items():
        assert first_difference(run, other[identity]) is None


def test_stages_have_records_of_their_own(tmp_path: Path, specs: list[str]) -> None:
    """--rerun is stage 1: other seeds, other records, beside those of stage 0."""
    for stage in ([], ["--rerun"], ["--stage", "2"]):
        done = call("main.py", *specs, "--index", "0", *stage)
        assert done.returncode == 0, done.stderr
    runs = recorded(tmp_path / "out")
    assert runs.keys() == {(0, 0), (1, 0), (2, 0)}
    assert [runs[stage, 0]["random_seed"] for stage in range(3)] == [0, 2**32, 2**33]
    returns = {tuple(run["train_episode_rewards"]) for run in runs.values()}
    assert len(returns) == 3


def test_verify_says_equal_different_or_not_comparable(tmp_path: Path, specs: list[str]) -> None:
    """--verify proves a record by running it again; a changed record is named, and one from
    another kind of machine is not called different."""
    call("main.py", *specs, "--index", "3")
    equal = call("main.py", *specs, "--index", "3", "--verify")
    assert (equal.returncode, equal.stdout) == (0, "index 3: equal\n")
    forge = f"""
from pathlib import Path
from nthrun.records.experiment import open_experiment
from nthrun.records.data import open_directory
import sys
experiment = open_experiment(Path({str(tmp_path / "out" / EXPERIMENT)!r}))
(entry,) = open_directory(experiment).entries
run = entry.load(())
if sys.argv[1] == "reward":
    run["train_episode_rewards"][2] += 1e-9
else:
    run["provenance"]["processor"] = "another"
experiment.write(0, [run], replace=True)
"""
    script = tmp_path / "forge.py"
    script.write_text(forge)
    call(str(script), "reward", PYTHONPATH=str(ROOT))
    different = call("main.py", *specs, "--index", "3", "--verify")
    assert different.stdout == "index 3: differs, first in train_episode_rewards\n"
    assert different.returncode == 1
    call(str(script), "machine", PYTHONPATH=str(ROOT))
    other = call("main.py", *specs, "--index", "3", "--verify")
    assert other.stdout == "index 3: not comparable, made with other processor\n"
    assert other.returncode == 3
    absent = call("main.py", *specs, "--index", "4", "--verify")
    assert absent.returncode == 2
    assert "index 4: not recorded" in absent.stderr


def test_a_changed_spec_is_refused_with_a_command_that_works(tmp_path: Path) -> None:
    """Reordered or edited lists after the first record are refused: the message names the keys,
    and the command it prints runs."""
    save = ["--save-dir", str(tmp_path / "out"), "--backend", "eager"]
    options = [*write_specs(tmp_path), *save, "--index", "0"]
    call("main.py", *options)
    write_specs(tmp_path, {"gamma": 0.9}, {"critic_lr": [0.0003, 0.001, 0.002]})
    refused = call("main.py", *options)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "parameters.critic_lr" in refused.stderr
    assert "gamma" in refused.stderr
    ready = refused.stderr.partition("hint: ")[2].split()
    assert ready[:2] == ["python", "main.py"]
    assert call("main.py", *ready[2:]).returncode == 0
    assert recorded(tmp_path / "out").keys() == {(0, 0)}
    assert recorded(tmp_path / "out_new").keys() == {(0, 0)}


def test_keys_that_only_say_what_to_keep_may_change(tmp_path: Path) -> None:
    """Asking for series or snapshots later adds runs to the same experiment."""
    options = ["--save-dir", str(tmp_path / "out")]
    call("main.py", *write_specs(tmp_path), *options, "--index", "0")
    more = {"record": ["train_rewards"], "snapshots": ["best", "final"]}
    specs = write_specs(tmp_path, more | {"snapshot_interval_timesteps": 150})
    done = call("main.py", *specs, *options, "--index", "1")
    assert done.returncode == 0, done.stderr
    runs = recorded(tmp_path / "out")
    assert "train_rewards" not in runs[0, 0]
    assert len(runs[0, 1]["train_rewards"]) == 300
    kept = sorted(path.name for path in (tmp_path / "out" / EXPERIMENT / "snapshots").iterdir())
    moments = ["best", "final", "step0", "step150", "step300"]
    assert kept == [f"stage0-index1-{moment}.h5" for moment in moments]
    about, params = read_snapshot(tmp_path / "out" / EXPERIMENT / "snapshots" / kept[1])
    assert (about["index"], about["step"]) == (1, 300)
    for name, array in runs[0, 1]["learned_params"].items():
        assert array.tobytes() == params[name].tobytes()


def test_a_failing_run_is_recorded_with_its_reason(tmp_path: Path) -> None:
    """An exception in an agent fails its pack only, is kept with its reason, and not retried
    unless asked."""
    specs = [*write_specs(tmp_path), "--backend", "eager", "--save-dir", str(tmp_path / "out")]
    breaking = tmp_path / "breaking.py"
    breaking.write_text(
        "import sys\n"
        "from nthrun.agents.sac.program import SoftActorCritic\n"
        "from nthrun.commands.entry import execute\n"
        "from nthrun.commands.run import run\n"
        "def act(self, state, observation, noise, step):\n"
        "    raise ZeroDivisionError('broken agent')\n"
        "SoftActorCritic.act = act\n"
        "execute(run)\n"
    )
    failed = call(str(breaking), *specs, "--index", "1", PYTHONPATH=str(ROOT))
    assert failed.returncode == 1
    assert "ZeroDivisionError: broken agent" in failed.stdout
    assert "Traceback" not in failed.stderr
    assert recorded(tmp_path / "out")[0, 1]["status"] == "failed"
    skipped = call("main.py", *specs, "--index", "1")
    assert "recorded as failed, skipped; --retry-failed" in skipped.stderr
    assert skipped.returncode == 1
    done = call("main.py", *specs, "--index", "1", "--retry-failed")
    assert done.returncode == 0, done.stderr
    assert recorded(tmp_path / "out")[0, 1]["status"] == "completed"


def test_debug_shows_a_traceback(tmp_path: Path) -> None:
    """A traceback shows with --debug, and only then."""
    plain = call("main.py", "--env-json", "no.json", "--agent-json", "no.json", "--index", "0")
    assert "Traceback" not in plain.stderr
    assert plain.returncode == 2
    arguments = ["--env-json", "no.json", "--agent-json", "no.json", "--index", "0", "--debug"]
    assert "Traceback" in call("main.py", *arguments).stderr


def test_a_device_that_is_not_there(specs: list[str]) -> None:
    """--device cuda on a machine without a GPU is one clear line."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    refused = call("main.py", *specs, "--index", "0", "--device", "cuda")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: --device cuda")


def test_monitor_renders_while_training(tmp_path: Path, specs: list[str]) -> None:
    """--monitor draws each step after --after, and leaves the record's bits alone."""
    pytest.importorskip("pygame")
    plain = call("main.py", *specs, "--index", "0")
    assert plain.returncode == 0, plain.stderr
    shown = [*specs[:-1], str(tmp_path / "shown")]
    drawn = call("main.py", *shown, "--index", "0", "-m", "-a", "280", SDL_VIDEODRIVER="dummy")
    assert drawn.returncode == 0, drawn.stderr
    one, other = recorded(tmp_path / "out")[0, 0], recorded(tmp_path / "shown")[0, 0]
    assert first_difference(one, other) is None


def test_monitor_without_a_display(specs: list[str]) -> None:
    """Where no window can be opened, that is said in one line."""
    pytest.importorskip("pygame")
    refused = call("main.py", *specs, "--index", "0", "--monitor", SDL_VIDEODRIVER="nonexistent")
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "no window can be opened" in refused.stderr


def test_damaged_files_are_named_and_do_not_stop_the_rest(tmp_path: Path, specs: list[str]) -> None:
    """A damaged shard does not count as recorded: its index is trained again, and it is named."""
    call("main.py", *specs, "--index", "0")
    (shard,) = (tmp_path / "out" / EXPERIMENT / "runs").glob("*.h5")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    again = call("main.py", *specs, "--index", "0")
    assert shard.name in again.stderr
    assert "not counted as recorded" in again.stderr
    assert "index 0: completed" in again.stdout


def test_the_shipped_commands_do_not_collide() -> None:
    """The commands that train in the Makefile and README share an experiment directory only if
    they share their agent spec."""
    text = (ROOT / "README.md").read_text() + (ROOT / "Makefile").read_text().replace("\\\n", " ")
    places: dict[str, set[str]] = {}
    for line in re.findall(r"main\.py (--agent-json .*--save-dir .*)", text):
        options = re.sub(r"--index \S+|--verify", "", line).split()
        described = call("main.py", *options, "--describe")
        assert described.returncode == 0, described.stderr
        places.setdefault(described.stdout.splitlines()[1], set()).add(options[1])
    assert len(places) >= 2
    assert all(len(agents) == 1 for agents in places.values())


def test_manifest_names_what_was_resolved(tmp_path: Path) -> None:
    """The manifest holds the resolved device, backend and threads, and the specs."""
    options = ["--save-dir", str(tmp_path / "out"), "--device", "cpu", "--backend", "auto"]
    call("main.py", *write_specs(tmp_path), *options, "--index", "0")
    manifest = json.loads((tmp_path / "out" / EXPERIMENT / "manifest.json").read_text())
    assert (manifest["device"], manifest["backend"], manifest["threads"]) == ("cpu", "compile", 1)
    assert manifest["num_settings"] == 6
    assert manifest["environment"]["env_name"] == "Pendulum-v1"
